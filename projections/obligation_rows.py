"""The rows of the desynchronisation projection: what each rule still expects of each pathway, and when to judge it.

Pathways judged lately are remembered. A memory holds as long as the last to write its pathway's row was who remembers.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.alert import alert_id_of
from domain.facts import Fact
from domain.rules import Calendars, Obligation, Status
from domain.rules.watch import Watch
from projections.projection import Build, Connection
from projections.rulings import RulesHistory, Ruling, Version

REMEMBERED_MAX = 125_000
"""Facts and obligations remembered, open or not, each pathway counting for one more: some 0.7 KB each."""

OBLIGATIONS = """
CREATE TABLE {obligations} (
    pathway    uuid NOT NULL,
    alert      uuid NOT NULL,     -- The alert that this is, or would be.
    occurred   timestamptz,       -- The activation's point.
    open       timestamptz,       -- Null: no beginning, no end.
    close      timestamptz,
    at         timestamptz,
    raise_at   timestamptz,
    version    integer NOT NULL,
    raised     boolean NOT NULL,  -- Out of step, and its grace is over.
    shadow     boolean NOT NULL,
    territory  text COLLATE "C" NOT NULL,
    rule       text COLLATE "C" NOT NULL,
    status     text COLLATE "C" NOT NULL,
    activation text COLLATE "C" NOT NULL,
    target     text COLLATE "C",
    reason     text COLLATE "C",
    late_by    text COLLATE "C",
    calendar   text COLLATE "C" NOT NULL,
    evidence   text[] NOT NULL,
    PRIMARY KEY (territory, pathway, alert, version)
);
CREATE INDEX ON {obligations} (territory, rule, status)"""
DEADLINES = """
CREATE TABLE {pathway_deadlines} (
    pathway      uuid NOT NULL,
    next_due     timestamptz,           -- When time alone may change a verdict. Null: never.
    evaluated_at timestamptz NOT NULL,  -- Logical time of the last evaluation; it never goes back.
    ruling       bigint NOT NULL,       -- Position of the last change of rules that it was judged under.
    territory    text COLLATE "C" NOT NULL,
    PRIMARY KEY (territory, pathway)
);
CREATE INDEX ON {pathway_deadlines} (territory, next_due, pathway) WHERE next_due IS NOT NULL;
CREATE INDEX ON {pathway_deadlines} (territory, ruling, pathway)"""

LOAD_DEADLINES = """
SELECT pathway, next_due, evaluated_at, ruling, xmin::text AS written_by FROM {pathway_deadlines}
WHERE territory = $1 AND pathway = ANY($2::uuid[])"""
LOAD_OBLIGATIONS = """
SELECT pathway, alert, version, rule, activation, target, status, open, close, at, raise_at, occurred, raised, shadow,
    reason, late_by, calendar, evidence
FROM {obligations} WHERE territory = $1 AND pathway = ANY($2::uuid[])"""
PUT_ROWS = """
UPDATE {obligations} o SET target = n.target, status = n.status, open = n.open, close = n.close, at = n.at,
    raise_at = n.raise_at, occurred = n.occurred, raised = n.raised, shadow = n.shadow, reason = n.reason,
    late_by = n.late_by, calendar = n.calendar, evidence = string_to_array(n.evidence, ' ')
