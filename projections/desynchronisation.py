"""What every rule expects of every pathway and how that stands; finds, as events and time pass, what fell out of step.

Only the pathways touched are judged again; time passing costs as much as there are deadlines due. Rows hold codes, ids
and dates. The alerts that follow are recorded in the log before the rows that say so: done again, that adds nothing.
"""

import asyncio
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from application.alerts import Alerts, Change
from application.event_log import Stored
from application.importing import IMPORTER
from application.notifications import needed_kinds, recipients
from domain.alert import ClearedBecause, Finding, Found, NearMiss, Resolved
from domain.correction import EntryCorrected, EntryRetracted
from domain.facts import Fact
from domain.rules import Calendars, CompiledRules, Obligation, Status, evaluate
from domain.rules.calendars import Calendar
from domain.rules.instants import instant_of
from domain.rules.obligation import Reason
from domain.rules.rule import Rule
from domain.rules.windows import Duration, shift_day
from projections.agency_directory import able_to
from projections.obligation_rows import DEADLINES, OBLIGATIONS, Judged, JudgedPathways, Row
from projections.projection import Build, Connection, Elapsed, Page, Standing, standing_of

PATHWAYS_AT_A_STRETCH = 16

DUE = """
SELECT pathway FROM {pathway_deadlines} WHERE territory = $1 AND next_due <= $2 ORDER BY next_due, pathway LIMIT $3"""
OPEN_ALERTS = """
SELECT pathway, alert FROM alerts WHERE territory = $1 AND pathway = ANY($2::uuid[]) AND status = 'open'"""
UNRECONCILED = """
SELECT DISTINCT pathway
FROM (SELECT pathway, alert FROM alerts WHERE territory = $1 AND status = 'open') a
FULL JOIN (SELECT DISTINCT pathway, alert FROM {obligations} WHERE territory = $1 AND raised AND NOT shadow) o
    USING (pathway, alert)
WHERE (a.alert IS NULL OR o.alert IS NULL) AND pathway > $2
ORDER BY pathway LIMIT $3"""
NEXT_DUE = "SELECT min(next_due) FROM {pathway_deadlines} WHERE territory = $1"


class Moment(NamedTuple):
    """One instant at which one pathway is judged, and what made it worth judging."""

    now: datetime
    standing: Standing
    cause: str
    """Topic of the event; empty when time alone passed."""
    key: str
    correlation_id: UUID | None = None
    quiet: bool = False
    """Nobody is to be told."""


class Shift(NamedTuple):
    """An alert's situation changed: what was found, or why it is over."""

    alert: UUID
    moment: Moment
    key: str
    outcome: Obligation | ClearedBecause


