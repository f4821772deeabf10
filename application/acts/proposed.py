"""The acts that would clear an alert, best first: each was tried, and each says whose it is to do."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from application.acts.sketch import Blank, Situation, Sketch, Way
from application.acts.sketching import sketches
from application.acts.trial import DATES, Day, Trials, Tried, days_to_try
from domain.alert import Finding
from domain.facts import Fact
from domain.pathway import Pathway
from domain.rules import Calendars, Rule, compile_rules
from domain.rules.calendars import Calendar
from domain.rules.rule import RuleState

MOST: Mapping[Way, int] = {Way.DO: 6, Way.PREPARE: 2, Way.CHANGE: 3, Way.CORRECT: 2, Way.RETRACT: 2}
"""Of each way: beyond that, a list helps nobody."""
WAYS = tuple(Way)
FIRST_STEPS = frozenset({"assign-referent", "request-referral"})
"""What does not put right by itself what another agency's answer then does."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """An act that an agency may do now."""

    command: str
    way: Way
    entry: UUID | None
    body: dict[str, Any]
    blanks: tuple[Blank, ...]
    agencies: tuple[str, ...]
    """Whose it is to do, by name."""
    clears: bool
    """Whether it cleared the alert when it was tried. A first step does not; a correction may, by the date given."""


def proposals(
    rule: Rule,
    finding: Finding,
    pathway: Pathway,
    calendars: Calendars,
    now: datetime,
    position: int,
    *,
    able: Sequence[str] = (),
) -> list[Proposal]:
    """`position` is that of the log's head. None when what was found is there no more."""
    facts = pathway.facts()
    by_id = {fact.fact_id: fact for fact in facts}
    activation = by_id.get(finding.activation)
    if activation is None:
        return []
    situation = Situation(
        rule=rule,
        activation=activation,
        target=by_id.get(finding.target or ""),
        evidence=tuple(by_id[fact_id] for fact_id in finding.evidence if fact_id in by_id),
        pathway=pathway,
        facts=facts,
        able=tuple(able),
    )
    alone = compile_rules([msgspec.structs.replace(rule, state=RuleState.ACTIVE)])
    calendar = calendars.of(activation.territory)
    trials = Trials(situation, alone, calendars, calendar, now, position)
    return sorted(_proposed(trials, finding, calendar), key=lambda each: WAYS.index(each.way))


def _proposed(trials: Trials, finding: Finding, calendar: Calendar) -> Iterator[Proposal]:
    """What clears; first steps where nothing else does; and corrections of a date, which only people know."""
    days = list(days_to_try(trials.today, _window(finding, calendar), _day(trials.situation.activation, calendar)))
    agencies, found = sorted(trials.situation.pathway.participants), Counter[Way]()
    for sketch in sketches(trials.situation):
        if found[sketch.way] == MOST[sketch.way]:
            continue
        tried = [one for agency in agencies if (one := trials.tried(sketch, days, agency)) is not None]
        way, fit = sketch.way, [one for one in tried if one.clears or sketch.way is Way.CORRECT]
        if not fit and sketch.command in FIRST_STEPS and not found[Way.DO]:
            way, fit = Way.PREPARE, [one for one in tried if _leads_on(trials, one)]
        if fit and found[way] < MOST[way]:
            found[way] += 1
            yield _proposal(msgspec.structs.replace(sketch, way=way), fit)


def _leads_on(trials: Trials, first: Tried) -> bool:
    """Whether some agency can put it right once this is done."""
    facts = first.after.facts()
    then = msgspec.structs.replace(trials.situation, pathway=first.after, facts=facts)
    today = [Day(trials.today, None, None)]
    return any(
        (second := trials.tried(sketch, today, agency, first.after)) is not None and second.clears
        for sketch in sketches(then)
        if sketch.way is Way.DO and sketch.command != first.sketch.command
        for agency in sorted(first.after.participants)
    )


def _proposal(sketch: Sketch, tried: Sequence[Tried]) -> Proposal:
    day = tried[0].day
    return Proposal(
        command=sketch.command,
        way=sketch.way,
        entry=sketch.entry,
        body=dict(sketch.body),
        blanks=sketch.blanks if sketch.way is Way.CORRECT else tuple(_bounded(blank, day) for blank in sketch.blanks),
        agencies=tuple(one.agency for one in tried),
        clears=all(one.clears for one in tried),
    )


def _bounded(blank: Blank, day: Day) -> Blank:
    """A day that must lie elsewhere than today must be given."""
    if blank.asks not in DATES or (day.not_before, day.not_after) == (None, None):
        return blank
    return msgspec.structs.replace(blank, required=True, not_before=day.not_before, not_after=day.not_after)


def _window(finding: Finding, calendar: Calendar) -> tuple[date | None, date | None]:
    """Local days, both included."""
    first = None if finding.opens is None else _local(finding.opens, calendar)
    last = None if finding.closes is None else _local(finding.closes - timedelta(microseconds=1), calendar)
    return first, last


def _day(fact: Fact, calendar: Calendar) -> date:
    return _local(fact.start, calendar) if isinstance(fact.start, datetime) else fact.start


def _local(moment: datetime, calendar: Calendar) -> date:
    return moment.astimezone(calendar.tz).date()
