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
from application.rules_in_force import RulesInForce
from domain.alert import ClearedBecause, Disclosed, Finding, Found, NearMiss, RaisedBecause, Resolved
from domain.alert_worth import cleared_because, is_stale
from domain.correction import EntryCorrected, EntryRetracted
from domain.facts import Fact
from domain.rules import Calendars, Obligation, Ruleset, evaluate
from domain.rules.instants import instant_of
from domain.rules.rule import Rule
from projections.agency_directory import able_to
from projections.obligation_rows import DEADLINES, OBLIGATIONS, Judged, JudgedPathways, Row
from projections.projection import Build, Connection, Elapsed, Page, Standing, standing_of
from projections.rulings import RulesHistory, Ruling, Rulings

PATHWAYS_AT_A_STRETCH = 16
FINDING_EXCESS = ("forbid", "limit")
"""Kinds of rules whose evidence is what should not be there."""
RULES_CHANGED = "rulebook"
"""The cause, where neither an event of the pathway nor a deadline is."""

DUE = """
SELECT pathway FROM {pathway_deadlines} WHERE territory = $1 AND next_due <= $2 AND pathway <> ALL($4::uuid[])
ORDER BY next_due, pathway LIMIT $3"""
UNDER_OTHER_RULES = """
SELECT pathway FROM {pathway_deadlines} WHERE territory = $1 AND ruling < $2 AND pathway <> ALL($4::uuid[])
ORDER BY ruling, pathway LIMIT $3"""
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
    ruling: Ruling
    correlation_id: UUID | None = None
    quiet: bool = False
    """Nobody is to be told."""


class Shift(NamedTuple):
    """An alert's situation changed: what was found, or why it is over; None: what hid it is."""

    alert: UUID
    moment: Moment
    key: str
    outcome: Obligation | ClearedBecause | None
    hidden: bool = False


