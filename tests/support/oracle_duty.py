"""The oracle's reading of a duty, or of a ban: its window, what cuts it, what ends it, who is exempted from it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from domain.facts import Fact
from tests.support.oracle_allen import cut_to_interval
from tests.support.oracle_life import Pathway
from tests.support.oracle_targets import Answer, exempting, selected
from tests.support.oracle_time import NEVER, ONE_DAY, TICK, Moment, tie
from tests.support.oracle_verdict import End, Verdict, ends_of_life, first_end, forced, verdict
from tests.support.oracle_where import is_chosen, speaks_of_state, types_of
from tests.support.oracle_windows import ENDLESS, Frame, Windows

IsRuled = Callable[[Fact, Moment], bool]
"""Whether an activation falls under the version that is judged: its territory, its day, the versions after it."""


class Duty(NamedTuple):
    """One activation and what may answer it."""

    activation: Fact
    a: Moment
    frame: Frame
    ends: list[End]
    booked_before: datetime
    """From here on no booking counts: something known will close the window."""
    exempt: Answer | None


def activations(when: Mapping[str, Any], pathway: Pathway, is_ruled: IsRuled) -> list[tuple[Moment, Fact]]:
    """In any state, in order."""
    return [
        (moment, fact)
        for moment, fact in pathway.in_order(when.get("at", "start"))
        if is_chosen(fact, when, None, {}) and is_ruled(fact, moment)
    ]


def duty_of(rule: Mapping[str, Any], pathway: Pathway, activation: Fact, a: Moment) -> Duty:
    """The window of an activation, as all that is known has moved or cut it, and what may end it."""
    on_suspend = "run" if rule["kind"] == "forbid" else "freeze"
    windows = Windows(rule, rule.get("within", ENDLESS), pathway, rule.get("on_suspend", on_suspend))
    frame = since(rule, pathway, activation, a, windows.of(a))
    frame = cut_to_interval(rule, target_of(rule), pathway, activation, frame)
    frame = prev_among(rule, pathway, activation, a, frame)
    frame, chain_cut = next_among(rule, pathway, activation, a, frame)
    ends, frame, until_cut = until(rule, pathway, activation, a, frame)
    frame, forced_cut = forced(rule, pathway, activation, a, frame)
    ends += ends_of_life(rule, pathway, activation, a, on_suspend)
    exempt = exempting(rule, pathway, activation, a)
    return Duty(activation, a, frame, ends, min(until_cut, chain_cut, forced_cut), exempt)


def target_of(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    """The selector of what is expected, or forbidden."""
    selector: Mapping[str, Any] = rule["forbid" if rule["kind"] == "forbid" else "expect"]
    return selector


def until(
    rule: Mapping[str, Any], pathway: Pathway, activation: Fact, a: Moment, frame: Frame
) -> tuple[list[End], Frame, datetime]:
    """What releases, the window as it is cut by now, and the instant from which no booking counts."""
    if "until" not in rule:
        return [], frame, NEVER
    ends: list[End] = []
    others = selected(rule["until"], pathway, activation, ["done"])
    for other in sorted(others, key=lambda one: (one.moment.first, one.moment.last, one.position)):
        o = other.moment
        if o.last < a.first or (rule.get("strict") and tie(o, a)):
            continue
        if rule["until"]["effect"] == "release":
            ends.append(End(o, other.fact, "released"))
            continue
        cut = o.first if rule.get("strict") else o.last + TICK
        if o.first > pathway.now:
            return ends, frame, cut
        said = o.day - ONE_DAY if rule.get("strict") else o.day
        return ends, frame.cut(cut, None if o.exact else said, o.first if o.exact else cut - TICK), NEVER
    return ends, frame, NEVER


def since(rule: Mapping[str, Any], pathway: Pathway, activation: Fact, a: Moment, frame: Frame) -> Frame:
    """The window opens at the last such fact before, if it opened earlier."""
    if "since" not in rule:
        return frame
    before = [
        other.moment
        for other in selected(rule["since"], pathway, activation, ["done"])
        if other.moment.first <= a.last and not (rule.get("strict") and tie(other.moment, a))
    ]
    if not before:
        return frame
    opens = before[-1].last + TICK if rule.get("strict") else before[-1].first
    return frame._replace(first=max(frame.first, opens))


def next_among(
    rule: Mapping[str, Any], pathway: Pathway, activation: Fact, a: Moment, frame: Frame
) -> tuple[Frame, datetime]:
    """The window ends with the next fact of the chain; with it comes the instant from which no booking counts."""
    chain = chain_of(rule, "next_among", pathway, activation, a)
    if not chain:
        return frame, NEVER
    nearest = min(chain, key=lambda moment: (moment.first, moment.last))
    if nearest.first > pathway.now:
        return frame, nearest.last + TICK
    return frame.cut_after(nearest), NEVER


def prev_among(rule: Mapping[str, Any], pathway: Pathway, activation: Fact, a: Moment, frame: Frame) -> Frame:
    """The window begins with the last fact of the chain before the activation."""
    chain = chain_of(rule, "prev_among", pathway, activation, a)
    if not chain:
        return frame
    nearest = max(chain, key=lambda moment: (moment.first, moment.last))
    return frame._replace(first=max(frame.first, nearest.first))


def chain_of(rule: Mapping[str, Any], name: str, pathway: Pathway, activation: Fact, a: Moment) -> list[Moment]:
    if name not in rule:
        return []
    free = speaks_of_state(target_of(rule).get("where", {}))
    facts = selected({"on": rule[name]}, pathway, activation, None if free else rule.get("accept", ["done"]))
    return [one.moment for one in facts if is_beyond(rule, a, one.moment, 1 if name == "next_among" else -1)]


def is_in_chain(rule: Mapping[str, Any], fact: Fact) -> bool:
    chains = [types_of(rule[name]) for name in ("next_among", "prev_among") if name in rule]
    return all(fact.type in types or "*" in types for types in chains)


def is_beyond(rule: Mapping[str, Any], a: Moment, t: Moment, step: int) -> bool:
    if tie(a, t):
        return not rule.get("strict")
    return t.first > a.first if step > 0 else t.first < a.first


def cancelled(rule: Mapping[str, Any], pathway: Pathway, duty: Duty) -> Verdict | None:
    """By what ended the wait before the close, or by an exempting fact that came before that."""
    ended, exempt = first_end(duty.ends, pathway.now), duty.exempt
    if ended is not None and ended.moment.last >= duty.frame.close:
        ended = None
    if ended is not None and (exempt is None or ended.moment.over <= exempt.point):
        at, fact, reason = ended.moment.first, ended.fact, ended.reason
    elif exempt is not None:
        at, fact, reason = exempt.point, exempt.fact, "released"
    else:
        return None
    return verdict(rule, duty.activation, duty.frame, "cancelled", at=at, evidence=[fact], reason=reason)
