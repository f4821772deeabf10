"""Traps that caught evaluators of such rules before, each a test. Those of calendars are in test_rules_windows.py."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

import domain.rules
from domain.rules import RuleRefused, Status, parse_rules
from tests.support.rule_histories import fact, forbid, judged, limit, local, only, require, silence, statuses

LATER = "2026-06-01"
SUMMARY = {"on": "summary", "match": {"theme": "theme"}}


# Ties.


@pytest.mark.parametrize("positions", [(1, 2), (2, 1)])
@pytest.mark.parametrize(
    ("first", "second"),
    [("2026-01-05", "2026-01-05"), ("2026-01-05 14:00", "2026-01-05"), ("2026-01-05", "2026-01-05 09:00")],
)
def test_what_falls_on_the_same_day_counts_whichever_was_recorded_first(
    first: str, second: str, positions: tuple[int, int]
) -> None:
    facts = [
        fact("a", "relocation", first, position=positions[0]),
        fact("b", "training", second, position=positions[1]),
    ]
    expected = require(when={"on": "relocation"}, expect={"on": "training"})
    counted = limit(count={"on": ["relocation", "training"]}, max=1, in_last="30d")
    assert only(judged(facts, LATER, expected)).status is Status.SATISFIED
    assert only(judged(facts, LATER, expected | {"strict": True})).status is Status.VIOLATED_OPEN
    assert only(judged(facts, LATER, forbid())).status is Status.VIOLATED_OPEN
    assert only(judged(facts, LATER, forbid(strict=True))).status is Status.SATISFIED
    assert only(judged(facts, LATER, counted)).evidence == ("a", "b")


def test_two_contacts_of_one_day_leave_one_of_them_unanswered() -> None:
    for positions in ((1, 2), (2, 1)):
        facts = [fact(f"c{position}", "contact", "2026-01-05", position=position) for position in positions]
        assert statuses(judged(facts, LATER, silence())) == {"c1": "satisfied", "c2": "violated_open"}


# A fact of the type it calls for.


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (require(expect={"on": "diagnosis"}), Status.VIOLATED_OPEN),
        (forbid(when={"on": "diagnosis"}, forbid={"on": "diagnosis"}), Status.SATISFIED),
        (
            forbid(when={"on": "diagnosis"}, forbid={"on": "diagnosis"}, within=None, relation=["equals"]),
            Status.SATISFIED,
        ),
        (require(expect=SUMMARY, until={"on": "diagnosis", "effect": "deadline"}), Status.VIOLATED_OPEN),
    ],
)
def test_a_duplicate_diagnosis_does_not_find_itself(rule: dict[str, Any], status: Status) -> None:
    found = only(judged([fact("d", "diagnosis", "2026-01-05", theme="it")], LATER, rule))
    assert (found.status, found.target) == (status, None)


def test_two_duplicates_find_each_other_and_are_told_once() -> None:
    facts = [fact("d1", "diagnosis", "2026-01-05"), fact("d2", "diagnosis", "2026-01-07", agency="mission")]
    rule = forbid(
        when={"on": "diagnosis"},
        forbid={"on": "diagnosis", "differ": {"agency": "agency"}},
        within={"from": "-60d", "to": "60d"},
    )
    found = judged(facts, LATER, rule).obligations
    assert [(one.activation, one.target, one.raised) for one in found] == [("d1", "d2", True), ("d2", "d1", False)]


# Intervals.


INTERSECTING = forbid(when={"on": "training"}, forbid={"on": "relocation"}, within=None, relation=["intersects"])


@pytest.mark.parametrize("point", ["2026-01-05 09:00", "2026-01-05 10:30", "2026-01-05 12:00"])
def test_an_interval_of_no_length_intersects_what_holds_it_its_ends_included(point: str) -> None:
    facts = [fact("t", "training", "2026-01-05 09:00", "2026-01-05 12:00"), fact("r", "relocation", point, point)]
    assert only(judged(facts, LATER, INTERSECTING)).status is Status.VIOLATED_OPEN


def test_intervals_of_no_length_are_equal_or_apart() -> None:
    here, there = "2026-01-05 09:00", "2026-01-05 09:01"
    training = fact("t", "training", here, here)
    equal = judged([training, fact("r", "relocation", here, here)], LATER, INTERSECTING)
    apart = judged([training, fact("r", "relocation", there, there)], LATER, INTERSECTING)
    assert (only(equal).status, only(apart).status) == (Status.VIOLATED_OPEN, Status.SATISFIED)


def test_an_interval_that_lasts_intersects_whatever_starts_after_it() -> None:
    lasting = fact("t", "training", "2026-01-05", None)
    assert only(judged([lasting], LATER, INTERSECTING)).close is None
    found = only(judged([lasting, fact("r", "relocation", "2027-03-01")], "2027-06-01", INTERSECTING))
    assert (found.status, found.at) == (Status.VIOLATED_OPEN, local("2027-03-01 00:00"))
    before = only(judged([lasting, fact("r", "relocation", "2026-01-01", "2026-01-04")], LATER, INTERSECTING))
    assert before.status is Status.PENDING


@pytest.mark.parametrize(
    ("start", "relation"),
    [("2026-01-05 12:00", "meets"), ("2026-01-05 11:59", "overlaps"), ("2026-01-05 12:01", "before")],
)
def test_an_end_at_the_minute_of_a_start_meets_and_does_not_overlap(start: str, relation: str) -> None:
    facts = [
        fact("t", "training", "2026-01-05 09:00", "2026-01-05 12:00"),
        fact("r", "relocation", start, "2026-01-05 15:00"),
    ]
    for name in ("meets", "overlaps", "before"):
        found = only(judged(facts, LATER, INTERSECTING | {"relation": [name]}))
        assert (found.status is Status.VIOLATED_OPEN) == (name == relation)
    assert (only(judged(facts, LATER, INTERSECTING)).status is Status.VIOLATED_OPEN) == (relation == "overlaps")


def test_an_end_on_the_day_of_a_start_shares_that_day() -> None:
    facts = [
        fact("t", "training", "2026-01-05", "2026-01-07"),
        fact("r", "relocation", "2026-01-07 15:00", "2026-01-09 10:00"),
    ]
    assert only(judged(facts, LATER, INTERSECTING)).status is Status.VIOLATED_OPEN
    assert only(judged(facts, LATER, INTERSECTING | {"relation": ["meets"]})).status is Status.VIOLATED_OPEN


# Time alone.


def test_the_final_tick_of_each_kind_comes_with_no_later_event() -> None:
    relocation = fact("r", "relocation", "2026-01-05")
    for facts, rule, status in (
        ([relocation], require(when={"on": "relocation"}, within={"from": "0d", "to": "7d"}), Status.VIOLATED_OPEN),
        ([relocation], forbid(), Status.SATISFIED),
        ([fact("o", "opened", "2026-01-05")], silence(gap="7d"), Status.VIOLATED_OPEN),
    ):
        waiting = judged(facts, "2026-01-06", rule)
        assert only(waiting).status is Status.PENDING
        assert waiting.next_due == local("2026-01-13 00:00")
        fired = judged(facts, waiting.next_due, rule)
        assert (only(fired).status, only(fired).at, fired.next_due) == (status, waiting.next_due, None)


def test_the_raise_of_each_violation_comes_when_its_grace_is_over_with_no_later_event() -> None:
    facts = [fact("r", "relocation", "2026-01-05"), fact("t", "training", "2026-01-06")]
    for rule in (
        forbid(grace="2d"),
        limit(count={"on": ["relocation", "training"]}, max=1, in_last="30d", grace="2d"),
    ):
        quiet = judged(facts, "2026-01-07", rule)
        assert (only(quiet).status, only(quiet).raised) == (Status.VIOLATED_OPEN, False)
        assert quiet.next_due == local("2026-01-09 00:00")
        assert only(judged(facts, quiet.next_due, rule)).raised


def test_a_stale_timer_is_harmless() -> None:
    """It was armed for an activation, a contact or an answer since retracted or added: judging again says so."""
    opened, contact = fact("o", "opened", "2026-01-05"), fact("c", "contact", "2026-01-20")
    armed = judged([opened], "2026-01-06", silence()).next_due
    assert armed is not None
    later = judged([opened, contact], armed, silence())
    assert statuses(later) == {"o": "satisfied", "c": "pending"}
    assert later.next_due == local("2026-02-20 00:00")
    assert judged([contact], armed, require()).obligations == ()
    retracted = judged([opened], later.next_due, silence())
    assert statuses(retracted) == {"o": "violated_open"}
    assert retracted.next_due is None


def test_retracting_the_evidence_opens_the_violation_again_with_its_own_date() -> None:
    diagnosis, referral = (
        fact("d", "diagnosis", "2026-01-05", theme="it"),
        fact("r", "referral", "2026-01-10", theme="it"),
    )
    assert only(judged([diagnosis, referral], LATER, require())).status is Status.SATISFIED
    reopened = only(judged([diagnosis], LATER, require()))
    assert (reopened.status, reopened.at) == (Status.VIOLATED_OPEN, local("2026-02-05 00:00"))


# The same bytes everywhere.


HISTORY = """
import sys, msgspec
from tests.support.rule_histories import fact, forbid, judged, limit, require, silence
kinds = ("opened", "contact", "diagnosis", "training", "relocation", "referral")
facts = [fact(f"f{n}-{kind}", kind, f"2026-01-{5 + n % 7:02}", position=n + 1, theme=("it", "wood")[n % 2])
         for n, kind in enumerate(kinds * 4)]
