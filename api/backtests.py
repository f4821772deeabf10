"""Backtests over HTTP: ask for one, see how far it is, stop it, read its table. For keys that may steer the rules."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath

from api.bodies import BodyReader
from api.conditions import fingerprint, idempotency_key
from api.described import described
from api.moments import moment
from api.once import NOTHING, Nothing
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from api.rules import TooManyRules, must_be_short, placed
from application.access import Scope
from application.backtest.jobs import (
    Asked,
    BacktestNotDone,
    Job,
    JobState,
    PeriodReversed,
    TooManyBacktests,
    UnknownBacktest,
)
from application.backtest.table import BacktestTable
from domain.command import Instant
from domain.ids import uuid8_of
from domain.rule_publication import canonical, read_to_try
from domain.rulebook import BacktestMode
from domain.rules import RuleRefused


class BacktestBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Try rules on the territory's own past."""

    document: dict[str, Any]
    """A rule as JSON, or `{groups, rules}`. Once drafted as it is, the result is kept in the rulebook too."""
    mode: BacktestMode = BacktestMode.AS_KNOWN
    """`as_known`: what would have been told, as it was recorded. `hindsight`: what really happened."""
    since: Instant | None = msgspec.field(default=None, name="from")
    """Count the alerts raised from then on; null: all."""
    until: Instant | None = msgspec.field(default=None, name="to")
    """And up to then; null: now."""


class BacktestJob(msgspec.Struct, kw_only=True):
    """A backtest and how far it is."""

    id: UUID
    state: JobState
    mode: BacktestMode
    since: datetime | None = msgspec.field(name="from")
    until: datetime = msgspec.field(name="to")
    known_at: int
    """Position up to which the log is read."""
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    pathways_done: int
    pathways: int | None
    """Null until they are counted."""
    recorded: bool
    """The rulebook knows of it: the document is drafted there as it was tried."""


BODY = BodyReader(BacktestBody)


@post(
    "/",
    name="ask-for-backtest",
    status_code=202,
    opt=described(
        Scope.STEER,
        answer=BacktestJob,
        status=202,
        body=BacktestBody,
        repeatable=True,
        refusals=(RuleRefused, TooManyRules, PeriodReversed, TooManyBacktests),
    ),
)
async def ask_for_backtest(request: ApiRequest) -> Reply:
    """Try rules on the territory's past. Done beside the service; the answer says where to look."""
    body, raw = await BODY.read(request)
    since = None if body.since is None else moment("/from", body.since)
    until = request.runtime.clock.now() if body.until is None else moment("/to", body.until)
    must_be_short(body.document)
    with placed():
        read_to_try([body.document])
        document = canonical(body.document)
    caller, runtime = request.user, request.runtime
    key = idempotency_key(request)
    if since is not None and since > until:
        raise PeriodReversed(field="/from")
    job, is_known = await runtime.backtests.ask(
        Asked(
            id=_id_of(caller.territory, caller.agency, key),
            territory=caller.territory,
            agency=caller.agency,
            agent=caller.agent,
            fingerprint=fingerprint(request, raw),
            document=document,
            mode=body.mode,
            since=since,
            until=until,
            known_at=await runtime.log.head(caller.territory),
        )
    )
    runtime.backtest_asked.set()
    headers = {"Location": f"/v1/rules/backtests/{job.asked.id}"}
    if is_known:
        headers["Idempotency-Replayed"] = "true"
    return reply(_view(job), status=202, headers=headers)


@get(
    "/{backtest_id:uuid}",
    name="read-backtest",
    opt=described(Scope.STEER, answer=BacktestJob, refusals=(UnknownBacktest,)),
)
async def read_backtest(request: ApiRequest, backtest_id: FromPath[UUID]) -> Reply:
    """Read how far a backtest is."""
    return reply(_view(await request.runtime.backtests.find(request.user.territory, backtest_id)))


@post(
    "/{backtest_id:uuid}/cancellations",
    name="cancel-backtest",
    status_code=200,
    opt=described(Scope.STEER, answer=BacktestJob, body=Nothing, repeatable=True, refusals=(UnknownBacktest,)),
)
async def cancel_backtest(request: ApiRequest, backtest_id: FromPath[UUID]) -> Reply:
    """Stop a backtest. One that has ended stays as it is."""
    await NOTHING.read(request)
    idempotency_key(request)
    return reply(_view(await request.runtime.backtests.cancel(request.user.territory, backtest_id)))


@get(
    "/{backtest_id:uuid}/result",
    name="read-backtest-result",
    opt=described(Scope.STEER, answer=BacktestTable, refusals=(UnknownBacktest, BacktestNotDone)),
)
async def read_result(request: ApiRequest, backtest_id: FromPath[UUID]) -> Reply:
    """Read what the rules would have raised."""
    return reply(msgspec.Raw(await request.runtime.backtests.result(request.user.territory, backtest_id)))


def _view(job: Job) -> BacktestJob:
    asked = job.asked
    return as_view(
        job,
        BacktestJob,
        id=asked.id,
        mode=asked.mode,
        since=asked.since,
        until=asked.until,
        known_at=asked.known_at,
    )


def _id_of(territory: str, agency: str, key: str) -> UUID:
    """The same request, sent again, is the same backtest: a UUIDv8 from a SHA-256."""
    return uuid8_of("backtest", territory, agency, key)


routes = Router(
    "/rules/backtests", route_handlers=[ask_for_backtest, read_backtest, cancel_backtest, read_result], tags=["rules"]
)
