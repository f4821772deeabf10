"""Rules of kind silence: the next contact must come within the gap, as long as the pathway is active."""

from typing import Any

from domain.facts import Fact
from domain.rules import NearMiss, Status
from domain.rules.obligation import Reason
from tests.support.rule_histories import fact, judged, local, only, silence, statuses

OPENED = fact("o1", "opened", "2026-01-05")


def contact(fact_id: str, start: str, **attrs: Any) -> Fact:
    return fact(fact_id, "contact", start, **attrs)


def test_silence_starts_at_the_opening() -> None:
    found = only(judged([OPENED], "2026-06-01", silence()))
    assert (found.activation, found.status, found.at) == ("o1", Status.VIOLATED_OPEN, local("2026-02-05 00:00"))


def test_each_contact_starts_the_gap_again() -> None:
    facts = [OPENED, contact("c1", "2026-02-04 10:00"), contact("c2", "2026-03-08"), contact("c3", "2026-03-20")]
    evaluation = judged(facts, "2026-04-19", silence())
    assert statuses(evaluation) == {
        "o1": "satisfied",
        "c1": "violated_late",
        "c2": "satisfied",
        "c3": "pending",
    }
    late = evaluation.obligations[1]
    assert (late.target, late.late_by, late.at) == ("c2", "P2D", local("2026-03-07 00:00"))
    assert evaluation.next_due == local("2026-04-20 00:00")


def test_the_last_contact_fires_with_no_later_event() -> None:
    facts = [OPENED, contact("c1", "2026-01-06")]
    assert statuses(judged(facts, "2026-02-06", silence())) == {"o1": "satisfied", "c1": "violated_open"}


def test_two_contacts_of_one_day_make_one_silence() -> None:
    facts = [contact("c1", "2026-01-06", position=2), contact("c2", "2026-01-06", position=1)]
    assert statuses(judged(facts, "2026-06-01", silence())) == {"c2": "satisfied", "c1": "violated_open"}


def test_without_an_opening_silence_starts_at_the_first_contact() -> None:
    assert statuses(judged([contact("c1", "2026-01-06")], "2026-01-20", silence())) == {"c1": "pending"}
    assert judged([fact("d1", "diagnosis", "2026-01-06")], "2026-06-01", silence()).obligations == ()


def test_a_contact_on_the_day_of_opening_answers_it() -> None:
    facts = [fact("o1", "pathway_opened", "2026-01-05 15:00"), contact("c1", "2026-01-05")]
    assert statuses(judged(facts, "2026-06-01", silence())) == {"o1": "satisfied", "c1": "violated_open"}


def test_contacts_before_the_opening_are_not_judged() -> None:
    facts = [contact("c0", "2025-11-01"), OPENED]
    assert statuses(judged(facts, "2026-06-01", silence())) == {"o1": "violated_open"}


def test_no_show_and_planned_contacts_break_no_silence() -> None:
    facts = [OPENED, contact("c1", "2026-01-20", state="no_show"), contact("c2", "2026-01-25", state="planned")]
    found = only(judged(facts, "2026-06-01", silence()))
    assert found.status is Status.VIOLATED_OPEN
    assert found.near_misses == (NearMiss("c1", "state", "no_show"), NearMiss("c2", "state", "planned"))


def test_a_booked_contact_breaks_it_when_accepted() -> None:
    facts = [OPENED, contact("c1", "2026-01-25", state="planned")]
    found = judged(facts, "2026-01-10", silence(accept=["done", "planned"]))
    assert statuses(found) == {"o1": "satisfied", "c1": "pending"}


def test_closing_ends_the_watch_and_reopening_begins_it_again() -> None:
    closed = fact("z1", "closed", "2026-01-20")
    reopened = fact("n1", "reopened", "2026-03-01")
    found = judged([OPENED, closed, reopened], "2026-06-01", silence())
    assert statuses(found) == {"o1": "cancelled", "n1": "violated_open"}
    assert (found.obligations[0].reason, found.obligations[0].at) == (Reason.CLOSED, local("2026-01-20 00:00"))
    between = [OPENED, closed, reopened, contact("c1", "2026-02-10")]
    assert statuses(judged(between, "2026-06-01", silence())) == {"o1": "cancelled", "n1": "violated_open"}


def test_a_closure_that_ended_is_a_reopening() -> None:
    facts = [OPENED, fact("z1", "closed", "2026-01-20", "2026-03-01")]
    found = judged(facts, "2026-06-01", silence())
    assert statuses(found) == {"o1": "cancelled", "z1": "violated_open"}
    assert found.obligations[1].at == local("2026-04-01 00:00")


def test_a_suspension_freezes_the_gap() -> None:
    facts = [OPENED, fact("s1", "suspension", "2026-01-10", "2026-01-19")]
    assert only(judged(facts, "2026-02-10", silence())).close == local("2026-02-15 00:00")
    still = judged([OPENED, fact("s1", "suspension", "2026-01-10", None)], "2026-06-01", silence())
    assert (only(still).status, still.next_due) == (Status.PENDING, None)


def test_the_gap_may_be_in_months() -> None:
    facts = [fact("o1", "opened", "2026-01-31")]
    assert only(judged(facts, "2026-02-10", silence(gap="1m"))).close == local("2026-03-01 00:00")


def test_strict_needs_another_day() -> None:
    facts = [OPENED, contact("c1", "2026-01-05 17:00")]
    assert statuses(judged(facts, "2026-06-01", silence(strict=True))) == {"o1": "violated_open", "c1": "violated_open"}


def test_effective_and_territory_are_those_of_the_activation() -> None:
    rule = silence(effective={"from": "2026-01-06"}, territory=["FR-34"])
    facts = [OPENED, contact("c1", "2026-01-06"), contact("c2", "2026-01-07", territory="FR-75")]
    assert statuses(judged(facts, "2026-06-01", rule)) == {"c1": "satisfied"}


REVIEW = {
    "rule": "accompaniment-review",
    "kind": "silence",
    "of": {"on": "review", "match": {"accompaniment_id": "$while.id"}},
    "while": {"on": "accompaniment"},
    "gap": "1m",
}


def test_while_judges_an_interval_with_its_own_contacts() -> None:
    facts = [
        fact("a1", "accompaniment", "2026-01-05", "2026-03-20"),
        fact("a2", "accompaniment", "2026-01-10", None),
        fact("v1", "review", "2026-02-01", accompaniment_id="a1"),
        fact("v2", "review", "2026-02-28", accompaniment_id="a1"),
        fact("v3", "review", "2026-02-05", accompaniment_id="elsewhere"),
    ]
    assert statuses(judged(facts, "2026-06-01", REVIEW)) == {
        "a1": "satisfied",
        "v1": "satisfied",
        "v2": "cancelled",
        "a2": "violated_open",
    }


def test_overlapping_intervals_are_one_when_contacts_are_not_tied_to_them() -> None:
    rule = {**REVIEW, "of": {"on": "review"}}
    facts = [
        fact("a1", "accompaniment", "2026-01-05", "2026-01-20"),
        fact("a2", "accompaniment", "2026-01-10", "2026-04-30"),
        fact("v1", "review", "2026-01-15"),
    ]
    assert statuses(judged(facts, "2026-06-01", rule)) == {"a1": "satisfied", "v1": "violated_open"}


def test_a_planned_or_cancelled_interval_is_not_watched() -> None:
    facts = [
        fact("a1", "accompaniment", "2026-01-05", None, state="planned"),
        fact("a2", "accompaniment", "2026-01-05", None, state="cancelled"),
    ]
    assert judged(facts, "2026-06-01", REVIEW).obligations == ()
