"""Many commands in one request: a line of JSON each in, a line of JSON each out, in the same order.

Each line is carried out as if it had been sent to its own address, with its own idempotency key. A refused one stops
none of the others. Lines on one pathway follow one another; others are carried out side by side.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Hashable, Sequence
from uuid import UUID

import msgspec
import structlog
from litestar import Router, post
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import ASGIApp, Receive, Scope, Send

from api.authentication import must_still_be_in
from api.batch_lines import Address, BatchLine, address_of, order_of, read_line
from api.bodies import BYTES_PER_REQUEST
from api.described import described
from api.limits import read_body
from api.pathways import carried_out
from api.problems import InternalError, Problem, describe
from api.queries import QueryReader
from api.replies import NDJSON, as_view, encode
from api.request import ApiRequest, correlation_id, trace_id
from application.pathways import Receipt
from domain.errors import DomainError

AT_ONCE = 16
READ_AT_ONCE = 16
"""Then the other clients of this process have their turn."""

log = structlog.get_logger()


class NdjsonRequired(DomainError):
    """The body must be NDJSON (Content-Type: application/x-ndjson), in UTF-8, without Content-Encoding."""

    code = "ndjson_required"
    status = 415
    title_fr = "Le corps doit être du NDJSON (Content-Type: application/x-ndjson), en UTF-8, sans Content-Encoding."


class TooManyLines(DomainError):
    """The batch has too many lines: send it in several."""

    code = "too_many_lines"
    status = 413
    title_fr = "Le lot compte trop de lignes : envoyez-le en plusieurs fois."


class AtomicUnavailable(DomainError):
    """A batch cannot be all or nothing: each line is carried out or refused by itself."""

    code = "atomic_unavailable"
    status = 422
    title_fr = "Un lot ne peut pas être tout ou rien : chaque ligne est exécutée ou refusée pour elle-même."


class NotBegun(DomainError):
    """There was no time left for this line: nothing was done, send it again."""

    code = "not_begun"
    status = 503
    title_fr = "Le temps a manqué pour cette ligne : rien n'a été fait, renvoyez-la."


class BatchQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    atomic: bool = False
    """All lines or none: refused, since it cannot be promised."""


class BatchAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of one line."""

    index: int
    """Of the line in the request, from 0. Blank lines count, and are not answered."""
    status: int
    """As its own address would have answered."""
    id: UUID | None = None
    """What was recorded; absent where nothing new has an id, and in refusals, as all that follows."""
    pathway_id: UUID | None = None
    version: int | None = None
    position: int | None = None
    replayed: bool = False
    """It had been carried out before, under the same key."""
    problem: Problem | None = None
    """Why it was refused. Pointers in `body` start with `/body`."""


class Line(msgspec.Struct, frozen=True):
    """A line as far as it could be read: what it asks for, or why not."""

    index: int
    line: BatchLine | None
    address: Address | None
    refusal: DomainError | None

    @property
    def queue(self) -> Hashable:
        """Lines that must follow one another: of one pathway; of one opening, if it is there twice."""
        if self.address is None or self.line is None:
            return self.index
        return self.address.pathway_id or self.line.idempotency_key


BATCH_QUERY = QueryReader(BatchQuery)


@post(
    "/",
    name="send-batch",
    status_code=200,
    opt=described(
        answer=BatchAnswer,
        body=BatchLine,
        query=BatchQuery,
        lines=True,
        refusals=(NdjsonRequired, TooManyLines, AtomicUnavailable),
    ),
)
async def send_batch(request: ApiRequest) -> ASGIApp:
    """Send many commands at once, a line each.

    Each line is carried out, or refused, as if it had been sent to its own address, whatever becomes of the others.
    Lines on one pathway are carried out in their order. Answers come in the order of the lines. Sent again, lines that
    were carried out are answered the same.
    """
    if BATCH_QUERY.read(request).atomic:
        raise AtomicUnavailable
    return Batch(request, await _read(request))


