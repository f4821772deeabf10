"""Laws of replays: what was read at the time is read again, now is as known now, and differences lead from a to b."""

import itertools
import random
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from api.pathways import view
from api.replayed import Lens, Seen, picture
from application.differences import applied, difference
from application.replay import Moment, Replay
from application.why import Whys
from domain.accompaniment import AccompanimentKind, RecordAccompaniment
from domain.appointment import AppointmentOutcome, BookAppointment, ConcludeAppointment
from domain.closure import ClosePathway, ClosureOutcome, ReopenPathway
from domain.contact import Channel, RecordContact
from domain.correction import CorrectEntry, RetractEntry
from domain.diagnosis import FoundNeed, RecordDiagnosis
from domain.errors import DomainError
from domain.referent import AssignReferent
from domain.referral import MoveReferral, ReferralStatus, RequestReferral
from domain.relocation import RecordRelocation
from domain.rules import Calendars, Status, evaluate
from domain.suspension import ResumePathway, SuspendPathway, SuspensionMotive
from domain.transfer import RequestTransfer
from infrastructure.alert_index import PostgresAlertIndex
from infrastructure.database import Pool
from projections.agency_inbox import inbox
from projections.alert_board import alerts
from projections.follower import Follower
from projections.pathway_timeline import timeline, timeline_row
from tests.support.following import (
    CCAS,
    HOUSING,
    MISSION,
    TRAINING_NEED,
    Territory,
    all_projections,
    follower_of,
    territory,
)
from tests.support.steering import Steering, shipped_document
from tests.test_rulebook_online import hidden_need

AGENCIES = (CCAS, MISSION, HOUSING)
EXAMPLES = itertools.count()


class Life:
    """What services do with a few pathways while their territory changes its rules; what is refused is left out."""

    def __init__(self, place: Territory, seed: int) -> None:
        self.place = place
        self.steering = Steering(place)
        self.pathways: list[UUID] = []
        self._dice = random.Random(seed)  # noqa: S311 (a plausible history, not a secret)
        self._versions = itertools.count(2)

    async def step(self) -> None:
        dice, place = self._dice, self.place
        place.clock.advance(timedelta(minutes=dice.choice((1, 60, 60 * 24, 60 * 24 * 9, 60 * 24 * 40))))
        match dice.randrange(12):
            case 0:
                self.pathways.append(await place.open(dice.choice((CCAS, MISSION))))
            case 1:
                await place.join(MISSION, *dice.sample(("training", "socio_professional", "housing"), 2))
            case 2:
                await self._change_the_rules()
            case _ if self.pathways:
                await self._act()
            case _:
                self.pathways.append(await place.open())

    async def _change_the_rules(self) -> None:
        version = next(self._versions)
        rule = self._dice.choice(
            (
                shipped_document("silence-90", version, gap=f"{self._dice.randrange(10, 60)}d"),
                shipped_document("referral-acknowledged", version, inhibited_by=["silence-90"]),
            )
        )
        with suppress(DomainError):
            match self._dice.randrange(3):
                case 0:
                    await self.steering.retire(self._dice.choice(("need-to-referral", "silence-90")))
                case kind:
                    await self.steering.publish(rule, active=kind == 1)

    async def _act(self) -> None:
        dice, place = self._dice, self.place
        pathway_id = dice.choice(self.pathways)
        pathway = await place.pathway(pathway_id)
        entry_id = dice.choice([entry.id for entry in pathway.ledger.entries.values()])
        on = place.clock.now().date() - timedelta(days=dice.randrange(20))
        start = place.clock.now() + timedelta(hours=dice.randrange(1, 60))
        command = dice.choice(
            (
                RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),), on=on),
                RequestReferral(to_agency=dice.choice((MISSION, HOUSING)), theme=TRAINING_NEED, on=on),
                MoveReferral(referral_id=entry_id, status=dice.choice(list(ReferralStatus)), reason="…"),
                RecordContact(channel=Channel.PHONE, on=on),
                BookAppointment(start=start, end=start + timedelta(hours=1)),
                ConcludeAppointment(appointment_id=entry_id, outcome=AppointmentOutcome.PRESENT),
                RecordAccompaniment(kind=AccompanimentKind.SOCIO_PROFESSIONAL, start=on),
                RecordRelocation(to_zone="34172", on=on),
                RequestTransfer(to_agency=HOUSING),
                AssignReferent(to_agency=dice.choice((CCAS, MISSION))),
                SuspendPathway(motive=SuspensionMotive.PERSON_ASKED),
                ResumePathway(),
                ClosePathway(outcome=ClosureOutcome.HOUSED),
                ReopenPathway(),
                CorrectEntry(entry_id=entry_id, start=on),
                RetractEntry(entry_id=entry_id),
            )
        )
        for agency in AGENCIES:
            with suppress(DomainError):
                await place.act(pathway_id, agency, command)
                break


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """All that could be read at one moment, as the routes of that day read it."""

    position: int
    at: datetime
    pathways: Mapping[UUID, Any]
    facts: Mapping[UUID, Any]
    verdicts: Mapping[UUID, Any]
    timelines: Mapping[UUID, Any]
    inboxes: Mapping[str, Any]
    alerts: Mapping[str, Any]