class Desynchronisation:
    """`quiet_territories`: being imported. What is found there is recorded, and nobody is told."""

    name = "desynchronisation"
    version = 1
    tables: Mapping[str, str] = {"obligations": OBLIGATIONS, "pathway_deadlines": DEADLINES}
    reads = frozenset({"agency_directory"})

    def __init__(
        self, rules: CompiledRules, calendars: Calendars, alerts: Alerts, quiet_territories: Collection[str] = ()
    ) -> None:
        self._rules = rules
        self._calendars = calendars
        self._judged = JudgedPathways(calendars)
        self._alerts = alerts
        self._quiet_territories = frozenset(quiet_territories)
        self._rule_of = {(rule.slug, rule.version): rule for rule in rules.ruleset}
        self.meaning = _digest(rules, calendars)
        """Of the rules and the calendars: under others, everything has to be judged again."""

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        judged = await self._judged.load(db, build, page.territory, page.pathways, self._rules)
        shifts: list[Shift] = []
        if page.replay:
            self._judge_ends(page, judged)
        else:
            for number, (pathway_id, steps) in enumerate(page.steps.items(), start=1):
                if number % PATHWAYS_AT_A_STRETCH == 0:
                    await asyncio.sleep(0)  # A long page must not hold up the other tasks of the process.
                mine = judged[pathway_id]
                standing = page.before.get(pathway_id)
                for step in steps:
                    at = step.stored.event.timestamp
                    if standing is not None:
                        shifts += self._elapse(mine, standing, at)
                    standing = step.standing
                    shifts += self._judge(mine, _moment_of(step.stored, step.standing, mine))
            await self._tell(db, page.territory, shifts)
        await self._judged.save(db, build, page.territory, judged.values(), remember=not page.replay)

    async def due(self, db: Connection, build: Build, territory: str, now: datetime, limit: int) -> list[UUID]:
        return [row["pathway"] for row in await db.fetch(build.sql(DUE), territory, now, limit)]

    async def elapse(self, db: Connection, build: Build, page: Elapsed) -> None:
        judged = await self._judged.load(db, build, page.territory, page.standings, self._rules)
        shifts: list[Shift] = []
        for pathway_id, standing in page.standings.items():
            mine = judged[pathway_id]
            if page.replay:
                while mine.next_due is not None and mine.next_due <= page.now:
                    mine.evaluate(standing.facts, mine.next_due)
            else:
                shifts += self._elapse(mine, standing, page.now)
        await self._tell(db, page.territory, shifts)
        await self._judged.save(db, build, page.territory, judged.values(), remember=not page.replay)

    async def next_due(self, db: Connection, build: Build, territory: str) -> datetime | None:
        due: datetime | None = await db.fetchval(build.sql(NEXT_DUE), territory)
        return due

    async def reconcile(self, db: Connection, build: Build, page: Elapsed) -> None:
        """Clear the alerts of these pathways that no rule raises any more, and raise, quietly, those not yet raised.

        For after a rebuild: rules or calendars may have changed. What is already so changes nothing.
        """
        judged = await self._judged.load(db, build, page.territory, page.standings, self._rules)
        open_alerts: dict[UUID, set[UUID]] = {}
        for row in await db.fetch(OPEN_ALERTS, page.territory, list(page.standings)):
            open_alerts.setdefault(row["pathway"], set()).add(row["alert"])
        shifts: list[Shift] = []
        for pathway_id, standing in page.standings.items():
            moment = Moment(page.now, standing, "", f"{self.name}:{build.number}:{pathway_id}", quiet=True)
            shifts += self._reconcile_one(judged[pathway_id], moment, open_alerts.get(pathway_id, set()))
        await self._tell(db, page.territory, shifts)

    def _reconcile_one(self, mine: Judged, moment: Moment, told: Collection[UUID]) -> Iterator[Shift]:
        raised = {row.alert: row for row in mine.rows.values() if row.tells}
        untold = raised.keys() - told
        evaluated = moment._replace(now=mine.evaluated_at or moment.now)
        explained = self._explained(evaluated, (), raised, untold) if untold else {}
        for alert in sorted(untold):
            yield Shift(alert, moment, f"{moment.key}:{alert}", explained[alert])
        for alert in sorted(set(told) - raised.keys()):
            yield Shift(alert, moment, f"{moment.key}:{alert}", ClearedBecause.RULE_CHANGE)

    async def unreconciled(self, db: Connection, build: Build, territory: str, after: UUID, limit: int) -> list[UUID]:
        """Pathways whose open alerts are not those that the rules raise, by id."""
        return [row["pathway"] for row in await db.fetch(build.sql(UNRECONCILED), territory, after, limit)]

    async def _tell(self, db: Connection, territory: str, shifts: Sequence[Shift]) -> None:
        """Record the alerts that changed, in logical order; those of one pathway as they came."""
        if not shifts:
            return
        able = await self._able(db, territory)
        changes = [self._change(shift, able) for shift in sorted(shifts, key=lambda shift: shift.moment.now)]
        await self._alerts.record(territory, changes)

    async def _able(self, db: Connection, territory: str) -> Mapping[str, Sequence[str]]:
        """By kind of intervention, the agencies able to do it."""
        kinds = sorted({kind for plan in self._rules for kind in needed_kinds(plan.rule)})
        return {kind: await able_to(db, territory, kind) for kind in kinds}

    def _judge_ends(self, page: Page, judged: Mapping[UUID, Judged]) -> None:
        """Only how each pathway stands at the end counts: what was said on the way there was said long ago."""
        last = {stored.event.originator_id: stored for stored in page.events}
        for pathway in page.pathways.values():
            stored, mine = last[pathway.id], judged[pathway.id]
            standing = standing_of(pathway, stored.position)
            mine.evaluate(standing.facts, _moment_of(stored, standing, mine).now)
            while page.until is not None and mine.next_due is not None and mine.next_due <= page.until:
                mine.evaluate(standing.facts, mine.next_due)

    def _elapse(self, mine: Judged, standing: Standing, until: datetime) -> Iterator[Shift]:
        """Process the deadlines up to an instant, each at its own time: judge again, never trust what was due."""
        while mine.next_due is not None and mine.next_due <= until:
            due = mine.next_due
            key = f"desynchronisation:{due.isoformat()}:{mine.pathway}"
            yield from self._judge(mine, Moment(due, standing, "", key))

    def _judge(self, mine: Judged, moment: Moment) -> Iterator[Shift]:
        before = {row.alert: row for row in mine.rows.values() if row.tells}
        obligations = mine.evaluate(moment.standing.facts, moment.now)
        after = {row.alert: row for row in mine.rows.values() if row.tells}
        fresh = after.keys() - before.keys()
        explained = self._explained(moment, obligations, after, fresh) if fresh else {}
        for number, alert in enumerate(sorted(fresh | (before.keys() - after.keys()))):
            key = f"{moment.key}:{number}"
            if alert in fresh:
                yield Shift(alert, moment, key, explained[alert])
            else:
                yield Shift(alert, moment, key, _because(moment, before[alert], mine.rows.get(before[alert].key)))

    def _change(self, shift: Shift, able: Mapping[str, Sequence[str]]) -> Change:
        moment, outcome = shift.moment, shift.outcome
        what: Found | Resolved
        if isinstance(outcome, Obligation):
            what = self._found(moment, outcome, able)
        else:
            known_at = moment.standing.position
            what = Resolved(on=moment.now, known_at=known_at, reason=outcome, quiet=moment.quiet)
        return Change(
            alert_id=shift.alert,
            pathway=moment.standing.pathway,
            subject=moment.standing.subject,
            what=what,
            key=shift.key,
            correlation_id=moment.correlation_id,
        )

    def _explained(
        self, moment: Moment, obligations: Sequence[Obligation], raised: Mapping[UUID, Row], fresh: Collection[UUID]
    ) -> dict[UUID, Obligation]:
        """The obligations behind new alerts, with their near misses: worth their cost only here."""
        rules = self._rules.only(*{raised[alert].rule for alert in fresh})
        again = evaluate(moment.standing.facts, rules, self._calendars, moment.now).obligations
        found = {_judgement(each): each for each in (*obligations, *again)}
        return {alert: found[_judgement(raised[alert])] for alert in fresh}

    def _found(self, moment: Moment, obligation: Obligation, able: Mapping[str, Sequence[str]]) -> Found:
        standing = moment.standing
        rule = self._rule_of[obligation.rule, obligation.version]
        activation = next(fact for fact in standing.facts if fact.fact_id == obligation.activation)
        can_act = sorted({agency for kind in needed_kinds(rule) for agency in able[kind]})
        return Found(
            on=moment.now,
            known_at=standing.position,
            finding=_finding(standing.pathway, rule, obligation),
            recipients=recipients(rule, activation, standing.participants, standing.referent, can_act),
            quiet=moment.quiet
            or activation.territory in self._quiet_territories
            or _was_so_when_imported(activation, obligation)
            or self._is_stale(rule, obligation, moment.now),
        )

    def _is_stale(self, rule: Rule, obligation: Obligation, now: datetime) -> bool:
        """Fell out of step so long before it was found that telling anybody would only be noise."""
        if rule.stale_after is None or obligation.at is None:
            return False
        calendar = self._calendars.of(obligation.territory)
        return is_older(obligation.at, rule.stale_after, calendar, now)


