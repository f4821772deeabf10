"""Consent, per purpose, scope and agency."""

from datetime import timedelta

import pytest

from domain.closure import ClosePathway, ClosureOutcome
from domain.consent import (
    AlreadyGiven,
    AlreadyWithdrawn,
    ConsentGiven,
    ConsentWithdrawn,
    GiveConsent,
    Purpose,
    WithdrawConsent,
)
from domain.dates import NotYetHappened
from domain.errors import DomainError
from domain.pathway import OutOfOrder, Overlaps, PathwayClosed, UnknownEntry
from domain.referral import RequestReferral
from domain.themes import UnknownTheme
from tests.support.pathways import CCAS, SIAO, TODAY, ago, an_id, given

CONSENT = an_id("consent")
TOMORROW = TODAY + timedelta(days=1)
HOUSING = "logement-hebergement"


def agreed(days_ago: int = 20, scope: str = HOUSING) -> GiveConsent:
    return GiveConsent(purpose=Purpose.SHARING, scope=scope, to_agency=SIAO, on=ago(days_ago), id=CONSENT)


def withdrawn(days_ago: int = 0) -> WithdrawConsent:
    return WithdrawConsent(consent_id=CONSENT, on=ago(days_ago))


def test_the_agency_named_takes_part_until_the_consent_is_withdrawn() -> None:
    given().when(agreed()).then_recorded(ConsentGiven).then_participants(CCAS, SIAO).then_fact(
        "consent", purpose="sharing", scope=HOUSING, to_agency=SIAO, start=ago(20), end=None, status="given"
    ).when(withdrawn(3)).then_recorded(ConsentWithdrawn).then_participants(CCAS).then_fact(
        "consent", end=ago(3), status="withdrawn"
    )


def test_another_reason_to_take_part_outlives_the_consent() -> None:
    given(agreed(), RequestReferral(to_agency=SIAO, theme="logement-hebergement--louer-un-logement")).when(
        withdrawn()
    ).then_participants(CCAS, SIAO)


@pytest.mark.parametrize("scope", ["all", HOUSING, "logement-hebergement--louer-un-logement"])
def test_a_scope_is_everything_a_family_or_a_need(scope: str) -> None:
    given().when(agreed(scope=scope)).then_fact("consent", scope=scope)


def test_a_health_scope_stands_as_its_family_only() -> None:
    scenario = given().when(agreed(scope="sante--addictions")).then_fact("consent", scope="sante")
    (event,) = scenario.new
    assert isinstance(event, ConsentGiven)
    assert event.health_scope == "sante--addictions"


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (agreed(scope="astrology"), UnknownTheme),
        (agreed(), AlreadyGiven),
        (GiveConsent(purpose=Purpose.REFERRAL, to_agency=SIAO, on=TOMORROW), NotYetHappened),
        (withdrawn(21), OutOfOrder),
        (WithdrawConsent(consent_id=CONSENT, on=TOMORROW), NotYetHappened),
        (WithdrawConsent(consent_id=an_id("?")), UnknownEntry),
    ],
)
def test_a_consent_is_refused(command: GiveConsent, error: type[DomainError]) -> None:
    given(agreed()).when(command).then_refused(error)


def test_a_consent_is_withdrawn_once_and_may_be_given_again() -> None:
    again = GiveConsent(purpose=Purpose.SHARING, scope=HOUSING, to_agency=SIAO, on=ago(3))
    overlapping = GiveConsent(purpose=Purpose.SHARING, scope=HOUSING, to_agency=SIAO, on=ago(4))
    given(agreed(), withdrawn(3)).when(withdrawn()).then_refused(AlreadyWithdrawn).when(overlapping).then_refused(
        Overlaps, "/on"
    ).when(again).then_fact("consent", end=None).then_participants(CCAS, SIAO)


def test_a_consent_can_be_withdrawn_when_the_pathway_is_closed_but_not_given() -> None:
    closing = ClosePathway(outcome=ClosureOutcome.OTHER)
    given(agreed(), closing).when(agreed(scope="all")).then_refused(PathwayClosed).when(withdrawn()).then_fact(
        "consent", status="withdrawn"
    )
