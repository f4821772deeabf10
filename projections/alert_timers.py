"""When to look at each alert again because time alone changes it: escalation, the ends of snoozes and of waivers.

A row says when to look, never what to do: that is worked out from the alert's own stream at that moment, and recorded
there. Lost rows are built again from the log; nothing waits in memory.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from application.alert_streams import readable
from application.alert_timers import AlertTimers, Circumstances, CourseOf, Waiting, folded_all, steps_of
from application.event_log import EventLog
from application.rules_in_force import RulesInForce
from domain.alert import Alert, AlertStatus
from domain.escalation import LADDER, Course, Ladder, is_told
from domain.rules import Calendars
from domain.rules.rule import Rule
from projections.officers import agencies_of_coordinators
from projections.projection import Build, Connection, Elapsed, Page
from projections.resting import (
    NO_REST,
    RESTING,
    SLEEPING,
    Rest,
    forget_rests,
    keep_rests,
    put_to_sleep,
    rests_of,
)
from projections.rulings import RulesHistory, Rulings, Version
from projections.walls import OF_AGENCY

TIMERS = """
CREATE TABLE {alert_timers} (
    alert     uuid NOT NULL,
    pathway   uuid NOT NULL,
    next_due  timestamptz,       -- Null: nothing comes of itself.
    version   integer NOT NULL,  -- Of the alert, when this was worked out.
    territory text COLLATE "C" NOT NULL,
    PRIMARY KEY (territory, alert)
);
CREATE INDEX ON {alert_timers} (territory, pathway);
CREATE INDEX ON {alert_timers} (territory, next_due) WHERE next_due IS NOT NULL"""

BESIDE = "SELECT alert FROM {alert_timers} WHERE territory = $1 AND pathway = ANY($2::uuid[])"
PUT = """
INSERT INTO {alert_timers} (territory, alert, pathway, next_due, version)
SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::int[])
ON CONFLICT (territory, alert) DO UPDATE SET next_due = excluded.next_due, version = excluded.version"""
SILENCE = "UPDATE {alert_timers} SET next_due = NULL WHERE territory = $1 AND alert = ANY($2::uuid[])"
DROP = "DELETE FROM {alert_timers} WHERE territory = $1 AND alert = ANY($2::uuid[])"
FORGET = "DELETE FROM {alert_timers} WHERE territory = $1 AND (pathway = ANY($2::uuid[]) OR alert = ANY($3::uuid[]))"
DUE = """
SELECT pathway FROM {alert_timers}
WHERE territory = $1 AND next_due <= $2 AND pathway <> ALL($4::uuid[]) AND alert <> ALL($4::uuid[])
GROUP BY pathway ORDER BY min(next_due), pathway LIMIT $3"""
OF_PATHWAYS = """
SELECT pathway, alert, next_due, version FROM {alert_timers} WHERE territory = $1 AND pathway = ANY($2::uuid[])
ORDER BY pathway, alert"""
NEXT_DUE = "SELECT min(next_due) FROM {alert_timers} WHERE territory = $1"


class Timer(NamedTuple):
    pathway: UUID
    alert: UUID
    next_due: datetime | None
    version: int


class AlertTimersView:
    """Rows of every alert that is open or waived."""

    name = "alert_timers"
    version = 1
    tables: Mapping[str, str] = {"alert_timers": TIMERS, "resting_pathways": RESTING, "sleeping_alerts": SLEEPING}
    walls: Mapping[str, str] = {"sleeping_alerts": OF_AGENCY}
    reads = frozenset({"rulebook"})
    only_records = True
    """What is due becomes an event of the alert, and that changes the row."""

    def __init__(self, log: EventLog, in_force: RulesInForce, calendars: Calendars, ladder: Ladder = LADDER) -> None:
        self._log = log
        self._timers = AlertTimers(log)
        self._rulings = Rulings(in_force)
        self._calendars = calendars
        self._ladder = ladder
        self.meaning = _digest(in_force, calendars, ladder)
        """Under other calendars, ladders or rules of the product every timer has to be set again."""

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        changed = await keep_rests(db, build, page)
        touched = page.alerts
        pathways = sorted(changed | {alert.finding.pathway for alert in touched.values() if alert.finding is not None})
        if pathways:
            known = [row["alert"] for row in await db.fetch(build.sql(BESIDE), page.territory, pathways)]
            alerts = {**await self._read(page, [alert for alert in known if alert not in touched]), **touched}
            rests = await rests_of(db, build, page.territory, pathways)
            course_of = await self._course_of(db, build, page.territory, rests)
            await _put(db, build, page.territory, alerts, course_of)
            asleep = [alert_id for alert_id, alert in alerts.items() if is_told(alert) and course_of(alert).asleep]
            await put_to_sleep(db, build, page.territory, alerts, asleep)
        if page.erased:
            await db.execute(build.sql(FORGET), page.territory, list(page.erased), list(page.forgotten_alerts))
            await forget_rests(db, build, page)

    async def due(
        self, db: Connection, build: Build, territory: str, now: datetime, limit: int, without: Collection[UUID]
    ) -> list[UUID]:
        return [row["pathway"] for row in await db.fetch(build.sql(DUE), territory, now, limit, list(without))]

    async def elapse(self, db: Connection, build: Build, page: Elapsed) -> None:
        """What this records is folded next, which sets the timers: rows never tell more than what is folded."""
        pathways = list(page.standings)
        timers = [Timer(*row.values()) for row in await db.fetch(build.sql(OF_PATHWAYS), page.territory, pathways)]
        rests = {pathway: Rest(one.closed, one.suspended) for pathway, one in page.standings.items()}
        course_of = await self._course_of(db, build, page.territory, rests)
        coordinators = await agencies_of_coordinators(db, page.territory)
        circumstances = Circumstances(now=page.now, course_of=course_of, coordinators=coordinators)
        alerts = await self._timers.pass_time(page.territory, list(_waiting(page, timers)), circumstances)
        due = [timer for timer in timers if timer.next_due is not None and timer.next_due <= page.now]
        unread = [timer.alert for timer in due if timer.alert not in alerts]
        if unread:  # Whoever mends it, or an event to come, sets it again.
            await db.execute(build.sql(SILENCE), page.territory, unread)
        idle = {timer.alert for timer in due if _has_led_to_nothing(timer, alerts.get(timer.alert))}
        await _put(db, build, page.territory, alerts, course_of, only=idle)

    async def next_due(self, db: Connection, build: Build, territory: str) -> datetime | None:
        due: datetime | None = await db.fetchval(build.sql(NEXT_DUE), territory)
        return due

    async def _read(self, page: Page, alert_ids: Sequence[UUID]) -> dict[UUID, Alert]:
        """As they stood at the end of the page."""
        if not alert_ids:
            return {}
        whole, last = page.until, page.events[-1].position
        until = last if whole is None else None
        streams = await readable(self._log, page.territory, sorted(alert_ids), until_position=until)
        if whole is None:
            return folded_all(streams.values())
        return folded_all([one for one in history if one.event.timestamp <= whole] for history in streams.values())

    async def _course_of(self, db: Connection, build: Build, territory: str, rests: Mapping[UUID, Rest]) -> CourseOf:
        history = await self._rulings.of(db, build, territory)
        calendar = self._calendars.of(territory)

        def course_of(alert: Alert) -> Course:
            assert alert.finding is not None
            rule = _rule(history, (alert.finding.rule, alert.finding.version))
            if rule is None:
                return Course(calendar=calendar, ladder=self._ladder)
            rest = rests.get(alert.finding.pathway, NO_REST)
            return Course(
                calendar=calendar,
                growth=rule.raises.escalate,
                inhibited_by=rule.inhibited_by,
                asleep=rest.ends(rule),
                ladder=self._ladder,
            )

        return course_of


def _rule(history: RulesHistory, version: Version) -> Rule | None:
    """The version that found the alert, in force or not: versions do not change."""
    rulings = reversed(list(history.by_position.values()))
    return next((ruling.rule_of[version] for ruling in rulings if version in ruling.rule_of), None)


def _waiting(page: Elapsed, timers: Iterable[Timer]) -> Iterator[Waiting]:
    alerts: dict[UUID, list[UUID]] = {}
    for timer in timers:
        alerts.setdefault(timer.pathway, []).append(timer.alert)
    for pathway, mine in alerts.items():
        standing = page.standings[pathway]
        yield Waiting(subject=standing.subject, participants=standing.participants, alerts=mine)


def _has_led_to_nothing(timer: Timer, alert: Alert | None) -> bool:
    """No event is to come that would set it again."""
    return alert is not None and alert.version == timer.version


async def _put(
    db: Connection,
    build: Build,
    territory: str,
    alerts: Mapping[UUID, Alert],
    course_of: CourseOf,
    only: Collection[UUID] | None = None,
) -> None:
    """Set the timers of alerts with which come all the others of their pathways; or of some of them only."""
    by_pathway: dict[UUID, dict[UUID, Alert]] = {}
    for alert_id, alert in alerts.items():
        if alert.finding is not None:
            by_pathway.setdefault(alert.finding.pathway, {})[alert_id] = alert
    wanted = alerts.keys() if only is None else only
    rows, over = [], [alert_id for alert_id in wanted if _is_over(alerts[alert_id])]
    for pathway, mine in by_pathway.items():
        steps = steps_of(mine, course_of)
        for alert_id, alert in mine.items():
            if alert_id in wanted and not _is_over(alert):
                due = steps[alert_id].due if alert_id in steps else None
                rows.append((alert_id, pathway, due, alert.version))
    if over:
        await db.execute(build.sql(DROP), territory, over)
    if rows:
        await db.execute(build.sql(PUT), territory, *zip(*rows, strict=True))


def _is_over(alert: Alert) -> bool:
    """Nothing comes of itself any more, and it wakes no other."""
    return alert.erased or (alert.status is AlertStatus.CLEARED and alert.waived_until is None)


def _digest(in_force: RulesInForce, calendars: Calendars, ladder: Ladder) -> str:
    courses = [
        [rule.slug, rule.version, rule.raises, rule.inhibited_by, rule.on_close, rule.on_suspend]
        for rule in in_force.shipped
    ]
    text = msgspec.json.encode([calendars.digest, dict(ladder), courses], order="deterministic")
    return hashlib.sha256(text).hexdigest()
