"""What became of what each rule raised: who was told, what they did about it, what cleared it. A rule is judged by it.

One row for each time an alert was raised, one for each agency told of it or that responded. Codes, ids and dates only.
What is read off them: projections/rule_figures.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from domain.aggregate import Event
from domain.alert import AlertCleared, AlertDisclosed, AlertRaised, AlertReopened, Recipient, Sees
from domain.alert_escalation import AlertEscalated
from domain.alert_pause import AlertSnoozed, AlertWaived, AlertWaiverEnded
from domain.alert_response import Answer
from domain.alert_steps import AlertAcknowledged, AlertAnswered, AlertDelivered, AlertDisputed
from domain.pathway import SYSTEM
from projections.projection import Build, Connection, Page

EPISODES = """
CREATE TABLE {alert_episodes} (
    alert        uuid NOT NULL,
    pathway      uuid NOT NULL,
    raised_at    timestamptz NOT NULL, -- Logical time: of the deadline or the event, not of its processing.
    told_at      timestamptz,          -- When agencies could hear of it; null: recorded, and nobody told.
    cleared_at   timestamptz,
    escalated_at timestamptz,
    waived_until timestamptz,
    revision     integer NOT NULL,     -- Which time it was raised.
    version      integer NOT NULL,
    hushed       boolean NOT NULL,     -- Found again under a waiver in force: told once that is over.
    hidden       boolean NOT NULL,     -- Another alert explains it: told once that one is over.
    territory    text COLLATE "C" NOT NULL,
    rule         text COLLATE "C" NOT NULL,
    reason       text COLLATE "C",     -- Why it was cleared.
    cleared_by   text COLLATE "C",     -- Whose act did it; null: time passing, or the rules.
    entitled     text COLLATE "C" NOT NULL, -- Agencies that may know what it is about, with a space between.
    PRIMARY KEY (territory, alert, revision)
);
CREATE INDEX ON {alert_episodes} (territory, raised_at);
CREATE INDEX ON {alert_episodes} (territory, rule, version, told_at);
CREATE INDEX ON {alert_episodes} (territory, pathway)"""
RESPONSES = """
CREATE TABLE {alert_responses} (
    alert           uuid NOT NULL,
    delivered_at    timestamptz,
    acknowledged_at timestamptz,
    acted_at        timestamptz,      -- When it said that it takes it or helps, unless it said otherwise since.
    snoozed_at      timestamptz,
    revision        integer NOT NULL,
    territory       text COLLATE "C" NOT NULL,
    agency          text COLLATE "C" NOT NULL,
    waived          text COLLATE "C", -- Why, the last time.
    disputed        text COLLATE "C", -- Why it last said that the alert is wrong.
    PRIMARY KEY (territory, alert, revision, agency)
)"""

EPISODES_OF = """
SELECT alert, revision, pathway, rule, version, raised_at, told_at, cleared_at, escalated_at, waived_until,
    hushed, hidden, reason, cleared_by, entitled
FROM {alert_episodes} WHERE territory = $1 AND alert = ANY($2::uuid[]) ORDER BY alert, revision"""
RESPONSES_OF = """
SELECT alert, revision, agency, delivered_at, acknowledged_at, acted_at, snoozed_at, waived, disputed
FROM {alert_responses} WHERE territory = $1 AND alert = ANY($2::uuid[])"""
PUT_EPISODES = """
INSERT INTO {alert_episodes} (territory, alert, revision, pathway, rule, version, raised_at, told_at, cleared_at,
    escalated_at, waived_until, hushed, hidden, reason, cleared_by, entitled)
SELECT $1, * FROM unnest($2::uuid[], $3::int[], $4::uuid[], $5::text[], $6::int[], $7::timestamptz[],
    $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::bool[], $13::bool[],
    $14::text[], $15::text[], $16::text[])
ON CONFLICT (territory, alert, revision) DO UPDATE SET told_at = excluded.told_at, cleared_at = excluded.cleared_at,
    escalated_at = excluded.escalated_at, waived_until = excluded.waived_until, hushed = excluded.hushed,
    hidden = excluded.hidden, reason = excluded.reason, cleared_by = excluded.cleared_by,
    entitled = excluded.entitled"""
PUT_RESPONSES = """
INSERT INTO {alert_responses} (territory, alert, revision, agency, delivered_at, acknowledged_at, acted_at,
    snoozed_at, waived, disputed)
