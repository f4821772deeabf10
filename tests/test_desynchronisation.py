"""What falls out of step is found by events and by time, at its own time, on the pathways touched alone."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from domain.contact import Channel, RecordContact
from domain.correction import CorrectEntry, RetractEntry
from domain.diagnosis import FoundNeed, RecordDiagnosis
from domain.referral import MoveReferral, ReferralStatus, RequestReferral
from infrastructure.database import Pool
from tests.support.following import (
    CCAS,
    MISSION,
    TERRITORY,
    TRAINING_NEED,
    Territory,
    all_projections,
    catch_up,
    follower_of,
    territory,
)

TRAINING_RULE = "need-to-referral"


async def in_need(place: Territory) -> tuple[UUID, UUID]:
    """A pathway with a training need found on the present day, and the id of the need."""
    pathway_id = await place.open()
    need_id = UUID(int=pathway_id.int ^ 1)
    await place.act(pathway_id, CCAS, RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED, id=need_id),)))
    return pathway_id, need_id


async def alert_of_rule(pool: Pool, rule: str = TRAINING_RULE) -> tuple[str, str | None, int] | None:
    row = await pool.fetchrow("SELECT status, reason, revision FROM alerts WHERE rule = $1", rule)
    return None if row is None else tuple(row.values())


async def test_a_need_without_a_referral_raises_one_alert_when_its_time_is_over(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id, need_id = await in_need(place)
        place.pass_days(30)
        await catch_up(pool, place)
        assert await alert_of_rule(pool) is None

        place.pass_days(1)
        await catch_up(pool, place)
        row = await pool.fetchrow("SELECT * FROM alerts WHERE rule = $1", TRAINING_RULE)
    assert row is not None
    assert (row["pathway"], row["activation"], row["status"]) == (pathway_id, str(need_id), "open")
    # 30 days after 5 January, at the local midnight that ends the last day; that is also its logical time.
    assert row["closes"] == row["raised_at"] == datetime(2026, 2, 4, 23, tzinfo=UTC)


async def test_a_deadline_is_processed_before_what_was_recorded_after_it(database_url: str, pool: Pool) -> None:
    """Even when the follower sees both at once: the alert is raised at its own time, then cleared."""
    async with territory(database_url, pool) as place:
        pathway_id, _ = await in_need(place)
        place.pass_days(40)
        await place.act(pathway_id, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        await catch_up(pool, place)
        history = [header.topic for header in await place.log.headers(TERRITORY, after=0)]
        assert await alert_of_rule(pool) == ("cleared", "done_late", 1)
    assert history[-2:] == ["alert.raised", "alert.cleared"]


async def test_a_late_recording_of_what_was_done_in_time_clears_the_alert(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id, _ = await in_need(place)
        place.pass_days(40)
        await catch_up(pool, place)
        referral = RequestReferral(to_agency=MISSION, theme=TRAINING_NEED, on=date(2026, 1, 20))
        await place.act(pathway_id, CCAS, referral)
        await catch_up(pool, place)
        assert await alert_of_rule(pool) == ("cleared", "late_evidence", 1)


async def test_retracting_the_evidence_reopens_the_same_alert(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id, _ = await in_need(place)
        place.pass_days(40)
        referral = RequestReferral(to_agency=MISSION, theme=TRAINING_NEED, on=date(2026, 1, 20))
        await catch_up(pool, place)
        referral_id = await place.act(pathway_id, CCAS, referral)
        assert referral_id is not None
        await catch_up(pool, place)
        await place.act(pathway_id, CCAS, RetractEntry(entry_id=referral_id))
        await catch_up(pool, place)
        assert await alert_of_rule(pool) == ("open", None, 2)


async def test_retracting_the_need_clears_its_alert(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        diagnosis_id = await place.act(pathway_id, CCAS, RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),)))
        assert diagnosis_id is not None
        place.pass_days(40)
        await catch_up(pool, place)
        await place.act(pathway_id, CCAS, RetractEntry(entry_id=diagnosis_id))
        await catch_up(pool, place)
        assert await alert_of_rule(pool) == ("cleared", "retracted", 1)
        assert await pool.fetchval("SELECT count(*) FROM obligations WHERE rule = $1", TRAINING_RULE) == 0


async def test_correcting_a_date_clears_what_no_longer_is_late(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        diagnosis_id = await place.act(pathway_id, CCAS, RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),)))
        assert diagnosis_id is not None
        place.pass_days(40)
        await catch_up(pool, place)
        await place.act(pathway_id, CCAS, CorrectEntry(entry_id=diagnosis_id, start=date(2026, 2, 10)))
        await catch_up(pool, place)
        assert await alert_of_rule(pool) == ("cleared", "corrected", 1)


async def test_a_referral_nobody_answered_is_found_after_five_working_days(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        referral_id = await place.act(pathway_id, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        assert referral_id is not None
        place.clock.set(datetime(2026, 1, 12, 22, tzinfo=UTC))  # Monday of the week after, one hour before midnight.
        await catch_up(pool, place)
        assert await alert_of_rule(pool, "referral-acknowledged") is None
        place.clock.advance(timedelta(hours=1))
        await catch_up(pool, place)
        assert await alert_of_rule(pool, "referral-acknowledged") == ("open", None, 1)
        await place.act(pathway_id, MISSION, MoveReferral(referral_id=referral_id, status=ReferralStatus.ACCEPTED))
        await catch_up(pool, place)
        assert await alert_of_rule(pool, "referral-acknowledged") == ("cleared", "done_late", 1)


async def test_each_contact_starts_the_silence_anew(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        place.pass_days(80)
        await place.act(pathway_id, CCAS, RecordContact(channel=Channel.PHONE))
        place.pass_days(80)
        await catch_up(pool, place)
        assert await alert_of_rule(pool, "silence-90") is None
        place.pass_days(11)
        await catch_up(pool, place)
        assert await alert_of_rule(pool, "silence-90") == ("open", None, 1)


async def test_time_passing_costs_only_what_is_due(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await in_need(place)
        place.pass_days(20)
        await in_need(place)
        await catch_up(pool, place)
        place.pass_days(11)
        before = await pool.fetch("SELECT pathway, evaluated_at FROM pathway_deadlines ORDER BY pathway")
        await catch_up(pool, place)
        after = await pool.fetch("SELECT pathway, evaluated_at FROM pathway_deadlines ORDER BY pathway")
    moved = [new["pathway"] for old, new in zip(before, after, strict=True) if old != new]
    assert len(moved) == 1


async def test_however_the_log_is_cut_into_pages_the_alerts_are_the_same(database_url: str, pool: Pool) -> None:
    """A follower that sees one event at a time, with its clock moving along, finds what one page for all finds."""
    seen = []
    for page_size in (1, 1000):
        name = f"FR-{page_size}"
        async with territory(database_url, pool, name=name) as place:
            follower = follower_of(pool, place, all_projections(place), page_size=page_size)
            first, second = UUID(int=7 << 64 | 0x8000 << 48 | 1), UUID(int=7 << 64 | 0x8000 << 48 | 2)
            for pathway_id in (first, second):
                await place.open(pathway_id=pathway_id)
                need = FoundNeed(theme=TRAINING_NEED, id=UUID(int=pathway_id.int ^ 8))
                await place.act(pathway_id, CCAS, RecordDiagnosis(needs=(need,), id=UUID(int=pathway_id.int ^ 16)))
                if page_size == 1:
                    await follower.catch_up()
            for _ in range(4):
                place.pass_days(12)
                if page_size == 1:
                    await follower.catch_up()
            await place.act(first, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED, id=UUID(int=99)))
            place.pass_days(60)
            await follower.catch_up()
        seen.append(
            await pool.fetch(
                # One that stands goes higher by when it was told, not by when it fell out of step.
                "SELECT alert, rule, status, reason, revision, raised_at, closes,"
                " CASE WHEN status = 'cleared' THEN changed_at END"
                " FROM alerts WHERE territory = $1 ORDER BY alert",
                name,
            )
        )
    assert seen[0] == seen[1]
    assert len(seen[0]) > 3


async def test_rows_hold_no_word_of_a_person(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        await place.act(
            pathway_id, CCAS, RecordDiagnosis(needs=(FoundNeed(theme="sante--addictions"),), note="Canarine boit.")
        )
        place.pass_days(100)
        await catch_up(pool, place)
    text = "".join(
        [
            str(await pool.fetchval(f"SELECT string_agg(t::text, ' ') FROM {view} t"))
            for view in ("obligations", "alerts", "agency_inbox", "outbox")
        ]
    )
    assert str(pathway_id) in text
    assert "Canarine" not in text
    assert "addictions" not in text
