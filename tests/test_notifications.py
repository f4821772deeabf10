"""Every agency concerned hears of an alert, once, and learns only what it may."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec

from application.alert_histories import alert_now
from application.event_log import Commit
from application.message_types import MESSAGE_TYPES, MessageTypes
from application.messages import OUTBOX_CHANNEL, Audience
from application.rulebook import load_rules
from application.rules_in_force import RulesInForce
from domain.access_log import BudgetSpent
from domain.alert_escalation import AlertEscalated, EscalationLevel
from domain.alert_pause import AlertWoken, WokenBecause
from domain.alert_response import Answer
from domain.alert_steps import AlertAnswered, AlertStep, AlertStepTold
from domain.consent import GiveConsent, Purpose
from domain.contact import Channel, RecordContact
from domain.diagnosis import FoundNeed, RecordDiagnosis
from domain.ids import uuid7
from domain.pathway import SYSTEM
from domain.referent import AssignReferent
from domain.referral import RequestReferral
from domain.rules import Calendars
from infrastructure.database import Pool
from projections.alert_board import Wanted, alerts
from projections.news import rows_of
from projections.notifications import Notifications, news_of_spent_budget
from projections.projection import Build, Page
from projections.registry import projections
from tests.support.alert_samples import stored
from tests.support.following import (
    CCAS,
    HOUSING,
    MISSION,
    TERRITORY,
    TRAINING_NEED,
    Territory,
    all_projections,
    catch_up,
    follower_of,
    territory,
)

TOLD = """
SELECT o.agency, o.type, o.pathway IS NOT NULL FROM outbox o JOIN alerts a ON a.alert = o.subject_id
WHERE a.rule = $1 ORDER BY o.position, o.agency"""
NEED = RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),))


async def told(pool: Pool, rule: str) -> list[tuple[str, str, bool]]:
    return [tuple(row.values()) for row in await pool.fetch(TOLD, rule)]


async def test_those_who_take_part_are_told_what_it_is_about(database_url: str, pool: Pool) -> None:
    """Acting agency, referent, and who was asked."""
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        await place.act(pathway_id, CCAS, AssignReferent(to_agency=HOUSING))
        await place.act(pathway_id, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        place.pass_days(20)
        await catch_up(pool, place)
        async with pool.acquire() as db:
            [row] = await alerts(db, TERRITORY, MISSION, Wanted(rule="referral-acknowledged"))
    raised = "unisson.alert.raised.v1"
    assert await told(pool, "referral-acknowledged") == [
        (CCAS, raised, True),
        (MISSION, raised, True),
        (HOUSING, raised, True),
    ]
    assert (row.role, row.sees) == ("able_to_act", "content")


async def test_an_agency_outside_that_could_act_gets_a_notice_without_the_pathway(
    database_url: str, pool: Pool
) -> None:
    async with territory(database_url, pool) as place:
        await place.join(MISSION, "training")
        await place.join(HOUSING, "housing")
        pathway_id = await place.open()
        await place.act(pathway_id, CCAS, NEED)
        place.pass_days(40)
        await catch_up(pool, place)
    raised = "unisson.alert.raised.v1"
    assert await told(pool, "need-to-referral") == [(CCAS, raised, True), (MISSION, raised, False)]
    assert await pool.fetchval("SELECT code FROM agency_inbox WHERE agency = $1 AND kind = 'alert'", MISSION) == ""


async def test_nobody_outside_is_told_when_somebody_inside_can_act(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await place.join(MISSION, "training")
        await place.join("greta", "training")
        pathway_id = await place.open()
        await place.act(pathway_id, CCAS, AssignReferent(to_agency=MISSION))
        await place.act(pathway_id, CCAS, NEED)
        place.pass_days(40)
        await catch_up(pool, place)
    assert [agency for agency, _, _ in await told(pool, "need-to-referral")] == [CCAS, MISSION]


async def test_those_told_of_an_alert_are_told_that_it_is_cleared(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        place.pass_days(100)
        await catch_up(pool, place)
        await place.act(pathway_id, CCAS, RecordContact(channel=Channel.PHONE))
        await catch_up(pool, place)
    assert await told(pool, "silence-90") == [
        (CCAS, "unisson.alert.raised.v1", True),
        (CCAS, "unisson.alert.cleared.v1", True),
    ]


async def test_what_is_found_long_after_is_recorded_and_nobody_is_told(database_url: str, pool: Pool) -> None:
    """An import brings years of the past at once."""
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        long_ago = place.clock.now().date() - timedelta(days=300)
        await place.act(pathway_id, CCAS, RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),), on=long_ago))
        await catch_up(pool, place)
    assert await pool.fetchval("SELECT quiet FROM alerts WHERE rule = 'need-to-referral'") is True
    assert await told(pool, "need-to-referral") == []
    assert await pool.fetchval("SELECT count(*) FROM agency_inbox WHERE code = 'need-to-referral'") == 0


async def test_in_a_quiet_territory_nobody_is_told_of_each(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await place.open()
        place.pass_days(100)
        await follower_of(pool, place, all_projections(place, quiet_territories={TERRITORY})).catch_up()
    assert await pool.fetchval("SELECT count(*) FROM alerts WHERE quiet") == 1
    assert await pool.fetchval("SELECT array_agg(type) FROM outbox") == ["unisson.alerts.summary.v1"]


async def test_a_second_follower_tells_nobody_twice(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        await place.act(pathway_id, CCAS, RecordContact(channel=Channel.PHONE, on=date(2026, 1, 5)))
        place.pass_days(100)
        await catch_up(pool, place)
        once = await pool.fetch("SELECT message_id FROM outbox")
        await catch_up(pool, place)
        assert await pool.fetch("SELECT message_id FROM outbox") == once
    assert len(once) == 1


async def test_whoever_sends_is_woken_once_for_all_that_a_page_tells(database_url: str, pool: Pool) -> None:
    woken: list[object] = []

    def wake(*notification: object) -> None:
        woken.append(notification)

    async with territory(database_url, pool) as place, pool.acquire() as db:
        await db.add_listener(OUTBOX_CHANNEL, wake)
        pathway_id = await place.open()
        await catch_up(pool, place)
        await db.execute("SELECT 1")
        assert woken == []
        await place.act(pathway_id, CCAS, AssignReferent(to_agency=HOUSING))
        await place.act(pathway_id, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        place.pass_days(20)
        for _ in range(2):
            await catch_up(pool, place)
            await db.execute("SELECT 1")
            assert len(woken) == 1
        await db.remove_listener(OUTBOX_CHANNEL, wake)
    assert await pool.fetchval("SELECT count(*) FROM outbox") > 1


async def test_of_two_facts_that_may_not_stand_side_by_side_both_agencies_are_told(
    database_url: str, pool: Pool
) -> None:
    twice = """
    {rule: same-need-twice, kind: forbid, when: {on: diagnosis}, within: {from: -60d, to: 0d},
     forbid: {on: diagnosis, match: {theme: theme}, differ: {agency: agency}}}"""
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        await place.act(pathway_id, CCAS, GiveConsent(purpose=Purpose.SHARING, to_agency=MISSION), NEED)
        place.pass_days(3)
        await place.act(pathway_id, MISSION, NEED)
        rules = RulesInForce(load_rules(twice))
        await follower_of(pool, place, projections(place.log, rules, Calendars())).catch_up()
    raised = "unisson.alert.raised.v1"
    assert await told(pool, "same-need-twice") == [(CCAS, raised, True), (MISSION, raised, True)]


async def test_a_step_is_told_with_the_alert_as_it_stood_then(database_url: str, pool: Pool) -> None:
    """Its severity, and whom it concerned, whatever came after; each once, however often it is folded."""
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        await place.act(pathway_id, CCAS, AssignReferent(to_agency=HOUSING))
        await place.act(pathway_id, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        place.pass_days(20)
        await catch_up(pool, place)
        alert_id = await pool.fetchval("SELECT alert FROM alerts WHERE rule = 'referral-acknowledged'")
        await take_step(place, alert_id, AlertAnswered, MISSION, answer=Answer.TAKING)
        await take_step(place, alert_id, AlertWoken, SYSTEM, of=HOUSING, because=WokenBecause.DUE)
        for _ in range(2):
            await catch_up(pool, place)
    rows = await pool.fetch("SELECT agency, type, severity, pathway FROM outbox ORDER BY position, agency")
    assert [tuple(row) for row in rows[-3:]] == [
        (CCAS, "unisson.alert.answered.v1", "warning", pathway_id),
        (HOUSING, "unisson.alert.answered.v1", "warning", pathway_id),
        (HOUSING, "unisson.alert.woken.v1", "warning", pathway_id),
    ]


async def take_step(place: Territory, alert_id: UUID, step: type[AlertStep], agency: str, **fields: Any) -> None:
    """Record one about the alert as it stands."""
    alert = await alert_now(place.log, TERRITORY, alert_id)
    assert alert is not None
    assert alert.finding is not None
    pathway = await place.pathway(alert.finding.pathway)
    if issubclass(step, AlertStepTold):
        fields["concerned"] = alert.recipients
    now = place.clock.now()
    event = step(
        originator_id=alert_id,
        originator_version=alert.version + 1,
        timestamp=now,
        agency=agency,
        on=now,
        revision=alert.revision,
        pathway=pathway.id,
        rule=alert.finding.rule,
        **fields,
    )
    await place.log.append(
        TERRITORY,
        Commit(stream_id=alert_id, expected_version=alert.version, events=[event], subject=pathway.subject),
    )


EVERYTHING = "SELECT * FROM outbox ORDER BY position, message_id"


async def test_however_the_log_is_cut_into_pages_the_same_is_told(database_url: str, pool: Pool) -> None:
    """A step is told of the alert as it stood then, though the page goes further."""
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        await place.act(pathway_id, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        place.pass_days(20)
        await catch_up(pool, place)
        alert_id = await pool.fetchval("SELECT alert FROM alerts WHERE rule = 'referral-acknowledged'")
        await take_step(place, alert_id, AlertAnswered, MISSION, answer=Answer.IN_SUPPORT)
        await take_step(place, alert_id, AlertEscalated, SYSTEM, level=EscalationLevel.RULE, severity="critical")
        await take_step(place, alert_id, AlertAnswered, MISSION, answer=Answer.TAKING)
        await follower_of(pool, place, all_projections(place), page_size=1).catch_up()
        one_by_one = [{**row, "stored_at": None} for row in await pool.fetch(EVERYTHING)]
        await pool.execute("DELETE FROM outbox")
        page = Page(
            territory=TERRITORY,
            events=await place.log.page(TERRITORY, after=0),
            pathways={},
            steps={},
            before={},
            replay=False,
        )
        async with pool.acquire() as db:
            notifications = Notifications(place.log)
            await notifications.fold(db, Build(notifications.name, notifications.version, 1, ()), page)
        assert [{**row, "stored_at": None} for row in await pool.fetch(EVERYTHING)] == one_by_one
    assert [row["severity"] for row in one_by_one if "answered" in row["type"]] == ["warning", "critical"]


RENAMED = msgspec.structs.replace(MESSAGE_TYPES["unisson.alert.raised.v1"], version=2)
EARLIER = msgspec.structs.replace(MESSAGE_TYPES["unisson.alert.raised.v1"], sunset=date(2026, 5, 1))


async def test_two_versions_of_a_type_are_told_side_by_side_until_the_first_ones_sunset(
    database_url: str, pool: Pool
) -> None:
    types = MessageTypes((EARLIER, RENAMED))
    async with territory(database_url, pool) as place:
        await endpoint(pool, "every type")
        await endpoint(pool, "the new one only", RENAMED.type)
        for days in (100, 300):
            await place.open()
            place.pass_days(days)
            some = [each for each in all_projections(place) if each.name != "notifications"]
            await follower_of(pool, place, [*some, Notifications(place.log, types)]).catch_up()
    told = await pool.fetch("SELECT position, type FROM outbox ORDER BY position, type")
    first, last = (min(row["position"] for row in told), max(row["position"] for row in told))
    assert [row["type"] for row in told if row["position"] == first] == [EARLIER.type, RENAMED.type]
    assert [row["type"] for row in told if row["position"] == last] == [RENAMED.type]
    assert {tuple(row) for row in await pool.fetch(SENT_TO)} == {
        ("every type", EARLIER.type),
        ("every type", RENAMED.type),
        ("the new one only", RENAMED.type),
    }


SENT_TO = """
SELECT e.url, o.type FROM deliveries d JOIN outbox o USING (territory, message_id)
JOIN webhook_endpoints e ON e.territory = d.territory AND e.endpoint_id = d.endpoint_id"""
ENDPOINT = """
INSERT INTO webhook_endpoints
    (territory, endpoint_id, agency, url, event_types, secret, created_at, status, verified_at)
VALUES ($1, $2, $3, $4, $5, '', now(), 'active', now())"""


async def endpoint(pool: Pool, name: str, *types: str) -> None:
    await pool.execute(ENDPOINT, TERRITORY, uuid7(), CCAS, name, list(types))


def test_of_a_spent_budget_the_officers_are_told_and_the_lead_of_whoever_was_stopped() -> None:
    spent = stored(BudgetSpent, 7, CCAS, day=date(2026, 3, 2), of_agency=False, persons_most=200)
    told = {each.agency: each.audience for each in news_of_spent_budget(spent, ["dpd-34"])}
    assert told == {CCAS: Audience.LEAD, "dpd-34": None}
    (row,) = (row for each in news_of_spent_budget(spent, [CCAS]) for row in rows_of(each, MESSAGE_TYPES))
    assert (row.type, row.audience) == ("unisson.access.budget-spent.v1", Audience.COORDINATOR)