async def read_now(pool: Pool, life: Life) -> Read:
    place, now = life.place, life.place.clock.now()
    rules = await life.steering.rulebooks.in_force(place.name)
    pathways = {each: await place.pathway(each) for each in life.pathways}
    async with pool.acquire() as db:
        return Read(
            position=await place.log.head(place.name),
            at=now,
            pathways={each: view(pathway) for each, pathway in pathways.items()},
            facts={each: pathway.facts() for each, pathway in pathways.items()},
            verdicts={
                each: list(evaluate(pathway.facts(), rules, Calendars(), now).obligations)
                for each, pathway in pathways.items()
            },
            timelines={each: await timeline(db, place.name, each, limit=1000) for each in pathways},
            inboxes={each: await inbox(db, place.name, each, now, limit=1000) for each in AGENCIES},
            alerts={each: await alerts(db, place.name, each, limit=1000) for each in AGENCIES},
        )


def replay_of(pool: Pool, life: Life) -> Replay:
    place = life.place
    return Replay(place.log, PostgresAlertIndex(pool), life.steering.rulebooks, Calendars(), place.clock)


async def everything(replay: Replay, place: Territory, moment: Moment) -> list[Seen]:
    lens = await Lens.at(replay, place.name, moment)
    return [seen async for history in replay.everything(place.name, moment) if (seen := lens.see(history)) is not None]


async def read_again(replay: Replay, place: Territory, moment: Moment) -> Read:
    seen = await everything(replay, place, moment)
    items = [item for each in seen for item in each.to_do]
    told = [(agency, row) for each in seen for one in each.told for agency in AGENCIES if (row := one.told_to(agency))]
    return Read(
        position=moment.position,
        at=moment.at,
        pathways={each.pathway.id: view(each.pathway) for each in seen},
        facts={each.pathway.id: each.facts for each in seen},
        verdicts={each.pathway.id: each.verdicts for each in seen},
        timelines={each.pathway.id: [timeline_row(stored) for stored in each.history.events] for each in seen},
        inboxes={
            agency: sorted((item for item in items if item.agency == agency), key=lambda item: (item.since, item.item))
            for agency in AGENCIES
        },
        alerts={
            agency: sorted((row for who, row in told if who == agency), key=lambda row: row.alert)
            for agency in AGENCIES
        },
    )


async def lived(pool: Pool, life: Life, follower: Follower, steps: int) -> list[Read]:
    """A read after each step."""
    reads = []
    for _ in range(steps):
        await life.step()
        await follower.catch_up()
        reads.append(await read_now(pool, life))
    return reads


SEEDS = st.integers(0, 2**32)
FEW = settings(
    max_examples=settings().max_examples // 16,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # Half of a seed is another history: nothing to shrink.
)


