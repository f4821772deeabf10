"""Looks at sealed content on PostgreSQL: the event that says so and the rows come from one durable statement.

Looks in flight share one such statement, as commands do. One per process, with a connection of its own.
"""

from collections.abc import Container, Mapping, Sequence
from datetime import date
from typing import Any, Self
from uuid import UUID

from prometheus_client import Counter

from application.access_log import Budget, BudgetExceeded, Look, Seen, Spending
from application.event_log import AppendInDoubt, Commit, LogBusy, Stored
from application.key_vault import Keyring, KeyVault, Purpose, Use
from domain.clock import Clock
from domain.compartments import Compartment
from domain.shares import AccessPurpose
from infrastructure.append_call import APPENDED, SealedCommit, Verdict
from infrastructure.database import Connection, Pool
from infrastructure.event_codec import Row, RowOpener, open_rows, seal_commit
from infrastructure.event_log import COLUMNS
from infrastructure.group_writer import REPLY_SECONDS_MAX, Command, GroupWriter

OVER_BUDGET = Counter("unisson_looks_over_budget_total", "Looks at a person refused: too many persons in a day.")
LAST_VERDICT = 3
"""Of those of `append_events`. Those beyond say whose budget is spent: the user's, the agency's."""
VERDICT_COLUMNS = len(Verdict._fields)

LOOK = f"SELECT * FROM log_and_look({', '.join(f'${number}' for number in range(1, 31))})"
PAGE = f"""
SELECT {COLUMNS} FROM events
WHERE territory = $1 AND position > $2 AND topic IN ('access.opened', 'access.refused', 'access.budget-spent')
    AND ($4::text IS NULL OR agency = $4)
ORDER BY position LIMIT $3"""
# A crash may lose the last counts: they are not worth waiting for the disk.
COUNT = "SELECT count_person($1, $2, $3, $4, $5::integer[]) FROM set_config('synchronous_commit', 'off', true)"
FORGET = "DELETE FROM persons_seen WHERE day < $1"
VAULT_PURPOSE: Mapping[AccessPurpose, Purpose] = {
    **dict.fromkeys(AccessPurpose, Purpose.CARE),
    AccessPurpose.RIGHTS: Purpose.EXPORT,
    AccessPurpose.AUDIT: Purpose.DPO,
}
"""What the vault is told: a restricted person's keys serve the last two only."""


class SealedLook(SealedCommit, frozen=True, kw_only=True):
    """The event that pays for a look, ready to be stored."""

    look: Look
    answer: list[list[Row]]
    """Empty until the look is carried out; then one list, of the rows in order."""


class PostgresLooks:
    """See `LoggedLooks` for what each method promises."""

    def __init__(
        self,
        url: str,
        pool: Pool,
        vault: KeyVault,
        clock: Clock | None = None,
        budget: Budget | None = None,
        *,
        pgbouncer: bool = False,
    ) -> None:
        self._pool = pool
        self._vault = vault
        self._budget = budget or Budget()
        self._writer = LookWriter(url, clock, self._budget, pgbouncer=pgbouncer)

    async def __aenter__(self) -> Self:
        self._writer.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._writer.close()

    async def look(self, territory: str, commit: Commit, look: Look) -> Seen:
        """Raises LogBusy, though the event may be there, when the answer was lost on its way: nothing was shown.

        Looking again is safe: it is one more access.
        """
        sealed = SealedLook(
            stream_id=commit.stream_id,
            expected_version=commit.expected_version,
            subject=commit.subject,
            correlation_id=commit.correlation_id,
            causation_id=commit.causation_id,
            idempotency=None,
            events=await seal_commit(territory, commit, self._vault),
            look=look,
            answer=[],
        )
        try:
            appended = await self._writer.append(territory, sealed)
        except AppendInDoubt:
            raise LogBusy from None
        if not sealed.answer:
            raise LogBusy
        return Seen(appended=appended, events=await self._opened(territory, sealed.answer[0], look))

    async def count(self, territory: str, spending: Spending) -> None:
        spent = await self._pool.fetchval(
            COUNT,
            territory,
            spending.day,
            spending.person,
            [spending.user, spending.agency],
            [self._budget.by_user, self._budget.by_agency],
        )
        if spent:
            raise _exceeded(spent, self._budget)

    async def page(self, territory: str, *, after: int, limit: int, agency: str | None) -> list[Stored]:
        rows: Sequence[Any] = await self._pool.fetch(PAGE, territory, after, limit, agency)
        return await open_rows(territory, rows, self._vault)

    async def forget_before(self, day: date) -> None:
        await self._pool.execute(FORGET, day)

    async def _opened(self, territory: str, rows: Sequence[Row], look: Look) -> list[Stored]:
        """With the keys of these compartments, and of the coded facts that say what an event is; with no other."""
        subjects = {row.subject for row in rows if row.subject is not None}
        use = Use(purpose=VAULT_PURPOSE[look.purpose], actor=look.spending.user, access_event=look.access_id)
        keyrings = await self._vault.keyrings(territory, subjects, use=use)
        wanted = {Compartment.CASE, *look.compartments}
        whole = RowOpener(territory, _only(wanted, keyrings))
        without_notes = RowOpener(territory, _only(wanted - {Compartment.NOTES}, keyrings))
        return [
            (whole if look.notes_of is None or row.agency in look.notes_of else without_notes).open(row) for row in rows
        ]