rules = [require(), silence(gap="7d"), forbid(), limit(count={"on": ["training", "relocation"]}, max=2, in_last="30d"),
         require(rule="chain", expect={"on": ["referral", "contact"]}, next_among="*", min=2, use="one_to_one"),
         forbid(rule="twice", when={"on": "training"}, forbid={"on": "training"}, relation=["intersects"])]
sys.stdout.buffer.write(msgspec.json.encode(judged(facts, "2026-06-01", *rules)))
"""


def test_no_byte_depends_on_the_order_of_hashes() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", HISTORY],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[1],
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(outputs) == 1
    assert len(msgspec.json.decode(outputs.pop())["obligations"]) > 20


@pytest.mark.parametrize("days", [1.5, 30.0, 30, "1.5d", "2,5d", "1e2d", True])
def test_days_are_whole_and_never_floats(days: object) -> None:
    for rule in (
        require(within={"from": "0d", "to": days}),
        require(grace=days),
        forbid(within={"from": days, "to": "inf"}),
        forbid(unless={"on": "contact", "within": {"from": "0d", "to": days}}),
        limit(in_last=days),
        silence(gap=days),
        require(stale_after=days),
    ):
        with pytest.raises(RuleRefused):
            parse_rules([rule])


def test_nothing_among_the_rules_reads_the_wall_clock() -> None:
    folder = Path(domain.rules.__file__).parent
    assert [place for path in sorted(folder.rglob("*.py")) for place in clock_reads(path)] == []


def clock_reads(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        named = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
        imported = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if named in ("now", "utcnow", "today", "time_ns", "monotonic") or "time" in imported:
            yield f"{path.name}:{getattr(node, 'lineno', 0)}"


def test_a_clock_of_long_ago_or_far_ahead_is_believed() -> None:
    diagnosis = fact("d", "diagnosis", "2026-01-05", theme="it")
    assert only(judged([diagnosis], "1999-01-01", require())).status is Status.PENDING
    assert only(judged([diagnosis], "2099-01-01", require())).status is Status.VIOLATED_OPEN


# A pathway that moves.


MOVED = {"territory": "FR-974", "tz": "Indian/Reunion"}


def test_a_move_in_mid_window_moves_no_deadline_of_any_kind() -> None:
    """What began in Paris is counted in Paris days, wherever it is answered."""
    late = "2026-01-13 02:30"  # In Réunion; 23:30 of the 12th in Paris.
    relocation = fact("r", "relocation", "2026-01-05", territory="FR-75")
    expected = require(when={"on": "relocation"}, expect={"on": "training"}, within={"from": "0d", "to": "7d"})
    for rule, status in ((expected, Status.SATISFIED), (forbid(), Status.VIOLATED_OPEN)):
        found = only(judged([relocation, fact("t", "training", late, **MOVED)], LATER, rule))
        assert (found.status, found.close) == (status, local("2026-01-13 00:00"))
    contacts = [fact("c1", "contact", "2026-01-05", territory="FR-75"), fact("c2", "contact", late, **MOVED)]
    first, second = judged(contacts, LATER, silence(gap="7d")).obligations
    assert (first.status, first.close) == (Status.SATISFIED, local("2026-01-13 00:00"))
    assert second.close == local("2026-01-21 00:00", "Indian/Reunion")


def test_a_move_counts_the_facts_of_before_in_the_days_of_the_last() -> None:
    facts = [
        fact("c1", "contact", "2026-01-05 22:30", territory="FR-75"),  # The 6th in Réunion.
        fact("c2", "contact", "2026-01-13 10:00", **MOVED),
    ]
    rule = limit(count={"on": "contact"}, max=1, in_last="7d")
    found = only(judged(facts, LATER, rule))
    assert (found.activation, found.evidence) == ("c2", ("c1", "c2"))
    assert found.open == local("2026-01-06 00:00", "Indian/Reunion")
    assert judged([facts[0], fact("c2", "contact", "2026-01-14 10:00", **MOVED)], LATER, rule).obligations == ()


def test_a_move_takes_new_activations_out_of_a_rule_and_leaves_the_old_ones_in() -> None:
    here = fact("r1", "relocation", "2026-01-05", territory="FR-75")
    there = fact("r2", "relocation", "2026-01-05", **MOVED)
    rule = forbid(territory=["FR-75"])
    assert statuses(judged([here, there], "2026-01-06", rule)) == {"r1": "pending"}
    assert only(judged([here, there], "2026-01-06", rule)).close == local("2026-01-12 00:00") + timedelta(days=1)
