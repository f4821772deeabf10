"""Facts that exempt (`unless`): what they lift, from when on, and what stays as it was."""

from typing import Any

from domain.facts import Fact
from domain.rules import NearMiss, Status
from domain.rules.obligation import Reason
from tests.support.rule_histories import fact, forbid, judged, limit, local, only, require

RESTRICTED = fact("d1", "diagnosis", "2026-01-05", restriction="heavy_work")
HEAVY = fact("t1", "training", "2026-02-01", physical="heavy")
RULE = forbid(
    when={"on": "diagnosis", "where": {"restriction": "heavy_work"}},
    forbid={"on": "training", "where": {"physical": "heavy"}},
    within={"from": "0d", "to": "inf"},
    unless={"on": "medical_clearance", "within": {"from": "0d", "to": "inf"}},
)


def clearance(start: str, **attrs: Any) -> Fact:
    return fact("c1", "medical_clearance", start, **attrs)


def test_a_pair_is_cancelled_once_the_exempting_fact_has_come() -> None:
    facts = [RESTRICTED, HEAVY, clearance("2026-03-01")]
    before = judged(facts, "2026-02-10", RULE)
    assert (only(before).status, before.next_due) == (Status.VIOLATED_OPEN, local("2026-03-01 00:00"))
    after = only(judged(facts, "2026-03-01", RULE))
    assert (after.status, after.target, after.reason) == (Status.CANCELLED, "t1", Reason.RELEASED)
    assert (after.at, after.evidence, after.raised) == (local("2026-03-01 00:00"), ("c1",), False)


def test_the_wait_is_cancelled_too_unless_it_was_over() -> None:
    assert only(judged([RESTRICTED, clearance("2026-01-10")], "2026-06-01", RULE)).status is Status.CANCELLED
    short = RULE | {"within": {"from": "0d", "to": "30d"}}
    over = only(judged([RESTRICTED, clearance("2026-02-10")], "2026-06-01", short))
    assert (over.status, over.at) == (Status.SATISFIED, local("2026-02-05 00:00"))


def test_an_exempting_fact_counts_in_its_own_window_only_and_is_a_near_miss_out_of_it() -> None:
    found = only(judged([RESTRICTED, HEAVY, clearance("2026-01-02")], "2026-06-01", RULE))
    assert found.status is Status.VIOLATED_OPEN
    assert found.near_misses == (NearMiss("c1", "window", "before by P3D"),)
    cancelled = only(judged([RESTRICTED, HEAVY, clearance("2026-02-02", state="cancelled")], "2026-06-01", RULE))
    assert cancelled.near_misses == (NearMiss("c1", "state", "cancelled"),)
    any_time = RULE | {"unless": {"on": "medical_clearance"}}
    assert only(judged([RESTRICTED, HEAVY, clearance("2026-01-02")], "2026-06-01", any_time)).evidence == ("c1",)


def test_it_must_correspond_to_the_activation() -> None:
    rule = RULE | {"unless": {"on": "medical_clearance", "match": {"diagnosis_id": "id"}}}
    facts = [RESTRICTED, HEAVY, clearance("2026-01-06", diagnosis_id="d2")]
    assert only(judged(facts, "2026-06-01", rule)).near_misses == (NearMiss("c1", "match.diagnosis_id", "d2"),)
    facts[2] = clearance("2026-01-06", diagnosis_id="d1")
    assert only(judged(facts, "2026-06-01", rule)).status is Status.CANCELLED


def test_strict_and_freezing_do_not_touch_its_window() -> None:
    rule = RULE | {
        "strict": True,
        "on_suspend": "freeze",
        "unless": RULE["unless"] | {"within": {"from": "0d", "to": "5d"}},
    }
    assert only(judged([RESTRICTED, HEAVY, clearance("2026-01-05")], "2026-06-01", rule)).status is Status.CANCELLED
    suspended = fact("s1", "suspension", "2026-01-06", "2026-01-20")
    facts = [RESTRICTED, HEAVY, clearance("2026-01-15"), suspended]
    assert only(judged(facts, "2026-06-01", rule)).status is Status.VIOLATED_OPEN


