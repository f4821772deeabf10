"""Pathways that are closed or suspended, and their alerts, which are in no inbox as long as the pathway rests.

Tables of the timers' own build: both go by what a pathway's rest does to its alerts.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from domain.alert import Alert
from domain.pathway import Pathway
from domain.rules.rule import OnClose, OnSuspend, Rule
from projections.projection import Build, Connection, Page

RESTING = """
CREATE TABLE {resting_pathways} (
    pathway   uuid NOT NULL,
    closed    boolean NOT NULL,
    suspended boolean NOT NULL,
    territory text COLLATE "C" NOT NULL,
    PRIMARY KEY (territory, pathway)
)"""
SLEEPING = """
CREATE TABLE {sleeping_alerts} (
    alert     uuid NOT NULL,
    territory text COLLATE "C" NOT NULL,
    agency    text COLLATE "C" NOT NULL,
    PRIMARY KEY (territory, agency, alert)
);
CREATE INDEX ON {sleeping_alerts} (territory, alert)"""

REST = """
INSERT INTO {resting_pathways} AS r (territory, pathway, closed, suspended)
SELECT $1, * FROM unnest($2::uuid[], $3::boolean[], $4::boolean[])
ON CONFLICT (territory, pathway) DO UPDATE SET closed = excluded.closed, suspended = excluded.suspended
    WHERE (r.closed, r.suspended) <> (excluded.closed, excluded.suspended)
RETURNING pathway"""
GO_ON = "DELETE FROM {resting_pathways} WHERE territory = $1 AND pathway = ANY($2::uuid[]) RETURNING pathway"
RESTS = """
SELECT pathway, closed, suspended FROM {resting_pathways} WHERE territory = $1 AND pathway = ANY($2::uuid[])"""
WAKE = "DELETE FROM {sleeping_alerts} WHERE territory = $1 AND alert = ANY($2::uuid[])"
SLEEP = """
INSERT INTO {sleeping_alerts} (territory, alert, agency) SELECT $1, * FROM unnest($2::uuid[], $3::text[])"""


class Rest(NamedTuple):
    """How a pathway rests, if it does."""

    closed: bool
    suspended: bool

    def ends(self, rule: Rule) -> bool:
        """Not where the rule means to look beyond."""
        return (self.closed and rule.on_close is OnClose.CANCEL) or (
            self.suspended and rule.on_suspend is not OnSuspend.RUN
        )


NO_REST = Rest(closed=False, suspended=False)


def rest_of(pathway: Pathway) -> Rest:
    return Rest(pathway.is_closed, pathway.is_suspended)


async def keep_rests(db: Connection, build: Build, page: Page) -> set[UUID]:
    """The pathways whose rest begins, changes or ends with this page."""
    rests = {pathway_id: rest_of(pathway) for pathway_id, pathway in page.living.items()}
    resting = [(pathway_id, *rest) for pathway_id, rest in rests.items() if rest != NO_REST]
    going_on = [pathway_id for pathway_id, rest in rests.items() if rest == NO_REST]
    changed = await db.fetch(build.sql(GO_ON), page.territory, going_on) if going_on else []
    if resting:
        changed += await db.fetch(build.sql(REST), page.territory, *zip(*resting, strict=True))
    return {row["pathway"] for row in changed}


async def rests_of(db: Connection, build: Build, territory: str, pathways: Sequence[UUID]) -> dict[UUID, Rest]:
    """Of those that rest."""
    rows = await db.fetch(build.sql(RESTS), territory, pathways)
    return {pathway: Rest(closed, suspended) for pathway, closed, suspended in rows}


async def put_to_sleep(
    db: Connection, build: Build, territory: str, alerts: Mapping[UUID, Alert], asleep: Iterable[UUID]
) -> None:
    """Of these alerts, those that are asleep sleep for all whom they concern; the others wake."""
    sleepers = [(alert_id, one.agency) for alert_id in asleep for one in alerts[alert_id].recipients]
    await db.execute(build.sql(WAKE), territory, list(alerts))
    if sleepers:
        await db.execute(build.sql(SLEEP), territory, *zip(*sleepers, strict=True))


async def forget_rests(db: Connection, build: Build, page: Page) -> None:
    await db.execute(build.sql(GO_ON), page.territory, list(page.erased))
    await db.execute(build.sql(WAKE), page.territory, list(page.forgotten_alerts))
