"""Rules of kind forbid: what must not happen around something else."""

from typing import Any

import pytest

from domain.facts import Fact
from domain.rules import Evaluation, Status
from domain.rules.obligation import Reason
from tests.support.rule_histories import fact, forbid, judged, local, only

MOVE = fact("m1", "relocation", "2026-01-05")


def training(fact_id: str, start: str, **attrs: Any) -> Fact:
    return fact(fact_id, "training", start, **attrs)


def pairs(evaluation: Evaluation) -> dict[tuple[str, str | None], str]:
    return {(one.activation, one.target): one.status.value for one in evaluation.obligations}


def test_a_target_in_the_window_is_a_violation_at_the_later_of_the_two() -> None:
    found = only(judged([MOVE, training("t1", "2026-01-08")], "2026-06-01", forbid()))
    assert (found.status, found.activation, found.target) == (Status.VIOLATED_OPEN, "m1", "t1")
    assert found.at == local("2026-01-08 00:00")
    assert (found.open, found.close) == (local("2026-01-05 00:00"), local("2026-01-13 00:00"))
    assert (found.evidence, found.late_by, found.raised) == (("m1", "t1"), None, True)


def test_looking_back_the_violation_is_at_the_activation() -> None:
    rule = forbid(within={"from": "-60d", "to": "0d"})
    found = only(judged([training("t1", "2025-12-01"), MOVE], "2026-01-05", rule))
    assert (found.status, found.target, found.at) == (Status.VIOLATED_OPEN, "t1", local("2026-01-05 00:00"))


def test_nothing_forbidden_is_pending_until_the_close_then_satisfied() -> None:
    waiting = judged([MOVE], "2026-01-12", forbid())
    assert (only(waiting).status, only(waiting).target) == (Status.PENDING, None)
    assert waiting.next_due == local("2026-01-13 00:00")
    over = judged([MOVE, training("t1", "2026-01-13")], "2026-01-13", forbid())
    assert (only(over).status, only(over).at, over.next_due) == (Status.SATISFIED, local("2026-01-13 00:00"), None)


def test_a_window_that_never_closes_stays_pending() -> None:
    found = judged([MOVE], "2036-01-12", forbid(within={"from": "0d", "to": "inf"}))
    assert (only(found).status, only(found).close, found.next_due) == (Status.PENDING, None, None)


def test_each_pair_is_an_obligation_of_its_own() -> None:
    facts = [MOVE, fact("m2", "relocation", "2026-01-09"), training("t1", "2026-01-08"), training("t2", "2026-01-09")]
    assert pairs(judged(facts, "2026-06-01", forbid())) == {
        ("m1", "t1"): "violated_open",
        ("m1", "t2"): "violated_open",
        ("m2", "t2"): "violated_open",
    }


def test_a_pair_counts_when_both_have_come() -> None:
    facts = [MOVE, training("t1", "2026-01-08")]
    before = judged(facts, "2026-01-07", forbid())
    assert (only(before).status, before.next_due) == (Status.PENDING, local("2026-01-08 00:00"))
    assert only(judged(facts, "2026-01-08", forbid())).status is Status.VIOLATED_OPEN
    looking_back = forbid(within={"from": "-60d", "to": "-5d"})
    early = judged([training("t1", "2025-12-01"), MOVE], "2026-01-03", looking_back)
    assert (only(early).status, early.next_due) == (Status.PENDING, local("2026-01-05 00:00"))


def test_what_is_planned_and_accepted_counts_and_is_raised_at_once() -> None:
    facts = [MOVE, training("t1", "2026-01-08", state="planned")]
    assert only(judged(facts, "2026-06-01", forbid())).status is Status.SATISFIED
    booked = only(judged(facts, "2026-01-06", forbid(accept=["done", "planned"])))
    assert (booked.status, booked.raised, booked.at) == (Status.VIOLATED_OPEN, True, local("2026-01-08 00:00"))
    assert booked.raise_at == max(fact.recorded_at for fact in facts)


def test_a_planned_activation_counts_before_it_comes_only_if_planned_is_accepted() -> None:
    rule = forbid(
        within={"from": "-60d", "to": "0d"}, forbid={"on": "training", "where": {"state": ["done", "no_show"]}}
    )
    facts = [training("t1", "2025-12-20"), fact("m1", "relocation", "2026-01-05", state="planned")]
    assert only(judged(facts, "2026-01-03", rule)).status is Status.PENDING
    assert only(judged(facts, "2026-01-03", rule | {"accept": ["done", "planned"]})).target == "t1"
    assert only(judged(facts, "2026-01-05", rule)).target == "t1"


def test_the_grace_counts_from_the_violation() -> None:
    facts = [MOVE, training("t1", "2026-01-08")]  # A Thursday.
    found = judged(facts, "2026-01-12", forbid(grace="2bd"))
    assert (only(found).status, only(found).raised) == (Status.VIOLATED_OPEN, False)
    assert found.next_due == only(found).raise_at == local("2026-01-13 00:00")
    assert only(judged(facts, "2026-01-13", forbid(grace="2bd"))).raised