async def _read(request: ApiRequest) -> list[tuple[int, bytes]]:
    """Every line that is not blank, with its index. Refuses the whole of what is too much; one line costs a request."""
    content_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if content_type != NDJSON or request.header("content-encoding") is not None:
        raise NdjsonRequired
    limits = request.runtime.limits
    of_all = msgspec.structs.replace(limits, body_bytes=limits.batch_bytes)
    raw = await read_body(request.receive, request.header("content-length"), of_all)
    if raw.count(b"\n") > limits.batch_lines:
        raise TooManyLines
    lines = [(index, line) for index, line in enumerate(raw.split(b"\n")) if line.strip()]
    if len(lines) > limits.batch_lines:
        raise TooManyLines
    request.runtime.rates.take(request.user.key_id, cost=max(len(lines), len(raw) // BYTES_PER_REQUEST))
    return lines


class Batch:
    """The answer: an ASGI application, so that whatever ends it ends the lines that are still to be carried out."""

    def __init__(self, request: ApiRequest, lines: Sequence[tuple[int, bytes]]) -> None:
        self._request = request
        self._lines = lines
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._deadline = time.monotonic() + request.runtime.limits.batch_seconds
        self._tasks: list[asyncio.Task[BatchAnswer]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await ASGIStreamingResponse(iterator=self._answers(), media_type=NDJSON)(scope, receive, send)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answers(self) -> AsyncIterator[bytes]:
        queues: dict[Hashable, asyncio.Task[BatchAnswer]] = {}
        for count, (index, raw) in enumerate(self._lines, start=1):
            line = self._line(index, raw)
            task = asyncio.create_task(self._in_turn(line, queues.get(line.queue)))
            queues[line.queue] = task
            self._tasks.append(task)
            if count % READ_AT_ONCE == 0:
                await asyncio.sleep(0)
        for task in self._tasks:
            yield encode(await task) + b"\n"

    def _line(self, index: int, raw: bytes) -> Line:
        line = None
        try:
            line = read_line(raw, self._request.runtime.limits)
            return Line(index, line, address_of(line.path), None)
        except DomainError as refusal:
            return Line(index, line, None, refusal)

    async def _in_turn(self, line: Line, before: asyncio.Task[BatchAnswer] | None) -> BatchAnswer:
        if before is not None:
            await asyncio.wait([before])
        async with self._turns:
            try:
                return _done(line, await self._carry_out(line))
            except DomainError as refusal:
                return self._refused(line, refusal)
            except Exception as error:
                log.exception(
                    "batch.line_failed", trace_id=trace_id(self._request.scope), error_type=type(error).__name__
                )
                return self._refused(line, InternalError())

    async def _carry_out(self, line: Line) -> Receipt:
        runtime = self._request.runtime
        if line.refusal is not None:
            raise line.refusal
        if runtime.stopping.is_set() or time.monotonic() > self._deadline:
            raise NotBegun
        await must_still_be_in(self._request)
        assert line.line is not None
        assert line.address is not None
        order = order_of(line.line, line.address, self._request.user, correlation_id(self._request.scope))
        if line.address.pathway_id is None:
            return await runtime.pathways.open(order)
        return await carried_out(runtime.pathways, line.address.pathway_id, order)

    def _refused(self, line: Line, refusal: DomainError) -> BatchAnswer:
        problem = describe(refusal, self._request)
        if line.line is not None and line.address is not None:
            # What stands in the address is known to be harmless: ids and words of ours.
            problem.instance = line.line.path
            problem.errors = [
                msgspec.structs.replace(fault, pointer=f"/body{fault.pointer}") for fault in problem.errors
            ]
        return BatchAnswer(index=line.index, status=problem.status, problem=problem)


def _done(line: Line, receipt: Receipt) -> BatchAnswer:
    return as_view(receipt, BatchAnswer, index=line.index, status=201 if receipt.created else 200, problem=None)


routes = Router("/batches", route_handlers=[send_batch], tags=["batches"])
