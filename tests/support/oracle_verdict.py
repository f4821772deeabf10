"""What the oracle and the evaluator must agree on, and how a wait ends before its window does."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from domain.facts import Fact
from tests.support.oracle_life import Pathway
from tests.support.oracle_time import NEVER, TICK, Moment
from tests.support.oracle_windows import Frame


class Verdict(NamedTuple):
    rule: str
    version: int
    activation: str
    target: str | None
    status: str
    open: datetime | None
    close: datetime | None
    at: datetime | None
    late_by: str | None
    evidence: tuple[str, ...]
    reason: str | None
    raised: bool


RANK = ("released", "suspended", "closed")
"""Which of those that act at one instant is named."""


class End(NamedTuple):
    """What cancels a waiting obligation, come or not."""

    moment: Moment
    fact: Fact
    reason: str


def verdict(
    rule: Mapping[str, Any],
    activation: Fact,
    frame: Frame,
    status: str,
    *,
    at: datetime | None = None,
    target: Fact | None = None,
    evidence: Iterable[Fact] = (),
    late_by: str | None = None,
    reason: str | None = None,
    raised: bool = False,
) -> Verdict:
    ids = tuple(sorted(fact.fact_id for fact in evidence))
    named = None if target is None else target.fact_id
    return Verdict(
        rule["rule"],
        rule.get("version", 1),
        activation.fact_id,
        named,
        status,
        frame.opens,
        frame.closes,
        at,
        late_by,
        ids,
        reason,
        raised,
    )


def ends_of_life(rule: Mapping[str, Any], pathway: Pathway, activation: Fact, a: Moment, on_suspend: str) -> list[End]:
    """Suspensions and closures, where the rule says that they cancel."""
    ends = []
    if rule.get("on_suspend", on_suspend) == "cancel":
        ends = [End(pathway.moment(one), one, "suspended") for one in pathway.suspensions_since(a)]
    if rule.get("on_close", "cancel") == "cancel":
        ends += [End(pathway.moment(one), one, "closed") for one in pathway.closings(activation, a)]
    return ends


def first_end(ends: Iterable[End], now: datetime) -> End | None:
    """The first to act, of those that have; one known to the day acts when the day is over."""
    over = [end for end in ends if end.moment.over <= now]
    return min(over, key=lambda end: (end.moment.over, RANK.index(end.reason), end.moment.first), default=None)


def forced(
    rule: Mapping[str, Any], pathway: Pathway, activation: Fact, a: Moment, frame: Frame
) -> tuple[Frame, datetime]:
    """A closure may take the deadline with it. With it comes the instant from which no booking counts."""
    closings = [pathway.moment(one) for one in pathway.closings(activation, a)]
    if rule.get("on_close") != "force" or not closings:
        return frame, NEVER
    closing = min(closings, key=lambda moment: moment.last)
    if closing.first > pathway.now:
        return frame, closing.last + TICK
    return frame.cut_after(closing), NEVER