class Desynchronisation:
    """`quiet_territories`: being imported. What is found there is recorded, and nobody is told."""

    name = "desynchronisation"
    version = 3
    tables: Mapping[str, str] = {"obligations": OBLIGATIONS, "pathway_deadlines": DEADLINES}
    reads = frozenset({"agency_directory", "rulebook"})

    def __init__(
        self, in_force: RulesInForce, calendars: Calendars, alerts: Alerts, quiet_territories: Collection[str] = ()
    ) -> None:
        self._rulings = Rulings(in_force)
        self._calendars = calendars
        self._judged = JudgedPathways(calendars)
        self._alerts = alerts
        self._quiet_territories = frozenset(quiet_territories)
        self.meaning = _digest(in_force.shipped, calendars)
        """Of the product's rules and the calendars: under others, everything has to be judged again."""

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        history = await self._rulings.of(db, build, page.territory)
        living = page.living
        judged = await self._judged.load(db, build, page.territory, living, history)
        shifts: list[Shift] = []
        if page.replay:
            self._judge_ends(page, judged, history)
        else:
            for number, (pathway_id, steps) in enumerate(page.steps.items(), start=1):
                if pathway_id not in living:
                    continue
                if number % PATHWAYS_AT_A_STRETCH == 0:
                    await asyncio.sleep(0)  # A long page must not hold up the other tasks of the process.
                mine = judged[pathway_id]
                standing = page.before.get(pathway_id)
                for step in steps:
                    ruling = history.at(step.stored.position)
                    if standing is not None:
                        shifts += self._elapse(mine, standing, step.stored.event.timestamp, history, ruling)
                    standing = step.standing
                    mine.come_under(ruling)
                    shifts += self._judge(mine, _moment_of(step.stored, step.standing, mine))
            await self._tell(db, page.territory, shifts)
        await self._judged.save(db, build, page.territory, judged.values(), remember=not page.replay)
        if page.erased:
            await self._judged.forget(db, build, page.territory, page.erased)

    async def due(
        self, db: Connection, build: Build, territory: str, now: datetime, limit: int, without: Collection[UUID]
    ) -> list[UUID]:
        """Then those that are to be judged again because the rules changed."""
        left_out = list(without)
        due = {row["pathway"]: None for row in await db.fetch(build.sql(DUE), territory, now, limit, left_out)}
        ruling = (await self._rulings.of(db, build, territory)).latest_by(now)
        if ruling.position and len(due) < limit:
            query, left = build.sql(UNDER_OTHER_RULES), limit - len(due)
            stale = await db.fetch(query, territory, ruling.position, left, left_out)
            due |= {row["pathway"]: None for row in stale}
        return list(due)

    async def elapse(self, db: Connection, build: Build, page: Elapsed) -> None:
        history = await self._rulings.of(db, build, page.territory)
        judged = await self._judged.load(db, build, page.territory, page.standings, history)
        ruling = history.latest_by(page.now)
        shifts: list[Shift] = []
        for pathway_id, standing in page.standings.items():
            mine = judged[pathway_id]
            if page.replay:
                _pass_time(mine, standing, page.now, ruling)
            else:
                shifts += self._elapse(mine, standing, page.now, history, ruling)
        await self._tell(db, page.territory, shifts)
        await self._judged.save(db, build, page.territory, judged.values(), remember=not page.replay)

    async def next_due(self, db: Connection, build: Build, territory: str) -> datetime | None:
        due: datetime | None = await db.fetchval(build.sql(NEXT_DUE), territory)
        return due

    async def stored(
        self, db: Connection, build: Build, territory: str, pathways: Collection[UUID]
    ) -> tuple[dict[UUID, Judged], int]:
        """As stored, each under the rules it was last judged by; and the position of the last change of rules."""
        history = await self._rulings.of(db, build, territory)
        judged = await JudgedPathways(self._calendars).load(db, build, territory, pathways, history)
        return judged, history.latest.position

    async def reconcile(self, db: Connection, build: Build, page: Elapsed) -> None:
        """Clear the alerts of these pathways that no rule raises any more, and raise, quietly, those not yet raised.

        For after a rebuild: rules or calendars may have changed. What is already so changes nothing.
        """
        history = await self._rulings.of(db, build, page.territory)
        judged = await self._judged.load(db, build, page.territory, page.standings, history)
        open_alerts: dict[UUID, set[UUID]] = {}
        for row in await db.fetch(OPEN_ALERTS, page.territory, list(page.standings)):
            open_alerts.setdefault(row["pathway"], set()).add(row["alert"])
        shifts: list[Shift] = []
        for pathway_id, standing in page.standings.items():
            mine, key = judged[pathway_id], f"{self.name}:{build.number}:{pathway_id}"
            moment = Moment(page.now, standing, RULES_CHANGED, key, mine.ruling, quiet=True)
            shifts += self._reconcile_one(mine, moment, open_alerts.get(pathway_id, set()))
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
        kinds = sorted(frozenset[str]().union(*(shift.moment.ruling.kinds for shift in shifts)))
        able = {kind: await able_to(db, territory, kind) for kind in kinds}
        changes = [self._change(shift, able) for shift in sorted(shifts, key=lambda shift: shift.moment.now)]
        await self._alerts.record(territory, changes)

    def _judge_ends(self, page: Page, judged: Mapping[UUID, Judged], history: RulesHistory) -> None:
        """Only how each pathway stands at the end counts: what was said on the way there was said long ago."""
        last = {stored.event.originator_id: stored for stored in page.events}
        for pathway in page.living.values():
            stored, mine = last[pathway.id], judged[pathway.id]
            standing = standing_of(pathway, stored.position)
            mine.come_under(history.at(stored.position))
            mine.evaluate(standing.facts, _moment_of(stored, standing, mine).now)
            if page.until is not None:
                _pass_time(mine, standing, page.until, history.latest_by(page.until))

    def _elapse(
        self, mine: Judged, standing: Standing, until: datetime, history: RulesHistory, last: Ruling
    ) -> Iterator[Shift]:
        """Process what came up to an instant, each thing at its own time: deadlines, and changes of rules up to `last`.

        A deadline is judged again, never trusted. At the same instant it comes before a change.
        """
        while True:
            due = mine.next_due if mine.next_due is not None and mine.next_due <= until else None
            change = history.after(mine.ruling.position) if mine.ruling.position < last.position else None
            if change is not None and change.at is not None and (due is None or change.at < due):
                mine.come_under(change)
                now = max(change.at, mine.evaluated_at or change.at)
                key = f"desynchronisation:{change.position}:{mine.pathway}"
                yield from self._judge(mine, Moment(now, standing, RULES_CHANGED, key, change, quiet=True))
            elif due is not None:
                key = f"desynchronisation:{due.isoformat()}:{mine.pathway}"
                yield from self._judge(mine, Moment(due, standing, "", key, mine.ruling))
            else:
                return

    def _judge(self, mine: Judged, moment: Moment) -> Iterator[Shift]:
        before = {row.alert: row for row in mine.rows.values() if row.tells}
        obligations = mine.evaluate(moment.standing.facts, moment.now)
        after = {row.alert: row for row in mine.rows.values() if row.tells}
        fresh = after.keys() - before.keys()
        explained = self._explained(moment, obligations, after, fresh) if fresh else {}
        hidden = _hidden(after, moment.ruling)
        disclosed = (before.keys() & after.keys() & _hidden(before, moment.ruling)) - hidden
        for number, alert in enumerate(sorted(fresh | (before.keys() - after.keys()) | disclosed)):
            key = f"{moment.key}:{number}"
            if alert in fresh:
                yield Shift(alert, moment, key, explained[alert], hidden=alert in hidden)
            elif alert in disclosed:
                yield Shift(alert, moment, key, None)
            else:
                yield Shift(alert, moment, key, _because(moment, before[alert], mine.outcome_of(before[alert])))

    def _change(self, shift: Shift, able: Mapping[str, Sequence[str]]) -> Change:
        moment, outcome = shift.moment, shift.outcome
        known_at = _known_at(moment)
        what: Found | Disclosed | Resolved
        if isinstance(outcome, Obligation):
            what = self._found(moment, outcome, able, hidden=shift.hidden)
        elif outcome is None:
            what = Disclosed(on=moment.now, known_at=known_at, quiet=moment.quiet)
        else:
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
        rules = moment.ruling.rules.only(*{raised[alert].rule for alert in fresh})
        again = evaluate(moment.standing.facts, rules, self._calendars, moment.now).obligations
        found = {_judgement(each): each for each in (*obligations, *again)}
        return {alert: found[_judgement(raised[alert])] for alert in fresh}

    def _found(
        self, moment: Moment, obligation: Obligation, able: Mapping[str, Sequence[str]], *, hidden: bool
    ) -> Found:
        standing = moment.standing
        rule = moment.ruling.rule_of[obligation.rule, obligation.version]
        activation = next(fact for fact in standing.facts if fact.fact_id == obligation.activation)
        can_act = sorted({agency for kind in needed_kinds(rule) for agency in able[kind]})
        excess = [
            fact for fact in standing.facts if rule.kind in FINDING_EXCESS and fact.fact_id in obligation.evidence
        ]
        return Found(
            on=moment.now,
            known_at=_known_at(moment),
            finding=_finding(standing.pathway, rule, obligation),
            recipients=recipients(rule, activation, excess, standing.participants, standing.referent, can_act),
            quiet=moment.quiet
            or activation.territory in self._quiet_territories
            or _was_so_when_imported(activation, obligation)
            or self._is_stale(rule, obligation, moment.now),
            hidden=hidden,
            because=RaisedBecause.RULE_CHANGE if moment.cause == RULES_CHANGED else None,
        )

    def _is_stale(self, rule: Rule, obligation: Obligation, now: datetime) -> bool:
        if obligation.at is None:
            return False
        return is_stale(rule, instant_of(obligation.at), instant_of(now), self._calendars.of(obligation.territory))


