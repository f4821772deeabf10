"""Restrictions that a diagnosis notes, and the clearances that lift them."""

from domain.clearance import GiveMedicalClearance, MedicalClearanceGiven, Restriction
from domain.dates import NotYetHappened
from domain.diagnosis import FoundNeed, RecordDiagnosis
from tests.support.pathways import ago, given

HEALTH, TRAINING = "sante--acces-aux-soins", "se-former--trouver-sa-formation"
HEAVY = Restriction.HEAVY_WORK


def test_a_need_says_what_work_it_bars_and_no_more() -> None:
    needs = (FoundNeed(theme=HEALTH, restriction=HEAVY), FoundNeed(theme=TRAINING))
    scenario = given().when(RecordDiagnosis(needs=needs))
    scenario.then_fact("diagnosis", theme="sante", restriction="heavy_work")
    assert all(
        "restriction" not in fact.attrs for fact in scenario.facts("diagnosis") if fact.attrs["theme"] == TRAINING
    )


def test_a_clearance_lifts_a_restriction() -> None:
    given().when(GiveMedicalClearance(restriction=HEAVY, on=ago(2))).then_recorded(MedicalClearanceGiven).then_fact(
        "medical_clearance", restriction="heavy_work", start=ago(2)
    )


def test_a_clearance_to_come_is_refused() -> None:
    given().when(GiveMedicalClearance(restriction=HEAVY, on=ago(-1))).then_refused(NotYetHappened)