def _was_so_when_imported(activation: Fact, obligation: Obligation) -> bool:
    """It was out of step already in the system it came from: nobody is told of what the import brings to light."""
    return activation.actor == IMPORTER and obligation.at is not None and obligation.at <= activation.recorded_at


def _judgement(one: Row | Obligation) -> tuple[str, int, str, str | None]:
    return one.rule, one.version, one.activation, one.target


def _finding(pathway: UUID, rule: Rule, obligation: Obligation) -> Finding:
    return Finding(
        pathway=pathway,
        rule=obligation.rule,
        version=obligation.version,
        severity=rule.raises.severity.value,
        activation=obligation.activation,
        target=obligation.target,
        opens=obligation.open,
        closes=obligation.close,
        at=obligation.at,
        calendar=obligation.calendar,
        evidence=obligation.evidence,
        near_misses=tuple(NearMiss(miss.fact_id, miss.failed, miss.detail) for miss in obligation.near_misses),
    )


def _moment_of(stored: Stored, standing: Standing, mine: Judged) -> Moment:
    """Never before a deadline already processed, should two machines' clocks disagree."""
    now = stored.event.timestamp
    if mine.evaluated_at is not None and mine.evaluated_at > now:
        now = mine.evaluated_at
    key = f"desynchronisation:{stored.position}:{mine.pathway}"
    return Moment(now, standing, stored.topic, key, stored.correlation_id)


def _because(moment: Moment, was: Row, now: Row | None) -> ClearedBecause:
    """Why an obligation no longer is out of step."""
    if moment.standing.erased:
        return ClearedBecause.ERASED
    match moment.cause:
        case EntryRetracted.TOPIC:
            return ClearedBecause.RETRACTED
        case EntryCorrected.TOPIC:
            return ClearedBecause.CORRECTED
    if now is None:
        return ClearedBecause.RELEASED
    match now.status:
        case Status.VIOLATED_LATE:
            return ClearedBecause.DONE_LATE
        case Status.SATISFIED:
            return ClearedBecause.LATE_EVIDENCE
        case Status.CANCELLED:
            return CANCELLED_BECAUSE[now.reason or ""]
    return ClearedBecause.SUSPENDED if now.calendar == was.calendar else ClearedBecause.CALENDAR_CHANGE


def _digest(rules: CompiledRules, calendars: Calendars) -> str:
    sources = [rule.source for rule in rules.ruleset]
    text = msgspec.json.encode([calendars.digest, sources], order="deterministic", enc_hook=str)
    return hashlib.sha256(text).hexdigest()


CANCELLED_BECAUSE: Mapping[str, ClearedBecause] = {
    "": ClearedBecause.RELEASED,
    Reason.RELEASED: ClearedBecause.RELEASED,
    Reason.SUSPENDED: ClearedBecause.SUSPENDED,
    Reason.CLOSED: ClearedBecause.CLOSED,
}


def is_older(at: datetime, age: Duration, calendar: Calendar, now: datetime) -> bool:
    """Whether more than `age` has passed since `at`, whole local days where it is counted in days."""
    if age.is_exact:
        return instant_of(now) > instant_of(at) + age.exact
    last = shift_day(calendar.day_of(instant_of(at)), age, calendar)
    return calendar.day_of(instant_of(now)) > last
