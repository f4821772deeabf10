"""The oracle's reading of `unless`: a fact that exempts an activation."""

from collections.abc import Mapping
from typing import Any

from domain.facts import Fact
from tests.support.oracle_life import Pathway
from tests.support.oracle_require import Answer, selected
from tests.support.oracle_time import Moment
from tests.support.oracle_windows import ENDLESS, Windows


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
