"""Timers of alerts on a real log: what is due is recorded once, whatever was stopped, lost or answered meanwhile."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from application.event_log import Appended, Commit, EventLog
from domain.alert import Recipient, Role, Sees
from domain.alert_commands import Acknowledge, Snooze, Waive
from domain.alert_escalation import AlertEscalated, EscalationLevel
from domain.alert_pause import AlertWaiverEnded, AlertWoken, WaiverCode, WokenBecause
from domain.compartments import Compartment
from domain.referral import MoveReferral, ReferralStatus, RequestReferral
from infrastructure.database import Pool
from projections.check import Checked, check
from projections.rebuild import rebuild
from tests.support.answering import alert_of, answer, history, name_coordinator, pass_time, unanswered
from tests.support.eventually import PATIENCE_SECONDS
from tests.support.following import (
    CCAS,
    MISSION,
    TERRITORY,
    TRAINING_NEED,
    Territory,
    all_projections,
    follower_of,
    territory,
)

METROPOLE = "metropole-montpellier"
DAY = timedelta(days=1)


@pytest.fixture
async def place(database_url: str, pool: Pool) -> AsyncIterator[Territory]:
    async with territory(database_url, pool) as it:
        yield it


async def steps(place: Territory, alert_id: UUID) -> list[Any]:
    """What time made of it."""
    kinds = AlertEscalated | AlertWoken | AlertWaiverEnded
    return [stored.event for stored in await history(place, alert_id) if isinstance(stored.event, kinds)]


async def levels(place: Territory, alert_id: UUID) -> list[EscalationLevel]:
    return [step.level for step in await steps(place, alert_id) if isinstance(step, AlertEscalated)]


async def test_nobody_answers_and_it_goes_up_to_the_lead_then_to_the_coordinator(pool: Pool, place: Territory) -> None:
    await name_coordinator(place, METROPOLE)
    alert_id = await unanswered(pool, place)
    for _ in range(4):
        await pass_time(pool, place, 3 * DAY)
    lead, rule, coordinator = await steps(place, alert_id)
    assert (lead.level, lead.severity, [one.agency for one in lead.recipients]) == ("lead", "warning", [MISSION])
    assert (rule.level, rule.severity) == ("rule", "critical")  # As the rule says, five working days after.
    assert coordinator.recipients == (Recipient(METROPOLE, Role.COORDINATOR, Sees.NOTICE),)
    inbox = await pool.fetch("SELECT pathway, code, severity, level FROM agency_inbox WHERE agency = $1", METROPOLE)
    assert [tuple(row.values()) for row in inbox] == [(None, "", "critical", "coordinator")]
    assert await pool.fetchval("SELECT next_due FROM alert_timers WHERE alert = $1", alert_id) is None


async def test_however_late_it_is_looked_at_nobody_is_passed_over(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered(pool, place)
    await pass_time(pool, place, 4 * DAY)
    assert await levels(place, alert_id) == [EscalationLevel.LEAD]
    await pass_time(pool, place, 1 * DAY)
    assert EscalationLevel.COORDINATOR not in await levels(place, alert_id)


async def test_what_is_recorded_once_is_not_recorded_again(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered(pool, place)
    await pass_time(pool, place, 5 * DAY)
    once = len(await history(place, alert_id))
    for _ in range(2):
        await pass_time(pool, place)
    assert len(await history(place, alert_id)) == once


async def test_two_followers_at_once_record_it_once(pool: Pool, place: Territory) -> None:
    """A lease lost without noticing: both believe that the time has come."""
    alert_id = await unanswered(pool, place)
    place.clock.advance(5 * DAY)
    followers = [follower_of(pool, place, all_projections(place)) for _ in range(2)]
    await asyncio.gather(*(follower.catch_up() for follower in followers))
    await pass_time(pool, place)
    assert await levels(place, alert_id) == [EscalationLevel.LEAD]


async def test_an_alert_that_cannot_be_read_any_more_holds_up_no_other(pool: Pool, place: Territory) -> None:
    altered, sound = await unanswered(pool, place), await unanswered(pool, place)
    await pool.execute("ALTER TABLE events DISABLE TRIGGER USER")
    await pool.execute("UPDATE events SET payload = sha256(payload) WHERE stream_id = $1", altered)
    await pass_time(pool, place, 30 * DAY)
    assert EscalationLevel.LEAD in await levels(place, sound)
    assert await pool.fetchval("SELECT next_due FROM alert_timers WHERE alert = $1", altered) is None


async def test_a_timer_is_not_believed(pool: Pool, place: Territory) -> None:
    """Whoever edits the row makes it look, and nothing else."""
    alert_id = await unanswered(pool, place)
    due: datetime = await pool.fetchval("SELECT next_due FROM alert_timers WHERE alert = $1", alert_id)
    await pool.execute("UPDATE alert_timers SET next_due = $1 WHERE alert = $2", place.clock.now(), alert_id)
    await pass_time(pool, place)
    assert await steps(place, alert_id) == []
    assert await pool.fetchval("SELECT next_due FROM alert_timers WHERE alert = $1", alert_id) == due


async def test_answered_just_before_it_is_due_it_waits(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered(pool, place)
    place.clock.advance(5 * DAY)  # It is due, and nobody has looked.
    await answer(place, alert_id, MISSION, Acknowledge())
    await pass_time(pool, place)
    assert await steps(place, alert_id) == []
    assert await pool.fetchval("SELECT next_due FROM alert_timers WHERE alert = $1", alert_id) > place.clock.now()


async def test_cleared_it_has_no_timer(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered(pool, place)
    finding = (await alert_of(place, alert_id)).finding
    assert finding is not None
    accepted = MoveReferral(referral_id=UUID(finding.activation), status=ReferralStatus.ACCEPTED)
    await place.act(finding.pathway, MISSION, accepted)
    await pass_time(pool, place, 40 * DAY)
    assert await steps(place, alert_id) == []
    assert await pool.fetchval("SELECT count(*) FROM alert_timers WHERE alert = $1", alert_id) == 0


async def test_a_snooze_and_a_waiver_end_by_themselves(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered(pool, place)
    until = place.clock.now() + 10 * DAY
    await answer(place, alert_id, CCAS, Snooze(until=until, reason="On leave."))
    await answer(
        place, alert_id, MISSION, Waive(code=WaiverCode.AGREED_DELAY, until=until + DAY, text="Agreed with them.")
    )
    await pass_time(pool, place, 11 * DAY)
    woken, ended = (await steps(place, alert_id))[:2]
    assert (woken.of, woken.because, woken.on) == (CCAS, WokenBecause.DUE, until)
    assert (ended.because, ended.on) == ("expired", until + DAY)


async def test_built_again_from_the_log_the_timers_are_the_same(pool: Pool, place: Territory) -> None:
    await name_coordinator(place, METROPOLE)
    first, second = await unanswered(pool, place), await unanswered(pool, place)
    await answer(place, second, MISSION, Snooze(until=place.clock.now() + 10 * DAY, reason="On leave."))
    await pass_time(pool, place, 4 * DAY)
    rows = await pool.fetch("SELECT * FROM alert_timers ORDER BY alert")
    assert {row["alert"] for row in rows} == {first, second}
    everything = all_projections(place)
    assert await check(pool, place.log, everything, place.clock, ["alert_timers", "agency_inbox"]) == Checked()
    await rebuild(pool, place.log, everything, place.clock, ["alert_timers"])
    assert await pool.fetch("SELECT * FROM alert_timers ORDER BY alert") == rows
    await pass_time(pool, place, 4 * DAY)
    assert len(await levels(place, first)) > 1


async def test_of_a_person_whose_keys_are_gone_nothing_more_is_recorded(pool: Pool, place: Territory) -> None:
    """And nobody else waits for it."""
    forgotten, other = await unanswered(pool, place), await unanswered(pool, place)
    finding = (await alert_of(place, forgotten)).finding
    assert finding is not None
    pathway = await place.pathway(finding.pathway)
    assert pathway.subject is not None
    await place.log.vault.destroy(TERRITORY, pathway.subject, list(Compartment))  # type: ignore[attr-defined]
    before = len(await history(place, forgotten))
    for _ in range(3):
        await pass_time(pool, place, 4 * DAY)
    assert len(await history(place, forgotten)) == before
    assert EscalationLevel.LEAD in await levels(place, other)


class DiesAfter:
    """A log that stores one step of an alert, and then fails."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.died = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)

    async def append(self, territory: str, commit: Commit) -> Appended:
        appended = await self._log.append(territory, commit)
        if isinstance(commit.events[0], AlertEscalated) and not self.died:
            self.died = True
            raise OSError("the connection was lost")
        return appended


