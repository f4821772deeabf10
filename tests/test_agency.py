"""Agencies: described, changed, closed; said again, nothing is added."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from application.agencies import Agencies
from application.event_log import Appended, Commit
from domain.agency import (
    CAPABILITIES,
    AddService,
    Agency,
    AgencyChanged,
    AgencyClosed,
    AgencyCommand,
    AgencyIsClosed,
    AgencyRegistered,
    CloseAgency,
    DescribeAgency,
    ServiceAdded,
    UnknownAgency,
    UnknownCapability,
    agency_id_of,
)
from domain.aggregate import EVENT_TYPES, Event
from domain.clock import SettableClock
from domain.command import Act
from domain.ids import uuid7
from domain.themes import UnknownTheme
from infrastructure.memory_event_log import MemoryEventLog

TERRITORY = "FR-34"
SLUG = "ccas-montpellier"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ACT = Act(agency=SLUG, agent=None, at=NOON, today=NOON.date())
CCAS = DescribeAgency(name="CCAS de Montpellier", network="ccas-cias", capabilities=("social", "rights"))
MEALS = AddService(
    id=uuid7(), name="Colis", type="aide-materielle", themes=("equipement-et-alimentation--alimentation",)
)


def registered(*then: AgencyCommand) -> Agency:
    agency = CCAS.register(TERRITORY, SLUG, ACT)
    for command in then:
        command.decide(agency, ACT)
    return agency


def recorded(agency: Agency) -> list[str]:
    return [type(event).__name__ for event in agency.collect_events()]


def test_an_agency_is_registered_under_the_identity_of_its_short_name() -> None:
    agency = registered()
    assert agency.id == agency_id_of(TERRITORY, SLUG)
    assert agency.description.capabilities == ("rights", "social")
    assert recorded(agency) == ["AgencyRegistered"]


def test_the_identity_of_a_short_name_never_changes() -> None:
    assert agency_id_of("FR-34", "ccas-montpellier") == UUID("9134de1e-9ebb-8bbc-a4e6-3284bd074fa8")


def test_two_territories_may_use_the_same_short_name() -> None:
    assert agency_id_of("FR-34", SLUG) != agency_id_of("FR-30", SLUG)


def test_the_same_description_in_another_order_changes_nothing() -> None:
    again = DescribeAgency(name=CCAS.name, network="ccas-cias", capabilities=("rights", "social", "rights"))
    assert recorded(registered(again)) == ["AgencyRegistered"]


def test_a_new_description_replaces_the_old_as_a_whole() -> None:
    agency = registered(DescribeAgency(name="CCAS"))
    assert recorded(agency) == ["AgencyRegistered", "AgencyChanged"]
    assert agency.description.capabilities == ()
    assert agency.description.network is None


def test_a_service_is_added_once_and_may_be_described_anew() -> None:
    renamed = AddService(id=MEALS.id, name="Colis alimentaires", type=MEALS.type, themes=MEALS.themes)
    agency = registered(MEALS, MEALS, renamed)
    assert recorded(agency) == ["AgencyRegistered", "ServiceAdded", "ServiceAdded"]
    assert [service.name for service in agency.services.values()] == ["Colis alimentaires"]


def test_an_agency_leaves_once_and_then_changes_no_more() -> None:
    agency = registered(CloseAgency(), CloseAgency())
    assert recorded(agency) == ["AgencyRegistered", "AgencyClosed"]
    for command in (CCAS, MEALS):
        with pytest.raises(AgencyIsClosed):
            command.decide(agency, ACT)


def test_an_unknown_capability_is_refused_by_its_place() -> None:
    with pytest.raises(UnknownCapability) as refusal:
        DescribeAgency(name="CCAS", capabilities=("social", "magic")).register(TERRITORY, SLUG, ACT)
    assert refusal.value.field == "/capabilities/1"


def test_an_unknown_theme_is_refused_by_its_place() -> None:
    with pytest.raises(UnknownTheme) as refusal:
        registered(AddService(id=uuid7(), name="Ateliers", themes=("numerique--inconnu",)))
    assert refusal.value.field == "/themes/0"


@pytest.mark.parametrize("kind", ["training", "housing", "employment", "health", "social", "mobility", "food"])
def test_the_kinds_that_rules_speak_of_are_capabilities(kind: str) -> None:
    assert kind in CAPABILITIES


@pytest.mark.parametrize("event_type", [AgencyRegistered, AgencyChanged, ServiceAdded, AgencyClosed])
def test_events_of_agencies_are_stored_and_about_no_person(event_type: type[Event]) -> None:
    assert EVENT_TYPES[event_type.TOPIC] is event_type
    assert not event_type.OF_PERSON


async def test_what_is_said_again_is_not_appended_again() -> None:
    agencies = Agencies(MemoryEventLog(), SettableClock(NOON))
    positions = [await agencies.carry_out(TERRITORY, SLUG, command) for command in (CCAS, MEALS, CCAS, MEALS)]
    assert positions == [1, 2, 0, 0]


async def test_an_agency_reads_back_as_it_was_described() -> None:
    agencies = Agencies(MemoryEventLog(), SettableClock(NOON))
    for command in (CCAS, MEALS, DescribeAgency(name="CCAS", zones=("34172",))):
        await agencies.carry_out(TERRITORY, SLUG, command)
    agency = await agencies.read(TERRITORY, SLUG)
    assert (agency.slug, agency.territory) == (SLUG, TERRITORY)
    assert (agency.description.name, agency.description.zones) == ("CCAS", ("34172",))
    assert list(agency.services) == [MEALS.id]


async def test_only_a_description_makes_an_agency() -> None:
    agencies = Agencies(MemoryEventLog(), SettableClock(NOON))
    for command in (MEALS, CloseAgency()):
        with pytest.raises(UnknownAgency):
            await agencies.carry_out(TERRITORY, SLUG, command)
    with pytest.raises(UnknownAgency):
        await agencies.read(TERRITORY, SLUG)


class Overtaken(MemoryEventLog):
    """Somebody else writes just before the first append."""

    async def append(self, territory: str, commit: Commit) -> Appended:
        if await self.head(territory) == 0:
            other = DescribeAgency(name="Autre").register(TERRITORY, SLUG, ACT)
            events = [event for event in other.collect_events() if isinstance(event, Event)]
            await super().append(territory, Commit(stream_id=other.id, expected_version=0, events=events))
        return await super().append(territory, commit)


async def test_a_description_overtaken_by_another_is_decided_again() -> None:
    agencies = Agencies(Overtaken(), SettableClock(NOON))
    await agencies.carry_out(TERRITORY, SLUG, CCAS)
    agency = await agencies.read(TERRITORY, SLUG)
    assert (agency.version, agency.description.name) == (2, CCAS.name)
