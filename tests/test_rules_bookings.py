"""Two bookings that exclude each other are told when the second is made, not when it is too late to move one."""

from typing import Any

from tests.support.rule_histories import fact, judged, local, only

RULE: dict[str, Any] = {
    "rule": "double-booking",
    "kind": "forbid",
    "when": {"on": "appointment", "where": {"state": ["planned", "done"]}},
    "forbid": {"on": "appointment", "where": {"state": ["planned", "done"]}},
    "relation": "intersects",
    "accept": ["planned", "done"],
}
EARLIER = fact(
    "a", "appointment", "2026-06-10 10:00", "2026-06-10 11:00", state="planned", recorded_at=local("2026-05-01 09:00")
)
LATER = fact(
    "b",
    "appointment",
    "2026-06-10 10:30",
    "2026-06-10 12:00",
    state="planned",
    position=2,
    recorded_at=local("2026-05-20 09:00"),
)


def raised(now: str, **changes: Any) -> list[tuple[str, str | None]]:
    obligations = judged([EARLIER, LATER], now, RULE | changes).obligations
    return [(one.activation, one.target) for one in obligations if one.raised]


def test_it_is_raised_once_when_the_second_booking_was_learnt() -> None:
    assert raised("2026-05-20 09:00") == [("a", "b")]


def test_its_grace_counts_from_there() -> None:
    assert raised("2026-05-21 23:59", grace="1d") == []
    assert raised("2026-05-22 00:00", grace="1d") == [("a", "b")]


def test_the_violation_keeps_the_date_at_which_both_have_come() -> None:
    first = next(one for one in judged([EARLIER, LATER], "2026-05-20 09:00", RULE).obligations if one.raised)
    assert first.at == local("2026-06-10 10:30")


def test_what_was_recorded_after_the_fact_is_raised_as_of_the_fact() -> None:
    late = fact("c", "appointment", "2026-04-01 10:00", "2026-04-01 11:00", recorded_at=local("2026-05-01 09:00"))
    rule = RULE | {"forbid": {"on": "visit"}, "accept": ["done"]}
    visit = fact("v", "visit", "2026-04-01 10:00", position=3, recorded_at=local("2026-05-02 09:00"))
    assert only(judged([late, visit], "2026-05-03", rule)).raise_at == local("2026-04-01 10:00")
