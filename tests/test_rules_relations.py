"""Relations between intervals: Allen's thirteen, their macros, and rules that ask for them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.facts import Fact
from domain.rules import NearMiss, Status
from domain.rules.instants import ENDLESS_DAY, FOREVER
from domain.rules.relations import Interval, Macro, Relation, Relations, relation_of
from tests.support.rule_histories import fact, forbid, judged, local, only, require, statuses

INVERSES = {
    Relation.BEFORE: Relation.AFTER,
    Relation.MEETS: Relation.MET_BY,
    Relation.OVERLAPS: Relation.OVERLAPPED_BY,
    Relation.STARTS: Relation.STARTED_BY,
    Relation.DURING: Relation.CONTAINS,
    Relation.FINISHES: Relation.FINISHED_BY,
    Relation.EQUALS: Relation.EQUALS,
}


def days(first: int, last: int | None) -> Interval:
    """Whole days, one of which is a hundred instants long."""
    if last is None:
        return Interval(first * 100, FOREVER, first, ENDLESS_DAY, exact=False)
    return Interval(first * 100, last * 100 + 99, first, last, exact=False)


def minutes(start: int, end: int) -> Interval:
    return Interval(start, end, start // 100, end // 100, exact=True)


@pytest.mark.parametrize(
    ("a", "b", "relation"),
    [
        ((1, 2), (4, 5), "before"),
        ((1, 4), (4, 5), "meets"),
        ((1, 4), (3, 5), "overlaps"),
        ((1, 3), (1, 5), "starts"),
        ((2, 3), (1, 5), "during"),
        ((3, 5), (1, 5), "finishes"),
        ((1, 5), (1, 5), "equals"),
        ((1, 1), (1, 5), "starts"),
        ((5, 5), (1, 5), "finishes"),
        ((3, 3), (1, 5), "during"),
        ((1, 1), (1, 1), "equals"),
    ],
)
def test_each_relation_and_its_inverse(a: tuple[int, int], b: tuple[int, int], relation: str) -> None:
    """The last four: points, of which the one at the other's end belongs to it."""
    inverse = {**INVERSES, **{other: one for one, other in INVERSES.items()}}[Relation(relation)]
    for interval in (days, minutes):
        assert relation_of(interval(*a), interval(*b)) == relation
        assert relation_of(interval(*b), interval(*a)) == inverse


def test_what_still_lasts_ends_with_nothing_but_what_still_lasts() -> None:
    assert relation_of(days(3, None), days(1, 5)) == "overlapped-by"
    assert relation_of(days(3, None), days(1, None)) == "finishes"
    assert relation_of(days(1, 2), days(3, None)) == "before"


@given(*(st.tuples(st.integers(0, 6), st.integers(0, 6)).map(sorted) for _ in range(2)), st.booleans())
def test_exactly_one_relation_holds_and_the_macros_say_what_they_should(
    a: list[int], b: list[int], exact: bool
) -> None:
    interval = minutes if exact else days
    one, other = interval(a[0], a[1]), interval(b[0], b[1])
    assert sum(Relations.named([relation]).hold(one, other) for relation in Relation) == 1

    def holds(macro: Macro) -> bool:
        return Relations.named([macro.value]).hold(one, other)

    shares_time = a[1] >= b[0] and b[1] >= a[0]
    only_touches = exact and (a[1] == b[0] or b[1] == a[0]) and a[0] != b[0] and a[1] != b[1]
    assert holds(Macro.INTERSECTS) == (shares_time and not only_touches)
    assert holds(Macro.DISJOINT) != holds(Macro.INTERSECTS)
    assert holds(Macro.INSIDE) == (b[0] <= a[0] and a[1] <= b[1])
    assert holds(Macro.COVERS) == (a[0] <= b[0] and b[1] <= a[1])


def test_days_are_compared_whole_as_soon_as_either_side_is_known_to_the_day() -> None:
    morning, evening, day = minutes(110, 120), minutes(150, 160), days(1, 1)
    assert relation_of(morning, evening) == "before"
    assert relation_of(morning, day) == relation_of(day, evening) == "equals"


# forbid.

NO_OVERLAP = forbid(when={"on": "training"}, forbid={"on": "relocation"}, relation=["intersects"], within=None)
TRAINING = fact("t1", "training", "2026-01-05", "2026-01-16")


def move(fact_id: str, start: str, end: str | None = "same", **attrs: Any) -> Fact:
    return fact(fact_id, "relocation", start, end, **attrs)


def test_intervals_that_share_a_day_exclude_each_other_from_the_later_start() -> None:
    found = only(judged([TRAINING, move("m1", "2026-01-16")], "2026-06-01", NO_OVERLAP))
    assert (found.status, found.target, found.at) == (Status.VIOLATED_OPEN, "m1", local("2026-01-16 00:00"))
    assert (found.open, found.close) == (None, local("2026-01-17 00:00"))
    before = only(judged([TRAINING, move("m1", "2025-12-01", None)], "2026-06-01", NO_OVERLAP))
    assert (before.target, before.at) == ("m1", local("2026-01-05 00:00"))


