"""What agencies do about alerts, and whom a territory names its coordinators, on the log of a small territory."""

from datetime import timedelta
from uuid import UUID, uuid4

from application.event_log import Commit, Stored
from domain.aggregate import Event
from domain.alert import Alert, Sees
from domain.alert_commands import AlertAct, AlertCommand
from domain.membership import WhoAnswers, introduce, member_id_of
from domain.referral import RequestReferral
from domain.roles import Role
from domain.rules import Calendars
from infrastructure.database import Pool
from tests.support.following import (
    CCAS,
    MISSION,
    TERRITORY,
    TRAINING_NEED,
    Territory,
    all_projections,
    follower_of,
)

PROVIDER = "https://identity.example"
CALENDAR = Calendars().of(TERRITORY)


async def unanswered(pool: Pool, place: Territory, pathway_id: UUID | None = None) -> UUID:
    """An alert of `referral-acknowledged`, just raised: CCAS asked MISSION, which has not answered for 20 days."""
    pathway = pathway_id or await place.open()
    await place.act(pathway, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
    await pass_time(pool, place, timedelta(days=20))
    query = "SELECT alert FROM alerts WHERE rule = 'referral-acknowledged' AND pathway = $1"
    [alert] = await pool.fetch(query, pathway)
    found: UUID = alert["alert"]
    return found


async def pass_time(pool: Pool, place: Territory, span: timedelta = timedelta()) -> None:
    """Then a follower started afresh does what there is to do: nothing waits in memory."""
    place.clock.advance(span)
    await follower_of(pool, place, all_projections(place)).catch_up()


async def alert_of(place: Territory, alert_id: UUID) -> Alert:
    alert: Alert | None = None
    for stored in await history(place, alert_id):
        alert = stored.event.mutate(alert)
    assert alert is not None
    return alert


async def history(place: Territory, alert_id: UUID) -> list[Stored]:
    return await place.log.read_stream(place.name, alert_id)


async def answer(place: Territory, alert_id: UUID, agency: str, command: AlertCommand) -> None:
    """Carry out a command on an alert in the name of an agency that sees its content."""
    alert, now = await alert_of(place, alert_id), place.clock.now()
    assert alert.finding is not None
    act = AlertAct(
        agency=agency,
        agent="agent-1",
        at=now,
        today=now.astimezone(CALENDAR.tz).date(),
        calendar=CALENDAR,
        sees=Sees.CONTENT,
    )
    version = alert.version
    command.decide(alert, act)
    events = [event for event in alert.collect_events() if isinstance(event, Event)]
    subject = (await place.pathway(alert.finding.pathway)).subject
    await place.log.append(
        place.name, Commit(stream_id=alert_id, expected_version=version, events=events, subject=subject)
    )


async def name_coordinator(place: Territory, agency: str) -> None:
    """Somebody of this agency coordinates the territory."""
    act, who = place.act_of(agency), WhoAnswers(agency=agency, roles=frozenset({Role.OPERATOR}), member_id=uuid4())
    sub = f"coordinator of {agency}"
    identity = {"issuer": PROVIDER, "sub": sub, "name": None, "email": None}
    member = introduce(place.name, member_id_of(PROVIDER, sub), identity, act)
    member.request(agency, Role.COORDINATOR, act)
    member.approve(agency, Role.COORDINATOR, who, act)
    events = [event for event in member.collect_events() if isinstance(event, Event)]
    await place.log.append(
        place.name, Commit(stream_id=member.id, expected_version=0, events=events, subject=member.id)
    )
