"""The oracle's reading of `silence`: each start and each contact waits for the next contact."""

from collections.abc import Iterator, Mapping
from typing import Any

from domain.facts import Fact
from tests.support.oracle_duty import Duty, IsRuled
from tests.support.oracle_life import Pathway
from tests.support.oracle_require import before_end, settled
from tests.support.oracle_targets import Answer
from tests.support.oracle_time import Moment, is_exact
from tests.support.oracle_verdict import Verdict, ends_of_life, forced
from tests.support.oracle_where import is_chosen, is_correlated
from tests.support.oracle_windows import Windows


def silence(rule: Mapping[str, Any], pathway: Pathway, is_ruled: IsRuled) -> Iterator[Verdict]:
    contacts = contacts_of(rule, pathway, None)
    starts = [one for one in (pathway.opening(), *pathway.done("reopened")) if one is not None]
    for activation in starts:
        a = pathway.moment(activation)
        if a.first <= pathway.now and is_ruled(activation, a):
            after = [one for one in contacts if one.moment.last >= a.first]
            yield quiet(rule, pathway, activation, a, after)
    for number, contact in enumerate(contacts):
        if pathway.is_active(contact.moment) and is_ruled(contact.fact, contact.moment):
            rest = contacts[number + 1 :]
            yield quiet(rule, pathway, contact.fact, contact.moment, rest)


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


def quiet(rule: Mapping[str, Any], pathway: Pathway, activation: Fact, a: Moment, following: list[Answer]) -> Verdict:
    within = {"from": "0h" if is_exact(rule["gap"]) else "0d", "to": rule["gap"]}
    windows = Windows(rule, within, pathway, rule.get("on_suspend", "freeze"))
    frame, booked_before = forced(rule, pathway, activation, a, windows.of(a))
    ends = ends_of_life(rule, pathway, activation, a, "freeze")
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
