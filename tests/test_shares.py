"""Shares and the breaking of the glass, as the pathway decides on them."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.break_glass import (
    AlreadyReviewed,
    BreakTheGlass,
    GlassBroken,
    GlassReviewed,
    MotiveTooShort,
    NobodyNamed,
    OwnReview,
    ReviewBreakGlass,
    open_glass,
)
from domain.closure import ClosePathway, ClosureOutcome
from domain.command import Act
from domain.consent import GiveConsent, Purpose, WithdrawConsent
from domain.correction import RetractEntry
from domain.pathway import EntryExists, NotYours, PathwayClosed, UnknownEntry
from domain.referent import AssignReferent
from domain.shares import (
    AccessPurpose,
    AlreadyRevoked,
    Basis,
    ConsentMissing,
    GrantShare,
    RevokeShare,
    SharedContent,
    ShareGranted,
    ShareRevoked,
    live_shares,
)
from tests.support.pathways import CCAS, MISSION_LOCALE, NOW, SIAO, STRANGER, Scenario, ago, an_id, given

SHARE, CONSENT, GLASS = an_id("share"), an_id("consent"), an_id("glass")
LATER = NOW + timedelta(days=30)
MOTIVE = "The person was found unconscious."


def share(*contents: SharedContent, consent: bool = False, **fields: Any) -> GrantShare:
    known: dict[str, Any] = {
        "to_agency": SIAO,
        "purpose": AccessPurpose.REFERRAL,
        "basis": Basis.CONSENT if consent else Basis.COORDINATED_CARE,
        "consent_id": CONSENT if consent else None,
        "until": LATER,
        "contents": contents,
        "id": SHARE,
    }
    return GrantShare(**known | fields)


def consent(scope: str = "all", purpose: Purpose = Purpose.SHARING, to_agency: str = SIAO) -> GiveConsent:
    return GiveConsent(purpose=purpose, scope=scope, to_agency=to_agency, on=ago(3), id=CONSENT)


def live(scenario: Scenario, at: datetime = NOW) -> list[str]:
    assert scenario.refusal is None, scenario.refusal
    return [each.to_agency for each in live_shares(scenario.pathway, at)]


def test_a_share_is_live_until_its_instant_and_admits_nobody() -> None:
    scenario = given().when(share()).then_recorded(ShareGranted).then_participants(CCAS)
    assert live(scenario, LATER - timedelta(microseconds=1)) == [SIAO]
    assert live(scenario, LATER) == []


@pytest.mark.parametrize("by", [CCAS, SIAO, MISSION_LOCALE])
def test_who_granted_it_whom_it_was_granted_to_and_the_referent_end_a_share(by: str) -> None:
    scenario = given(AssignReferent(to_agency=MISSION_LOCALE, on=ago(9)), share())
    assert live(scenario.when(RevokeShare(share_id=SHARE), by=by).then_recorded(ShareRevoked)) == []
    scenario.when(RevokeShare(share_id=SHARE), by=by).then_refused(AlreadyRevoked)


def test_others_do_not_end_a_share_nor_one_that_is_not_there() -> None:
    given(share()).when(RevokeShare(share_id=SHARE), by=STRANGER).then_refused(NotYours)
    given().when(RevokeShare(share_id=SHARE)).then_refused(UnknownEntry)


def test_a_share_falls_with_the_consent_it_rests_on_withdrawn_or_retracted() -> None:
    for end in (WithdrawConsent(consent_id=CONSENT), RetractEntry(entry_id=CONSENT)):
        scenario = given(consent(), share(consent=True))
        assert live(scenario) == [SIAO]
        assert live(scenario.when(end)) == []


@pytest.mark.parametrize("scope", ["all", "sante", "sante--addictions"])
def test_health_rests_on_a_consent_that_covers_it(scope: str) -> None:
    given(consent(scope)).when(share(SharedContent.HEALTH, consent=True)).then_recorded(ShareGranted)


@pytest.mark.parametrize(
    "agreed",
    [consent("logement-hebergement"), consent(purpose=Purpose.CONTACT), consent(to_agency=MISSION_LOCALE)],
    ids=["another scope", "another purpose", "another agency"],
)
def test_another_consent_does_not_do(agreed: GiveConsent) -> None:
    given(agreed).when(share(SharedContent.HEALTH, consent=True)).then_refused(ConsentMissing, "/consent_id")


def test_what_is_no_consent_does_not_do_either() -> None:
    scenario = given(AssignReferent(to_agency=SIAO, on=ago(9), id=CONSENT))
    scenario.when(share(consent=True)).then_refused(ConsentMissing, "/consent_id")


def test_an_id_is_given_once_and_a_closed_pathway_is_not_shared() -> None:
    given(share()).when(share()).then_refused(EntryExists, "/id")
    closed = given(ClosePathway(outcome=ClosureOutcome.TRAINING, on=ago(1)))
    closed.when(share()).then_refused(PathwayClosed)


def test_the_glass_is_open_to_who_broke_it_for_four_hours() -> None:
    scenario = given().when(BreakTheGlass(motive=MOTIVE, id=GLASS), by=STRANGER).then_recorded(GlassBroken)
    [broken] = open_glass(scenario.pathway, NOW)
    assert (broken.agency, broken.agent) == (STRANGER, "agent-7")
    assert (broken.until, broken.review_due) == (NOW + timedelta(hours=4), NOW + timedelta(days=7))
    assert list(open_glass(scenario.pathway, broken.until)) == []
    scenario.then_participants(CCAS)


def test_a_closed_pathway_may_be_read_in_an_emergency_too() -> None:
    closed = given(ClosePathway(outcome=ClosureOutcome.TRAINING, on=ago(1)))
    closed.when(BreakTheGlass(motive=MOTIVE), by=STRANGER).then_recorded(GlassBroken)


def test_a_review_is_somebody_else_s_and_said_once() -> None:
    scenario = given().given(BreakTheGlass(motive=MOTIVE, id=GLASS), by=STRANGER)
    review = ReviewBreakGlass(break_glass_id=GLASS, justified=True)
    scenario.when(review, by=STRANGER).then_refused(OwnReview)
    scenario.when(review).then_recorded(GlassReviewed)
    assert len(list(open_glass(scenario.pathway, NOW))) == 1
    scenario.when(review).then_refused(AlreadyReviewed)
    given().when(review).then_refused(UnknownEntry)


def test_what_is_found_unjustified_closes_at_once() -> None:
    scenario = given().given(BreakTheGlass(motive=MOTIVE, id=GLASS), by=STRANGER)
    scenario.when(ReviewBreakGlass(break_glass_id=GLASS, justified=False))
    assert list(open_glass(scenario.pathway, NOW)) == []


def test_breaking_the_glass_takes_a_motive_and_a_person() -> None:
    given().when(BreakTheGlass(motive=" " * 30)).then_refused(MotiveTooShort, "/motive")
    nobody = Act(agency=STRANGER, agent=None, at=NOW, today=NOW.date())
    with pytest.raises(NobodyNamed):
        BreakTheGlass(motive=MOTIVE).decide(given().pathway, nobody)
