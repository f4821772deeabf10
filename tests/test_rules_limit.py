"""Rules of kind limit: too many facts in a while, or at a time."""

from typing import Any

from domain.facts import Fact
from domain.rules import Evaluation, Status
from tests.support.rule_histories import fact, judged, limit, local, only


def absence(fact_id: str, start: str, **attrs: Any) -> Fact:
    return fact(fact_id, "appointment", start, state="no_show", **attrs)


def crossings(evaluation: Evaluation) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.activation, one.evidence) for one in evaluation.obligations]


THREE = [absence("n1", "2026-01-05"), absence("n2", "2026-01-20"), absence("n3", "2026-03-05")]


def test_one_too_many_in_the_window_is_a_violation_at_its_own_point() -> None:
    found = only(judged(THREE, "2026-06-01", limit(in_last="60d")))
    assert (found.status, found.activation, found.target) == (Status.VIOLATED_OPEN, "n3", None)
    assert (found.open, found.close) == (local("2026-01-04 00:00"), local("2026-03-05 00:00"))
    assert (found.at, found.evidence, found.raised) == (found.close, ("n1", "n2", "n3"), True)


def test_the_window_slides_by_local_days() -> None:
    assert only(judged(THREE, "2026-06-01", limit(in_last="59d"))).activation == "n3"
    assert judged(THREE, "2026-06-01", limit(in_last="58d")).obligations == ()


def test_what_comes_on_top_crosses_nothing_until_the_count_has_fallen() -> None:
    facts = [absence(f"n{n}", f"2026-01-0{n}", position=n) for n in range(1, 6)]
    facts += [absence("n6", "2026-01-30"), absence("n7", "2026-01-31"), absence("n8", "2026-02-01")]
    assert crossings(judged(facts, "2026-06-01", limit(in_last="10d"))) == [
        ("n3", ("n1", "n2", "n3")),
        ("n8", ("n6", "n7", "n8")),
    ]


def test_same_day_facts_count_in_their_order() -> None:
    facts = [absence("n1", "2026-01-05 17:00"), absence("n2", "2026-01-05"), absence("n3", "2026-01-05 09:00")]
    assert crossings(judged(facts, "2026-06-01", limit(in_last="1d"))) == [("n1", ("n1", "n2", "n3"))]


def test_hours_are_exact_and_include_their_first_instant() -> None:
    facts = [absence("n1", "2026-01-05 10:00"), absence("n2", "2026-01-07 10:00")]
    rule = limit(max=1, in_last="48h")
    assert crossings(judged(facts, "2026-06-01", rule)) == [("n2", ("n1", "n2"))]
    facts[0] = absence("n1", "2026-01-05 09:59")
    assert judged(facts, "2026-06-01", rule).obligations == ()
    facts[0] = absence("n1", "2026-01-05")  # Any moment of that day.
    assert crossings(judged(facts, "2026-06-01", rule)) == [("n2", ("n1", "n2"))]


def test_without_end_it_counts_them_all_and_none_may_be_allowed() -> None:
    found = only(judged(THREE, "2026-06-01", limit(in_last="inf")))
    assert (found.activation, found.open) == ("n3", None)
    assert crossings(judged(THREE, "2026-06-01", limit(max=0, in_last="inf"))) == [("n1", ("n1",))]


def test_facts_count_when_they_have_come_or_as_planned_when_that_is_accepted() -> None:
    rule = limit(count={"on": "training"}, max=1, in_last="30d")
    facts = [fact("t1", "training", "2026-01-05"), fact("t2", "training", "2026-01-20")]
    before = judged(facts, "2026-01-10", rule)
    assert (before.obligations, before.next_due) == ((), local("2026-01-20 00:00"))
    assert only(judged(facts, "2026-01-20", rule)).activation == "t2"
    booked = [facts[0], fact("t2", "training", "2026-01-20", state="planned")]
    assert judged(booked, "2026-06-01", rule).obligations == ()
    early = judged(booked, "2026-01-10", rule | {"accept": ["done", "planned"]})
    assert (only(early).raised, early.next_due) == (False, local("2026-01-20 00:00"))


