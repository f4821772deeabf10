"""Published rules take effect on every pathway of their territory, quietly, and the same however late that is seen."""

import itertools
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.alert import SITUATION_TOPICS
from domain.contact import Channel, RecordContact
from domain.diagnosis import FoundNeed, RecordDiagnosis
from domain.errors import DomainError
from domain.referral import RequestReferral
from domain.rule_publication import DraftRule, PublishRule, RetireRule
from infrastructure.database import Pool
from projections.builds import live_builds
from projections.content import content_hash
from projections.rebuild import rebuild
from tests.support.following import (
    CCAS,
    MISSION,
    TRAINING_NEED,
    Territory,
    all_projections,
    catch_up,
    follower_of,
    territory,
)
from tests.support.rulebooks import document
from tests.support.steering import Steering, shipped_document

ALWAYS = {"effective": {"from": "2026-01-01"}}
SILENCE_30 = document("silence-30", 1, **ALWAYS)


async def alerts(pool: Pool, place: Territory) -> list[tuple[Any, ...]]:
    """(rule, version, status, why it was cleared, quiet), by rule."""
    rows = await pool.fetch(
        "SELECT rule, version, status, reason, quiet FROM alerts WHERE territory = $1 ORDER BY rule, alert", place.name
    )
    return [tuple(row) for row in rows]


async def told(pool: Pool) -> int:
    """How many messages about one alert."""
    count: int = await pool.fetchval("SELECT count(*) FROM outbox WHERE type LIKE 'unisson.alert.%'")
    return count