def test_only_the_mirror_that_stands_alone_is_raised() -> None:
    """Of two diagnoses that exclude each other, the earlier is exempted: the later one speaks."""
    rule = forbid(
        when={"on": "diagnosis"},
        forbid={"on": "diagnosis"},
        within={"from": "-60d", "to": "60d"},
        unless={"on": "medical_clearance", "match": {"diagnosis_id": "id"}},
    )
    facts = [fact("d1", "diagnosis", "2026-01-05"), fact("d2", "diagnosis", "2026-01-06")]
    facts.append(clearance("2026-01-07", diagnosis_id="d1"))
    found = judged(facts, "2026-06-01", rule).obligations
    assert [(one.activation, one.status.value, one.raised) for one in found] == [
        ("d1", "cancelled", False),
        ("d2", "violated_open", True),
    ]


def test_a_duty_is_lifted_whatever_became_of_it_save_what_was_done_by_then() -> None:
    rule = require(when={"on": "diagnosis"}, expect={"on": "referral"}, unless={"on": "refusal"})
    diagnosis = fact("d1", "diagnosis", "2026-01-05")
    refusal = fact("x1", "refusal", "2026-03-01")
    lifted = only(judged([diagnosis, refusal], "2026-06-01", rule))
    assert (lifted.status, lifted.reason, lifted.evidence) == (Status.CANCELLED, Reason.RELEASED, ("x1",))
    for start, status in (
        ("2026-01-20", Status.SATISFIED),
        ("2026-02-20", Status.VIOLATED_LATE),
        ("2026-03-02", Status.CANCELLED),
    ):
        answered = [diagnosis, fact("r1", "referral", start), refusal]
        assert only(judged(answered, "2026-06-01", rule)).status is status


def test_what_ended_the_wait_first_stays() -> None:
    rule = require(when={"on": "diagnosis"}, expect={"on": "referral"}, unless={"on": "refusal"})
    facts = [
        fact("d1", "diagnosis", "2026-01-05"),
        fact("z1", "closed", "2026-01-10"),
        fact("x1", "refusal", "2026-01-12"),
    ]
    assert only(judged(facts, "2026-06-01", rule)).reason is Reason.CLOSED
    facts[2] = fact("x1", "refusal", "2026-01-09")
    assert only(judged(facts, "2026-06-01", rule)).reason is Reason.RELEASED


def test_one_to_one_gives_nothing_to_an_activation_that_is_exempt() -> None:
    rule = require(
        when={"on": "diagnosis"},
        expect={"on": "referral"},
        use="one_to_one",
        unless={"on": "refusal", "match": {"of": "id"}},
    )
    facts = [
        fact("d1", "diagnosis", "2026-01-05"),
        fact("d2", "diagnosis", "2026-01-06"),
        fact("x1", "refusal", "2026-01-07", of="d1"),
        fact("r1", "referral", "2026-01-08"),
    ]
    found = {one.activation: one for one in judged(facts, "2026-06-01", rule).obligations}
    assert (found["d1"].status, found["d2"].target) == (Status.CANCELLED, "r1")


def test_a_crossing_may_be_exempted() -> None:
    rule = limit(max=0, in_last="inf", unless={"on": "agreement", "within": {"from": "-30d", "to": "0d"}})
    facts = [fact("n1", "appointment", "2026-01-05", state="no_show"), fact("g1", "agreement", "2026-01-02")]
    found = only(judged(facts, "2026-06-01", rule))
    assert (found.status, found.activation, found.evidence) == (Status.CANCELLED, "n1", ("g1",))
    facts[1] = fact("g1", "agreement", "2025-12-02")
    missed = only(judged(facts, "2026-06-01", rule))
    assert missed.near_misses == (NearMiss("g1", "window", "before by P4D"),)
