"""Opening a pathway, and the identity of the person."""

from datetime import date, timedelta
from typing import Any

import pytest

from domain.contact import Channel, RecordContact
from domain.dates import BeforeBirth, EndsBeforeStart, ImplausibleDate, NotYetHappened
from domain.opening import (
    BornAfterwards,
    CorrectIdentity,
    IdentityCorrected,
    OpenPathway,
    PathwayExists,
    PathwayOpened,
    open_pathway,
)
from domain.pathway import NotAParticipant
from tests.support.pathways import (
    BIRTH,
    CCAS,
    NOW,
    PATHWAY,
    STRANGER,
    SUBJECT,
    TODAY,
    Scenario,
    act_of,
    ago,
    given,
    opened,
)


def test_the_opening_agency_takes_part() -> None:
    scenario = Scenario(opened())
    scenario.then_recorded(PathwayOpened).then_fact("opened", start=ago(60), agency=CCAS).then_participants(CCAS)
    assert (scenario.pathway.id, scenario.pathway.territory, scenario.pathway.subject) == (PATHWAY, "FR-34", SUBJECT)
    assert scenario.pathway.birth_date == BIRTH


def test_a_pathway_may_be_opened_for_a_person_without_a_name() -> None:
    pathway = open_pathway(OpenPathway(), "FR-34", act_of(), PATHWAY, SUBJECT)
    assert pathway.birth_date is None
    assert [fact.start for fact in pathway.facts()] == [TODAY]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"on": TODAY + timedelta(days=1)}, NotYetHappened),
        ({"birth_date": TODAY + timedelta(days=1)}, NotYetHappened),
        ({"birth_date": date(1850, 1, 1)}, ImplausibleDate),
        ({"on": date(9999, 12, 31)}, ImplausibleDate),
        ({"on": date(1990, 1, 1)}, EndsBeforeStart),
    ],
)
def test_an_implausible_opening_is_refused(fields: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        opened(**fields)


def test_a_pathway_is_opened_once() -> None:
    given().when(OpenPathway()).then_refused(PathwayExists)


def test_an_agency_that_takes_no_part_is_told_that_there_is_no_such_pathway() -> None:
    pathway = opened()
    pathway.must_take_part(act_of(CCAS))
    pathway.must_take_part(act_of("unisson"))
    with pytest.raises(NotAParticipant) as refused:
        pathway.must_take_part(act_of(STRANGER))
    assert (refused.value.status, refused.value.code) == (404, "unknown_pathway")


def test_a_corrected_birth_date_governs_what_comes_next() -> None:
    given().when(CorrectIdentity(given_name="Ada", birth_date=ago(90))).then_recorded(IdentityCorrected).when(
        RecordContact(channel=Channel.PHONE, on=ago(100))
    ).then_refused(BeforeBirth, "/on")


def test_a_birth_date_after_what_is_recorded_is_refused() -> None:
    given().when(CorrectIdentity(birth_date=ago(30))).then_refused(BornAfterwards, "/birth_date")


def test_identity_left_out_is_forgotten() -> None:
    scenario = given().when(CorrectIdentity(family_name="Lovelace"))
    assert scenario.pathway.birth_date is None
    scenario.when(RecordContact(channel=Channel.PHONE, on=date(1980, 1, 1))).then_fact("contact")


def test_the_opening_says_when_it_was_learnt() -> None:
    assert opened().facts()[0].recorded_at == NOW
