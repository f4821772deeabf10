"""Rules of kind silence: the next contact must come within the gap, as long as the pathway is active."""

from datetime import UTC, datetime
from typing import Any

import msgspec

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


CYCLE = [
    fact("o1", "opened", "2025-01-01", position=1),
    fact("z1", "closed", "2025-02-01", position=2),
    fact("n1", "reopened", "2025-02-01", position=3),
]


def test_a_pathway_closed_and_reopened_on_one_day_is_watched_from_the_reopening() -> None:
    found = judged(CYCLE, "2025-12-01", silence(gap="90d"))
    assert statuses(found) == {"o1": "cancelled", "n1": "violated_open"}
    assert found.obligations[1].at == datetime(2025, 5, 2, 22, tzinfo=UTC)
    late_recording = [CYCLE[0], msgspec.structs.replace(CYCLE[1], position=9), CYCLE[2]]
    assert statuses(judged(late_recording, "2025-12-01", silence(gap="90d"))) == statuses(found)


def test_a_contact_of_that_day_carries_the_watch_on() -> None:
    facts = [*CYCLE, contact("c1", "2025-02-01", position=4)]
    assert statuses(judged(facts, "2025-12-01", silence(gap="90d"))) == {
        "o1": "satisfied",
        "n1": "satisfied",
        "c1": "violated_open",
    }
    before = [*CYCLE[:2], fact("n1", "reopened", "2025-02-01 15:00"), contact("c1", "2025-02-01 09:00")]
    assert statuses(judged(before, "2025-12-01", silence(gap="90d"))) == {
        "o1": "satisfied",
        "c1": "cancelled",
        "n1": "violated_open",
    }


def test_a_pathway_reopened_and_closed_again_on_one_day_is_not_watched() -> None:
    facts = [*CYCLE, fact("z2", "closed", "2025-02-01", position=4)]
    assert statuses(judged(facts, "2025-12-01", silence(gap="90d"))) == {"o1": "cancelled", "n1": "cancelled"}


def test_tied_contacts_follow_each_other_by_position() -> None:
    opened = fact("o", "opened", "2025-02-01", position=1)
    f7 = contact("f7", "2025-02-08", position=2)
    f12 = contact("f12", "2025-02-08 00:00", position=3)
    found = judged([opened, f7, f12], "2025-02-20", silence())
    assert [(one.activation, one.target) for one in found.obligations] == [("o", "f7"), ("f7", "f12"), ("f12", None)]
    swapped = [opened, msgspec.structs.replace(f7, position=3), msgspec.structs.replace(f12, position=2)]
    other = judged(swapped, "2025-02-20", silence())
    assert [(one.activation, one.target) for one in other.obligations] == [("o", "f12"), ("f12", "f7"), ("f7", None)]
    assert sorted(statuses(found).values()) == sorted(statuses(other).values())


def test_a_day_of_closing_ends_the_watch_when_it_is_over() -> None:
    facts = [OPENED, fact("z1", "closed", "2026-01-20"), contact("c1", "2026-01-20 10:00")]
    for now, status in (
        ("2026-01-20 09:00", "pending"),
        ("2026-01-20 10:00", "satisfied"),
        ("2026-03-20", "satisfied"),
    ):
        assert statuses(judged(facts, now, silence()))["o1"] == status
    assert statuses(judged(facts, "2026-01-21", silence()))["c1"] == "cancelled"


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


def test_strict_passes_over_what_came_before_the_start_on_its_day() -> None:
    facts = [fact("o1", "opened", "2026-01-05 10:00"), contact("c1", "2026-01-05"), contact("c2", "2026-01-05 09:00")]
    found = judged(facts, "2026-06-01", silence(strict=True, gap="36h"))
    assert found.obligations[0].status is Status.VIOLATED_OPEN


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


def test_nothing_starts_in_an_interval_once_the_pathway_is_closed() -> None:
    facts = [
        fact("o1", "opened", "2026-01-01"),
        fact("a1", "accompaniment", "2026-01-05", None),
        fact("v1", "review", "2026-01-15", accompaniment_id="a1"),
        fact("z1", "closed", "2026-01-20"),
        fact("v2", "review", "2026-01-25", accompaniment_id="a1"),
        fact("a2", "accompaniment", "2026-01-27", None),
    ]
    assert statuses(judged(facts, "2026-06-01", REVIEW)) == {"a1": "satisfied", "v1": "cancelled"}
    reopened = [*facts, fact("n1", "reopened", "2026-02-01"), fact("v3", "review", "2026-02-10", accompaniment_id="a1")]
    assert statuses(judged(reopened, "2026-06-01", REVIEW)) == {
        "a1": "satisfied",
        "v1": "cancelled",
        "v3": "violated_open",
    }


def test_a_planned_or_cancelled_interval_is_not_watched() -> None:
    facts = [
        fact("a1", "accompaniment", "2026-01-05", None, state="planned"),
        fact("a2", "accompaniment", "2026-01-05", None, state="cancelled"),
    ]
    assert judged(facts, "2026-06-01", REVIEW).obligations == ()
