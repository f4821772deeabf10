"""How alerts behave: each of the eighteen ways has a test or several, named after it. Time goes by a clock set here."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.demo.receiver import Receiver
from application.civil_time import PARIS
from application.mail import MailLanguage
from application.pathways import Pathways
from application.right_to_know import RightToKnow
from domain.alert import ClearedBecause, Recipient, Sees
from domain.alert import Role as AlertRole
from domain.alert_commands import Acknowledge, AnswerAlert, Dispute, Snooze, Waive
from domain.alert_escalation import EscalationLevel
from domain.alert_pause import AlertWoken, WaiverCode, WokenBecause
from domain.alert_response import Answer, Wrong
from domain.clock import SettableClock
from domain.closure import ClosePathway, ClosureOutcome
from domain.contact import Channel, RecordContact
from domain.correction import RetractEntry
from domain.diagnosis import FoundNeed, RecordDiagnosis
from domain.referral import MoveReferral, ReferralStatus, RequestReferral
from domain.roles import Role
from domain.suspension import ResumePathway, SuspendPathway, SuspensionMotive
from infrastructure.database import Pool
from infrastructure.messages_told import messages_between
from infrastructure.outgoing_http import OutgoingHttp
from projections.agency_inbox import ItemKind, inbox
from projections.alert_board import AlertRow, Listed, Wanted, alerts
from projections.check import Checked, check
from projections.due_soon import due_soon, pathways_at_work
from projections.inbox_cards import Card, cards
from projections.rule_figures import Asked, Figures, figures
from tests.support import service as http
from tests.support.alerted import alerts_of, raised, respond, unanswered
from tests.support.answering import alert_of, answer, history, name_coordinator, pass_time
from tests.support.answering import unanswered as unanswered_here
from tests.support.following import CCAS, MISSION, TERRITORY, TRAINING_NEED, Territory, all_projections, territory
from tests.support.mail_server import MailServer, html_of, text_of
from tests.support.mailing import Rig
from tests.support.webhook_rig import Rig as WebhookRig

DAY = timedelta(days=1)
METROPOLE = "metropole-montpellier"
MINE = "referral-acknowledged"
NEED = "need-to-referral"


@pytest.fixture
async def place(database_url: str, pool: Pool) -> AsyncIterator[Territory]:
    async with territory(database_url, pool) as it:
        yield it


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(http.NOW)


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: SettableClock) -> AsyncIterator[http.Service]:
    async with http.running(database_url, tmp_path, clock=clock) as it:
        yield it


@pytest.fixture
async def mail(pool: Pool, place: Territory) -> AsyncIterator[Rig]:
    """Mails of the place, on its clock."""
    async with MailServer() as server:
        yield Rig(pool, server, place.clock)


async def listed(pool: Pool, place: Territory, agency: str, **wanted: object) -> list[AlertRow]:
    """On the board of an agency, now."""
    async with pool.acquire() as db:
        return await alerts(db, TERRITORY, agency, Wanted(now=place.clock.now(), **wanted))  # type: ignore[arg-type]


async def told(pool: Pool, alert_id: UUID) -> list[tuple[str, str]]:
    """Whom was sent what about an alert, in the order of the log."""
    rows = await pool.fetch("SELECT agency, type FROM outbox WHERE subject_id = $1 ORDER BY position, agency", alert_id)
    return [(row["agency"], row["type"].removeprefix("unisson.alert.").removesuffix(".v1")) for row in rows]


async def escalations(place: Territory, alert_id: UUID) -> list[EscalationLevel]:
    return [step.level for step in (await alert_of(place, alert_id)).escalated]


async def in_need(pool: Pool, place: Territory) -> tuple[UUID, UUID]:
    """A pathway with a training need that nobody acted on for forty days, and its alert."""
    pathway = await place.open()
    await place.act(pathway, CCAS, RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),)))
    await pass_time(pool, place, 40 * DAY)
    [row] = await listed(pool, place, CCAS, rule=NEED)
    return pathway, row.alert


async def lapse(pool: Pool, place: Territory, pathway: UUID) -> None:
    """The need is met in time, as is learnt late, and then it is learnt that it was not."""
    referral = RequestReferral(to_agency=MISSION, theme=TRAINING_NEED, on=date(2026, 1, 20))
    recorded = await place.act(pathway, CCAS, referral)
    assert recorded is not None
    await pass_time(pool, place)
    await place.act(pathway, CCAS, RetractEntry(entry_id=recorded))
    await pass_time(pool, place)


async def test_01_dedup_one_alert_per_situation_however_often_it_is_looked_at(pool: Pool, place: Territory) -> None:
    pathway, alert_id = await in_need(pool, place)
    for _ in range(4):
        await place.act(pathway, CCAS, RecordContact(channel=Channel.PHONE))
        await pass_time(pool, place, 4 * DAY)
    [row] = await listed(pool, place, CCAS, rule=NEED)
    assert (row.alert, row.revision) == (alert_id, 1)
    assert [topic for agency, topic in await told(pool, alert_id) if topic == "raised"] == ["raised"]


async def test_01_dedup_found_again_it_is_a_new_revision_and_everybody_is_asked_again(
    pool: Pool, place: Territory
) -> None:
    pathway, alert_id = await in_need(pool, place)
    await answer(place, alert_id, CCAS, AnswerAlert(answer=Answer.TAKING))
    assert (await alert_of(place, alert_id)).taken_by == CCAS
    await lapse(pool, place, pathway)
    [row] = await listed(pool, place, CCAS, rule=NEED)
    assert (row.alert, row.revision, row.status, row.responses) == (alert_id, 2, "open", {})
    assert (await alert_of(place, alert_id)).taken_by is None
    assert [topic for _, topic in await told(pool, alert_id)] == ["raised", "cleared", "reopened"]


async def cards_of(pool: Pool, place: Territory, agency: str) -> list[Card]:
    async with pool.acquire() as db:
        return await cards(db, TERRITORY, agency, place.clock.now())


async def nearly_due(pool: Pool, place: Territory, agency: str) -> list[str]:
    """Rules that still wait for something."""
    async with pool.acquire() as db:
        pathways = await pathways_at_work(db, TERRITORY, agency)
        return [each.rule for each in await due_soon(db, TERRITORY, pathways, place.clock.now())]


async def test_02_group_the_alerts_of_one_pathway_are_one_card(pool: Pool, place: Territory) -> None:
    pathway = await place.open()
    referral = RequestReferral(to_agency=MISSION, theme=TRAINING_NEED)
    await place.act(pathway, CCAS, referral, referral)
    await pass_time(pool, place, 20 * DAY)
    [card] = await cards_of(pool, place, CCAS)
    assert (card.pathway, card.open) == (pathway, 2)
    assert set(card.alerts) == {row.alert for row in await listed(pool, place, CCAS)}


async def test_03_grace_nothing_is_told_before_it_is_over_and_what_is_nearly_due_is_in_the_work_list(
    pool: Pool, place: Territory
) -> None:
    pathway = await place.open()
    await place.act(pathway, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
    seen: list[tuple[bool, bool]] = []
    for _ in range(15):
        await pass_time(pool, place, DAY)
        seen.append((MINE in await nearly_due(pool, place, MISSION), bool(await listed(pool, place, MISSION))))
    assert seen == sorted(seen, key=lambda each: (each[1], each[0]))  # Neither, then nearly due, then an alert.
    assert {(False, False), (True, False), (False, True)} == set(seen)
    [alert] = await listed(pool, place, MISSION)
    assert await pool.fetchval("SELECT min(created_at) FROM outbox") >= alert.closes


async def test_04_inhibition_silence_hides_what_it_explains_until_it_is_over(pool: Pool, place: Territory) -> None:
    pathway = await place.open()
    await place.act(pathway, CCAS, RecordContact(channel=Channel.PHONE))
    await pass_time(pool, place, 65 * DAY)
    await place.act(pathway, CCAS, RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),)))
    await pass_time(pool, place, 35 * DAY)
    [child] = await listed(pool, place, CCAS, rule=NEED)
    assert (await alert_of(place, child.alert)).hidden
    assert await told(pool, child.alert) == []
    await place.act(pathway, CCAS, RecordContact(channel=Channel.PHONE))
    await pass_time(pool, place)
    assert not (await alert_of(place, child.alert)).hidden
    assert await told(pool, child.alert) == [(CCAS, "raised")]


async def test_04_inhibition_what_was_waited_for_when_the_pathway_was_closed_alerts_nobody(
    pool: Pool, place: Territory
) -> None:
    pathway = await place.open()
    await place.act(pathway, CCAS, RecordContact(channel=Channel.PHONE))
    await pass_time(pool, place, 60 * DAY)
    await place.act(pathway, CCAS, ClosePathway(outcome=ClosureOutcome.MOVED_AWAY))
    await pass_time(pool, place, 60 * DAY)
    assert await listed(pool, place, CCAS) == []
    assert await pool.fetchval("SELECT count(*) FROM agency_inbox WHERE kind = 'alert'") == 0


async def in_inbox(pool: Pool, place: Territory, agency: str) -> list[UUID]:
    async with pool.acquire() as db:
        items = await inbox(db, TERRITORY, agency, place.clock.now(), kind=ItemKind.ALERT)
    return [item.item for item in items]


async def test_04_inhibition_of_a_closed_pathway_nobody_is_reminded(pool: Pool, place: Territory) -> None:
    """What was missed stays missed; it is in no inbox, and goes no higher."""
    pathway, alert_id = await in_need(pool, place)
    assert alert_id in await in_inbox(pool, place, CCAS)
    await place.act(pathway, CCAS, ClosePathway(outcome=ClosureOutcome.MOVED_AWAY))
    await pass_time(pool, place, 100 * DAY)
    assert await in_inbox(pool, place, CCAS) == []
    assert await cards_of(pool, place, CCAS) == []
    assert await escalations(place, alert_id) == []


async def test_04_inhibition_of_a_suspended_pathway_nobody_is_reminded_until_it_goes_on(
    pool: Pool, place: Territory
) -> None:
    pathway, alert_id = await in_need(pool, place)
    await place.act(pathway, CCAS, SuspendPathway(motive=SuspensionMotive.HOSPITAL_STAY))
    for _ in range(3):
        await pass_time(pool, place, 10 * DAY)
    assert await in_inbox(pool, place, CCAS) == []
    assert await escalations(place, alert_id) == []
    await place.act(pathway, CCAS, ResumePathway())
    await pass_time(pool, place)
    assert await in_inbox(pool, place, CCAS) == [alert_id]
    assert await escalations(place, alert_id) != []


async def test_04_inhibition_while_a_silence_explains_it_only_that_one_goes_higher(
    pool: Pool, place: Territory
) -> None:
    pathway = await place.open()
    await place.act(pathway, CCAS, RecordContact(channel=Channel.PHONE))
    await pass_time(pool, place, 58 * DAY)
    await place.act(pathway, CCAS, RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),)))
    await pass_time(pool, place, 31 * DAY)
    [child] = await listed(pool, place, CCAS, rule=NEED)
    assert await told(pool, child.alert) == [(CCAS, "raised")]
    for _ in range(8):
        await pass_time(pool, place, 3 * DAY)
    [parent] = await listed(pool, place, CCAS, rule="silence-90")
    assert await escalations(place, parent.alert) != []
    assert await escalations(place, child.alert) == []


async def test_05_auto_resolve_says_why_and_stays_visible_seven_days(pool: Pool, place: Territory) -> None:
    pathway = await place.open()
    referral = await place.act(pathway, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
    assert referral is not None
    await pass_time(pool, place, 20 * DAY)
    await place.act(pathway, MISSION, MoveReferral(referral_id=referral, status=ReferralStatus.ACCEPTED))
    await pass_time(pool, place)
    [row] = await listed(pool, place, CCAS, rule=MINE)
    assert (row.status, row.reason) == ("cleared", "done_late")
    assert ("ccas-montpellier", "cleared") in await told(pool, row.alert)
    await pass_time(pool, place, 6 * DAY)
    assert [each.alert for each in await listed(pool, place, CCAS, rule=MINE, recent=True)] == [row.alert]
    await pass_time(pool, place, 2 * DAY)
    assert await listed(pool, place, CCAS, rule=MINE, recent=True) == []
    assert await listed(pool, place, CCAS, rule=MINE, status=Listed.CLEARED) == [row]


async def test_05_auto_resolve_when_what_it_rested_on_was_taken_back(pool: Pool, place: Territory) -> None:
    pathway = await place.open()
    referral = await place.act(pathway, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
    assert referral is not None
    await pass_time(pool, place, 20 * DAY)
    await place.act(pathway, CCAS, RetractEntry(entry_id=referral))
    await pass_time(pool, place)
    [row] = await listed(pool, place, CCAS, rule=MINE)
    assert (row.status, row.reason) == ("cleared", "retracted")


async def test_06_acknowledge_stops_escalation_until_its_timeout(pool: Pool, place: Territory) -> None:
    await name_coordinator(place, METROPOLE)
    alert_id = await unanswered_here(pool, place)
    until = place.clock.now() + 6 * DAY
    await answer(place, alert_id, MISSION, Acknowledge(until=until))
    for _ in range(6):
        await pass_time(pool, place, DAY)
    assert "lead" not in await escalations(place, alert_id)
    [row] = await listed(pool, place, CCAS, rule=MINE)
    assert row.responses[MISSION].acknowledged_at == until - 6 * DAY
    assert row.responses[MISSION].acknowledged_until == until
    for _ in range(12):
        await pass_time(pool, place, DAY)
    [row] = await listed(pool, place, CCAS, rule=MINE)
    assert row.level == "coordinator"


async def test_06_escalate_from_the_owner_to_its_lead_to_the_coordinator_in_working_days(
    pool: Pool, place: Territory
) -> None:
    """Raised at the end of 12 January, a Monday: three working days, then three more."""
    await name_coordinator(place, METROPOLE)
    pathway = await place.open()
    await place.act(pathway, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
    for _ in range(24):
        await pass_time(pool, place, DAY)
    [row] = await listed(pool, place, CCAS, rule=MINE)
    steps = {step.level: step for step in (await alert_of(place, row.alert)).escalated}
    days = [steps[level].on.astimezone(PARIS).date() for level in (EscalationLevel.LEAD, EscalationLevel.COORDINATOR)]
    assert days == [date(2026, 1, 17), date(2026, 1, 23)]
    assert [one.agency for one in steps[EscalationLevel.LEAD].recipients] == [MISSION]
    assert [(one.agency, one.sees) for one in steps[EscalationLevel.COORDINATOR].recipients] == [
        (METROPOLE, Sees.NOTICE)
    ]
    assert await told(pool, row.alert) == [
        *((agency, "raised") for agency in (CCAS, MISSION)),
        *((agency, "escalated") for agency in (CCAS, MISSION)),
        *((agency, "escalated") for agency in (CCAS, MISSION)),
        *((agency, "escalated") for agency in (CCAS, METROPOLE, MISSION)),
    ]


async def test_06_acknowledged_or_supported_by_somebody_else_the_owner_is_still_waited_for(
    pool: Pool, place: Territory
) -> None:
    alert_id = await unanswered_here(pool, place)
    await answer(place, alert_id, CCAS, AnswerAlert(answer=Answer.IN_SUPPORT))
    for _ in range(5):
        await pass_time(pool, place, DAY)
    assert await escalations(place, alert_id) == ["lead"]


async def test_07_snooze_hides_it_from_the_agency_alone_and_it_comes_back_by_itself(
    pool: Pool, place: Territory
) -> None:
    alert_id = await unanswered_here(pool, place)
    until = place.clock.now() + 10 * DAY
    await answer(place, alert_id, MISSION, Snooze(until=until, reason="Congés de l'équipe."))
    await pass_time(pool, place)
    assert [row.alert for row in await listed(pool, place, MISSION, status=Listed.SNOOZED)] == [alert_id]
    assert await listed(pool, place, MISSION, status=Listed.OPEN, rule=MINE) == []
    assert [row.alert for row in await listed(pool, place, CCAS, status=Listed.OPEN, rule=MINE)] == [alert_id]
    await pass_time(pool, place, 11 * DAY)
    assert await listed(pool, place, MISSION, status=Listed.SNOOZED) == []
    assert [row.alert for row in await listed(pool, place, MISSION, status=Listed.OPEN, rule=MINE)] == [alert_id]
    assert (MISSION, "woken") in await told(pool, alert_id)


async def test_07_snooze_does_not_outlive_something_graver_on_the_same_pathway(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered_here(pool, place)
    until = place.clock.now() + 25 * DAY
    await answer(place, alert_id, CCAS, Snooze(until=until, reason="Congés de l'équipe."))
    for _ in range(8):  # As its rule says it grows after five working days.
        await pass_time(pool, place, DAY)
    alert = await alert_of(place, alert_id)
    assert (alert.severity, alert.response_of(CCAS).snoozed_until) == ("critical", None)
    [woken] = [each.event for each in await history(place, alert_id) if isinstance(each.event, AlertWoken)]
    assert (woken.of, woken.because) == (CCAS, WokenBecause.GRAVER)
    assert woken.on < until


async def test_08_waive_is_known_to_all_concerned_and_counts_again_when_it_ends(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered_here(pool, place)
    until = place.clock.now() + 60 * DAY
    await answer(place, alert_id, CCAS, Waive(code=WaiverCode.AGREED_DELAY, until=until, text="On attend le permis."))
    for _ in range(10):
        await pass_time(pool, place, DAY)
    for agency in (CCAS, MISSION):
        [waived] = await listed(pool, place, agency, status=Listed.WAIVED)
        assert (waived.waived_until, waived.waived_by, waived.waiver_code) == (until, CCAS, "agreed_delay")
    assert await escalations(place, alert_id) == []
    assert await told(pool, alert_id) == [(CCAS, "raised"), (MISSION, "raised"), (MISSION, "waived")]
    await pass_time(pool, place, 51 * DAY)
    assert await listed(pool, place, CCAS, status=Listed.WAIVED) == []
    assert {(CCAS, "waiver-ended"), (MISSION, "waiver-ended")} <= set(await told(pool, alert_id))


async def test_08_waive_what_is_found_again_meanwhile_tells_nobody(pool: Pool, place: Territory) -> None:
    pathway, alert_id = await in_need(pool, place)
    until = place.clock.now() + 30 * DAY
    await answer(place, alert_id, CCAS, Waive(code=WaiverCode.NOTHING_AVAILABLE, until=until, text="Aucune place."))
    await lapse(pool, place, pathway)
    alert = await alert_of(place, alert_id)
    assert (alert.revision, alert.quiet, alert.waived_until) == (2, True, until)
    assert "reopened" not in {topic for _, topic in await told(pool, alert_id)}
    await pass_time(pool, place, 31 * DAY)
    alert = await alert_of(place, alert_id)
    assert (alert.quiet, alert.told_at is not None) == (False, True)
    assert (CCAS, "waiver-ended") in await told(pool, alert_id)


async def test_09_route_by_role_and_right_to_know_a_notice_says_nothing_that_leads_to_the_person(
    service: http.Service,
) -> None:
    ccas, plie = await service.agency(http.CCAS), await service.agency("plie")
    pathway = await ccas.opened()
    alert_id = await raised(
        service,
        pathway,
        Recipient(http.CCAS, AlertRole.ACTING, Sees.CONTENT),
        Recipient("plie", AlertRole.ABLE_TO_ACT, Sees.NOTICE),
    )
    await respond(ccas, alert_id, "answers", answer="in_support")
    content = (await ccas.get(f"/v1/alerts/{alert_id}")).json()["content"]
    for path in (f"/v1/alerts/{alert_id}", "/v1/alerts", f"/v1/alerts/{alert_id}/history", "/v1/inbox"):
        shown = (await plie.get(path)).text
        for said in (content["pathway_id"], content["rule"], http.CCAS):
            assert said not in shown, path
    assert (await plie.get(f"/v1/alerts/{alert_id}/explanation")).status_code == 404


async def test_09_route_by_right_to_know_who_no_longer_takes_part_hears_nothing_more_even_of_what_is_queued(
    pool: Pool, place: Territory
) -> None:
    right = RightToKnow(Pathways(place.log, place.clock), place.log)
    async with OutgoingHttp(allow_loopback=True) as outgoing, Receiver() as theirs, Receiver() as ours:
        webhooks = WebhookRig(pool, outgoing)
        await webhooks.trusted(theirs, agency=MISSION)
        await webhooks.trusted(ours, agency=CCAS)
        pathway = await place.open()
        referral = await place.act(pathway, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        assert referral is not None
        await pass_time(pool, place, 20 * DAY)
        await place.act(pathway, CCAS, RetractEntry(entry_id=referral))  # All that made them take part.
        await pass_time(pool, place)
        await webhooks.worker(right.may_send).drain()
    queued = await messages_between(pool, TERRITORY, 0, await place.log.head(TERRITORY))
    entitled = {each.agency for each in queued if await right.may_send(TERRITORY, each.agency, each)}
    assert ({each.agency for each in queued}, entitled) == ({CCAS, MISSION}, {CCAS})
    assert (len(theirs.deliveries), len(ours.deliveries) > 1) == (0, True)


async def test_09_route_by_role_a_coordinator_reads_what_came_to_the_coordinators_and_nothing_else(
    service: http.Service, clock: SettableClock
) -> None:
    ccas = await service.agency(http.CCAS)
    await unanswered(ccas, clock)
    [alert] = await alerts_of(ccas)
    boss = await service.person(Role.COORDINATOR, agency=METROPOLE)
    place = f"/v1/alerts/{alert['id']}"
    assert (await boss.get(place)).status_code == 404
    assert (await respond(boss, alert["id"], "answers", answer="taking")).status_code == 404
    await escalated_to(ccas, place, "coordinator", clock)
    boss = await service.person(Role.COORDINATOR, agency=METROPOLE)  # A session does not last that long.
    found = await alerts_of(boss)
    assert [(each["id"], each["sees"], each["escalation"]) for each in found] == [
        (alert["id"], "content", "coordinator")
    ]
    assert (await boss.get(place)).json()["content"]["rule"] == MINE
    assert (await boss.get(f"{place}/explanation")).json()["alert_id"] == alert["id"]
    assert (await respond(boss, alert["id"], "answers", answer="taking")).status_code == 200


async def escalated_to(agency: http.Agency, place: str, level: str, clock: SettableClock) -> None:
    """Days pass, each as it is lived, until it has come so high."""
    async with asyncio.timeout(20):
        while (await agency.get(place)).json()["escalation"] != level:
            clock.advance(DAY)
            await asyncio.sleep(0.05)


async def test_10_explain_says_from_what_by_which_rule_and_why_you(service: http.Service, clock: SettableClock) -> None:
    ccas, mission = await service.agency(http.CCAS), await service.agency(http.MISSION_LOCALE)
    _, referral = await unanswered(ccas, clock)
    [alert] = await alerts_of(mission)
    told = (await mission.get(f"/v1/alerts/{alert['id']}/explanation")).json()
    assert told["activation"]["fact_id"] == referral
    assert told["rule"] == f"{MINE}@{alert['content']['rule_version']}"
    assert alert["role"] == "able_to_act"
    assert "included" in told["window"]["en"]
    assert "inclus" in told["window"]["fr"]
    assert isinstance(told["near_misses"], list)


async def test_11_actionable_the_act_proposed_is_complete_and_clears_it(
    service: http.Service, clock: SettableClock
) -> None:
    ccas, mission = await service.agency(http.CCAS), await service.agency(http.MISSION_LOCALE)
    await unanswered(ccas, clock)
    [alert] = await alerts_of(mission)
    [act, *others] = (await mission.get(f"/v1/alerts/{alert['id']}/acts")).json()["items"]
    assert (act["way"], act["label_fr"], act["label_en"]) == ("do", "Accepter la sollicitation", "Accept the referral")
    assert (act["permitted"], act["agencies"]) == (True, [http.MISSION_LOCALE])
    assert [blank["pointer"] for blank in act["blanks"] if blank["required"]] == []
    assert [each["command"] for each in others][-2:] == ["waive-alert", "dispute-alert"]
    sent = await mission.command(act["url"], act["body"])
    at_least = {"at_least": sent.headers["x-position"]}
    assert (await mission.get(f"/v1/alerts/{alert['id']}", params=at_least)).json()["status"] == "cleared"


async def test_12_this_is_wrong_is_recorded_with_its_reason_and_the_alert_stands(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered_here(pool, place)
    await answer(place, alert_id, MISSION, Dispute(reason=Wrong.DONE_ELSEWHERE, text="Réponse donnée au téléphone."))
    await pass_time(pool, place)
    [row] = await listed(pool, place, CCAS, rule=MINE)
    assert (row.status, row.responses[MISSION].disputed) == ("open", "done_elsewhere")
    assert "Réponse" not in str(row)
    await answer(place, alert_id, MISSION, Dispute(reason=Wrong.RULE_TOO_STRICT))
    await pass_time(pool, place)
    [row] = await listed(pool, place, CCAS, rule=MINE)
    assert row.responses[MISSION].disputed == "rule_too_strict"


async def test_14_budget_the_rest_comes_the_next_day_and_the_limit_is_told(
    pool: Pool, place: Territory, mail: Rig
) -> None:
    await mail.confirmed(agency=MISSION, daily_max=2)
    found = [str(await unanswered_here(pool, place)) for _ in range(3)]
    said = []
    for _ in range(2):
        await mail.next_morning()
        said.append([text for text in map(text_of, mail.server.mails) if "urgent" not in text][-1])
    assert [sum(alert in text for alert in found) for text in said] == [2, 1]
    assert "1 autre alerte attend le prochain récapitulatif : vous en voulez 2" in said[0]
    assert "prochain récapitulatif" not in said[1]
    assert found[2] in said[1], "the oldest first"


async def test_16_quiet_hours_only_what_is_critical_is_written_about_at_night_and_on_holidays(
    pool: Pool, place: Territory, mail: Rig
) -> None:
    await mail.confirmed(agency=MISSION)
    alert = await unanswered_here(pool, place)
    for quiet in (datetime(2026, 4, 3, 20, tzinfo=UTC), datetime(2026, 4, 6, 10, tzinfo=UTC)):
        place.clock.set(quiet)
        critical = await mail.put(agency=MISSION, severity="critical")
        await mail.worker().drain()
        assert str(critical) in text_of(mail.server.mails[-1])
    assert not any(str(alert) in text_of(each) for each in mail.server.mails), "a night, then Easter Monday"
    await mail.next_morning()
    assert place.clock.now() == datetime(2026, 4, 7, 6, tzinfo=UTC)
    assert str(alert) in text_of(mail.server.mails[-1])


@pytest.mark.parametrize(
    ("language", "words"),
    [(MailLanguage.FR, "1 écart sur un parcours"), (MailLanguage.EN, "1 item out of step on one pathway")],
)
async def test_17_accessible_and_bilingual_one_alert_in_the_language_of_each_reader(
    pool: Pool, place: Territory, mail: Rig, language: MailLanguage, words: str
) -> None:
    """Of headings, paragraphs and links with their own words: nothing is told by colour, place or picture."""
    await mail.confirmed(agency=MISSION, language=language)
    alert = await unanswered_here(pool, place)
    await mail.next_morning()
    [written] = mail.server.mails
    page = html_of(written)
    assert words in text_of(written)
    assert words in page
    assert f'<html lang="{language.value}">' in page
    assert f'/v1/alerts/{alert}">' in page
    assert not any(tag in page for tag in ("<img", "style=", "<font", "<table", "color"))


async def test_18_audit_every_transition_is_an_event_with_its_actor_its_time_and_what_it_changed(
    service: http.Service, clock: SettableClock
) -> None:
    ccas, mission = await service.agency(http.CCAS), await service.agency(http.MISSION_LOCALE)
    pathway, referral = await unanswered(ccas, clock)
    [alert] = await alerts_of(ccas)
    place = f"/v1/alerts/{alert['id']}"
    until = (clock.now() + 5 * DAY).isoformat()
    await mission.get(place)
    await respond(mission, alert["id"], "acknowledgements")
    await respond(ccas, alert["id"], "waivers", code="agreed_delay", until=until, text="D'un commun accord.")
    await respond(ccas, alert["id"], "resumptions", what="waiver")
    await respond(mission, alert["id"], "answers", answer="taking")
    move = {"status": "rejected", "reason": "full"}
    moved = await mission.command(f"{pathway}/referrals/{referral}/moves", move)
    await ccas.get("/v1/alerts", params={"at_least": moved.headers["x-position"]})
    steps = (await ccas.get(f"{place}/history")).json()["items"]
    assert [(step["type"], step["agency"], step["reason"]) for step in steps] == [
        ("alert.raised", "unisson", None),
        ("alert.read", http.MISSION_LOCALE, None),
        ("alert.acknowledged", http.MISSION_LOCALE, None),
        ("alert.waived", http.CCAS, "agreed_delay"),
        ("alert.waiver-ended", http.CCAS, "withdrawn"),
        ("alert.answered", http.MISSION_LOCALE, "taking"),
        ("alert.cleared", "unisson", "done_late"),
    ]
    for earlier, later in pairwise(steps):
        assert later["before"]["status"] == earlier["after"]["status"]
        assert later["version"] == earlier["version"] + 1
    assert (steps[3]["before"]["waived_until"], steps[3]["after"]["waived_until"]) == (
        None,
        until.replace("+00:00", "Z"),
    )
    assert (steps[5]["before"]["taken"], steps[5]["after"]["taken"]) == (False, True)
    assert "commun accord" not in str(steps)
    first = await ccas.get(f"{place}/history", params={"limit": 4})
    rest = await ccas.get(first.links["next"]["url"])
    assert first.json()["items"] + rest.json()["items"] == steps


async def test_18_audit_folding_the_events_again_gives_the_alert_as_it_is(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered_here(pool, place)
    await answer(place, alert_id, MISSION, AnswerAlert(answer=Answer.TAKING))
    await pass_time(pool, place, 30 * DAY)
    stored = await history(place, alert_id)
    [row] = await listed(pool, place, CCAS, rule=MINE)
    alert = await alert_of(place, alert_id)
    assert row.responses == alert.responses
    assert (row.severity, row.position, row.recipients) == (alert.severity, stored[-1].position, alert.recipients)
    assert all(each.event.agency and each.event.timestamp for each in stored)
    assert await check(pool, place.log, all_projections(place), place.clock, ["alert_board"]) == Checked()


async def test_15_storm_guard_what_was_long_over_is_one_message_per_agency_and_day(
    pool: Pool, place: Territory
) -> None:
    long_ago = date(2025, 3, 1)
    for _ in range(5):
        await place.act(await place.open(), CCAS, RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),), on=long_ago))
    await pass_time(pool, place)
    await pass_time(pool, place, DAY)
    rows = await listed(pool, place, CCAS)
    assert (len(rows), {row.quiet for row in rows}) == (5, {True})
    sent = await pool.fetch("SELECT agency, type FROM outbox")
    assert [tuple(row.values()) for row in sent] == [(CCAS, "unisson.alerts.summary.v1")]
    assert await pool.fetchval("SELECT count(*) FROM agency_inbox WHERE kind = 'alert'") == 0
    await pass_time(pool, place, 30 * DAY)
    assert [await escalations(place, row.alert) for row in rows] == [[]] * 5


async def test_13_rule_health_counts_what_became_of_what_a_rule_raised(pool: Pool, place: Territory) -> None:
    """Of ten referrals that nobody answered: two are taken, one is answered after all, one is said to be wrong."""
    for number in range(10):
        alert_id = await unanswered_here(pool, place)
        if number < 2:
            await answer(place, alert_id, MISSION, AnswerAlert(answer=Answer.TAKING))
        if number == 2:
            await acknowledged_after_all(pool, place, alert_id)
        if number == 3:
            await answer(place, alert_id, CCAS, Dispute(reason=Wrong.RULE_TOO_STRICT))
    [line] = await health(pool, place, rule=MINE)
    assert (line.raised, line.told, line.acted_on, line.still_open) == (10, 10, 3, 9)
    assert (line.disputed_for, line.cleared_because) == (
        {Wrong.RULE_TOO_STRICT: 1},
        {ClearedBecause.DONE_LATE: 1},
    )
    by_agency = {each.agency: each.acted_on for each in await health(pool, place, rule=MINE, by_agency=True)}
    assert by_agency == {CCAS: 0, MISSION: 3}


async def test_13_rule_health_flags_a_rule_that_too_few_act_on_for_sixty_days(pool: Pool, place: Territory) -> None:
    await unanswered_here(pool, place)
    [young] = await health(pool, place, rule=MINE)
    await pass_time(pool, place, 61 * DAY)
    [line] = await health(pool, place, rule=MINE)
    assert (young.to_review, line.to_review, line.review_share) == (False, True, 0.0)
    await answer(place, await unanswered_here(pool, place), MISSION, AnswerAlert(answer=Answer.TAKING))
    await pass_time(pool, place)
    [line] = await health(pool, place, rule=MINE)
    assert (line.to_review, line.review_share) == (False, 0.5)


async def health(pool: Pool, place: Territory, **chosen: Any) -> list[Figures]:
    await pass_time(pool, place)
    now = place.clock.now()
    return await figures(pool, Asked(territory=TERRITORY, since=now - 400 * DAY, until=now + DAY, now=now, **chosen))


async def acknowledged_after_all(pool: Pool, place: Territory, alert_id: UUID) -> None:
    """The agency asked accepts the referral, late."""
    found = (await alert_of(place, alert_id)).finding
    assert found is not None
    moved = MoveReferral(referral_id=UUID(found.activation), status=ReferralStatus.ACCEPTED)
    await place.act(found.pathway, MISSION, moved)
    await pass_time(pool, place)