def _pass_time(mine: Judged, standing: Standing, until: datetime, ruling: Ruling) -> None:
    """Where it leads to judge a pathway at each deadline and change of rules up to an instant; nobody is told."""
    if ruling.at is not None and mine.ruling.position < ruling.position:
        mine.come_under(ruling)
        mine.evaluate(standing.facts, max(ruling.at, mine.evaluated_at or ruling.at))
    while mine.next_due is not None and mine.next_due <= until:
        mine.evaluate(standing.facts, mine.next_due)


def _hidden(open_: Mapping[UUID, Row], ruling: Ruling) -> set[UUID]:
    """Alerts that another open one of the same pathway explains, as their rules say (`inhibited_by`)."""
    if not ruling.hidden_by:
        return set()
    rules = {row.rule for row in open_.values()}
    nobody = frozenset[str]()
    return {
        alert for alert, row in open_.items() if not rules.isdisjoint(ruling.hidden_by.get(row.rule_version, nobody))
    }


def _known_at(moment: Moment) -> int:
    """How much of the log was known: the pathway, and the rules that it was judged by."""
    return max(moment.standing.position, moment.ruling.position)


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
    return Moment(now, standing, stored.topic, key, mine.ruling, stored.correlation_id)


def _because(moment: Moment, was: Row, now: Obligation | None) -> ClearedBecause:
    """Why an obligation no longer is out of step."""
    if moment.standing.erased:
        return ClearedBecause.ERASED
    if moment.standing.restricted:
        return ClearedBecause.RESTRICTED
    match moment.cause:
        case EntryRetracted.TOPIC:
            return ClearedBecause.RETRACTED
        case EntryCorrected.TOPIC:
            return ClearedBecause.CORRECTED
        case _ if moment.cause == RULES_CHANGED:
            return ClearedBecause.RULE_CHANGE
    if now is not None and not moment.cause and now.calendar != was.calendar:
        return ClearedBecause.CALENDAR_CHANGE
    return cleared_because(now)


def _digest(rules: Ruleset, calendars: Calendars) -> str:
    sources = [rule.source for rule in rules]
    text = msgspec.json.encode([calendars.digest, sources], order="deterministic", enc_hook=str)
    return hashlib.sha256(text).hexdigest()
