"""Group commit: while one batch commits the next one gathers, so that all commands in flight share one durable write.

No timer: a lone command leaves at once. Batches are of one territory each, in the order of arrival.
"""

import asyncio
import contextlib
import random
from collections import deque
from typing import Any, Self

import asyncpg
import structlog

from application.event_log import Appended, AppendInDoubt, IdempotencyKeyReused, LogBusy, StaleVersion
from domain.clock import Clock
from infrastructure.append_call import APPEND, REPLAYED, REUSED, STALE, SealedCommit, Verdict, arguments_of
from infrastructure.database import Connection, connect

BATCH_ROWS_MAX = 512
BATCH_BYTES_MAX = 1 << 20
QUEUE_COMMANDS_MAX = 4096
QUEUE_BYTES_MAX = 32 << 20
RECONNECT_SECONDS_MAX = 10.0
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5
REPLY_SECONDS_MAX = 15.0

STORED_AT = """
SELECT position, payload_sha256, recorded_at FROM events
WHERE territory = $1 AND stream_id = $2 AND stream_version > $3 ORDER BY stream_version LIMIT $4"""

# What a broken connection, or a server that stops, looks like; the batch may or may not be committed.
LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # A connection that the server closed while it was idle.
)
# Nothing is stored, and trying again later may work.
REFUSED_FOR_NOW = (asyncpg.LockNotAvailableError, asyncpg.InsufficientResourcesError, asyncpg.DeadlockDetectedError)

log = structlog.get_logger()


class BadValue(Exception):
    """A value that does not fit its column. Whoever made the event should have refused it."""


class Command:
    """One commit in the queue, and who waits for its verdict."""

    __slots__ = ("commit", "done", "doubtful", "size")

    def __init__(self, commit: SealedCommit, done: "asyncio.Future[Appended]") -> None:
        self.commit = commit
        self.done = done
        self.size = commit.size
        self.doubtful = False  # Sent on a connection that was lost: it may be stored already.

    def refuse(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)

    def accept(self, appended: Appended) -> None:
        if not self.done.done():
            self.done.set_result(appended)


