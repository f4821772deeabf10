"""Rules of kind require, trap by trap."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from domain.facts import Fact
from domain.rules import Calendars, NearMiss, Obligation, Status, compile_rules, evaluate, parse_rules
from domain.rules.obligation import Reason
from tests.support.rule_histories import fact, judged, local, only, require, silence, statuses

TICK = timedelta(microseconds=1)
DIAGNOSIS = fact("d1", "diagnosis", "2026-01-05", theme="it")


def referral(fact_id: str, start: str, **attrs: Any) -> Fact:
    return fact(fact_id, "referral", start, **({"theme": "it"} | attrs))


# Verdicts and their clock.


def test_a_target_in_the_window_satisfies() -> None:
    found = only(judged([DIAGNOSIS, referral("r1", "2026-02-04")], "2026-06-01", require()))
    assert (found.status, found.target, found.evidence) == (Status.SATISFIED, "r1", ("r1",))
    assert found.at == local("2026-02-04 00:00")
    assert (found.open, found.close) == (local("2026-01-05 00:00"), local("2026-02-05 00:00"))


def test_the_day_after_the_last_is_one_day_late() -> None:
    found = only(judged([DIAGNOSIS, referral("r1", "2026-02-05")], "2026-06-01", require()))
    assert (found.status, found.target, found.late_by) == (Status.VIOLATED_LATE, "r1", "P1D")
    assert found.at == found.close


def test_final_tick_a_deadline_with_no_later_event_still_fires() -> None:
    pending = judged([DIAGNOSIS], local("2026-02-04 23:59"), require())
    assert only(pending).status is Status.PENDING
    assert pending.next_due == local("2026-02-05 00:00")
    fired = judged([DIAGNOSIS], local("2026-02-05 00:00"), require())
    assert only(fired).status is Status.VIOLATED_OPEN
    assert only(fired).at == local("2026-02-05 00:00")
    assert fired.next_due is None


def test_a_violation_is_raised_after_its_grace_and_keeps_its_own_date() -> None:
    rule = require(grace="3bd")  # Closes on Wednesday 4 February; raised when Monday 9 is over.
    quiet = judged([DIAGNOSIS], local("2026-02-09 23:59"), rule)
    assert (only(quiet).status, only(quiet).raised) == (Status.VIOLATED_OPEN, False)
    assert quiet.next_due == only(quiet).raise_at == local("2026-02-10 00:00")
    raised = only(judged([DIAGNOSIS], local("2026-02-10 00:00"), rule))
    assert (raised.raised, raised.at) == (True, local("2026-02-05 00:00"))


def test_done_facts_count_from_their_own_point_on() -> None:
    facts = [DIAGNOSIS, referral("r1", "2026-01-20")]
    before = judged(facts, "2026-01-10", require())
    assert (only(before).status, before.next_due) == (Status.PENDING, local("2026-01-20 00:00"))
    assert only(judged(facts, "2026-01-20", require())).status is Status.SATISFIED


def test_a_planned_target_counts_at_once_when_it_is_accepted() -> None:
    facts = [DIAGNOSIS, referral("r1", "2026-01-20", state="planned")]
    assert only(judged(facts, "2026-01-10", require(accept=["done", "planned"]))).status is Status.SATISFIED
    refused = only(judged(facts, "2026-01-10", require()))
    assert refused.status is Status.PENDING
    assert refused.near_misses == (NearMiss("r1", "state", "planned"),)


def test_a_target_in_time_is_not_counted_again_as_late() -> None:
    rule = require(within={"from": "-48h", "to": "0h", "bounds": "[)"}, min=2)
    tie = referral("r1", "2026-01-05")  # At the close, yet equal to an activation of that day.
    found = only(judged([DIAGNOSIS, tie], "2026-06-01", rule))
    assert (found.status, found.evidence) == (Status.VIOLATED_OPEN, ("r1",))


def test_several_targets_may_be_needed() -> None:
    facts = [DIAGNOSIS, referral("r1", "2026-01-10"), referral("r2", "2026-01-20"), referral("r3", "2026-01-25")]
    found = only(judged(facts, "2026-06-01", require(min=2)))
    assert (found.target, found.evidence, found.at) == ("r2", ("r1", "r2"), local("2026-01-20 00:00"))
    late = only(judged([*facts[:2], referral("r2", "2026-03-01")], "2026-06-01", require(min=2)))
    assert (late.status, late.target, late.evidence, late.late_by) == (
        Status.VIOLATED_LATE,
        "r2",
        ("r1", "r2"),
        "P25D",
    )


# Ties, points, precisions.


def test_same_day_counts_whichever_was_recorded_first() -> None:
    for positions in ((1, 2), (2, 1)):
        diagnosis = fact("d1", "diagnosis", "2026-01-05 14:00", theme="it", position=positions[0])
        before = referral("r1", "2026-01-05 09:00", position=positions[1])
        assert only(judged([diagnosis, before], "2026-06-01", require())).status is Status.SATISFIED


def test_strict_excludes_the_day_of_the_activation_when_either_is_known_to_the_day() -> None:
    rule = require(strict=True)
    same_day = only(judged([DIAGNOSIS, referral("r1", "2026-01-05 18:00")], "2026-06-01", rule))
    assert same_day.status is Status.VIOLATED_OPEN
    assert same_day.near_misses == (NearMiss("r1", "window", "same moment"),)
    assert only(judged([DIAGNOSIS, referral("r1", "2026-01-06")], "2026-06-01", rule)).status is Status.SATISFIED


def test_strict_counts_a_later_instant_of_the_same_day() -> None:
    rule = require(strict=True)
    diagnosis = fact("d1", "diagnosis", "2026-01-05 10:00", theme="it")

    def answered_by(start: str) -> str | None:
        return only(judged([diagnosis, referral("r1", start)], "2026-06-01", rule)).target

    assert answered_by("2026-01-05 10:30") == "r1"
    assert answered_by("2026-01-05 10:00") is None
    assert answered_by("2026-01-05 09:30") is None
    assert answered_by("2026-01-05") is None
    early = only(judged([diagnosis, referral("r1", "2026-01-05 09:30")], "2026-06-01", rule))
    assert early.near_misses == (NearMiss("r1", "window", "before by PT30M"),)


def test_strict_counts_an_earlier_instant_of_the_same_day_when_looking_back() -> None:
    rule = require(strict=True, within={"from": "-30d", "to": "0d"})
    diagnosis = fact("d1", "diagnosis", "2026-01-05 10:00", theme="it")
    assert only(judged([diagnosis, referral("r1", "2026-01-05 09:30")], "2026-06-01", rule)).target == "r1"
    assert only(judged([diagnosis, referral("r1", "2026-01-05 10:30")], "2026-01-05 12:00", rule)).target is None
    around = rule | {"within": {"from": "-3d", "to": "3d"}}
    for start in ("2026-01-05 09:30", "2026-01-05 10:30"):
        assert only(judged([diagnosis, referral("r1", start)], "2026-06-01", around)).target == "r1"


def test_strict_in_hours_excludes_the_same_instant_only() -> None:
    rule = require(strict=True, within={"from": "0h", "to": "48h"})
    diagnosis = fact("d1", "diagnosis", "2026-01-05 10:00", theme="it")
    assert only(judged([diagnosis, referral("r1", "2026-01-05 10:00")], "2026-06-01", rule)).target is None
    assert only(judged([diagnosis, referral("r1", "2026-01-05 10:01")], "2026-06-01", rule)).target == "r1"


def test_an_event_never_matches_itself() -> None:
    rule = require(when={"on": "diagnosis"}, expect={"on": "diagnosis", "match": {"theme": "theme"}})
    assert only(judged([DIAGNOSIS], "2026-06-01", rule)).status is Status.VIOLATED_OPEN
    twice = [DIAGNOSIS, fact("d2", "diagnosis", "2026-01-05", theme="it")]
    assert set(statuses(judged(twice, "2026-06-01", rule)).values()) == {"satisfied"}


def test_self_speaks_of_the_activation_itself() -> None:
    rule = require(
        expect={"on": "self", "at": "recorded"}, within={"from": "0bd", "to": "10bd"}, when={"on": "diagnosis"}
    )
    prompt = fact("d1", "diagnosis", "2026-01-05", recorded_at=local("2026-01-19 18:00"))
    tardy = fact("d2", "diagnosis", "2026-01-05", recorded_at=local("2026-01-20 00:00"))
    assert statuses(judged([prompt, tardy], "2026-06-01", rule)) == {"d1": "satisfied", "d2": "violated_late"}


def test_the_last_instant_of_hours_is_included() -> None:
    rule = require(within={"from": "0h", "to": "48h"})
    diagnosis = fact("d1", "diagnosis", "2026-01-05 10:00", theme="it")
    assert only(judged([diagnosis, referral("r1", "2026-01-07 10:00")], "2026-06-01", rule)).target == "r1"
    late = only(judged([diagnosis, referral("r1", "2026-01-07 11:30")], "2026-06-01", rule))
    assert (late.status, late.late_by) == (Status.VIOLATED_LATE, "PT1H30M")


def test_a_day_precise_fact_is_equal_to_any_moment_of_its_day_in_hours_too() -> None:
    rule = require(within={"from": "0h", "to": "48h"})
    diagnosis = fact("d1", "diagnosis", "2026-01-05 10:00", theme="it")
    assert only(judged([diagnosis, referral("r1", "2026-01-05")], "2026-06-01", rule)).target == "r1"


def test_hours_after_a_day_are_counted_from_its_midnight_and_an_instant_has_no_tie_with_it() -> None:
    rule = require(when={"on": "a"}, expect={"on": "b"}, within={"from": "0h", "to": "2h"})
    facts = [fact("a1", "a", "2025-04-07"), fact("b1", "b", "2025-04-07 10:00")]
    assert only(judged(facts, "2025-04-07 05:00", rule)).status is Status.VIOLATED_OPEN
    late = only(judged(facts, "2025-04-07 12:00", rule))
    assert (late.status, late.late_by) == (Status.VIOLATED_LATE, "PT8H")
    of_the_day = [facts[0], fact("b1", "b", "2025-04-07")]
    assert only(judged(of_the_day, "2025-04-07 12:00", rule)).status is Status.SATISFIED


def test_the_point_may_be_the_end_and_an_open_end_has_none() -> None:
    rule = require(when={"on": "training", "at": "end"}, expect={"on": "evaluation", "match": {"training_id": "id"}})
    running = fact("t1", "training", "2026-01-05", None)
    ended = fact("t2", "training", "2026-01-05", "2026-02-27")
    found = only(judged([running, ended], "2026-06-01", rule))
    assert (found.activation, found.open) == ("t2", local("2026-02-27 00:00"))


# Local time.


def test_sixty_local_days_across_a_change_of_clocks_are_sixty_days() -> None:
    rule = require(within={"from": "0d", "to": "60d"})
    diagnosis = fact("d1", "diagnosis", "2026-02-10 00:30", theme="it")
    facts = [diagnosis, referral("r1", "2026-04-11 23:30")]  # 60 days, an hour less and 23 more in UTC seconds.
    assert only(judged(facts, "2026-06-01", rule)).status is Status.SATISFIED


@pytest.mark.parametrize(
    ("territory", "zone"),
    [("FR-972", "America/Martinique"), ("FR-974", "Indian/Reunion"), ("FR-988", "Pacific/Noumea")],
)
def test_overseas_days_begin_at_their_own_midnight(territory: str, zone: str) -> None:
    diagnosis = fact("d1", "diagnosis", "2026-01-05 23:30", territory=territory, tz=zone, theme="it")
    last = referral("r1", "2026-02-04 23:59", territory=territory, tz=zone)
    after = referral("r2", "2026-02-05 00:00", territory=territory, tz=zone)
    found = only(judged([diagnosis, last], "2026-06-01", require()))
    assert found.status is Status.SATISFIED
    assert found.close == datetime(2026, 2, 5, tzinfo=Calendars().of(territory).tz).astimezone(UTC)
    assert only(judged([diagnosis, after], "2026-06-01", require())).late_by == "P1D"


def test_a_change_of_territory_in_mid_window_changes_no_deadline() -> None:
    """The territory at the activation decides the zone and the rules in scope."""
    here = fact("d1", "diagnosis", "2026-01-05", theme="it", territory="FR-75")
    moved = referral("r1", "2026-02-05 02:00", territory="FR-974", tz="Indian/Reunion")  # Still the 4th in Paris.
    found = only(judged([here, moved], "2026-06-01", require(territory=["FR-75"])))
    assert (found.status, found.close) == (Status.SATISFIED, local("2026-02-05 00:00"))
    assert judged([here, moved], "2026-06-01", require(territory=["FR-974"])).obligations == ()


def test_facts_without_territory_have_the_one_the_pathway_last_had() -> None:
    opened = fact("o1", "opened", "2026-01-01", territory="FR-974")
    bare = fact("d1", "diagnosis", "2026-01-05", theme="it", territory=None)
    found = only(judged([bare, opened], "2026-06-01", require(territory=["FR-974"])))
    assert found.close == local("2026-02-05 00:00", "Indian/Reunion")
    nowhere = fact("d1", "diagnosis", "2026-01-05", theme="it", territory=None)
    assert only(judged([nowhere], "2026-06-01", require())).close == local("2026-02-05 00:00")


# Correlation.


def test_match_and_differ_correlate_and_absent_values_equal_nothing() -> None:
    bare = fact("d1", "diagnosis", "2026-01-05")
    assert only(judged([bare, fact("r1", "referral", "2026-01-06")], "2026-06-01", require())).target is None
    rule = require(expect={"on": "referral", "match": {"theme": "theme"}, "differ": {"agency": "agency"}})
    same = referral("r1", "2026-01-06", agency="ccas")
    other = referral("r2", "2026-01-07", agency="mission")
    found = only(judged([DIAGNOSIS, same, other], "2026-06-01", rule))
    assert found.target == "r2"
    alone = only(judged([DIAGNOSIS, same], "2026-06-01", rule))
    assert alone.near_misses == (NearMiss("r1", "differ.agency", "ccas"),)


def test_an_absent_value_differs_from_nothing() -> None:
    rule = require(expect={"on": "referral", "differ": {"theme": "theme"}})
    assert only(judged([DIAGNOSIS, referral("r1", "2026-01-06", theme=None)], "2026-06-01", rule)).target is None
    assert only(judged([DIAGNOSIS, referral("r1", "2026-01-06", theme="wood")], "2026-06-01", rule)).target == "r1"


def test_a_target_may_be_matched_by_id() -> None:
    rule = require(
        when={"on": "referral"},
        expect={"on": "referral_ack", "match": {"referral_id": "id"}},
        within={"from": "0bd", "to": "5bd"},
    )
    facts = [
        referral("r1", "2026-01-05"),
        referral("r2", "2026-01-05"),
        fact("k1", "referral_ack", "2026-01-07", referral_id="r2"),
    ]
    assert statuses(judged(facts, "2026-06-01", rule)) == {"r1": "violated_open", "r2": "satisfied"}


def test_a_dynamic_condition_reads_the_activation() -> None:
    rule = require(expect={"on": "referral", "where": {"any": [{"theme": "$when.theme"}, {"start": "$when.start"}]}})
    assert only(judged([DIAGNOSIS, referral("r1", "2026-01-09", theme="it")], "2026-06-01", rule)).target == "r1"
    assert only(judged([DIAGNOSIS, referral("r1", "2026-01-05", theme="x")], "2026-06-01", rule)).target == "r1"
    assert only(judged([DIAGNOSIS, referral("r1", "2026-01-09", theme="x")], "2026-06-01", rule)).target is None


def test_the_pathway_is_what_its_opening_says() -> None:
    rule = require(expect={"on": "referral", "where": {"agency": "$pathway.referent"}})
    opened = fact("o1", "opened", "2026-01-01", referent="mission")
    facts = [opened, DIAGNOSIS, referral("r1", "2026-01-06"), referral("r2", "2026-01-07", agency="mission")]
    assert only(judged(facts, "2026-06-01", rule)).target == "r2"


# until, since, chains.


def test_until_release_ends_the_wait() -> None:
    until = {"on": "need_withdrawn", "match": {"theme": "theme"}, "effect": "release"}
    withdrawn = fact("w1", "need_withdrawn", "2026-01-20", theme="it")
    found = only(judged([DIAGNOSIS, withdrawn], "2026-06-01", require(until=until)))
    assert (found.status, found.reason, found.evidence) == (Status.CANCELLED, Reason.RELEASED, ("w1",))
    assert found.at == local("2026-01-20 00:00")
    answered = only(judged([DIAGNOSIS, withdrawn, referral("r1", "2026-01-20")], "2026-06-01", require(until=until)))
    assert answered.status is Status.SATISFIED
    too_late = fact("w1", "need_withdrawn", "2026-02-05", theme="it")
    assert only(judged([DIAGNOSIS, too_late], "2026-06-01", require(until=until))).status is Status.VIOLATED_OPEN
    other = fact("w1", "need_withdrawn", "2026-01-20", theme="wood")
    assert only(judged([DIAGNOSIS, other], "2026-06-01", require(until=until))).status is Status.VIOLATED_OPEN


def test_until_deadline_asks_for_the_target_before_the_next_one() -> None:
    rule = require(
        when={"on": "referral"},
        expect={"on": "decision"},
        within={"from": "0d", "to": "inf"},
        until={"on": "referral", "effect": "deadline"},
    )
    facts = [referral("r1", "2026-01-05"), referral("r2", "2026-02-05"), fact("x", "decision", "2026-03-01")]
    found = {one.activation: one for one in judged(facts, "2026-06-01", rule).obligations}
    assert (found["r1"].status, found["r1"].close) == (Status.VIOLATED_LATE, local("2026-02-06 00:00"))
    assert found["r1"].late_by == "P24D"
    assert (found["r2"].status, found["r2"].close) == (Status.SATISFIED, None)


def test_a_strict_deadline_excludes_the_day_of_the_next_one() -> None:
    rule = require(
        when={"on": "referral"},
        expect={"on": "decision"},
        within={"from": "0d", "to": "inf"},
        until={"on": "referral", "effect": "deadline"},
    )
    facts = [referral("r1", "2026-01-05"), referral("r2", "2026-02-05"), fact("x", "decision", "2026-02-05")]
    assert statuses(judged(facts, "2026-06-01", rule))["r1"] == "satisfied"
    strict = {one.activation: one for one in judged(facts, "2026-06-01", rule | {"strict": True}).obligations}
    assert (strict["r1"].status, strict["r1"].close) == (Status.VIOLATED_LATE, local("2026-02-05 00:00"))
    assert strict["r1"].late_by == "P1D"


def test_since_asks_for_the_target_after_the_previous_one() -> None:
    rule = require(
        when={"on": "decision"},
        expect={"on": "referral"},
        within={"from": "-inf", "to": "0d"},
        since={"on": "decision"},
    )
    facts = [referral("r1", "2026-01-05"), fact("x1", "decision", "2026-01-10"), fact("x2", "decision", "2026-02-10")]
    found = {one.activation: one for one in judged(facts, "2026-06-01", rule).obligations}
    assert (found["x1"].status, found["x1"].open) == (Status.SATISFIED, None)
    assert (found["x2"].status, found["x2"].open) == (Status.VIOLATED_OPEN, local("2026-01-10 00:00"))


def test_a_chain_is_judged_on_the_next_fact_of_its_types() -> None:
    rule = require(within={"from": "0d", "to": "inf"}, expect={"on": "referral"}, next_among=["referral", "contact"])
    first_contact = [DIAGNOSIS, fact("c1", "contact", "2026-01-08"), referral("r1", "2026-01-09")]
    assert only(judged(first_contact, "2026-06-01", rule)).status is Status.VIOLATED_LATE
    first_referral = [DIAGNOSIS, referral("r1", "2026-01-08"), fact("c1", "contact", "2026-01-09")]
    assert only(judged(first_referral, "2026-06-01", rule)).status is Status.SATISFIED
    back = require(within={"from": "-inf", "to": "0d"}, expect={"on": "referral"}, prev_among=["referral", "contact"])
    assert only(judged([referral("r1", "2026-01-02"), DIAGNOSIS], "2026-06-01", back)).status is Status.SATISFIED
    between = [referral("r1", "2026-01-02"), fact("c1", "contact", "2026-01-03"), DIAGNOSIS]
    assert only(judged(between, "2026-06-01", back)).status is Status.VIOLATED_OPEN


def test_under_strict_a_tie_is_no_next_one() -> None:
    rule = require(within={"from": "0d", "to": "30d"}, expect={"on": "referral"}, next_among=["referral", "contact"])
    facts = [DIAGNOSIS, fact("c1", "contact", "2026-01-05 12:00"), referral("r1", "2026-01-09")]
    assert only(judged(facts, "2026-06-01", rule)).status is Status.VIOLATED_LATE
    assert only(judged(facts, "2026-06-01", rule | {"strict": True})).status is Status.SATISFIED
    back = rule | {"within": {"from": "-30d", "to": "0d"}, "prev_among": ["referral", "contact"]}
    del back["next_among"]
    facts = [referral("r1", "2026-01-02"), fact("c1", "contact", "2026-01-05 08:00"), DIAGNOSIS]
    assert only(judged(facts, "2026-06-01", back)).status is Status.VIOLATED_OPEN
    assert only(judged(facts, "2026-06-01", back | {"strict": True})).status is Status.SATISFIED


# one_to_one.


def test_one_to_one_gives_each_target_to_the_activation_that_closes_first() -> None:
    second = fact("d2", "diagnosis", "2026-01-15", theme="it")
    facts = [DIAGNOSIS, second, referral("r1", "2026-01-20")]
    assert statuses(judged(facts, "2026-06-01", require())) == {"d1": "satisfied", "d2": "satisfied"}
    rule = require(use="one_to_one")
    assert statuses(judged(facts, "2026-06-01", rule)) == {"d1": "satisfied", "d2": "violated_open"}
    late = [*facts, referral("r2", "2026-02-20")]
    found = {one.activation: one for one in judged(late, "2026-06-01", rule).obligations}
    assert (found["d2"].status, found["d2"].target) == (Status.VIOLATED_LATE, "r2")


def test_one_to_one_keeps_correlation_groups_apart() -> None:
    facts = [DIAGNOSIS, fact("d2", "diagnosis", "2026-01-05", theme="wood"), referral("r1", "2026-01-20")]
    rule = require(use="one_to_one")
    assert statuses(judged(facts, "2026-06-01", rule)) == {"d1": "satisfied", "d2": "violated_open"}


# The pathway's life.


def test_a_suspension_freezes_the_deadline() -> None:
    suspended = fact("s1", "suspension", "2026-01-10", "2026-01-19")
    found = only(judged([DIAGNOSIS, suspended], "2026-06-01", require()))
    assert found.close == local("2026-02-15 00:00")
    assert only(judged([DIAGNOSIS, suspended], "2026-06-01", require(on_suspend="run"))).close == local(
        "2026-02-05 00:00"
    )


def test_an_open_suspension_leaves_no_deadline_and_no_timer() -> None:
    evaluation = judged([DIAGNOSIS, fact("s1", "suspension", "2026-01-10", None)], "2026-06-01", require())
    assert (only(evaluation).status, only(evaluation).close, evaluation.next_due) == (Status.PENDING, None, None)


def test_facts_of_a_suspension_still_count() -> None:
    facts = [DIAGNOSIS, fact("s1", "suspension", "2026-01-10", None), referral("r1", "2026-05-01")]
    assert only(judged(facts, "2026-06-01", require())).status is Status.SATISFIED


def test_a_suspension_may_cancel() -> None:
    facts = [DIAGNOSIS, fact("s1", "pathway.suspended", "2026-01-10", None)]
    found = only(judged(facts, "2026-06-01", require(on_suspend="cancel")))
    assert (found.status, found.reason, found.at) == (
        Status.CANCELLED,
        Reason.SUSPENDED,
        local("2026-01-10 00:00"),
    )


@pytest.mark.parametrize(
    ("policy", "status", "close"),
    [
        ("cancel", Status.CANCELLED, "2026-02-05 00:00"),
        ("keep", Status.VIOLATED_OPEN, "2026-02-05 00:00"),
        ("force", Status.VIOLATED_OPEN, "2026-01-21 00:00"),
    ],
)
def test_a_closure_cancels_keeps_or_forces(policy: str, status: Status, close: str) -> None:
    facts = [DIAGNOSIS, fact("z1", "pathway_closed", "2026-01-20")]
    found = only(judged(facts, "2026-06-01", require(on_close=policy)))
    assert (found.status, found.close) == (status, local(close))


def test_a_violation_outlives_a_later_closure() -> None:
    facts = [DIAGNOSIS, fact("z1", "closed", "2026-03-01")]
    assert only(judged(facts, "2026-06-01", require())).status is Status.VIOLATED_OPEN


def test_the_first_of_several_ends_counts() -> None:
    facts = [DIAGNOSIS, fact("s1", "suspension", "2026-01-20", None), fact("z1", "closed", "2026-01-12")]
    found = only(judged(facts, "2026-06-01", require(on_suspend="cancel")))
    assert (found.reason, found.evidence, found.at) == (Reason.CLOSED, ("z1",), local("2026-01-12 00:00"))


def test_suspended_hours_are_made_up_for_to_the_instant() -> None:
    diagnosis = fact("d1", "diagnosis", "2026-01-05 10:00", theme="it")
    rule = require(within={"from": "0h", "to": "48h"})
    exact = fact("s1", "suspension", "2026-01-06 10:00", "2026-01-06 12:30")
    assert only(judged([diagnosis, exact], "2026-06-01", rule)).close == local("2026-01-07 12:30") + TICK
    whole_day = fact("s1", "suspension", "2026-01-06", "2026-01-06")
    assert only(judged([diagnosis, whole_day], "2026-06-01", rule)).close == local("2026-01-08 10:00") + TICK


def test_a_planned_closure_closes_nothing_and_a_future_one_nothing_yet() -> None:
    planned = fact("z1", "closed", "2026-01-20", state="planned")
    assert only(judged([DIAGNOSIS, planned], "2026-06-01", require())).status is Status.VIOLATED_OPEN
    coming = judged([DIAGNOSIS, fact("z1", "closed", "2026-01-20")], "2026-01-10", require())
    assert (only(coming).status, coming.next_due) == (Status.PENDING, local("2026-01-21 00:00"))


ENDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("closed", {}),
    ("suspension", {"on_suspend": "cancel"}),
    ("withdrawal", {"until": {"on": "withdrawal", "effect": "release"}}),
)


@pytest.mark.parametrize(("kind", "options"), ENDS)
def test_what_ends_the_wait_on_a_day_does_so_when_the_day_is_over(kind: str, options: dict[str, Any]) -> None:
    """Else a target later that day, which counts, would turn a cancelled obligation into a satisfied one."""
    rule = require(when={"on": "a"}, expect={"on": "b"}, within={"from": "0d", "to": "10d"}, **options)
    alone = [fact("a1", "a", "2025-02-10"), fact("z1", kind, "2025-02-12")]
    answered = [*alone, fact("b1", "b", "2025-02-12 10:00")]
    waiting = judged(answered, "2025-02-12 09:30", rule)
    assert (only(waiting).status, waiting.next_due) == (Status.PENDING, local("2025-02-12 10:00"))
    for now in ("2025-02-12 10:00", "2025-02-12 12:00", "2025-06-01 00:00"):
        assert only(judged(answered, now, rule)).status is Status.SATISFIED
    still = judged(alone, "2025-02-12 23:30", rule)
    assert (only(still).status, still.next_due) == (Status.PENDING, local("2025-02-13 00:00"))
    over = only(judged(alone, "2025-02-13", rule))
    assert (over.status, over.at, over.evidence) == (Status.CANCELLED, local("2025-02-12 00:00"), ("z1",))


@pytest.mark.parametrize(("kind", "options"), ENDS)
def test_a_window_of_hours_that_closed_that_day_was_missed_before_the_day_was_over(
    kind: str, options: dict[str, Any]
) -> None:
    rule = require(when={"on": "a"}, expect={"on": "b"}, within={"from": "0h", "to": "2h"}, **options)
    facts = [fact("a1", "a", "2025-02-12 08:00"), fact("z1", kind, "2025-02-12")]
    for now in ("2025-02-12 11:00", "2025-06-01 00:00"):
        assert only(judged(facts, now, rule)).status is Status.VIOLATED_OPEN


def test_of_several_ends_the_first_to_act_counts() -> None:
    rule = require(when={"on": "a"}, expect={"on": "b"}, until={"on": "withdrawal", "effect": "release"})
    facts = [
        fact("a1", "a", "2025-02-10"),
        fact("z1", "closed", "2025-02-12"),
        fact("w1", "withdrawal", "2025-02-12 10:00"),
        fact("b1", "b", "2025-02-12 15:00"),
    ]
    for now in ("2025-02-12 10:00", "2025-02-12 16:00", "2025-06-01 00:00"):
        found = only(judged(facts, now, rule))
        assert (found.status, found.reason, found.evidence) == (Status.CANCELLED, Reason.RELEASED, ("w1",))


def test_a_closing_that_came_before_the_activation_on_its_day_does_not_end_it() -> None:
    rule = require(when={"on": "reopened"}, expect={"on": "contact"})
    closed = fact("z1", "closed", "2025-02-01", position=2)
    reopened = fact("n1", "reopened", "2025-02-01", position=3)
    assert only(judged([closed, reopened], "2025-06-01", rule)).status is Status.VIOLATED_OPEN


def test_a_booking_after_what_is_known_to_close_the_window_never_counts() -> None:
    rule = require(
        when={"on": "a"},
        expect={"on": "b"},
        accept=["done", "planned"],
        until={"on": "next", "effect": "deadline"},
    )
    facts = [
        fact("a1", "a", "2025-02-01"),
        fact("b1", "b", "2025-02-20", state="planned"),
        fact("n1", "next", "2025-02-10"),
    ]
    assert only(judged(facts, "2025-02-05", rule)).status is Status.PENDING
    assert only(judged(facts, "2025-02-11", rule)).status is Status.VIOLATED_OPEN
    booked_before = [*facts[:1], fact("b1", "b", "2025-02-09", state="planned"), facts[2]]
    for now in ("2025-02-05", "2025-02-12"):
        assert only(judged(booked_before, now, rule)).status is Status.SATISFIED


# Versions, territories, states of rules.


def test_the_date_of_the_activation_picks_the_version() -> None:
    """An obligation lives and dies under the version it started with."""
    old = require()
    new = require(version=2, effective={"from": "2026-02-01"}, within={"from": "0d", "to": "10d"})
    facts = [DIAGNOSIS, fact("d2", "diagnosis", "2026-02-01", theme="wood")]
    found = {one.activation: one for one in judged(facts, "2026-06-01", old, new).obligations}
    assert {name: one.version for name, one in found.items()} == {"d1": 1, "d2": 2}
    assert found["d1"].close == local("2026-02-05 00:00")


def test_drafts_and_retired_rules_are_not_judged_and_shadows_are_marked() -> None:
    rules = [require(), require(version=2, state="shadow"), require(version=3, state="draft")]
    found = judged([DIAGNOSIS], "2026-06-01", *rules, require(rule="gone", state="retired")).obligations
    assert [(one.version, one.shadow) for one in found] == [(1, False), (2, True)]


def test_effective_is_half_open_on_the_day_of_the_activation() -> None:
    rule = require(effective={"from": "2026-01-05", "to": "2026-01-06"})
    assert len(judged([DIAGNOSIS], "2026-06-01", rule).obligations) == 1
    early = fact("d1", "diagnosis", "2026-01-04 23:59", theme="it")
    late = fact("d2", "diagnosis", "2026-01-06 00:00", theme="it")
    assert judged([early, late], "2026-06-01", rule).obligations == ()


def test_an_unusual_calendar_leaves_no_error() -> None:
    last = fact("d1", "diagnosis", "9999-12-31", theme="it")
    first = fact("d2", "diagnosis", "0001-01-01", theme="it")
    rules = [require(within={"from": "-6m", "to": end}) for end in ("30d", "5bd", "1m", "48h")]
    for rule in rules:
        found = {one.activation: one for one in judged([last, first], "2026-06-01", rule).obligations}
        assert found["d1"].status is Status.PENDING
        assert found["d2"].open is None


# Near misses and order.


def test_near_misses_are_what_failed_exactly_one_test_nearest_first() -> None:
    facts = [
        DIAGNOSIS,
        referral("other-theme", "2026-01-08", theme="wood"),
        referral("cancelled", "2026-01-07", state="cancelled"),
        referral("too-early", "2026-01-01"),
        referral("much-too-early", "2025-11-01"),
        referral("two-faults", "2026-01-01", theme="wood"),
    ]
    assert only(judged(facts, "2026-06-01", require())).near_misses == (
        NearMiss("cancelled", "state", "cancelled"),
        NearMiss("other-theme", "match.theme", "wood"),
        NearMiss("too-early", "window", "before by P4D"),
    )


def test_a_late_target_is_evidence_and_no_near_miss() -> None:
    rule = require(expect={"on": "referral", "where": {"kind": "training", "theme": "it"}})
    facts = [
        DIAGNOSIS,
        referral("late", "2026-03-01", kind="training"),
        referral("other-kind", "2026-01-10", kind="housing"),
        referral("no-kind", "2026-01-11"),
    ]
    found = only(judged(facts, "2026-06-01", rule))
    assert found.status is Status.VIOLATED_LATE
    assert found.near_misses == (
        NearMiss("other-kind", "where.kind", '"housing"'),
        NearMiss("no-kind", "where.kind", "absent"),
    )


def test_obligations_come_by_rule_version_and_activation_in_time() -> None:
    facts = [
        fact("b", "diagnosis", "2026-01-06", position=1),
        fact("c", "diagnosis", "2026-01-05", position=9),
        fact("a", "diagnosis", "2026-01-05", position=4),
    ]
    found = judged(facts, "2026-06-01", require(rule="z"), require(rule="y", version=2), silence(rule="x"))
    assert [(one.rule, one.activation) for one in found.obligations] == [
        *(("y", name) for name in "acb"),
        *(("z", name) for name in "acb"),
    ]


def test_the_published_line_has_its_fields_in_order() -> None:
    line = only(judged([DIAGNOSIS], "2026-06-01", require())).line()
    assert " ".join(line) == (
        "rule version pathway activation target status open close at late_by evidence near_misses"
    )
    assert (line["open"], line["close"]) == ("2026-01-04T23:00:00Z", "2026-02-04T23:00:00Z")


def test_rules_are_compiled_once_and_judged_alone_when_asked() -> None:
    compiled = compile_rules(parse_rules([[require(), require(rule="other")]]))
    facts = [DIAGNOSIS]
    now = local("2026-06-01 00:00")
    alone: list[Obligation] = list(evaluate(facts, compiled.only("other"), Calendars(), now).obligations)
    assert [one.rule for one in alone] == ["other"]
    assert evaluate([], compiled, Calendars(), now).obligations == ()
    assert date(2026, 6, 1) == now.astimezone(Calendars().default.tz).date()
