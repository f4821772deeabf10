"""The oracle's choice of the facts that answer, break or exempt an activation."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from domain.facts import Fact
from tests.support.oracle_life import Pathway
from tests.support.oracle_time import Moment
from tests.support.oracle_where import is_chosen, is_correlated
from tests.support.oracle_windows import ENDLESS, Windows


class Answer(NamedTuple):
    point: datetime
    position: int
    fact_id: str
    fact: Fact
    moment: Moment


def selected(selector: Mapping[str, Any], pathway: Pathway, activation: Fact, accept: list[str] | None) -> list[Answer]:
    """Facts of a selector that correlate with an activation, never itself save for `self`, by point and position."""
    known = {"when": activation}
    found = []
    for moment, fact in pathway.in_order(selector.get("at", "start")):
        is_self = selector["on"] == "self"
        if (fact.fact_id == activation.fact_id) != is_self or not is_chosen(fact, selector, accept, known):
            continue
        if is_correlated(fact, activation, selector, known):
            found.append(Answer(moment.first, fact.position, fact.fact_id, fact, moment))
    return found


def exempting(rule: Mapping[str, Any], pathway: Pathway, activation: Fact, a: Moment) -> Answer | None:
    """The first one come by now, in its own window of the activation when it has one."""
    if "unless" not in rule:
        return None
    windows = Windows({}, rule["unless"].get("within", ENDLESS), pathway, "run")
    frame = windows.of(a)
    for answer in selected(rule["unless"], pathway, activation, ["done"]):
        if answer.point <= pathway.now and windows.holds(frame, a, answer.moment):
            return answer
    return None
