"""What was found against what was planted, and who was told: read back over HTTP, as the agencies see it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from api.demo.player import Player
from api.demo.receiver import Receiver
from api.demo.script import Story
from api.demo.territory import TERRITORY
from api.runtime import Runtime

RAISED = "unisson.alert.raised.v1"
COUNTS = """
SELECT (SELECT count(*) FROM events WHERE territory = $1) AS events,
    (SELECT count(*) FROM pathway_summaries WHERE territory = $1) AS pathways,
    (SELECT count(*) FROM obligations WHERE territory = $1) AS obligations"""


class Found(msgspec.Struct, frozen=True, order=True):
    """One alert, as (pathway, rule) and whether it was cleared since."""

    pathway: str
    rule: str
    cleared: bool


class Findings(msgspec.Struct):
    counts: Mapping[str, int]
    calls: int
    planted: set[Found]
    found: set[Found]
    alerts: dict[UUID, dict[str, Any]]
    """By id, as an agency that takes part in the pathway sees them."""
    untold: list[str]
    """`agency rule pathway` of every agency concerned that missed the webhook or the inbox."""
    overtold: list[str]
    """`agency rule pathway` of every agency told that nobody meant to tell."""
    verified: int
    refused: int

    @property
    def missing(self) -> set[Found]:
        return self.planted - self.found

    @property
    def unplanned(self) -> set[Found]:
        return self.found - self.planted

    @property
    def as_planted(self) -> bool:
        told_well = not (self.untold or self.overtold or self.refused)
        return not self.missing and not self.unplanned and told_well and bool(self.found)

    def by_rule(self) -> Counter[tuple[str, bool]]:
        return Counter((found.rule, found.cleared) for found in self.found)


async def read_findings(
    runtime: Runtime, stories: list[Story], player: Player, receivers: Mapping[str, Receiver]
) -> Findings:
    """Reads every agency's alerts, page by page, and what its receiver verified."""
    seen = {agency: await _alerts_of(player, agency) for agency in receivers}
    alerts = {UUID(alert["id"]): alert for mine in seen.values() for alert in mine if alert["content"]}
    told = _told(receivers) & {(agency, UUID(alert["id"])) for agency, mine in seen.items() for alert in mine}
    meant = _meant(stories, player, alerts)
    row = await runtime.pool.fetchrow(COUNTS, TERRITORY)
    assert row is not None
    return Findings(
        counts=dict(row),
        calls=player.calls,
        planted={
            Found(str(player.pathways[story.number]), expected.rule, expected.cleared)
            for story in stories
            for expected in story.expected
        },
        found={
            Found(alert["content"]["pathway_id"], alert["content"]["rule"], alert["status"] == "cleared")
            for alert in alerts.values()
        },
        alerts=alerts,
        untold=_named(meant - told, alerts),
        overtold=_named(_told(receivers) - meant, alerts),
        verified=sum(len(receiver.events) for receiver in receivers.values()),
        refused=sum(receiver.refused for receiver in receivers.values()),
    )


async def _alerts_of(player: Player, agency: str) -> list[dict[str, Any]]:
    alerts: list[dict[str, Any]] = []
    page = await player.get(agency, "/v1/alerts?limit=200")
    alerts += page["items"]
    while page["next"]:
        page = await player.get(agency, f"/v1/alerts?limit=200&cursor={page['next']}")
        alerts += page["items"]
    return alerts


def _told(receivers: Mapping[str, Receiver]) -> set[tuple[str, UUID]]:
    """Who received a verified message that an alert was raised."""
    return {
        (agency, UUID(str(event.get_subject())))
        for agency, receiver in receivers.items()
        for event in receiver.events.values()
        if event.get_type() == RAISED
    }


def _meant(stories: list[Story], player: Player, alerts: Mapping[UUID, dict[str, Any]]) -> set[tuple[str, UUID]]:
    """Who must be told of what, by the plan."""
    planned = {
        (str(player.pathways[story.number]), expected.rule): expected.told
        for story in stories
        for expected in story.expected
    }
    return {
        (agency, alert_id)
        for alert_id, alert in alerts.items()
        for agency in planned.get((alert["content"]["pathway_id"], alert["content"]["rule"]), ())
    }


def _named(pairs: set[tuple[str, UUID]], alerts: Mapping[UUID, dict[str, Any]]) -> list[str]:
    named = []
    for agency, alert_id in pairs:
        content = alerts[alert_id]["content"] if alert_id in alerts else {"rule": "?", "pathway_id": alert_id}
        named.append(f"{agency} {content['rule']} {content['pathway_id']}")
    return sorted(named)
