"""One alert of the played year is taken up; who was told what of it, and when, is read off the messages that came."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from cloudevents.core.base import BaseCloudEvent

from api.demo.findings import Findings
from api.demo.player import Player
from api.demo.receiver import Receiver

TAKING = {"answer": "taking"}


class Told(NamedTuple):
    """One message about the alert, as an agency received and verified it."""

    at: datetime
    agency: str
    what: str
    """`raised`, `escalated`, `answered`…"""
    level: str
    """To whom it was passed on; empty for the rest."""
    with_pathway: bool
    """False for a notice, which leads to no pathway."""


def telling(findings: Findings) -> tuple[UUID, dict[str, Any]] | None:
    """An open alert, one of a training need if there is one."""
    alerts = sorted(findings.alerts.items(), key=_eloquence)
    return alerts[0] if alerts else None


async def take_up(player: Player, alert_id: UUID, alert: Mapping[str, Any]) -> str | None:
    """An agency able to act says that it takes an open alert; which one. None: it was over, or nobody is able."""
    able = [each["agency"] for each in alert["content"]["recipients"] if each["sees"] == "content"]
    if alert["status"] != "open" or not able:
        return None
    await player.post(able[0], f"/v1/alerts/{alert_id}/answers", TAKING)
    return str(able[0])


def told_of(alert_id: UUID, receivers: Mapping[str, Receiver]) -> list[Told]:
    """What came of it to each agency, in order."""
    return sorted(
        _told(agency, event)
        for agency, receiver in receivers.items()
        for event in receiver.events.values()
        if event.get_subject() == str(alert_id)
    )


def _told(agency: str, event: BaseCloudEvent) -> Told:
    at, data = event.get_time(), event.get_data()
    assert at is not None
    assert isinstance(data, dict)
    return Told(at, agency, event.get_type().split(".")[2], data.get("level", ""), "pathway_id" in data)


def _eloquence(item: tuple[UUID, dict[str, Any]]) -> tuple[bool, bool, UUID]:
    alert_id, alert = item
    return alert["status"] != "open", alert["content"]["rule"] != "need-to-referral", alert_id
