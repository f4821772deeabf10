"""The saga of an erasure: one step after the other, each once; what it may certify on the way."""

import pytest

from application.certificates import NotErasedYet, certificate_of
from domain.person_erasure import (
    PURGES,
    UNREADABLE_AFTER,
    Erasure,
    ErasureGround,
    Level,
    OutOfTurn,
    Step,
    request_erasure,
)
from tests.support.pathways import CCAS, NOW, PATHWAY, SUBJECT, an_id


def asked() -> Erasure:
    return request_erasure("FR-34", PATHWAY, SUBJECT, ErasureGround.PERSON_ASKED, CCAS, "dpo-1", NOW)


def taken(erasure: Erasure, until: Step) -> Erasure:
    """Every step up to this one."""
    for step in list(Step)[1 : list(Step).index(until) + 1]:
        if step is Step.HOLD_CHECKED:
            erasure.find_no_hold((CCAS,), NOW)
        elif step is Step.KEYS_DESTROYED:
            erasure.destroy_keys(3, NOW)
        elif step is Step.CERTIFIED:
            erasure.certify(NOW)
        else:
            erasure.take(step, 1, NOW)
    return erasure


def test_every_step_comes_in_its_turn_and_once() -> None:
    erasure = asked()
    for step in list(Step)[1:]:
        assert erasure.next_step is step
        taken_before = list(erasure.done)
        for other in PURGES - {step}:
            with pytest.raises(OutOfTurn):
                erasure.take(other, 0, NOW)
        assert list(erasure.done) == taken_before
        erasure = taken(asked(), step)
    assert erasure.next_step is None


def test_refused_for_a_hold_it_waits_until_it_is_asked_again() -> None:
    erasure = asked()
    erasure.refuse(an_id("hold"), NOW)
    waiting = erasure.next_step
    assert waiting is None
    with pytest.raises(OutOfTurn):
        erasure.find_no_hold((), NOW)
    erasure.request_again(ErasureGround.UNLAWFUL, CCAS, None, NOW)
    assert erasure.next_step == Step.HOLD_CHECKED
    assert erasure.ground is ErasureGround.UNLAWFUL


def test_asking_again_for_what_was_not_refused_changes_nothing() -> None:
    erasure = taken(asked(), Step.KEYS_DESTROYED)
    version = erasure.version
    erasure.request_again(ErasureGround.UNLAWFUL, CCAS, None, NOW)
    assert erasure.version == version


@pytest.mark.parametrize(
    ("until", "level"),
    [
        (Step.OUTBOX_PURGED, None),
        (Step.PAYLOADS_PRUNED, Level.UNUSABLE),
        (Step.KEK_EPOCH_DESTROYED, Level.UNUSABLE),
        (Step.CERTIFIED, Level.UNREADABLE),
    ],
)
def test_what_may_be_certified(until: Step, level: Level | None) -> None:
    erasure = taken(asked(), until)
    assert erasure.level is level
    if level is None:
        with pytest.raises(NotErasedYet):
            certificate_of("FR-34", erasure)
    else:
        certificate = certificate_of("FR-34", erasure)
        assert certificate.level is level
        assert certificate.unreadable_due == NOW + UNREADABLE_AFTER
        assert (certificate.unreadable_since is None) == (until is Step.PAYLOADS_PRUNED)