SELECT $1, * FROM unnest($2::uuid[], $3::int[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
    $8::timestamptz[], $9::text[], $10::text[])
ON CONFLICT (territory, alert, revision, agency) DO UPDATE SET delivered_at = excluded.delivered_at,
    acknowledged_at = excluded.acknowledged_at, acted_at = excluded.acted_at, snoozed_at = excluded.snoozed_at,
    waived = excluded.waived, disputed = excluded.disputed"""
FORGET = (
    """
DELETE FROM {alert_responses} WHERE territory = $1
    AND (alert = ANY($3::uuid[]) OR alert IN (
        SELECT alert FROM {alert_episodes} WHERE territory = $1 AND pathway = ANY($2::uuid[])))""",
    "DELETE FROM {alert_episodes} WHERE territory = $1 AND (pathway = ANY($2::uuid[]) OR alert = ANY($3::uuid[]))",
)
# The clear headers of the log, which never change. What time clears, it clears at an instant of its own.
ACTS = """
SELECT c.position, e.agency FROM unnest($2::bigint[], $3::timestamptz[]) AS c (position, at)
JOIN events e ON e.territory = $1 AND e.position = c.position AND e.recorded_at = c.at"""


class Episode(msgspec.Struct):
    """One time that an alert was raised. The fields are the columns."""

    alert: UUID
    revision: int
    pathway: UUID
    rule: str
    version: int
    raised_at: datetime
    told_at: datetime | None = None
    cleared_at: datetime | None = None
    escalated_at: datetime | None = None
    waived_until: datetime | None = None
    hushed: bool = False
    hidden: bool = False
    reason: str | None = None
    cleared_by: str | None = None
    entitled: str = ""

    def entitle(self, recipients: Sequence[Recipient]) -> None:
        """Whoever had a bare notice is counted, and does not learn from its figures which rule it was."""
        fresh = {one.agency for one in recipients if one.sees is Sees.CONTENT}
        self.entitled = " ".join(sorted(fresh.union(self.entitled.split())))


class Response(msgspec.Struct):
    """What one agency was told of one episode, and did about it. The fields are the columns."""

    alert: UUID
    revision: int
    agency: str
    delivered_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acted_at: datetime | None = None
    snoozed_at: datetime | None = None
    waived: str | None = None
    disputed: str | None = None


Found: TypeAlias = AlertRaised | AlertReopened
FOLDED = (
    AlertRaised,
    AlertReopened,
    AlertDisclosed,
    AlertCleared,
    AlertDelivered,
    AlertAcknowledged,
    AlertAnswered,
    AlertWaived,
    AlertWaiverEnded,
    AlertSnoozed,
    AlertEscalated,
    AlertDisputed,
)
"""Reading an alert and waking it are no part of the figures."""


class RuleHealth:
    name = "rule_health"
    version = 3
    tables: Mapping[str, str] = {"alert_episodes": EPISODES, "alert_responses": RESPONSES}

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        events = [stored.event for stored in page.events if isinstance(stored.event, FOLDED)]
        if events:
            told = await _told_so_far(db, build, page.territory, {event.originator_id for event in events})
            told.acts = await _acts(db, page.territory, [one for one in events if isinstance(one, AlertCleared)])
            for event in events:
                told.add(event)
            await told.write(db, build, page.territory)
        for statement in FORGET if page.erased else ():
            await db.execute(build.sql(statement), page.territory, list(page.erased), list(page.forgotten_alerts))


async def _told_so_far(db: Connection, build: Build, territory: str, alerts: Iterable[UUID]) -> "Told":
    wanted, told = sorted(alerts), Told()
    for row in await db.fetch(build.sql(EPISODES_OF), territory, wanted):
        told.begin(Episode(**dict(row)))
    for row in await db.fetch(build.sql(RESPONSES_OF), territory, wanted):
        told.responses[row["alert"], row["revision"], row["agency"]] = Response(**dict(row))
    return told


async def _acts(db: Connection, territory: str, cleared: Sequence[AlertCleared]) -> dict[int, str]:
    """By position, the agency whose act of that very instant made these clear."""
    if not cleared:
        return {}
    rows = await db.fetch(ACTS, territory, [one.known_at for one in cleared], [one.on for one in cleared])
    return {row["position"]: row["agency"] for row in rows if row["agency"] != SYSTEM}


class Told:
    """Some alerts, as told so far."""

    def __init__(self) -> None:
        self.episodes: dict[tuple[UUID, int], Episode] = {}
        self.last: dict[UUID, Episode] = {}
        self.responses: dict[tuple[UUID, int, str], Response] = {}
        self.acts: Mapping[int, str] = {}

    def begin(self, episode: Episode) -> None:
        self.episodes[episode.alert, episode.revision] = self.last[episode.alert] = episode

    def add(self, event: Event) -> None:
        """Events of one alert come in their order; of a person erased meanwhile, the first may be gone."""
        if event.originator_id not in self.last and not isinstance(event, AlertRaised):
            return
        match event:
            case AlertRaised() | AlertReopened():
                self._found(event)
            case AlertDisclosed():
                self._disclosed(event)
            case AlertCleared():
                self._cleared(event)
            case AlertDelivered():
                response = self._response(event, event.to)
                response.delivered_at = response.delivered_at or event.on
            case AlertEscalated():
                self._escalated(event)
            case AlertWaiverEnded():
                self._waiver_ended(event)
            case _:
                self._responded(event)

    def _found(self, event: Found) -> None:
        before, found = self.last.get(event.originator_id), event.finding
        revision = event.revision if isinstance(event, AlertReopened) else 1
        episode = Episode(event.originator_id, revision, found.pathway, found.rule, found.version, event.on)
        if before is not None and before.waived_until is not None and event.on < before.waived_until:
            episode.waived_until = before.waived_until
            episode.hushed = event.quiet
        episode.hidden = event.hidden
        episode.entitle(event.recipients)
        self.begin(episode)
        if not (event.quiet or event.hidden):
            self._tell(episode, event.timestamp, event.recipients)

    def _disclosed(self, event: AlertDisclosed) -> None:
        episode = self.last[event.originator_id]
        episode.hidden = False
        if not event.quiet:
            self._tell(episode, event.timestamp, event.recipients)

    def _tell(self, episode: Episode, at: datetime, recipients: Sequence[Recipient]) -> None:
        episode.told_at = at
        for one in recipients:
            self._of(episode, one.agency)

    def _cleared(self, event: AlertCleared) -> None:
        episode = self.last[event.originator_id]
        episode.cleared_at, episode.reason = event.on, event.reason.value
        episode.cleared_by = self.acts.get(event.known_at)

    def _escalated(self, event: AlertEscalated) -> None:
        episode = self.episodes[event.originator_id, event.revision]
        episode.escalated_at = episode.escalated_at or event.on
        episode.entitle(event.recipients)
        for one in event.recipients:
            self._of(episode, one.agency)

    def _waiver_ended(self, event: AlertWaiverEnded) -> None:
        episode = self.last[event.originator_id]
        episode.waived_until = None
        if episode.hushed and not episode.hidden and episode.cleared_at is None:
            self._tell(episode, event.timestamp, event.concerned)
        episode.hushed = False

    def _responded(self, event: Event) -> None:
        match event:
            case AlertAcknowledged():
                response = self._response(event, event.agency)
                response.acknowledged_at = response.acknowledged_at or event.on
            case AlertAnswered():
                response = self._response(event, event.agency)
                if event.answer is Answer.NOT_CONCERNED:
                    response.acted_at = None
                else:
                    response.acted_at = response.acted_at or event.on
                    response.acknowledged_at = response.acknowledged_at or event.on
            case AlertDisputed():
                self._response(event, event.agency).disputed = event.reason.value
            case AlertSnoozed():
                response = self._response(event, event.agency)
                response.snoozed_at = response.snoozed_at or event.on
            case AlertWaived():
                self._response(event, event.agency).waived = event.code.value
                self.last[event.originator_id].waived_until = event.until

    def _response(self, event: "Step", agency: str) -> Response:
        return self._of(self.episodes[event.originator_id, event.revision], agency)

    def _of(self, episode: Episode, agency: str) -> Response:
        place = (episode.alert, episode.revision, agency)
        return self.responses.setdefault(place, Response(*place))

    async def write(self, db: Connection, build: Build, territory: str) -> None:
        for statement, rows in ((PUT_EPISODES, self.episodes), (PUT_RESPONSES, self.responses)):
            if rows:
                columns = zip(*map(msgspec.structs.astuple, rows.values()), strict=True)
                await db.execute(build.sql(statement), territory, *columns)


Step: TypeAlias = AlertDelivered | AlertAcknowledged | AlertAnswered | AlertDisputed | AlertSnoozed | AlertWaived