class LookWriter(GroupWriter):
    """Appends what pays for looks and brings back their rows, many at once."""

    def __init__(self, url: str, clock: Clock | None, budget: Budget, *, pgbouncer: bool = False) -> None:
        super().__init__(url, clock, pgbouncer=pgbouncer)
        self._budget = budget

    async def _ask(
        self, connection: Connection, arguments: tuple[Any, ...], commits: list[SealedCommit]
    ) -> list[Verdict]:
        sealed = [commit for commit in commits if isinstance(commit, SealedLook)]
        columns = _columns([commit.look for commit in sealed], self._budget)
        row = await connection.fetchrow(LOOK, *arguments, *columns, timeout=REPLY_SECONDS_MAX)
        assert row is not None
        verdicts = [Verdict(*verdict) for verdict in zip(*row[:VERDICT_COLUMNS], strict=True)]
        answers: list[list[Row]] = [[] for _ in sealed]
        for number, found in _found(row[VERDICT_COLUMNS:], sealed):
            answers[number].append(found)
        for commit, verdict, answer in zip(sealed, verdicts, answers, strict=True):
            if verdict.status == APPENDED:
                commit.answer.append(answer)
        return verdicts

    async def _answer(self, territory: str, command: Command, verdict: Verdict) -> None:
        if verdict.status > LAST_VERDICT:
            command.refuse(_exceeded(verdict.status - LAST_VERDICT, self._budget))
        else:
            await super()._answer(territory, command, verdict)


def _exceeded(spent: int, budget: Budget) -> BudgetExceeded:
    """By whom: 1, the user; 2, the agency."""
    OVER_BUDGET.inc()
    return BudgetExceeded(of_agency=spent == 2, persons_most=budget.by_agency if spent == 2 else budget.by_user)


def _only(wanted: Container[Compartment], keyrings: Mapping[UUID, Keyring]) -> dict[UUID, Keyring]:
    return {
        subject: {name: key for name, key in keyring.items() if name in wanted} for subject, keyring in keyrings.items()
    }


def _columns(looks: Sequence[Look], budget: Budget) -> tuple[Any, ...]:
    """What `log_and_look` takes beyond what `append_events` takes."""
    return (
        [look.stream_id for look in looks],
        [",".join(sorted(look.topics)) for look in looks],
        [look.spending.person for look in looks],
        [look.spending.user for look in looks],
        [look.spending.agency for look in looks],
        [look.spending.day for look in looks],
        budget.by_user,
        budget.by_agency,
    )


def _found(columns: Sequence[Any], sealed: Sequence[SealedLook]) -> list[tuple[int, Row]]:
    """Each row found, with the number of the look that it answers, from 0; in the order of versions."""
    if columns[0] is None:
        return []
    rows = [
        (
            number - 1,
            Row(
                position,
                sealed[number - 1].look.stream_id,
                version,
                topic,
                at,
                agency,
                actor,
                subject,
                None,
                None,
                payload,
            ),
        )
        for number, position, version, topic, at, agency, actor, subject, payload in zip(*columns, strict=True)
    ]
    return sorted(rows, key=lambda found: found[1].stream_version)
