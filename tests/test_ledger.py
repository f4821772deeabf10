"""Laws of the ledger: retracted is never recorded, corrected is recorded anew, replayed is what was reached."""

from datetime import timedelta
from time import process_time
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from domain.aggregate import Event
from domain.break_glass import BreakTheGlass
from domain.command import Command
from domain.contact import Channel, RecordContact
from domain.correction import CorrectEntry, RetractEntry
from domain.referral import MoveReferral, ReferralStatus, RequestReferral
from domain.shares import GrantShare
from domain.training import RecordTraining
from tests.support.pathways import (
    MISSION_LOCALE,
    NOW,
    TODAY,
    Scenario,
    act_of,
    ago,
    an_id,
    given,
    opened,
    replay,
    timeless,
)
from tests.support.stories import EVENTFUL, TRAINING, eventful

NO_FACTS = (GrantShare, BreakTheGlass)
"""Commands on who may see a pathway, which says nothing of what happened on it."""
RECORDS = [
    (number, told)
    for number, (_, told) in enumerate(EVENTFUL)
    if "id" in told.__struct_fields__ and not isinstance(told, NO_FACTS)
]


def test_what_the_log_gives_back_is_what_the_commands_reached() -> None:
    scenario = eventful()
    again = replay(scenario.events)
    assert again.facts() == scenario.pathway.facts()
    assert again.participants == scenario.pathway.participants
    assert again.referent == scenario.pathway.referent


@pytest.mark.parametrize("number", [number for number, _ in RECORDS], ids=[type(told).__name__ for _, told in RECORDS])
def test_retracted_is_never_recorded(number: int) -> None:
    """Each entry of the story that has an id: recorded and retracted, it leaves the facts as they were."""
    scenario = Scenario(opened())
    for agency, earlier in EVENTFUL[:number]:
        scenario.given(earlier, by=agency)
    before = timeless(scenario.pathway.facts())
    agency, command = EVENTFUL[number]
    recorded = command.decide(scenario.pathway, act_of(agency))
    assert recorded is not None
    assert timeless(scenario.pathway.facts()) != before
    RetractEntry(entry_id=recorded).decide(scenario.pathway, act_of(agency))
    assert timeless(scenario.pathway.facts()) == before


@for_all(days=st.integers(0, 59), corrected=st.integers(0, 59), channel=st.sampled_from(list(Channel)))
@settings(max_examples=50, deadline=None)
def test_corrected_is_recorded_anew_under_the_same_id(days: int, corrected: int, channel: Channel) -> None:
    entry = an_id("contact")
    one = given(RecordContact(channel=Channel.OTHER, on=ago(days), id=entry)).given(
        CorrectEntry(entry_id=entry, start=ago(corrected), channel=channel)
    )
    other = given(RecordContact(channel=channel, on=ago(corrected), id=entry))
    assert timeless(one.facts()) == timeless(other.facts())


def test_corrected_is_recorded_anew_with_the_steps_that_follow() -> None:
    def told(theme: str, *corrections: Command) -> Scenario:
        request = RequestReferral(to_agency=MISSION_LOCALE, theme=theme, on=ago(9), id=an_id("r"))
        answer = MoveReferral(referral_id=an_id("r"), status=ReferralStatus.ACCEPTED, on=ago(2), id=an_id("a"))
        return given(request).given(answer, by=MISSION_LOCALE).given(*corrections)

    wrong, right = TRAINING, "logement-hebergement--louer-un-logement"
    assert timeless(told(wrong, CorrectEntry(entry_id=an_id("r"), theme=right)).facts()) == timeless(
        told(right).facts()
    )


def test_a_step_gives_its_version_to_what_it_changes() -> None:
    scenario = given(RequestReferral(to_agency=MISSION_LOCALE, theme=TRAINING, id=an_id("r")))
    later = NOW + timedelta(hours=2)
    scenario.when(
        MoveReferral(referral_id=an_id("r"), status=ReferralStatus.ACCEPTED, on=TODAY), by=MISSION_LOCALE, at=later
    ).then_fact("referral", recorded_at=later)


def test_taking_a_step_back_is_a_new_version_too() -> None:
    scenario = given(RequestReferral(to_agency=MISSION_LOCALE, theme=TRAINING, id=an_id("r"))).given(
        MoveReferral(referral_id=an_id("r"), status=ReferralStatus.ACCEPTED, id=an_id("a")), by=MISSION_LOCALE
    )
    later = NOW + timedelta(hours=2)
    scenario.when(RetractEntry(entry_id=an_id("a")), by=MISSION_LOCALE, at=later).then_fact(
        "referral", status="requested", recorded_at=later
    )


def test_stamped_facts_are_those_of_a_replay_of_the_stored_events() -> None:
    """The log gives positions and times; the pathway in memory then equals the one read back."""
    scenario = eventful()
    stored: list[Event] = []
    for position, event in enumerate(scenario.events, start=1001):
        learnt = NOW + timedelta(seconds=position)
        scenario.pathway.ledger.stamp(event.originator_version, position, learnt)
        header = {"position": position, "timestamp": learnt}
        stored.append(type(event)(**event._as_dict() | header))
    assert replay(stored).facts() == scenario.pathway.facts()
    assert all(fact.position > 1000 for fact in scenario.pathway.facts())


def test_an_unknown_or_retracted_entry_has_no_current_state() -> None:
    scenario = given(RecordTraining(theme=TRAINING, start=TODAY, id=an_id("t")))
    assert scenario.pathway.ledger.current(an_id("?")) is None
    scenario.given(RetractEntry(entry_id=an_id("t")))
    assert scenario.pathway.ledger.current(an_id("t")) is None


def test_a_long_pathway_loads_in_milliseconds() -> None:
    """A thousand events: a wide bound, to catch what grows with the square of the history."""
    scenario = eventful()
    for number in range(1000 - len(scenario.events)):
        command = RecordContact(channel=Channel.PHONE, on=ago(number % 50), id=UUID(int=number + 1))
        command.decide(scenario.pathway, act_of())
    events = [*scenario.events, *(e for e in scenario.pathway.collect_events() if isinstance(e, Event))]
    best = min(_seconds(events) for _ in range(5))
    assert len(events) == 1000
    assert best < 0.05


def _seconds(events: list[Event]) -> float:
    start = process_time()
    replay(events)
    return process_time() - start
