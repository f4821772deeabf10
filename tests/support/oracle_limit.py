"""The oracle's reading of `limit`: at each fact, the counted facts around it are counted again."""

from collections.abc import Iterator, Mapping
from typing import Any

from domain.facts import Fact
from tests.support.oracle_allen import span
from tests.support.oracle_duty import IsRuled
from tests.support.oracle_life import Pathway
from tests.support.oracle_targets import Answer, exempting
from tests.support.oracle_time import LONG_AGO
from tests.support.oracle_verdict import Verdict, verdict
from tests.support.oracle_where import is_chosen, is_correlated, is_day
from tests.support.oracle_windows import Frame, Windows, raise_at


def limit(rule: Mapping[str, Any], pathway: Pathway, is_ruled: IsRuled) -> Iterator[Verdict]:
    counted = counted_facts(rule, pathway)
    for number, answer in enumerate(counted):
        frame = frame_of(rule, pathway, answer)
        found = [
            other.fact
            for other in counted[: number + 1]
            if is_with(rule, pathway, other, answer, frame) and is_grouped(rule, other.fact, answer.fact)
        ]
        if len(found) == rule["max"] + 1 and is_ruled(answer.fact, answer.moment):
            yield crossing(rule, pathway, answer, frame, found)


def counted_facts(rule: Mapping[str, Any], pathway: Pathway) -> list[Answer]:
    """Come by now, or booked where that is accepted; in order."""
    return [
        Answer(moment.first, fact.position, fact.fact_id, fact, moment)
        for moment, fact in pathway.in_order(rule["count"].get("at", "start"))
        if is_chosen(fact, rule["count"], rule.get("accept", ["done"]), {})
        and (fact.state == "planned" or moment.first <= pathway.now)
    ]


def frame_of(rule: Mapping[str, Any], pathway: Pathway, answer: Answer) -> Frame:
    opens = LONG_AGO
    if not rule.get("concurrent") and rule["in_last"] != "inf":
        opens = Windows({}, {"from": f"-{rule['in_last']}", "to": "0d"}, pathway, "run").of(answer.moment).first
    return Frame(opens, answer.point, None, answer.point)


def is_with(rule: Mapping[str, Any], pathway: Pathway, other: Answer, answer: Answer, frame: Frame) -> bool:
    """In the look-back window of a fact; or going on when it starts, by whole days if either is known to the day."""
    if not rule.get("concurrent"):
        return other.moment.last >= frame.first
    by_day = is_day(other.fact.start) or is_day(answer.fact.start)
    start, end = span(other.fact, pathway, by_day=by_day)
    return start <= span(answer.fact, pathway, by_day=by_day)[0] <= end


def is_grouped(rule: Mapping[str, Any], other: Fact, fact: Fact) -> bool:
    """A fact without the field has no group, and is not counted."""
    return is_correlated(other, fact, {"match": rule["count"].get("match", {})}, {})


def crossing(rule: Mapping[str, Any], pathway: Pathway, answer: Answer, frame: Frame, found: list[Fact]) -> Verdict:
    exempt = exempting(rule, pathway, answer.fact, answer.moment)
    if exempt is not None:
        return verdict(
            rule, answer.fact, frame, "cancelled", at=exempt.point, evidence=[exempt.fact], reason="released"
        )
    due = raise_at(rule, pathway, answer.point, answer.moment.day)
    raised = pathway.now >= due
    return verdict(rule, answer.fact, frame, "violated_open", at=answer.point, evidence=found, raised=raised)