def test_an_event_is_never_forbidden_to_itself_and_one_situation_is_raised_once() -> None:
    rule = forbid(
        when={"on": "diagnosis"},
        forbid={"on": "diagnosis", "match": {"theme": "theme"}, "differ": {"agency": "agency"}},
        within={"from": "-60d", "to": "60d"},
    )
    alone = fact("d1", "diagnosis", "2026-01-05", theme="it", agency="ccas")
    assert only(judged([alone], "2026-06-01", rule)).status is Status.SATISFIED
    twin = fact("d2", "diagnosis", "2026-01-05", theme="it", agency="mission", position=2)
    found = judged([twin, alone], "2026-06-01", rule)
    assert pairs(found) == {("d1", "d2"): "violated_open", ("d2", "d1"): "violated_open"}
    assert [one.raised for one in found.obligations] == [True, False]


def test_strict_lets_ties_be() -> None:
    facts = [MOVE, training("t1", "2026-01-05")]
    assert only(judged(facts, "2026-06-01", forbid())).target == "t1"
    assert only(judged(facts, "2026-06-01", forbid(strict=True))).status is Status.SATISFIED


CLOSED = fact("z1", "closed", "2026-01-07")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("cancel", [("t1", "violated_open", "2026-01-06 00:00")]),
        ("keep", [("t1", "violated_open", "2026-01-06 00:00"), ("t2", "violated_open", "2026-01-09 00:00")]),
        ("force", [("t1", "violated_open", "2026-01-06 00:00")]),
    ],
)
def test_what_was_violated_before_a_closing_stays(policy: str, expected: list[tuple[str, str, str]]) -> None:
    facts = [MOVE, training("t1", "2026-01-06"), CLOSED, training("t2", "2026-01-09")]
    found = judged(facts, "2026-06-01", forbid(on_close=policy)).obligations
    assert [(one.target, one.status, one.at) for one in found] == [(t, s, local(at)) for t, s, at in expected]


def test_a_closing_ends_the_wait_or_brings_its_end_forward() -> None:
    cancelled = only(judged([MOVE, CLOSED], "2026-06-01", forbid()))
    assert (cancelled.status, cancelled.reason, cancelled.evidence) == (Status.CANCELLED, Reason.CLOSED, ("z1",))
    forced = only(judged([MOVE, CLOSED], "2026-06-01", forbid(on_close="force")))
    assert (forced.status, forced.close) == (Status.SATISFIED, local("2026-01-08 00:00"))


def test_a_booking_for_after_a_known_closing_is_no_violation() -> None:
    facts = [MOVE, CLOSED, training("t1", "2026-01-10", state="planned")]
    for policy in ("cancel", "force"):
        found = only(judged(facts, "2026-01-06", forbid(accept=["done", "planned"], on_close=policy)))
        assert (found.status, found.target) == (Status.PENDING, None)


def test_suspensions_do_not_matter_unless_the_rule_says_so() -> None:
    facts = [MOVE, fact("s1", "suspension", "2026-01-07", "2026-01-08"), training("t1", "2026-01-14")]
    assert only(judged(facts, "2026-06-01", forbid())).status is Status.SATISFIED
    frozen = only(judged(facts, "2026-06-01", forbid(on_suspend="freeze")))
    assert (frozen.target, frozen.close) == ("t1", local("2026-01-15 00:00"))
    cancelled = only(judged(facts, "2026-06-01", forbid(on_suspend="cancel")))
    assert (cancelled.status, cancelled.reason) == (Status.CANCELLED, Reason.SUSPENDED)


def test_a_chain_forbids_the_next_fact_only() -> None:
    rule = forbid(within={"from": "0d", "to": "inf"}, next_among=["training", "contact"])
    between = [MOVE, fact("c1", "contact", "2026-01-06"), training("t1", "2026-01-08")]
    assert only(judged(between, "2026-06-01", rule)).status is Status.SATISFIED
    assert only(judged([MOVE, training("t1", "2026-01-08")], "2026-06-01", rule)).target == "t1"


def test_until_lifts_the_ban_from_there_on() -> None:
    cleared = fact("c1", "clearance", "2026-01-07")
    facts = [MOVE, cleared, training("t1", "2026-01-09")]
    released = only(judged(facts, "2026-06-01", forbid(until={"on": "clearance", "effect": "release"})))
    assert (released.status, released.reason) == (Status.CANCELLED, Reason.RELEASED)
    closed = only(judged(facts, "2026-06-01", forbid(until={"on": "clearance", "effect": "deadline"})))
    assert (closed.status, closed.close) == (Status.SATISFIED, local("2026-01-08 00:00"))
