"""The oracle's reading of `silence`: each start and each contact waits for the next contact."""

from collections.abc import Iterator, Mapping
from typing import Any

from domain.facts import Fact
from tests.support.oracle_duty import Duty, IsRuled
from tests.support.oracle_life import Pathway
from tests.support.oracle_require import before_end, settled
from tests.support.oracle_targets import Answer
from tests.support.oracle_time import Moment, is_exact
from tests.support.oracle_verdict import End, Verdict, ends_of_life, forced
from tests.support.oracle_where import is_chosen, is_correlated
from tests.support.oracle_windows import Windows


def silence(rule: Mapping[str, Any], pathway: Pathway, is_ruled: IsRuled) -> Iterator[Verdict]:
    """Of a pathway; or of each interval of `while`, with the contacts that name it."""
    if "while" in rule:
        for interval in pathway.facts:
            if is_chosen(interval, rule["while"], ["done"], {}):
                yield from watch(rule, pathway, interval, is_ruled)
        return
    contacts = contacts_of(rule, pathway, None)
    starts = [one for one in (pathway.opening(), *pathway.done("reopened")) if one is not None]
    for activation in starts:
        a = pathway.moment(activation)
        if a.first <= pathway.now and is_ruled(activation, a):
            after = [one for one in contacts if one.moment.last >= a.first]
            yield quiet(rule, pathway, activation, a, after, [])
    for number, contact in enumerate(contacts):
        if pathway.is_active(contact.moment) and is_ruled(contact.fact, contact.moment):
            yield quiet(rule, pathway, contact.fact, contact.moment, contacts[number + 1 :], [])


def watch(rule: Mapping[str, Any], pathway: Pathway, interval: Fact, is_ruled: IsRuled) -> Iterator[Verdict]:
    """Its end ends the wait, whatever the rule says of closings; a gap that was missed by then may be filled later."""
    begins, ends = pathway.moment(interval), pathway.point(interval, "end")
    if begins.first > pathway.now:
        return
    contacts = [one for one in contacts_of(rule, pathway, interval) if one.moment.last >= begins.first]
    stop = [] if ends is None else [End(ends, interval, "closed")]
    starts = [Answer(begins.first, interval.position, interval.fact_id, interval, begins)]
    for number, one in enumerate([*starts, *contacts]):
        within = ends is None or one.point <= ends.last
        if within and not pathway.is_closed(one.moment) and is_ruled(one.fact, one.moment):
            yield quiet(rule, pathway, one.fact, one.moment, contacts[number:], stop)


def contacts_of(rule: Mapping[str, Any], pathway: Pathway, span: Fact | None) -> list[Answer]:
    """Come, or booked where that is accepted."""
    known = {"while": span}
    return [
        Answer(moment.first, fact.position, fact.fact_id, fact, moment)
        for moment, fact in pathway.in_order(rule["of"].get("at", "start"))
        if is_chosen(fact, rule["of"], rule.get("accept", ["done"]), known)
        and is_correlated(fact, span, rule["of"], known)
        and (fact.state == "planned" or moment.first <= pathway.now)
    ]


def quiet(
    rule: Mapping[str, Any], pathway: Pathway, activation: Fact, a: Moment, following: list[Answer], stop: list[End]
) -> Verdict:
    within = {"from": "0h" if is_exact(rule["gap"]) else "0d", "to": rule["gap"]}
    windows = Windows(rule, within, pathway, rule.get("on_suspend", "freeze"))
    frame, booked_before = forced(rule, pathway, activation, a, windows.of(a))
    ends = stop + ends_of_life(rule, pathway, activation, a, "freeze")
    if rule.get("strict"):
        following = [one for one in following if not windows.is_strictly_out(a, one.moment)]
    timely, late = [], []
    for contact in following[:1]:
        if contact.point < frame.close:
            if contact.fact.state != "planned" or contact.point < booked_before:
                timely.append(contact)
        elif contact.point <= pathway.now:
            late.append(contact)
    duty = Duty(activation, a, frame, ends, booked_before, None)
    return settled(rule, pathway, duty, *before_end(pathway, duty, timely, late))
