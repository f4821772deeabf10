"""The oracle's reading of `forbid`: each pair of an activation and a forbidden fact, each activation without one."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from tests.support.oracle_allen import is_related
from tests.support.oracle_duty import Duty, IsRuled, activations, cancelled, duty_of, is_in_chain
from tests.support.oracle_life import Pathway
from tests.support.oracle_targets import Answer, selected
from tests.support.oracle_verdict import Verdict, verdict
from tests.support.oracle_windows import ENDLESS, Windows, raise_at


class Pair(NamedTuple):
    duty: Duty
    answer: Answer

    @property
    def point(self) -> datetime:
        return max(self.duty.a.first, self.answer.point)


def forbid(rule: Mapping[str, Any], pathway: Pathway, is_ruled: IsRuled) -> Iterator[Verdict]:
    """Of both ways round, where a rule is symmetric: `long_way` says which one speaks."""
    for a, activation in activations(rule["when"], pathway, is_ruled):
        duty = duty_of(rule, pathway, activation, a)
        pairs = pairs_of(rule, pathway, duty)
        yield from (violation(rule, pathway, pair) for pair in pairs)
        if not pairs:
            yield waiting(rule, pathway, duty)


def pairs_of(rule: Mapping[str, Any], pathway: Pathway, duty: Duty) -> list[Pair]:
    """Those that have come about, and that neither a closing nor a suspension forestalled."""
    windows = Windows(rule, rule.get("within", ENDLESS), pathway, rule.get("on_suspend", "run"))
    booked = duty.activation.state == "planned" and "planned" in rule.get("accept", ["done"])
    if duty.a.first > pathway.now and not booked:
        return []
    pairs = []
    for answer in selected(rule["forbid"], pathway, duty.activation, rule.get("accept", ["done"])):
        if not windows.holds(duty.frame, duty.a, answer.moment):
            continue
        if not is_related(rule, rule["forbid"], pathway, duty.activation, answer.fact):
            continue
        if not is_in_chain(rule, answer.fact):
            continue
        come = answer.point <= pathway.now or (answer.fact.state == "planned" and answer.point < duty.booked_before)
        pair = Pair(duty, answer)
        if come and not any(pair.point > end.moment.last for end in duty.ends):
            pairs.append(pair)
    return pairs


def violation(rule: Mapping[str, Any], pathway: Pathway, pair: Pair) -> Verdict:
    activation, frame, target = pair.duty.activation, pair.duty.frame, pair.answer.fact
    if pair.duty.exempt is not None:
        return verdict(
            rule,
            activation,
            frame,
            "cancelled",
            at=pair.duty.exempt.point,
            target=target,
            evidence=[pair.duty.exempt.fact],
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
        raised=pathway.now >= due,
    )


def waiting(rule: Mapping[str, Any], pathway: Pathway, duty: Duty) -> Verdict:
    """Nothing forbidden so far."""
    if duty.exempt is not None and duty.exempt.point >= max(duty.frame.close, duty.a.first):
        duty = duty._replace(exempt=None)  # It was respected to the end before that.
    if (ended := cancelled(rule, pathway, duty)) is not None:
        return ended
    if pathway.now < max(duty.frame.close, duty.a.first):
        return verdict(rule, duty.activation, duty.frame, "pending")
    return verdict(rule, duty.activation, duty.frame, "satisfied", at=duty.frame.close)