class GroupWriter:
    """One per process, with a connection of its own. Use as `async with`; closing waits for what is queued."""

    def __init__(
        self,
        url: str,
        clock: Clock | None = None,
        *,
        queue_commands_max: int = QUEUE_COMMANDS_MAX,
        reconnect_seconds_max: float = RECONNECT_SECONDS_MAX,
        pgbouncer: bool = False,
    ) -> None:
        self._url = url
        self._clock = clock
        self._queue_commands_max = queue_commands_max
        self._reconnect_seconds_max = reconnect_seconds_max
        self._pgbouncer = pgbouncer
        self._queues: dict[str, deque[Command]] = {}
        self._commands = 0
        self._bytes = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def open(self) -> None:
        self._task = asyncio.create_task(self._run(), name="group-writer")

    async def close(self) -> None:
        """Refuse what comes, write what is queued, then disconnect."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
            self._task = None
        if self._connection is not None:
            with contextlib.suppress(*LOST):
                await self._connection.close(timeout=2)
            self._connection = None

    async def append(self, territory: str, commit: SealedCommit) -> Appended:
        """Returns once durable. Raises what `EventLog.append` raises."""
        if self._closing or self._task is None or self._task.done():
            raise LogBusy
        command = Command(commit, asyncio.get_running_loop().create_future())
        if self._commands >= self._queue_commands_max or self._bytes + command.size > QUEUE_BYTES_MAX:
            raise LogBusy
        self._queues.setdefault(territory, deque()).append(command)
        self._commands += 1
        self._bytes += command.size
        self._wake.set()
        return await command.done

    @property
    def waiting(self) -> int:
        """Commands in the queue."""
        return self._commands

    async def _run(self) -> None:
        try:
            while not (self._closing and not self._queues):
                if self._queues:
                    await self._write_next()
                else:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            for queue in self._queues.values():  # Only when this task is cancelled: nobody must wait for ever.
                for command in queue:
                    command.refuse(LogBusy())

    async def _write_next(self) -> None:
        territory, queue = next(iter(self._queues.items()))
        del self._queues[territory]
        batch = self._take(queue)
        if queue:  # Behind the other territories, so that a busy one does not starve them.
            self._queues[territory] = queue
        if batch:
            await self._write(territory, batch)

    def _take(self, queue: deque[Command]) -> list[Command]:
        """The next batch. The same idempotency key twice goes in two batches, so that the second sees the first."""
        batch: list[Command] = []
        rows = size = 0
        keys: set[tuple[str, str]] = set()
        while queue:
            command = queue[0]
            events, idempotency = len(command.commit.events), command.commit.idempotency
            if batch and (rows + events > BATCH_ROWS_MAX or size + command.size > BATCH_BYTES_MAX):
                break
            if len(batch) >= BATCH_ROWS_MAX:
                break
            if idempotency is not None:
                key = (idempotency.client, idempotency.key)
                if key in keys:
                    break
                keys.add(key)
            queue.popleft()
            self._commands -= 1
            self._bytes -= command.size
            if not command.done.done():  # Its caller may have gone away.
                batch.append(command)
                rows += events
                size += command.size
        return batch

    async def _write(self, territory: str, batch: list[Command]) -> None:
        """Every command of the batch gets a verdict, whatever happens."""
        try:
            verdicts = await self._call(territory, batch)
        except LOST:
            for command in batch:
                command.refuse(AppendInDoubt() if command.doubtful else LogBusy())
        except REFUSED_FOR_NOW as error:
            log.warning("group_writer.refused", error=type(error).__name__, commands=len(batch))
            for command in batch:
                command.refuse(LogBusy())
        except Exception as error:  # noqa: BLE001 (whatever is wrong with one command must not stop the writer)
            if len(batch) == 1:
                # The text of an error about a value quotes the value.
                batch[0].refuse(BadValue() if isinstance(error, asyncpg.DataError) else error)
                return
            for command in batch:
                await self._write(territory, [command])
        else:
            for command, verdict in zip(batch, verdicts, strict=True):
                await self._answer(territory, command, verdict)

    async def _call(self, territory: str, batch: list[Command]) -> list[Verdict]:
        """Sends the batch; on a lost connection, sends it again on a new one until the time is over.

        Sending again is safe: a commit that did go through holds the head's lock until it is visible, and then shows as
        replayed, or as a stale version whose events are ours (`_answer`).
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._reconnect_seconds_max
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                connection = await self._connected()
                return await self._send(connection, territory, batch)
            except LOST as error:
                log.warning("group_writer.connection_lost", error=type(error).__name__, commands=len(batch))
                self._drop()
                if loop.time() + pause > deadline:
                    raise
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _send(self, connection: Connection, territory: str, batch: list[Command]) -> list[Verdict]:
        now = self._clock.now() if self._clock is not None else None
        commits = [command.commit for command in batch]
        try:
            return await self._ask(connection, arguments_of(territory, now, commits), commits)
        except LOST:
            for command in batch:
                command.doubtful = True
            raise

    async def _ask(
        self,
        connection: Connection,
        arguments: tuple[Any, ...],
        commits: list[SealedCommit],  # noqa: ARG002 (for those that append in another way)
    ) -> list[Verdict]:
        """The one call that appends them all."""
        row = await connection.fetchrow(APPEND, *arguments, timeout=REPLY_SECONDS_MAX)
        assert row is not None
        return [Verdict(*verdict) for verdict in zip(*row, strict=True)]

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._url, application_name="unisson writer", pgbouncer=self._pgbouncer)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _answer(self, territory: str, command: Command, verdict: Verdict) -> None:
        if verdict.status == STALE and command.doubtful:
            try:
                ours = await self._already_stored(territory, command.commit)
            except (*LOST, asyncpg.PostgresError):
                self._drop()
                command.refuse(AppendInDoubt())
                return
            if ours is not None:
                command.accept(ours)
                return
        if verdict.status == STALE:
            command.refuse(StaleVersion(verdict.version))
        elif verdict.status == REUSED:
            command.refuse(IdempotencyKeyReused())
        else:
            command.accept(
                Appended(
                    first_position=verdict.first_position,
                    last_position=verdict.last_position,
                    version=verdict.version,
                    recorded_at=verdict.recorded_at,
                    replayed=verdict.outcome if verdict.status == REPLAYED else None,
                )
            )

    async def _already_stored(self, territory: str, commit: SealedCommit) -> Appended | None:
        """Where the commit's own events are, when the lost connection had stored them after all.

        The payload's hash tells ours from another's: each sealing has its own nonce.
        """
        if not commit.events:
            return None
        connection = await self._connected()
        rows = await connection.fetch(
            STORED_AT, territory, commit.stream_id, commit.expected_version, len(commit.events)
        )
        if [row["payload_sha256"] for row in rows] != [event.payload_sha256 for event in commit.events]:
            return None
        return Appended(
            first_position=rows[0]["position"],
            last_position=rows[-1]["position"],
            version=commit.expected_version + len(rows),
            recorded_at=rows[-1]["recorded_at"],
        )