async def test_a_rule_is_silent_in_shadow_and_quiet_when_it_becomes_active(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await place.open()
        steering = Steering(place)
        place.pass_days(40)
        await steering.draft(SILENCE_30)
        await catch_up(pool, place)
        assert await pool.fetchval("SELECT count(*) FROM obligations WHERE rule = 'silence-30'") == 0

        await steering.publish(SILENCE_30, active=False)
        await catch_up(pool, place)
        shadow = await pool.fetchrow("SELECT status, raised, shadow FROM obligations WHERE rule = 'silence-30'")
        assert tuple(shadow or ()) == ("violated_open", True, True)
        assert await alerts(pool, place) == []

        await steering.publish(SILENCE_30)
        await catch_up(pool, place)
        assert await alerts(pool, place) == [("silence-30", 1, "open", None, True)]
        assert await pool.fetchval("SELECT because FROM alerts") == "rule_change"
        assert await told(pool) == 0


async def test_once_in_force_a_rule_tells_as_any_other(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await place.open()
        await Steering(place).publish(SILENCE_30)
        await catch_up(pool, place)
        place.pass_days(31)
        await catch_up(pool, place)
        assert await alerts(pool, place) == [("silence-30", 1, "open", None, False)]
        assert await pool.fetchval("SELECT because FROM alerts") is None
        assert await told(pool) == 1


async def test_what_happened_before_a_version_lives_and_dies_under_the_one_before(
    database_url: str, pool: Pool
) -> None:
    async with territory(database_url, pool) as place:
        await place.open()
        await Steering(place).publish(shipped_document("silence-90", 2, gap="30d", effective={"from": "2026-02-01"}))
        place.pass_days(60)
        later = await place.open()
        await catch_up(pool, place)
        assert await alerts(pool, place) == []
        place.pass_days(31)
        await catch_up(pool, place)
        rows = await pool.fetch("SELECT pathway, version FROM alerts ORDER BY version")
        assert [row["version"] for row in rows] == [1, 2]
        assert rows[1]["pathway"] == later


async def test_the_same_rule_under_a_new_version_changes_no_alert(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await place.open()
        place.pass_days(100)
        await catch_up(pool, place)
        before = await alerts(pool, place)
        assert before == [("silence-90", 1, "open", None, False)]
        await Steering(place).publish(shipped_document("silence-90", 2))
        head = await place.log.head(place.name)
        await catch_up(pool, place)
        assert await alerts(pool, place) == before
        assert await place.log.head(place.name) == head
        assert await pool.fetchval("SELECT version FROM obligations WHERE rule = 'silence-90'") == 2


async def test_retiring_a_rule_clears_its_alerts_and_says_why_to_nobody(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await place.open()
        place.pass_days(100)
        await catch_up(pool, place)
        before = await told(pool)
        await Steering(place).retire("silence-90")
        await catch_up(pool, place)
        assert await alerts(pool, place) == [("silence-90", 1, "cleared", "rule_change", False)]
        assert await told(pool) == before
        assert await pool.fetchval("SELECT count(*) FROM obligations WHERE rule = 'silence-90'") == 0
        assert await pool.fetchval("SELECT count(*) FROM agency_inbox WHERE kind = 'alert'") == 0


async def test_what_is_refused_changes_nothing_that_is_judged(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await place.open()
        place.pass_days(100)
        steering = Steering(place)
        await catch_up(pool, place)
        judged = await pool.fetch("SELECT * FROM obligations ORDER BY alert")
        for command in (
            DraftRule(document=document("silence-90", 1)),
            DraftRule(document=document(kind="magic")),
            PublishRule(slug="silence-30", version=1, active=True),
            RetireRule(slug="nothing"),
        ):
            with pytest.raises(DomainError):
                await steering.act(command)
        await catch_up(pool, place)
        assert await pool.fetch("SELECT * FROM obligations ORDER BY alert") == judged
        assert await pool.fetchval("SELECT count(*) FROM rulebook_changes") == 0


async def test_a_deadline_before_a_change_is_told_under_the_rules_of_its_time(database_url: str, pool: Pool) -> None:
    """Even when the follower sees both at once: raised and told at its own time, then cleared by the change."""
    async with territory(database_url, pool) as place:
        await place.open()
        await catch_up(pool, place)
        place.pass_days(100)
        await Steering(place).retire("silence-90")
        await catch_up(pool, place)
        assert await alerts(pool, place) == [("silence-90", 1, "cleared", "rule_change", False)]
        raised = "SELECT count(*) FROM outbox WHERE type = 'unisson.alert.raised.v1'"
        assert await pool.fetchval(raised) == 1


async def test_every_pathway_is_judged_again_in_steps(
    database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.territory_follower.DUE_PER_STEP_MAX", 2)
    async with territory(database_url, pool) as place:
        for _ in range(5):
            await place.open()
        place.pass_days(40)
        await catch_up(pool, place)
        await Steering(place).publish(SILENCE_30)
        await catch_up(pool, place)
        assert await alerts(pool, place) == [("silence-30", 1, "open", None, True)] * 5
        assert await pool.fetchval("SELECT count(DISTINCT ruling) FROM pathway_deadlines") == 1


async def test_a_territory_judges_by_its_own_rules(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as here, territory(database_url, pool, name="FR-30") as there:
        for place in (here, there):
            await place.open()
        await Steering(here).publish(SILENCE_30)
        for place in (here, there):
            place.pass_days(40)
        await catch_up(pool, here)
        assert [alert[0] for alert in await alerts(pool, here)] == ["silence-30"]
        assert await alerts(pool, there) == []


async def hidden_need(place: Territory) -> UUID:
    """A pathway with a need that nobody referred, hidden by a silence of twenty days."""
    steering = Steering(place)
    await steering.publish(document("silence-20", 1, gap="20d", **ALWAYS))
    await steering.publish(shipped_document("need-to-referral", 2, inhibited_by=["silence-20"]))
    pathway_id = await place.open()
    await place.act(pathway_id, CCAS, RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),)))
    place.pass_days(40)
    return pathway_id


async def test_an_alert_explained_by_another_is_told_once_that_one_is_over(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await hidden_need(place)
        await catch_up(pool, place)
        assert [alert[:3] for alert in await alerts(pool, place)] == [
            ("need-to-referral", 2, "open"),
            ("silence-20", 1, "open"),
        ]
        assert await told_of(pool) == ["silence-20 raised"]
        assert await to_look_at(pool) == ["silence-20"]

        await place.act(pathway_id, CCAS, RecordContact(channel=Channel.PHONE))
        await catch_up(pool, place)
        assert await told_of(pool) == ["need-to-referral raised", "silence-20 cleared", "silence-20 raised"]
        assert await to_look_at(pool) == ["need-to-referral"]
        await rebuild(pool, place.log, all_projections(place), place.clock, ["agency_inbox"])
        assert await to_look_at(pool) == ["need-to-referral"]


async def test_an_alert_that_is_over_before_what_hid_it_is_never_told(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await hidden_need(place)
        await catch_up(pool, place)
        await place.act(pathway_id, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        await place.act(pathway_id, CCAS, RecordContact(channel=Channel.PHONE))
        await catch_up(pool, place)
        assert await told_of(pool) == ["silence-20 cleared", "silence-20 raised"]


async def test_a_change_of_rules_tells_nobody_of_what_it_no_longer_hides(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await hidden_need(place)
        await Steering(place).retire("silence-20")
        await catch_up(pool, place)
        assert await told_of(pool) == ["silence-20 raised"]


async def told_of(pool: Pool) -> list[str]:
    """What one agency was told, in alphabetical order."""
    rows = await pool.fetch(
        "SELECT a.rule, split_part(o.type, '.', 3) AS change FROM outbox o"
        " JOIN alerts a ON a.alert = o.subject_id WHERE o.agency = $1",
        CCAS,
    )
    return sorted(f"{row['rule']} {row['change']}" for row in rows)


async def to_look_at(pool: Pool) -> list[str]:
    rows = await pool.fetch("SELECT code FROM agency_inbox WHERE kind = 'alert' AND agency = $1 ORDER BY code", CCAS)
    return [row["code"] for row in rows]


# However it is followed.

Follow = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """Follow only at the end."""


async def steered_year(place: Territory, follow: Follow) -> None:
    """Pathways, a deadline here and there, and rules that come, change and go; `follow` may be called at any point."""
    numbers = itertools.count(1)
    steering = Steering(place)

    def number() -> UUID:
        return UUID(int=7 << 76 | 2 << 62 | next(numbers))

    pathways = [await place.open(pathway_id=number()) for _ in range(3)]
    await follow()
    need = FoundNeed(theme=TRAINING_NEED, id=number())
    await place.act(pathways[0], CCAS, RecordDiagnosis(needs=(need,), id=number()))
    place.pass_days(20)
    await steering.publish(SILENCE_30, active=False)
    await follow()
    place.pass_days(25)
    await steering.publish(SILENCE_30)
    await place.act(pathways[1], CCAS, RecordContact(channel=Channel.PHONE, id=number()))
    await follow()
    place.pass_days(50)
    await steering.publish(document("silence-30", 2, gap="60d", **ALWAYS))
    await steering.retire("silence-90")
    await follow()
    await place.act(pathways[2], CCAS, RecordContact(channel=Channel.PHONE, id=number()))
    place.pass_days(10)
    await steering.retire("silence-30", 2)
    place.pass_days(40)


@pytest.mark.parametrize("page_size", [1, 3])
async def test_however_late_and_however_cut_changes_are_seen_the_alerts_are_the_same(
    database_url: str, pool: Pool, page_size: int
) -> None:
    histories = []
    for name, size, at_once in (("FR-1", 1000, True), ("FR-2", page_size, True), ("FR-3", page_size, False)):
        async with territory(database_url, pool, name=name) as place:
            follower = follower_of(pool, place, all_projections(place), page_size=size)
            await steered_year(place, nothing if at_once else follower.catch_up)
            await follower.catch_up()
            histories.append(await history_of(pool, place))
    assert histories[0] == histories[1] == histories[2]
    assert len(histories[0]) > 8


async def history_of(pool: Pool, place: Territory) -> list[tuple[Any, ...]]:
    """All that was found of every alert, by alert, in the order of its recording."""
    found = []
    for alert in await pool.fetch("SELECT alert, rule FROM alerts WHERE territory = $1 ORDER BY alert", place.name):
        for stored in await place.log.read_stream(place.name, alert["alert"]):
            if stored.topic not in SITUATION_TOPICS:
                continue  # Whom time calls upon goes by when it was told.
            event: Any = stored.event
            found.append((alert["rule"], stored.topic, event.on, event.quiet, getattr(event, "reason", None)))
    return found


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "contact", "need", "days", "days", "shadow", "activate", "retire", "follow"]),
        st.integers(0, 5),
    ),
    min_size=6,
    max_size=24,
)
EXAMPLES = itertools.count()


async def lived(place: Territory, steps: Sequence[tuple[str, int]], follow: Follow) -> None:
    """Whatever the steps say, with the same ids each time; what is refused is left out."""
    steering, ids = Steering(place), itertools.count(1)
    pathways: list[UUID] = []
    for kind, n in [("open", 0), *steps]:
        new_id, new_part = (UUID(int=7 << 76 | 2 << 62 | next(ids)) for _ in range(2))
        pathway_id = pathways[n % len(pathways)] if pathways else new_id
        rule = document(f"rule-{n % 2}", 1 + n // 2, gap=f"{10 + 7 * n}d", inhibited_by=["silence-90"], **ALWAYS)
        match kind:
            case "open":
                pathways.append(await place.open(pathway_id=new_id))
            case "contact":
                await place.act(pathway_id, CCAS, RecordContact(channel=Channel.PHONE, id=new_id))
            case "need":
                need = FoundNeed(theme=TRAINING_NEED, id=new_part)
                await place.act(pathway_id, CCAS, RecordDiagnosis(needs=(need,), id=new_id))
            case "days":
                place.pass_days(1 + n * n)
            case "shadow" | "activate":
                with suppress(DomainError):
                    await steering.publish(rule, active=kind == "activate")
            case "retire":
                with suppress(DomainError):
                    await steering.retire(("rule-0", "rule-1", "silence-90")[n % 3])
            case "follow":
                await follow()


@settings(max_examples=settings().max_examples // 8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, page_size=st.sampled_from((1, 3, 1000)))
async def test_any_history_of_rules_gives_the_same_alerts_and_rows_followed_or_read_at_once_or_rebuilt(
    database_url: str, pool: Pool, steps: list[tuple[str, int]], page_size: int
) -> None:
    seen = []
    example = next(EXAMPLES)
    for way, is_followed in (("A", True), ("B", False)):
        async with territory(database_url, pool, name=f"FR-{way}{example}") as place:
            follower = follower_of(pool, place, all_projections(place), page_size=page_size)
            await lived(place, steps, follower.catch_up if is_followed else nothing)
            place.pass_days(40)
            await follower.catch_up()
            seen.append(await history_of(pool, place))
            before = await hashes(pool, place)
            await rebuild(pool, place.log, all_projections(place), place.clock)
            await follower.catch_up()
            assert await hashes(pool, place) == before
    assert seen[0] == seen[1]


async def test_rebuilt_from_the_first_event_the_rows_are_the_same(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        follower = follower_of(pool, place, all_projections(place), page_size=5)
        await steered_year(place, follower.catch_up)
        await follower.catch_up()
        before = await hashes(pool, place)
        head = await place.log.head(place.name)
        await rebuild(pool, place.log, all_projections(place), place.clock)
        assert await hashes(pool, place) == before
        await follower.catch_up()
        assert await hashes(pool, place) == before
        assert await place.log.head(place.name) == head


async def hashes(pool: Pool, place: Territory) -> dict[str, str]:
    async with pool.acquire() as db:
        builds = await live_builds(db, all_projections(place))
        return {name: await content_hash(db, build, place.name) for name, build in builds.items()}


async def test_a_rebuild_that_overtakes_a_change_still_leads_to_its_alerts(database_url: str, pool: Pool) -> None:
    """The rules changed, the follower has folded that and not yet judged anybody again: the rebuild has to say so."""
    async with territory(database_url, pool) as place:
        await place.open()
        place.pass_days(40)
        await catch_up(pool, place)
        await Steering(place).publish(SILENCE_30)
        await rebuild(pool, place.log, all_projections(place), place.clock)
        await catch_up(pool, place)
        assert await alerts(pool, place) == [("silence-30", 1, "open", None, True)]
        assert await told(pool) == 0