def test_the_grace_counts_from_the_crossing() -> None:
    found = judged(THREE, "2026-03-06", limit(in_last="60d", grace="2bd"))  # A Thursday.
    assert (only(found).status, only(found).raised) == (Status.VIOLATED_OPEN, False)
    assert found.next_due == only(found).raise_at == local("2026-03-10 00:00")


def test_match_counts_the_facts_of_each_value_apart() -> None:
    facts = [
        absence("n1", "2026-01-05", service="a"),
        absence("n2", "2026-01-06", service="b"),
        absence("n3", "2026-01-07", service="a"),
        absence("n4", "2026-01-08"),
        absence("n5", "2026-01-09"),
    ]
    rule = limit(max=1, in_last="inf", count={"on": "appointment", "where": {"state": "no_show"}})
    grouped = rule | {"count": rule["count"] | {"match": {"service": "service"}}}
    assert crossings(judged(facts, "2026-06-01", grouped)) == [("n3", ("n1", "n3"))]


def test_dates_and_territories_are_asked_of_the_crossing_alone() -> None:
    rule = limit(in_last="60d", effective={"from": "2026-03-01"})
    assert only(judged(THREE, "2026-06-01", rule)).evidence == ("n1", "n2", "n3")
    assert judged(THREE, "2026-06-01", limit(in_last="60d", effective={"to": "2026-03-01"})).obligations == ()


def test_closings_and_suspensions_change_nothing() -> None:
    facts = [*THREE, fact("z1", "closed", "2026-02-01"), fact("s1", "suspension", "2026-01-15", None)]
    assert only(judged(facts, "2026-06-01", limit(in_last="60d"))).activation == "n3"


# At a time.


def course(fact_id: str, start: str, end: str | None, **attrs: Any) -> Fact:
    return fact(fact_id, "training", start, end, **attrs)


AT_A_TIME = limit(count={"on": "training"}, max=1, concurrent=True, in_last=None)


def test_intervals_are_counted_at_the_start_of_each() -> None:
    facts = [
        course("t1", "2026-01-05", "2026-02-01"),
        course("t2", "2026-02-01", "2026-03-01"),
        course("t3", "2026-03-02", None),
        course("t4", "2027-03-02", "2027-03-05"),
    ]
    found = judged(facts, "2028-01-01", AT_A_TIME)
    assert crossings(found) == [("t2", ("t1", "t2")), ("t4", ("t3", "t4"))]
    first = found.obligations[0]
    assert (first.open, first.close, first.at) == (None, *[local("2026-02-01 00:00")] * 2)


def test_of_equal_starts_the_later_in_order_crosses() -> None:
    facts = [course("t1", "2026-01-05", "2026-02-01", position=2), course("t2", "2026-01-05", None, position=1)]
    assert crossings(judged(facts, "2026-06-01", AT_A_TIME)) == [("t1", ("t1", "t2"))]


def test_minutes_are_compared_exactly_and_days_whole() -> None:
    morning = course("t1", "2026-01-05 09:00", "2026-01-05 10:00")
    later = course("t2", "2026-01-05 11:00", "2026-01-05 12:00")
    assert judged([morning, later], "2026-06-01", AT_A_TIME).obligations == ()
    touching = course("t2", "2026-01-05 10:00", "2026-01-05 12:00")
    assert crossings(judged([morning, touching], "2026-06-01", AT_A_TIME)) == [("t2", ("t1", "t2"))]
    all_day = course("t0", "2026-01-05", "2026-01-05")
    found = judged([morning, later, all_day], "2026-06-01", AT_A_TIME)
    assert crossings(found) == [("t1", ("t0", "t1")), ("t2", ("t0", "t2"))]
    assert crossings(judged([morning, later, all_day], "2026-06-01", AT_A_TIME | {"max": 2})) == []