@FEW
@given(seed=SEEDS)
async def test_what_was_read_at_the_time_is_read_again(database_url: str, pool: Pool, seed: int) -> None:
    """At its position, at its instant, and at the head as it is now."""
    async with territory(database_url, pool, name=f"FR-{next(EXAMPLES)}") as place:
        life = Life(place, seed)
        reads = await lived(pool, life, follower_of(pool, place, all_projections(place)), steps=24)
        replay = replay_of(pool, life)
        for read in reads:
            at_that_instant = await replay.moment(place.name, read.at)
            assert at_that_instant == Moment(position=read.position, at=read.at)
            assert await read_again(replay, place, at_that_instant) == read
            if read.position:
                at_that_position = await replay.moment(place.name, read.position)
                assert at_that_position.at <= read.at
                then = msgspec.structs.replace(at_that_position, at=read.at)
                assert await read_again(replay, place, then) == read
        now = await replay.moment(place.name, None)
        assert await read_again(replay, place, now) == reads[-1]
        await every_alert_is_judged_the_same_again(life, await everything(replay, place, now))


async def every_alert_is_judged_the_same_again(life: Life, seen: list[Seen]) -> None:
    whys = Whys(life.place.log, life.steering.rulebooks, Calendars())
    for history in (events for each in seen for events in each.history.alerts.values()):
        why = await whys.why(life.place.name, history)
        assert (why.differs_in, why.explanation.status) == ((), Status.VIOLATED_OPEN)


async def test_what_was_hidden_told_over_and_back_is_read_again(database_url: str, pool: Pool) -> None:
    """Every turn that an alert may take: hidden by another, told once that one is over, cleared, reopened, retired."""
    async with territory(database_url, pool) as place:
        life = Life(place, 0)
        follower, replay = follower_of(pool, place, all_projections(place)), replay_of(pool, life)
        pathway = await hidden_need(place)
        life.pathways.append(pathway)
        reads = []

        async def follow() -> None:
            await follower.catch_up()
            reads.append(await read_now(pool, life))
            place.clock.advance(timedelta(minutes=1))

        await follow()
        await place.act(pathway, CCAS, RecordContact(channel=Channel.PHONE))
        await follow()
        referral = await place.act(pathway, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        await follow()
        assert referral is not None
        await place.act(pathway, CCAS, RetractEntry(entry_id=referral))
        await follow()
        await life.steering.retire("need-to-referral", 2)
        await follow()
        for read in reads:
            assert await read_again(replay, place, await replay.moment(place.name, read.at)) == read
        await every_alert_is_judged_the_same_again(
            life, await everything(replay, place, await replay.moment(place.name, None))
        )
        topics = {header.topic for header in await place.log.headers(place.name, after=0)}
        assert {"alert.raised", "alert.disclosed", "alert.cleared", "alert.reopened"} <= topics


@FEW
@given(seed=SEEDS)
async def test_a_difference_leads_from_one_moment_to_the_other(database_url: str, pool: Pool, seed: int) -> None:
    """Either way, whatever the two moments; none from a moment to itself."""
    async with territory(database_url, pool, name=f"FR-D{next(EXAMPLES)}") as place:
        life = Life(place, seed)
        follower, replay = follower_of(pool, place, all_projections(place)), replay_of(pool, life)
        for _ in range(16):
            await life.step()
        await follower.catch_up()
        head = await place.log.head(place.name)
        pictures = []
        for position in sorted({0, *random.Random(seed).sample(range(1, head + 1), min(4, head)), head}):  # noqa: S311
            seen = await everything(replay, place, await replay.moment(place.name, position))
            keyed = [each for one in seen for each in picture(one).items()]
            assert len(dict(keyed)) == len(keyed), "each thing has a key of its own"
            pictures.append(dict(keyed))
        for before, after in itertools.product(pictures, repeat=2):
            assert applied(difference(before, after), before) == after
            assert (difference(before, after) == []) == (before == after)
