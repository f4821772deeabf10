"""The oracle's reading of `forbid`: each pair of an activation and a forbidden fact, each activation without one."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from domain.facts import Fact
from tests.support.oracle_allen import cut_to_interval, is_related
from tests.support.oracle_life import Pathway
from tests.support.oracle_require import Answer, Duty, IsRuled, activations, selected
from tests.support.oracle_time import Moment
from tests.support.oracle_unless import exempting
from tests.support.oracle_verdict import Verdict, ends_of_life, first_end, forced, verdict
from tests.support.oracle_windows import ENDLESS, Windows, raise_at


class Pair(NamedTuple):
    duty: Duty
    answer: Answer
    exempt: Answer | None

    @property
    def point(self) -> datetime:
        return max(self.duty.a.first, self.answer.point)

    @property
    def ids(self) -> tuple[str, str]:
        return self.duty.activation.fact_id, self.answer.fact_id


def forbid(rule: Mapping[str, Any], pathway: Pathway, is_ruled: IsRuled) -> Iterator[Verdict]:
    duties = [duty_of(rule, pathway, activation, a) for a, activation in activations(rule["when"], pathway, is_ruled)]
    pairs = [pair for duty in duties for pair in pairs_of(rule, pathway, duty)]
    standing = [pair.ids for pair in pairs if pair.exempt is None]
    for duty in duties:
        own = [pair for pair in pairs if pair.duty is duty]
        for pair in own:
            yield violation(rule, pathway, pair, is_mirror(pathway, rule, pair, standing))
        if not own:
            yield waiting(rule, pathway, duty)


def duty_of(rule: Mapping[str, Any], pathway: Pathway, activation: Fact, a: Moment) -> Duty:
    frame = Windows(rule, rule.get("within", ENDLESS), pathway, rule.get("on_suspend", "run")).of(a)
    frame = cut_to_interval(rule, rule["forbid"], pathway, activation, frame)
    frame, booked_before = forced(rule, pathway, activation, a, frame)
    return Duty(activation, a, frame, ends_of_life(rule, pathway, activation, a, "run"), booked_before)


def pairs_of(rule: Mapping[str, Any], pathway: Pathway, duty: Duty) -> list[Pair]:
    """Those that have come about, and that neither a closing nor a suspension forestalled."""
    windows = Windows(rule, rule.get("within", ENDLESS), pathway, rule.get("on_suspend", "run"))
    booked = duty.activation.state == "planned" and "planned" in rule.get("accept", ["done"])
    if duty.a.first > pathway.now and not booked:
        return []
    exempt = exempting(rule, pathway, duty.activation, duty.a)
    pairs = []
    for answer in selected(rule["forbid"], pathway, duty.activation, rule.get("accept", ["done"])):
        if not windows.holds(duty.frame, duty.a, answer.moment):
            continue
        if not is_related(rule, rule["forbid"], pathway, duty.activation, answer.fact):
            continue
        come = answer.point <= pathway.now or (answer.fact.state == "planned" and answer.point < duty.booked_before)
        pair = Pair(duty, answer, exempt)
        if come and not any(pair.point > end.moment.last for end in duty.ends):
            pairs.append(pair)
    return pairs


def is_mirror(pathway: Pathway, rule: Mapping[str, Any], pair: Pair, standing: list[tuple[str, str]]) -> bool:
    """The same two facts, the other way round, already say it: the earlier activation speaks."""
    a, b = pair.ids
    if (b, a) not in standing:
        return False
    other = pathway.point(pair.answer.fact, rule["when"].get("at", "start"))
    assert other is not None
    mine = (pair.duty.a.first, pair.duty.activation.position, a)
    return mine > (other.first, pair.answer.position, b)


def violation(rule: Mapping[str, Any], pathway: Pathway, pair: Pair, mirror: bool) -> Verdict:
    activation, frame, target = pair.duty.activation, pair.duty.frame, pair.answer.fact
    if pair.exempt is not None:
        return verdict(
            rule,
            activation,
            frame,
            "cancelled",
            at=pair.exempt.point,
            target=target,
            evidence=[pair.exempt.fact],
            reason="released",
        )
    due = raise_at(rule, pathway, pair.point, pathway.clock.day_of(pair.point))
    return verdict(
        rule,
        activation,
        frame,
        "violated_open",
        at=pair.point,
        target=target,
        evidence=[activation, target],
        raised=pathway.now >= due and not mirror,
    )


def waiting(rule: Mapping[str, Any], pathway: Pathway, duty: Duty) -> Verdict:
    """Nothing forbidden so far."""
    exempt = exempting(rule, pathway, duty.activation, duty.a)
    if exempt is not None:
        return verdict(
            rule, duty.activation, duty.frame, "cancelled", at=exempt.point, evidence=[exempt.fact], reason="released"
        )
    ended = first_end(duty.ends, pathway.now)
    if ended is not None and ended.moment.last < duty.frame.close:
        return verdict(
            rule,
            duty.activation,
            duty.frame,
            "cancelled",
            at=ended.moment.first,
            evidence=[ended.fact],
            reason=ended.reason,
        )
    if pathway.now < max(duty.frame.close, duty.a.first):
        return verdict(rule, duty.activation, duty.frame, "pending")
    return verdict(rule, duty.activation, duty.frame, "satisfied", at=duty.frame.close)
