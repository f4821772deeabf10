"""Rights end while messages wait: whoever lost theirs is told nothing more, by whatever channel."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from application.alert_histories import alert_now
from application.event_log import Commit
from application.message_types import MESSAGE_TYPES, Subject
from application.messages import Message
from application.pathways import Pathways
from application.right_to_know import RightToKnow
from domain.alert import ClearedBecause, Finding, Found, Recipient, Resolved, Role, Sees, decide
from domain.clock import SettableClock
from domain.compartments import Compartment
from domain.consent import GiveConsent, Purpose, WithdrawConsent
from domain.ids import uuid7
from domain.restriction import RestrictionGround, RestrictPathway
from infrastructure.memory_event_log import MemoryEventLog
from tests.support.following import CCAS, HOUSING, MISSION, MONDAY, TERRITORY, Territory
from tests.support.logs import memory_log

ABOUT_ALERTS = [each.type for each in MESSAGE_TYPES if each.subject is Subject.ALERT]
RAISED = "unisson.alert.raised.v1"
BOTH = (Recipient(MISSION, Role.ABLE_TO_ACT, Sees.CONTENT), Recipient(HOUSING, Role.WATCHER, Sees.NOTICE))


class Place:
    """A pathway in which the mission takes part by consent, and an alert about it that also concerns an outsider."""

    def __init__(self) -> None:
        self.clock = SettableClock(MONDAY)
        self.log: MemoryEventLog = memory_log(self.clock)
        self.territory = Territory(self.log, self.clock)
        self.right = RightToKnow(Pathways(self.log, self.clock), self.log)
        self.alert = uuid7()

    async def prepare(self) -> None:
        self.pathway = await self.territory.open()
        consent = GiveConsent(purpose=Purpose.SHARING, to_agency=MISSION)
        admitted = await self.territory.act(self.pathway, CCAS, consent)
        assert admitted is not None
        self.consent = admitted
        await self.found(*BOTH)

    async def found(self, *recipients: Recipient) -> None:
        finding = Finding(pathway=self.pathway, rule="any", version=1, severity="warning", activation="any")
        await self._record(
            Found(on=self.clock.now(), known_at=await self._head(), finding=finding, recipients=recipients)
        )

    async def cleared(self) -> None:
        await self._record(Resolved(on=self.clock.now(), known_at=await self._head(), reason=ClearedBecause.DONE_LATE))

    async def withdraw(self) -> None:
        await self.territory.act(self.pathway, CCAS, WithdrawConsent(consent_id=self.consent))

    async def restrict(self) -> None:
        pathway = await self.territory.pathway(self.pathway)
        RestrictPathway(ground=RestrictionGround.UNLAWFUL).decide(pathway, self.territory.act_of(CCAS))
        await self.territory._append(pathway)

    async def erase(self) -> None:
        subject = (await self.territory.pathway(self.pathway)).subject
        assert subject is not None
        await self.log.vault.destroy(TERRITORY, subject, list(Compartment))

    async def tells(self, agency: str, type_: str = RAISED, *, pathway: UUID | None = None) -> bool:
        message = Message(
            territory=TERRITORY,
            message_id=uuid4(),
            agency=agency,
            type=type_,
            subject_id=self.alert,
            pathway=pathway,
            position=1,
            created_at=self.clock.now(),
        )
        return await self.right.may_send(TERRITORY, agency, message)

    async def _head(self) -> int:
        return await self.log.head(TERRITORY)

    async def _record(self, change: Found | Resolved) -> None:
        self.clock.advance(timedelta(minutes=1))
        alert = await alert_now(self.log, TERRITORY, self.alert)
        event = decide(self.alert, alert, change)
        assert event is not None
        subject = (await self.territory.pathway(self.pathway)).subject
        expected = event.originator_version - 1
        await self.log.append(
            TERRITORY, Commit(stream_id=self.alert, expected_version=expected, events=[event], subject=subject)
        )


@pytest.fixture
async def place() -> Place:
    made = Place()
    await made.prepare()
    return made


@pytest.mark.parametrize("type_", ABOUT_ALERTS)
async def test_whom_the_alert_concerns_is_told_as_long_as_it_does(place: Place, type_: str) -> None:
    assert await place.tells(MISSION, type_, pathway=place.pathway)
    assert await place.tells(HOUSING, type_)


@pytest.mark.parametrize("type_", ABOUT_ALERTS)
async def test_who_no_longer_takes_part_is_told_nothing_more_even_of_what_was_queued(place: Place, type_: str) -> None:
    """Not even as a notice: it would still tell how the person fares."""
    await place.withdraw()
    assert not await place.tells(MISSION, type_, pathway=place.pathway)
    assert not await place.tells(MISSION, type_)
    assert await place.tells(HOUSING, type_)


async def test_who_takes_part_again_is_told_again(place: Place) -> None:
    await place.withdraw()
    await place.territory.act(place.pathway, CCAS, GiveConsent(purpose=Purpose.SHARING, to_agency=MISSION))
    assert await place.tells(MISSION, pathway=place.pathway)


async def test_who_only_had_a_notice_is_told_while_the_alert_concerns_them(place: Place) -> None:
    await place.cleared()
    assert await place.tells(HOUSING, "unisson.alert.cleared.v1")
    await place.found(BOTH[0])
    assert not await place.tells(HOUSING)
    assert await place.tells(MISSION, pathway=place.pathway)


@pytest.mark.parametrize("agency", [CCAS, "anybody"])
async def test_whom_the_alert_never_concerned_is_told_nothing_of_it(place: Place, agency: str) -> None:
    """Whether or not the agency takes part in the pathway."""
    assert not await place.tells(agency)
    assert not await place.tells(agency, pathway=place.pathway)


@pytest.mark.parametrize("agency", [MISSION, HOUSING])
async def test_of_an_erased_person_nothing_is_told(place: Place, agency: str) -> None:
    await place.erase()
    assert not await place.tells(agency, pathway=place.pathway if agency == MISSION else None)


async def test_an_alert_that_is_not_there_is_told_to_nobody(place: Place) -> None:
    for other in (uuid7(), place.pathway):
        place.alert = other
        assert not await place.tells(HOUSING)


async def test_of_a_restricted_pathway_nothing_is_told_of_what_it_holds(place: Place) -> None:
    await place.restrict()
    assert not await place.tells(MISSION, pathway=place.pathway)
    assert not await place.tells(MISSION, "unisson.alert.woken.v1")


async def test_what_is_about_no_alert_and_no_pathway_is_for_whom_it_was_written(place: Place) -> None:
    others = [each.type for each in MESSAGE_TYPES if each.subject is not Subject.ALERT]
    assert others
    for type_ in others:
        assert await place.tells(HOUSING, type_)


async def test_what_names_a_pathway_is_only_for_who_takes_part_in_it(place: Place) -> None:
    """As a breaking of the glass does, to those in charge."""
    assert await place.tells(MISSION, "unisson.glass.broken.v1", pathway=place.pathway)
    await place.withdraw()
    assert not await place.tells(MISSION, "unisson.glass.broken.v1", pathway=place.pathway)
