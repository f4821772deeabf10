"""The inbox as cards, what is nearly due in it, and on which days alerts came that nobody was told of one by one."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from uuid import UUID

import pytest

from application.alerts import Alerts, Change
from application.rulebook import load_rules
from application.rules_in_force import RulesInForce
from application.sight import Sight
from domain.alert import ClearedBecause, Found, Resolved
from domain.alert_commands import PutAside, Resume, Snooze, Waive
from domain.alert_pause import WaiverCode
from domain.consent import GiveConsent, Purpose
from domain.diagnosis import FoundNeed, RecordDiagnosis
from domain.referral import MoveReferral, ReferralStatus, RequestReferral
from domain.rules import Calendars
from infrastructure.database import Pool
from infrastructure.row_security import reading
from projections.agency_inbox import inbox
from projections.check import Checked, check
from projections.due_soon import due_soon, pathways_at_work
from projections.inbox_cards import BEFORE_ANY, Card, cards
from projections.quiet_alerts import summaries
from projections.rebuild import rebuild
from projections.registry import projections
from tests.support.answering import alert_of, answer, pass_time, unanswered
from tests.support.following import (
    CCAS,
    HOUSING,
    MISSION,
    MONDAY,
    TERRITORY,
    TRAINING_NEED,
    Territory,
    all_projections,
    follower_of,
    territory,
)

DAY = timedelta(days=1)
NEED = RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),))


@pytest.fixture
async def place(database_url: str, pool: Pool) -> AsyncIterator[Territory]:
    async with territory(database_url, pool) as it:
        yield it


async def cards_of(pool: Pool, place: Territory, agency: str) -> list[Card]:
    now = place.clock.now()
    async with reading(pool, Sight(territory=TERRITORY, agency=agency, at=now)) as db:
        return await cards(db, TERRITORY, agency, now)


async def alerts_in_inbox(pool: Pool, place: Territory, agency: str) -> list[UUID]:
    now = place.clock.now()
    async with reading(pool, Sight(territory=TERRITORY, agency=agency, at=now)) as db:
        return [item.item for item in await inbox(db, TERRITORY, agency, now) if item.kind == "alert"]


async def due_soon_of(pool: Pool, place: Territory, agency: str) -> list[tuple[str, UUID]]:
    now = place.clock.now()
    async with reading(pool, Sight(territory=TERRITORY, agency=agency, at=now)) as walled:
        pathways = await pathways_at_work(walled, TERRITORY, agency)
    async with pool.acquire() as db:
        return [(each.rule, each.pathway) for each in await due_soon(db, TERRITORY, pathways, now)]


async def clear(place: Territory, alert_id: UUID) -> None:
    """The referral that it is about is answered."""
    finding = (await alert_of(place, alert_id)).finding
    assert finding is not None
    accepted = MoveReferral(referral_id=UUID(finding.activation), status=ReferralStatus.ACCEPTED)
    await place.act(finding.pathway, MISSION, accepted)


async def test_the_alerts_of_one_pathway_are_one_card(pool: Pool, place: Territory) -> None:
    pathway = await place.open()
    await place.act(pathway, CCAS, GiveConsent(purpose=Purpose.SHARING, to_agency=MISSION))
    referral = RequestReferral(to_agency=MISSION, theme=TRAINING_NEED)
    await place.act(pathway, CCAS, referral, referral)
    alone = await unanswered(pool, place)
    grave, other = await cards_of(pool, place, MISSION)
    assert (grave.pathway, grave.open, grave.severity) == (pathway, 2, "warning")
    assert (other.open, list(other.alerts)) == (1, [alone])


async def test_the_gravest_card_is_first_then_the_longest_waiting(pool: Pool, place: Territory) -> None:
    first = await unanswered(pool, place)
    second = await unanswered(pool, place)  # Three weeks later: the first has grown as its rule says.
    found = await cards_of(pool, place, CCAS)
    assert [(card.severity, list(card.alerts), card.level) for card in found] == [
        ("critical", [first], "rule"),
        ("warning", [second], None),
    ]
    now = place.clock.now()
    async with reading(pool, Sight(territory=TERRITORY, agency=CCAS, at=now)) as db:
        after, pages = BEFORE_ANY, []
        while page := await cards(db, TERRITORY, CCAS, now, after=after, limit=1):
            pages += page
            after = page[-1].place
    assert pages == found


async def test_a_cleared_card_stays_for_seven_days(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered(pool, place)
    await clear(place, alert_id)
    await pass_time(pool, place)
    [card] = await cards_of(pool, place, MISSION)
    assert (card.open, card.severity, [(each.id, each.because) for each in card.cleared]) == (
        0,
        None,
        [(alert_id, "done_late")],
    )
    assert await alerts_in_inbox(pool, place, MISSION) == []
    place.clock.advance(7 * DAY)
    assert await cards_of(pool, place, MISSION) == []


async def test_a_bare_notice_is_a_card_that_leads_nowhere(pool: Pool, place: Territory) -> None:
    await place.join(MISSION, "training")
    for _ in range(2):
        pathway = await place.open()
        await place.act(pathway, CCAS, NEED)
    await pass_time(pool, place, 40 * DAY)
    notices = await cards_of(pool, place, MISSION)
    assert [(card.pathway, card.open, list(card.alerts)) for card in notices] == [
        (None, 1, [card.id]) for card in notices
    ]
    assert len(notices) == 2
    assert await cards_of(pool, place, HOUSING) == []


async def test_snoozed_it_leaves_the_inbox_of_who_snoozed_it_until_it_is_woken(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered(pool, place)
    await answer(place, alert_id, CCAS, Snooze(until=place.clock.now() + 2 * DAY, reason="On leave."))
    await pass_time(pool, place)
    assert await alerts_in_inbox(pool, place, CCAS) == []
    assert await cards_of(pool, place, CCAS) == []
    assert await alerts_in_inbox(pool, place, MISSION) == [alert_id]
    await pass_time(pool, place, 2 * DAY)
    assert await alerts_in_inbox(pool, place, CCAS) == [alert_id]


async def test_waived_it_leaves_every_inbox_until_the_waiver_ends(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered(pool, place)
    await answer(
        place,
        alert_id,
        MISSION,
        Waive(code=WaiverCode.AGREED_DELAY, until=place.clock.now() + 30 * DAY, text="Agreed with them."),
    )
    await pass_time(pool, place)
    assert await alerts_in_inbox(pool, place, CCAS) == await alerts_in_inbox(pool, place, MISSION) == []
    await answer(place, alert_id, MISSION, Resume(what=PutAside.WAIVER))
    await pass_time(pool, place)
    assert await alerts_in_inbox(pool, place, CCAS) == await alerts_in_inbox(pool, place, MISSION) == [alert_id]


async def test_found_again_under_a_waiver_it_is_told_at_its_end_and_then_shown_as_cleared(
    pool: Pool, place: Territory
) -> None:
    alert_id = await unanswered(pool, place)
    until = place.clock.now() + 30 * DAY
    await answer(place, alert_id, MISSION, Waive(code=WaiverCode.AGREED_DELAY, until=until, text="Agreed with them."))
    for change in (cleared, found_again):
        place.clock.advance(DAY)
        await Alerts(place.log).record(TERRITORY, [await change(place, alert_id)])
    await pass_time(pool, place)
    assert await cards_of(pool, place, CCAS) == []
    await answer(place, alert_id, MISSION, Resume(what=PutAside.WAIVER))
    await pass_time(pool, place, DAY)
    assert await alerts_in_inbox(pool, place, CCAS) == [alert_id]
    await Alerts(place.log).record(TERRITORY, [await cleared(place, alert_id)])
    await pass_time(pool, place)
    [card] = await cards_of(pool, place, CCAS)
    assert [each.id for each in card.cleared] == [alert_id]


async def cleared(place: Territory, alert_id: UUID) -> Change:
    resolved = Resolved(on=place.clock.now(), known_at=1_000, reason=ClearedBecause.CORRECTED)
    return await change_of(place, alert_id, resolved)


async def found_again(place: Territory, alert_id: UUID) -> Change:
    alert = await alert_of(place, alert_id)
    assert alert.finding is not None
    found = Found(on=place.clock.now(), known_at=1_000, finding=alert.finding, recipients=alert.recipients)
    return await change_of(place, alert_id, found)


async def change_of(place: Territory, alert_id: UUID, what: Found | Resolved) -> Change:
    alert = await alert_of(place, alert_id)
    assert alert.finding is not None
    pathway = await place.pathway(alert.finding.pathway)
    key = f"{alert_id} {what.on}"
    return Change(alert_id=alert_id, pathway=pathway.id, subject=pathway.subject, what=what, key=key)


async def test_what_is_nearly_due_is_in_the_work_list_of_those_who_take_part_and_is_no_alert(
    pool: Pool, place: Territory
) -> None:
    await place.join(MISSION, "training")
    pathway = await place.open()
    await place.act(pathway, CCAS, NEED)
    await pass_time(pool, place, 24 * DAY)  # Of 30: four fifths are 24.8 days.
    assert ("need-to-referral", pathway) not in await due_soon_of(pool, place, CCAS)
    place.clock.advance(DAY)
    assert ("need-to-referral", pathway) in await due_soon_of(pool, place, CCAS)
    assert await due_soon_of(pool, place, MISSION) == []  # It is told once it is an alert, and not before.
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 0
    await pass_time(pool, place, 15 * DAY)
    assert ("need-to-referral", pathway) not in await due_soon_of(pool, place, CCAS)
    assert await pool.fetchval("SELECT count(*) FROM alerts WHERE rule = 'need-to-referral'") == 1


async def test_done_in_time_it_leaves_the_work_list(pool: Pool, place: Territory) -> None:
    pathway = await place.open()
    await place.act(pathway, CCAS, NEED)
    await pass_time(pool, place, 25 * DAY)
    assert ("need-to-referral", pathway) in await due_soon_of(pool, place, CCAS)
    await place.act(pathway, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
    await pass_time(pool, place)
    assert ("need-to-referral", pathway) not in await due_soon_of(pool, place, CCAS)


async def test_a_grace_is_time_to_act_not_yet_an_alert(pool: Pool, place: Territory) -> None:
    rules = RulesInForce(
        load_rules("{rule: talk, kind: silence, of: {on: contact}, gap: 10d, grace: 5d, severity: {raise: critical}}")
    )
    everything = projections(place.log, rules, Calendars())
    pathway = await place.open()
    place.clock.advance(12 * DAY)
    await follower_of(pool, place, everything).catch_up()
    assert await due_soon_of(pool, place, CCAS) == [("talk", pathway)]
    assert await pool.fetchval("SELECT count(*) FROM alerts") == 0
    place.clock.advance(5 * DAY)
    await follower_of(pool, place, everything).catch_up()
    assert await due_soon_of(pool, place, CCAS) == []
    assert await pool.fetchval("SELECT count(*) FROM alerts") == 1


async def summaries_of(pool: Pool, place: Territory, agency: str) -> list[tuple[date, int, int]]:
    async with reading(pool, Sight(territory=TERRITORY, agency=agency, at=place.clock.now())) as db:
        return [(each.day, each.alerts, each.still_open) for each in await summaries(db, TERRITORY, agency)]


async def test_a_storm_is_one_message_per_agency_and_civil_day(pool: Pool, place: Territory) -> None:
    """What is recorded so long after is told to nobody one by one."""
    long_ago = RecordDiagnosis(needs=NEED.needs, on=place.clock.now().date() - 300 * DAY)
    for hour in (8, 21, 23):  # At 23 h UTC it is the day after, in Montpellier.
        place.clock.set(MONDAY.replace(hour=hour))
        await place.act(await place.open(), CCAS, long_ago)
        await pass_time(pool, place)
    told = await pool.fetch("SELECT agency, type, pathway FROM outbox")
    assert [tuple(row.values()) for row in told] == [(CCAS, "unisson.alerts.summary.v1", None)] * 2
    assert await summaries_of(pool, place, CCAS) == [(date(2026, 1, 6), 1, 1), (date(2026, 1, 5), 2, 2)]
    assert await summaries_of(pool, place, MISSION) == []
    assert await cards_of(pool, place, CCAS) == []


async def test_counting_them_again_tells_nobody_again(pool: Pool, place: Territory) -> None:
    long_ago = RecordDiagnosis(needs=NEED.needs, on=place.clock.now().date() - 300 * DAY)
    await place.act(await place.open(), CCAS, long_ago)
    await pass_time(pool, place)
    once, everything = await pool.fetch("SELECT * FROM outbox"), all_projections(place)
    assert await check(pool, place.log, everything, place.clock, ["quiet_alerts"]) == Checked()
    await rebuild(pool, place.log, everything, place.clock, ["quiet_alerts"])
    assert await summaries_of(pool, place, CCAS) == [(date(2026, 1, 5), 1, 1)]
    assert await pool.fetch("SELECT * FROM outbox") == once
