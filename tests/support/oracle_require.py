"""The oracle's reading of `require`: every fact is tried against every activation."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.oracle_allen import is_related
from tests.support.oracle_duty import Duty, IsRuled, activations, cancelled, duty_of, is_in_chain
from tests.support.oracle_life import Pathway
from tests.support.oracle_targets import Answer, selected
from tests.support.oracle_verdict import Verdict, first_end, verdict
from tests.support.oracle_windows import ENDLESS, Windows, lateness, raise_at


def require(rule: Mapping[str, Any], pathway: Pathway, is_ruled: IsRuled) -> Iterator[Verdict]:
    duties = [duty_of(rule, pathway, activation, a) for a, activation in activations(rule["when"], pathway, is_ruled)]
    if rule.get("use") == "one_to_one":
        yield from one_to_one(rule, pathway, duties)
        return
    for duty in duties:
        timely, late = answers(rule, pathway, duty)
        yield settled(rule, pathway, duty, timely, late)


def answers(rule: Mapping[str, Any], pathway: Pathway, duty: Duty) -> tuple[list[Answer], list[Answer]]:
    """Targets in time, come or booked, and those that came after the close."""
    expect, a = rule["expect"], duty.a
    windows = Windows(rule, rule.get("within", ENDLESS), pathway, "run")
    timely, late = [], []
    for answer in selected(expect, pathway, duty.activation, rule.get("accept", ["done"])):
        if not is_related(rule, expect, pathway, duty.activation, answer.fact):
            continue
        if not is_in_chain(rule, answer.fact):
            continue
        booked = answer.fact.state == "planned" and answer.point < duty.booked_before
        if windows.holds(duty.frame, a, answer.moment):
            if booked or answer.point <= pathway.now:
                timely.append(answer)
        elif duty.frame.close <= answer.point <= pathway.now:
            late.append(answer)
    return before_end(pathway, duty, timely, late)


def before_end(
    pathway: Pathway, duty: Duty, timely: list[Answer], late: list[Answer]
) -> tuple[list[Answer], list[Answer]]:
    """What ended the wait leaves only what had come or was booked; and nothing late, if it was before the close."""
    if duty.exempt is not None:
        timely = [one for one in timely if one.fact.state == "planned" or one.point <= duty.exempt.point]
        late = [one for one in late if one.point <= duty.exempt.point]
    ended = first_end(duty.ends, pathway.now)
    if ended is not None:
        timely = [one for one in timely if one.fact.state == "planned" or one.point <= ended.moment.last]
        late = late if ended.moment.last >= duty.frame.close else []
    return timely, late


def settled(rule: Mapping[str, Any], pathway: Pathway, duty: Duty, timely: list[Answer], late: list[Answer]) -> Verdict:
    needed, frame, a = rule.get("min", 1), duty.frame, duty.activation
    used = [one.fact for one in timely[:needed]]
    if len(timely) >= needed:
        decisive = timely[needed - 1]
        return verdict(rule, a, frame, "satisfied", at=decisive.point, target=decisive.fact, evidence=used)
    if len(timely) + len(late) >= needed:
        every = [*timely, *late][:needed]
        return verdict(
            rule,
            a,
            frame,
            "violated_late",
            at=frame.close,
            target=every[-1].fact,
            late_by=lateness(every[-1].moment, frame),
            evidence=[one.fact for one in every],
        )
    if (ended := cancelled(rule, pathway, duty)) is not None:
        return ended
    if pathway.now < frame.close:
        return verdict(rule, a, frame, "pending", evidence=used)
    last_day = frame.last_day or pathway.clock.day_of(frame.deadline)
    raised = pathway.now >= raise_at(rule, pathway, frame.close, last_day)
    return verdict(rule, a, frame, "violated_open", at=frame.close, evidence=used, raised=raised)


def one_to_one(rule: Mapping[str, Any], pathway: Pathway, duties: list[Duty]) -> Iterator[Verdict]:
    """Each target, in order, goes to the waiting duty that closes first; a late one to the first missed."""
    offered = [answers(rule, pathway, duty) for duty in duties]
    given: list[tuple[list[Answer], list[Answer]]] = [([], []) for _ in duties]
    every = {answer.fact_id: answer for timely, late in offered for answer in (*timely, *late)}
    order = sorted(range(len(duties)), key=lambda n: duties[n].frame.close)
    needed = rule.get("min", 1)
    for answer in sorted(every.values(), key=lambda one: one[:3]):
        for which in (0, 1):
            able = [n for n in order if answer in offered[n][which] and sum(map(len, given[n])) < needed]
            if able:
                given[able[0]][which].append(answer)
                break
    for duty, (timely, late) in zip(duties, given, strict=True):
        yield settled(rule, pathway, duty, timely, late)