async def test_a_crash_between_the_step_and_the_rows_records_it_once(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered(pool, place)
    real = place.log
    place.log = DiesAfter(real)  # type: ignore[assignment]
    await pass_time(pool, place, 4 * DAY)
    assert place.log.died  # type: ignore[attr-defined]
    place.log = real
    await pass_time(pool, place)
    assert await levels(place, alert_id) == [EscalationLevel.LEAD]


ESCALATED = "SELECT count(*) FROM events WHERE topic = 'alert.escalated'"


async def test_killed_in_the_midst_of_many_every_one_is_called_upon_once(
    database_url: str, pool: Pool, place: Territory
) -> None:
    for _ in range(80):
        pathway = await place.open()
        await place.act(pathway, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
    await pass_time(pool, place, 20 * DAY)
    alerts = [row["alert"] for row in await pool.fetch("SELECT alert FROM alerts WHERE rule LIKE 'referral%'")]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.follow_forever", database_url, "1.0", stdout=asyncio.subprocess.PIPE
    )
    while await pool.fetchval(ESCALATED) == 0:  # For its clock, today's, they are long due.
        await asyncio.sleep(0.002)
    process.kill()
    await process.wait()
    place.clock.set(datetime.now(UTC))
    async with follower_of(pool, place, all_projections(place), lease_s=1.0, poll_s=0.05):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not all([EscalationLevel.LEAD in await levels(place, alert) for alert in alerts]):
                await asyncio.sleep(0.05)
    leads = [(await levels(place, alert)).count(EscalationLevel.LEAD) for alert in alerts]
    assert leads == [1] * 80