FROM unnest($2::uuid[], $3::uuid[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
    $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::bool[], $15::bool[],
    $16::text[], $17::text[], $18::text[], $19::text[])
    AS n (pathway, alert, version, rule, activation, target, status, open, close, at, raise_at, occurred, raised,
        shadow, reason, late_by, calendar, evidence)
WHERE o.territory = $1 AND o.pathway = n.pathway AND o.alert = n.alert AND o.version = n.version"""
DROP_ROWS = """
DELETE FROM {obligations} o USING unnest($2::uuid[], $3::uuid[], $4::int[]) AS gone (pathway, alert, version)
WHERE o.territory = $1 AND o.pathway = gone.pathway AND o.alert = gone.alert AND o.version = gone.version"""
PUT_DEADLINES = """
INSERT INTO {pathway_deadlines} (territory, pathway, next_due, evaluated_at, ruling)
SELECT $1, * FROM unnest($2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::bigint[])
ON CONFLICT (territory, pathway) DO UPDATE
SET next_due = excluded.next_due, evaluated_at = excluded.evaluated_at, ruling = excluded.ruling
RETURNING pathway, xmin::text AS written_by"""


FORGET = (
    "DELETE FROM {obligations} WHERE territory = $1 AND pathway = ANY($2::uuid[])",
    "DELETE FROM {pathway_deadlines} WHERE territory = $1 AND pathway = ANY($2::uuid[])",
)


class Row(NamedTuple):
    """One obligation as stored."""

    pathway: UUID
    alert: UUID
    version: int
    rule: str
    activation: str
    target: str | None
    status: str
    open: datetime | None
    close: datetime | None
    at: datetime | None
    raise_at: datetime | None
    occurred: datetime | None
    raised: bool
    shadow: bool
    reason: str | None
    late_by: str | None
    calendar: str
    evidence: str
    """Fact ids, parted by spaces."""

    @property
    def key(self) -> tuple[UUID, int]:
        return self.alert, self.version

    @property
    def rule_version(self) -> Version:
        return self.rule, self.version

    @property
    def tells(self) -> bool:
        """Whether it is worth an alert."""
        return self.raised and not self.shadow


COLUMNS = (*Row._fields, "territory")
Situation = tuple[str, str, str | None]


class Judged:
    """One pathway while its moments are judged one after another."""

    def __init__(self, pathway: UUID, ruling: Ruling, calendars: Calendars) -> None:
        self.pathway = pathway
        self.ruling = ruling
        self.stored: dict[tuple[UUID, int], Row] = {}
        self.rows: dict[tuple[UUID, int], Row] = {}
        self.next_due: datetime | None = None
        self.evaluated_at: datetime | None = None
        self.written_by = ""
        """The transaction that last wrote it: what is remembered of a pathway holds while no other has."""
        self.size = 1
        """Facts and obligations held, and one for itself."""
        self._calendars = calendars
        self._watch = Watch(ruling.rules, calendars)
        self._alerts: dict[Situation, UUID] = {}
        self._obligations: tuple[Obligation, ...] = ()
        self._open: dict[tuple[UUID, int], Obligation] = {}

    def put_stored(self, row: Row) -> None:
        self.stored[row.key] = self.rows[row.key] = row
        self._alerts[self._situation(row)] = row.alert
        self.size += 1

    def come_under(self, ruling: Ruling) -> None:
        """To be judged by other rules from now on."""
        if ruling.rules is not self.ruling.rules:
            self._watch, self._open = Watch(ruling.rules, self._calendars), {}
        self.ruling = ruling

    def evaluate(self, facts: Sequence[Fact], now: datetime) -> tuple[Obligation, ...]:
        """All obligations; those that are open make the rows."""
        evaluation = self._watch.judge(facts, now)
        before, opened, rows = self._open, {}, {}
        for obligation in evaluation.obligations:
            if not self._is_open(obligation):
                continue
            key = (self._alert_of(obligation), obligation.version)
            opened[key] = obligation
            same = before.get(key) is obligation and key in self.rows
            rows[key] = self.rows[key] if same else row_of(self.pathway, key[0], obligation)
        self.rows, self._open, self._obligations = rows, opened, evaluation.obligations
        self.next_due, self.evaluated_at = evaluation.next_due, now
        self.size = 1 + len(facts) + len(evaluation.obligations)
        return evaluation.obligations

    def outcome_of(self, row: Row) -> Obligation | None:
        """What has become of an obligation that was open; None when there is no such obligation any more."""
        wanted = (self._situation(row), row.version)
        return next((one for one in self._obligations if (self._situation(one), one.version) == wanted), None)

    def _is_open(self, one: Obligation) -> bool:
        """Expected, or out of step. That nothing forbidden has come is nothing to wait for."""
        if one.status is Status.VIOLATED_OPEN:
            return True
        return one.status is Status.PENDING and (one.rule, one.version) not in self.ruling.pairs

    def _alert_of(self, obligation: Obligation) -> UUID:
        situation = self._situation(obligation)
        alert = self._alerts.get(situation)
        if alert is None:
            rule, activation, target = situation
            alert = self._alerts[situation] = alert_id_of(rule, self.pathway, activation, target)
        return alert

    def _situation(self, one: Row | Obligation) -> Situation:
        """What makes an alert the same one: its target too, where each pair of facts is a situation of its own."""
        is_pair = (one.rule, one.version) in self.ruling.pairs
        return one.rule, one.activation, one.target if is_pair else None


def row_of(pathway: UUID, alert: UUID, obligation: Obligation) -> Row:
    return Row(
        pathway,
        alert,
        obligation.version,
        obligation.rule,
        obligation.activation,
        obligation.target,
        obligation.status.value,
        obligation.open,
        obligation.close,
        obligation.at,
        obligation.raise_at,
        obligation.occurred,
        obligation.raised,
        obligation.shadow,
        None if obligation.reason is None else obligation.reason.value,
        obligation.late_by,
        obligation.calendar,
        " ".join(obligation.evidence),
    )


class JudgedPathways:
    """Loads pathways as they were last judged, and saves what changed."""

    def __init__(self, calendars: Calendars, remembered_max: int = REMEMBERED_MAX) -> None:
        self._calendars = calendars
        self._remembered: OrderedDict[tuple[int, UUID], Judged] = OrderedDict()
        self._remembered_max = remembered_max
        self._size = 0

    async def load(
        self, db: Connection, build: Build, territory: str, pathways: Collection[UUID], history: RulesHistory
    ) -> dict[UUID, Judged]:
        """Each under the rules that it was last judged by. What is remembered is taken out, until it is saved."""
        judged: dict[UUID, Judged] = {}
        written = await db.fetch(build.sql(LOAD_DEADLINES), territory, list(pathways))
        for pathway, next_due, evaluated_at, ruling, written_by in written:
            known = self._take(build, pathway)
            if known is None or known.written_by != written_by:
                known = Judged(pathway, history.at(ruling), self._calendars)
                known.next_due, known.evaluated_at = next_due, evaluated_at
            judged[pathway] = known
        unknown = [pathway for pathway, mine in judged.items() if not mine.written_by]
        if unknown:
            for *columns, evidence in await db.fetch(build.sql(LOAD_OBLIGATIONS), territory, unknown):
                row = Row._make((*columns, " ".join(evidence)))
                judged[row.pathway].put_stored(row)
        for pathway in pathways:
            if pathway not in judged:
                judged[pathway] = Judged(pathway, history.at(0), self._calendars)
        return judged

    async def save(
        self, db: Connection, build: Build, territory: str, judged: Collection[Judged], *, remember: bool = True
    ) -> None:
        """Write what changed only: most obligations of a pathway stay as they are."""
        evaluated = [mine for mine in judged if mine.evaluated_at is not None]
        if not evaluated:
            return
        changes = Changes(evaluated)
        if changes.gone:
            await db.execute(build.sql(DROP_ROWS), territory, *zip(*changes.gone, strict=True))
        if changes.added:
            rows = ((*row[:-1], row.evidence.split(), territory) for row in changes.added)
            await build.copy(db, "obligations", COLUMNS, rows)
        if changes.changed:
            await db.execute(build.sql(PUT_ROWS), territory, *zip(*changes.changed, strict=True))
        deadlines = [(mine.pathway, mine.next_due, mine.evaluated_at, mine.ruling.position) for mine in evaluated]
        written = await db.fetch(build.sql(PUT_DEADLINES), territory, *zip(*deadlines, strict=True))
        if remember:
            self._remember(build, evaluated, {row["pathway"]: row["written_by"] for row in written})

    async def forget(self, db: Connection, build: Build, territory: str, pathways: Collection[UUID]) -> None:
        """Erased: neither stored nor remembered."""
        for pathway in pathways:
            self._take(build, pathway)
        for statement in FORGET:
            await db.execute(build.sql(statement), territory, list(pathways))

    def _take(self, build: Build, pathway: UUID) -> Judged | None:
        known = self._remembered.pop((build.number, pathway), None)
        if known is not None:
            self._size -= known.size
        return known

    def _remember(self, build: Build, judged: Iterable[Judged], written_by: Mapping[UUID, str]) -> None:
        """Should the transaction be undone, another one is the last to have written these rows: nothing is believed."""
        for mine in judged:
            self._take(build, mine.pathway)
            mine.stored, mine.written_by = mine.rows, written_by[mine.pathway]
            self._remembered[build.number, mine.pathway] = mine
            self._size += mine.size
        while self._size > self._remembered_max:
            _, oldest = self._remembered.popitem(last=False)
            self._size -= oldest.size


class Changes:
    """What has to be written of pathways that were judged."""

    def __init__(self, judged: Sequence[Judged]) -> None:
        self.gone: list[tuple[UUID, UUID, int]] = []
        self.added: list[Row] = []
        self.changed: list[Row] = []
        for mine in judged:
            stored, rows = mine.stored, mine.rows
            for key, row in rows.items():
                before = stored.get(key)
                if before is None:
                    self.added.append(row)
                elif before is not row and before != row:
                    self.changed.append(row)
            if len(stored) > len(rows) or not stored.keys() <= rows.keys():
                self.gone += [(mine.pathway, *key) for key in stored if key not in rows]
