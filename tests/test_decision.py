"""Decisions: made on a request or by themselves, then notified."""

import pytest

from domain.command import Command
from domain.correction import RetractEntry
from domain.decision import (
    DecisionKind,
    DecisionMade,
    DecisionNotified,
    DecisionOutcome,
    MakeDecision,
    NotifyDecision,
)
from domain.errors import DomainError
from domain.pathway import ImpossibleTransition, OutOfOrder, UnknownEntry
from domain.referral import RequestReferral
from domain.themes import UnknownTheme
from tests.support.pathways import SIAO, ago, an_id, given

HOUSING, HEALTH = "logement-hebergement--louer-un-logement", "sante--addictions"
REFERRAL, DECISION = an_id("referral"), an_id("decision")
ASKED = RequestReferral(to_agency=SIAO, theme=HEALTH, on=ago(20), id=REFERRAL)


def made(**fields: object) -> MakeDecision:
    known = {"kind": DecisionKind.AID, "outcome": DecisionOutcome.FAVOURABLE, "on": ago(9), "id": DECISION}
    return MakeDecision(**known | fields)  # type: ignore[arg-type]


def test_a_decision_has_the_theme_of_the_request_it_answers() -> None:
    """Of a health request, the family only."""
    given(ASKED).when(made(referral_id=REFERRAL)).then_recorded(DecisionMade).then_fact(
        "decision", kind="aid", outcome="favourable", status="made", theme="sante", referral_id=str(REFERRAL)
    )


def test_a_decision_may_name_its_theme_or_none() -> None:
    given().when(made(theme=HOUSING)).then_fact("decision", theme=HOUSING)
    given().when(made(kind=DecisionKind.TEAM_OPINION)).then_fact("decision", kind="team_opinion", theme=None)


def test_the_person_is_told_of_a_decision_once() -> None:
    notified = NotifyDecision(decision_id=DECISION, on=ago(8), id=an_id("told"))
    scenario = given(made(theme=HOUSING)).when(notified).then_recorded(DecisionNotified)
    scenario.then_fact("decision", status="notified").then_fact(
        "decision_notified", decision_id=str(DECISION), kind="aid", theme=HOUSING, start=ago(8)
    )
    scenario.when(NotifyDecision(decision_id=DECISION)).then_refused(ImpossibleTransition)
    scenario.when(RetractEntry(entry_id=an_id("told"))).then_fact("decision", status="made")


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (made(referral_id=an_id("?")), UnknownEntry),
        (made(theme="no-such--theme", id=None), UnknownTheme),
        (NotifyDecision(decision_id=an_id("?")), UnknownEntry),
        (NotifyDecision(decision_id=DECISION, on=ago(10)), OutOfOrder),
    ],
)
def test_a_decision_is_refused(command: Command, error: type[DomainError]) -> None:
    given(made()).when(command).then_refused(error)
