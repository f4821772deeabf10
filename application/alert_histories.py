"""Alerts as they stood, from their own streams: what a step about one leaves to be known from those before it."""

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from application.alert_streams import living
from application.event_log import EventLog
from domain.alert import Alert


class Moment(NamedTuple):
    """An alert once everything up to a position was known."""

    alert_id: UUID
    position: int


async def alerts_at(log: EventLog, territory: str, moments: Collection[Moment]) -> dict[Moment, Alert]:
    """Read in one query. Those that were not raised by then, or whose person was erased since, are left out."""
    if not moments:
        return {}
    last = max(moment.position for moment in moments)
    ids = sorted({moment.alert_id for moment in moments})
    streams = await log.read_streams(territory, ids, until_position=last)
    found = {
        moment: living(stored for stored in streams.get(moment.alert_id, ()) if stored.position <= moment.position)
        for moment in moments
    }
    return {moment: alert for moment, alert in found.items() if alert is not None}


async def alert_now(log: EventLog, territory: str, alert_id: UUID) -> Alert | None:
    """None when there is no such alert, or its person was erased."""
    return living(await log.read_stream(territory, alert_id))
