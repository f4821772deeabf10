"""What a person may ask: contested entries are flagged, restricted pathways stand still, a hold keeps what it holds."""

from datetime import date, timedelta

import pytest

from domain.closure import ClosePathway, ClosureOutcome
from domain.contact import Channel, RecordContact
from domain.correction import RetractEntry
from domain.errors import DomainError
from domain.pathway import Pathway, UnknownEntry
from domain.pathway_state import pathway_from, state_of
from domain.person_erasure import PersonErased
from domain.restriction import (
    AlreadyContested,
    AlreadyRestricted,
    ContestEntry,
    ContestOutcome,
    EntryContested,
    LiftRestriction,
    NotContested,
    NotRestricted,
    RestrictionGround,
    RestrictPathway,
    SettleContest,
)
from domain.retention import (
    AlreadyHeld,
    HoldGround,
    LiftHold,
    NotHeld,
    PlaceHold,
    RetentionClock,
    RetentionPolicy,
    Stage,
    clock_of,
    months_after,
)
from domain.rights import Measure
from tests.support.pathways import SIAO, TODAY, act_of, ago, an_id, given, opened

CONTACT = RecordContact(channel=Channel.IN_PERSON, on=ago(10), id=an_id("contact"))
CONTEST = ContestEntry(entry_id=an_id("contact"), note="It was somebody else.")


def measured(*measures: Measure) -> Pathway:
    pathway = given(CONTACT).pathway
    for measure in measures:
        measure.decide(pathway, act_of())
    return pathway


def refused(pathway: Pathway, measure: Measure) -> type[DomainError]:
    with pytest.raises(DomainError) as refusal:
        measure.decide(pathway, act_of())
    return refusal.type


def test_a_contested_entry_says_so_until_it_is_settled() -> None:
    scenario = given(CONTACT).when(CONTEST, by=SIAO).then_recorded(EntryContested)
    assert an_id("contact") in scenario.pathway.rights.contested
    scenario.when(SettleContest(entry_id=an_id("contact"), outcome=ContestOutcome.MAINTAINED))
    assert scenario.pathway.rights.contested == {}


def test_what_is_contested_can_still_be_corrected_and_retracted() -> None:
    given(CONTACT, CONTEST).when(RetractEntry(entry_id=an_id("contact"))).then_no_fact("contact")


def test_only_what_is_there_is_contested_and_only_once() -> None:
    given(CONTACT, CONTEST).when(CONTEST).then_refused(AlreadyContested)
    given().when(CONTEST).then_refused(UnknownEntry)
    given(CONTACT).when(SettleContest(entry_id=an_id("contact"), outcome=ContestOutcome.WITHDRAWN)).then_refused(
        NotContested
    )


def test_a_closed_pathway_can_be_contested() -> None:
    closed = given(CONTACT, ClosePathway(outcome=ClosureOutcome.PERSON_ENDED_IT, on=ago(1)))
    closed.when(CONTEST).then_recorded(EntryContested)


def test_the_rules_see_nothing_of_a_restricted_pathway() -> None:
    pathway = measured(RestrictPathway(ground=RestrictionGround.ACCURACY_CONTESTED))
    assert pathway.facts() == []
    LiftRestriction().decide(pathway, act_of())
    assert {fact.type for fact in pathway.facts()} == {"opened", "contact"}


def test_a_restriction_is_set_once_and_lifted_once() -> None:
    restricted = measured(RestrictPathway(ground=RestrictionGround.UNLAWFUL))
    assert refused(restricted, RestrictPathway(ground=RestrictionGround.RETENTION)) is AlreadyRestricted
    assert refused(measured(), LiftRestriction()) is NotRestricted


def test_a_hold_is_placed_once_and_lifted_once() -> None:
    held = measured(PlaceHold(ground=HoldGround.LITIGATION))
    assert refused(held, PlaceHold(ground=HoldGround.AUDIT)) is AlreadyHeld
    LiftHold().decide(held, act_of())
    assert refused(held, LiftHold()) is NotHeld


def test_a_snapshot_keeps_the_measures() -> None:
    pathway = measured(PlaceHold(ground=HoldGround.AUDIT), RestrictPathway(ground=RestrictionGround.UNLAWFUL))
    CONTEST.decide(pathway, act_of())
    assert pathway_from(*state_of(pathway)).rights == pathway.rights


def test_an_erased_pathway_holds_nothing_even_where_its_keys_are_still_known() -> None:
    pathway = measured(PlaceHold(ground=HoldGround.AUDIT))
    pathway.trigger_event(PersonErased, agency="unisson", timestamp=act_of().at, erasure_id=an_id("erasure"))
    assert (pathway.erased, pathway.birth_date, pathway.facts()) == (True, None, [])
    assert pathway.participants == frozenset()
    assert pathway.rights.hold is None


POLICY = RetentionPolicy()


@pytest.mark.parametrize(
    ("clock", "today", "stage"),
    [
        (RetentionClock(last_contact=date(2024, 3, 10)), date(2026, 3, 9), Stage.USED),
        (RetentionClock(last_contact=date(2024, 3, 10)), date(2026, 3, 10), Stage.TO_ARCHIVE),
        (RetentionClock(last_contact=date(2024, 2, 29)), date(2026, 2, 28), Stage.TO_ARCHIVE),
        (RetentionClock(last_contact=date(2024, 3, 10), held=True), date(2036, 1, 1), Stage.HELD),
        (RetentionClock(last_contact=date(2024, 3, 10), restricted=True), date(2036, 1, 1), Stage.USED),
        (
            RetentionClock(last_contact=date(2020, 1, 1), archived_on=date(2026, 1, 1)),
            date(2027, 12, 31),
            Stage.ARCHIVED,
        ),
        (RetentionClock(last_contact=date(2020, 1, 1), archived_on=date(2026, 1, 1)), date(2028, 1, 1), Stage.TO_ERASE),
        (
            RetentionClock(last_contact=date(2020, 1, 1), archived_on=date(2026, 1, 1), held=True),
            date(2036, 1, 1),
            Stage.HELD,
        ),
    ],
)
def test_two_years_of_use_then_two_of_archive(clock: RetentionClock, today: date, stage: Stage) -> None:
    assert clock.stage(POLICY, today) is stage


def test_the_last_contact_is_the_latest_day_of_what_stands() -> None:
    pathway = given(CONTACT).pathway
    assert clock_of(pathway).last_contact == ago(10)
    RetractEntry(entry_id=an_id("contact")).decide(pathway, act_of())
    assert clock_of(pathway).last_contact == ago(60)


def test_an_archive_counts_from_its_own_day_and_a_release_starts_afresh() -> None:
    pathway = measured(RestrictPathway(ground=RestrictionGround.RETENTION))
    assert clock_of(pathway).archived_on == TODAY
    LiftRestriction().decide(pathway, act_of(at=act_of().at + timedelta(days=30)))
    assert clock_of(pathway) == RetentionClock(last_contact=TODAY + timedelta(days=30))


def test_a_restriction_that_the_person_asked_for_is_no_archive() -> None:
    assert clock_of(measured(RestrictPathway(ground=RestrictionGround.NEEDED_FOR_CLAIM))).restricted


def test_months_end_where_the_month_ends() -> None:
    assert months_after(date(2024, 1, 31), 1) == date(2024, 2, 29)
    assert months_after(date(2024, 12, 15), 24) == date(2026, 12, 15)
    assert months_after(date(9999, 1, 1), 24) == date.max


def test_the_opening_counts_as_the_first_contact() -> None:
    assert clock_of(opened()).last_contact == ago(60)