def test_without_a_window_the_wait_ends_with_the_activation_if_that_settles_it() -> None:
    waiting = judged([TRAINING], "2026-01-16", NO_OVERLAP)
    assert (only(waiting).status, waiting.next_due) == (Status.PENDING, local("2026-01-17 00:00"))
    assert only(judged([TRAINING], "2026-01-17", NO_OVERLAP)).status is Status.SATISFIED
    lasting = judged([fact("t1", "training", "2026-01-05", None)], "2036-01-17", NO_OVERLAP)
    assert (only(lasting).status, only(lasting).close, lasting.next_due) == (Status.PENDING, None, None)
    for relation in (["before"], ["intersects", "after"], "disjoint"):
        assert only(judged([TRAINING], "2036-01-17", NO_OVERLAP | {"relation": relation})).close is None
    ends_later = NO_OVERLAP | {"forbid": {"on": "relocation", "at": "end"}}
    assert only(judged([TRAINING], "2036-01-17", ends_later)).close is None


def test_end_to_start_meets_on_minutes_and_shares_the_day_on_days() -> None:
    rule = NO_OVERLAP | {"when": {"on": "appointment"}, "forbid": {"on": "appointment"}}
    first = fact("a1", "appointment", "2026-01-05 10:00", "2026-01-05 11:00")
    second = fact("a2", "appointment", "2026-01-05 11:00", "2026-01-05 12:00", position=2)
    assert set(statuses(judged([first, second], "2026-06-01", rule)).values()) == {"satisfied"}
    assert only(judged([first], "2026-06-01", rule)).close == local("2026-01-05 11:00:00.000001")
    whole_day = fact("a2", "appointment", "2026-01-05", position=2)
    assert set(statuses(judged([first, whole_day], "2026-06-01", rule)).values()) == {"violated_open"}
    meets = judged([first, second], "2026-06-01", rule | {"relation": "meets"})
    assert statuses(meets) == {"a1": "violated_open", "a2": "satisfied"}


def test_one_double_booking_is_raised_once() -> None:
    """As R19: two appointments of one hour at two agencies."""
    rule = NO_OVERLAP | {
        "when": {"on": "appointment", "where": {"precision": "minute"}},
        "forbid": {"on": "appointment", "differ": {"agency": "agency"}},
    }
    first = fact("a1", "appointment", "2026-01-05 10:00", "2026-01-05 11:00", agency="ccas")
    second = fact("a2", "appointment", "2026-01-05 10:30", "2026-01-05 11:30", agency="mission", position=2)
    found = judged([second, first], "2026-06-01", rule).obligations
    assert [(one.activation, one.target, one.at, one.raised) for one in found] == [
        ("a1", "a2", local("2026-01-05 10:30"), True),
        ("a2", "a1", local("2026-01-05 10:30"), False),
    ]


def test_a_window_and_a_relation_must_both_hold() -> None:
    rule = NO_OVERLAP | {"within": {"from": "0d", "to": "3d"}}
    facts = [TRAINING, move("m1", "2026-01-08"), move("m2", "2026-01-09")]
    found = only(judged(facts, "2026-06-01", rule))
    assert (found.target, found.close) == ("m1", local("2026-01-09 00:00"))


def test_an_interval_that_began_long_before_is_found_among_many_that_are_over() -> None:
    facts = [move(f"m{n:03}", f"2025-{n // 28 + 1:02}-{n % 28 + 1:02}", position=n) for n in range(300)]
    facts += [move("long", "2024-12-01", "2026-01-05", position=301), TRAINING]
    assert only(judged(facts, "2026-06-01", NO_OVERLAP)).target == "long"


# require.

CONSENT = require(
    when={"on": "referral"}, expect={"on": "consent", "match": {"scope": "theme"}}, relation=["inside"], within=None
)
REFERRAL = fact("r1", "referral", "2026-01-05", theme="housing")


def consent(start: str, end: str | None, **attrs: Any) -> Fact:
    return fact("c1", "consent", start, end, **({"scope": "housing"} | attrs))


def test_a_target_may_be_required_to_cover_the_activation() -> None:
    """As R29: from the day it is given to the last of its days."""
    for start, end in (("2025-01-01", None), ("2026-01-05", "2026-02-01"), ("2025-01-01", "2026-01-05")):
        found = only(judged([REFERRAL, consent(start, end)], "2026-06-01", CONSENT))
        assert (found.status, found.target, found.close) == (Status.SATISFIED, "c1", local("2026-01-06 00:00"))


def test_a_target_in_no_wanted_relation_is_a_near_miss_that_says_so() -> None:
    waiting = judged([REFERRAL], "2026-01-05", CONSENT)
    assert (only(waiting).status, waiting.next_due) == (Status.PENDING, local("2026-01-06 00:00"))
    for start, end, relation in (("2026-01-06", None, "before"), ("2025-01-01", "2026-01-04", "after")):
        found = only(judged([REFERRAL, consent(start, end)], "2026-06-01", CONSENT))
        assert (found.status, found.at) == (Status.VIOLATED_OPEN, local("2026-01-06 00:00"))
        assert found.near_misses == (NearMiss("c1", "relation", relation),)


def test_the_relation_may_stand_in_what_is_expected() -> None:
    rule = CONSENT | {"expect": {"on": "consent", "relation": "inside"}}
    del rule["relation"]
    assert only(judged([REFERRAL, consent("2025-01-01", None)], "2026-06-01", rule)).target == "c1"


def test_a_late_target_must_be_in_the_relation_too() -> None:
    rule = require(when={"on": "training"}, expect={"on": "relocation"}, relation="before")
    training = fact("t1", "training", "2026-01-05", "2026-03-01")
    during, after = move("m1", "2026-02-20"), move("m2", "2026-03-02")
    assert only(judged([training, during], "2026-06-01", rule)).status is Status.VIOLATED_OPEN
    late = only(judged([training, during, after], "2026-06-01", rule))
    assert (late.status, late.target) == (Status.VIOLATED_LATE, "m2")
