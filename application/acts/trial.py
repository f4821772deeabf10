"""Acts are tried before they are proposed: decided on a copy of the pathway, whose rule is then judged again.

Blanks are filled with stand-ins; of days, those at which an act is most likely to count. Nothing tried is recorded.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

import msgspec

from application.acts.sketch import Asks, Blank, Situation, Sketch, Way
from domain import themes_v1
from domain.catalogue import BY_NAME
from domain.command import Act, Command
from domain.errors import DomainError
from domain.pathway import Pathway
from domain.pathway_state import pathway_from, state_of
from domain.rules import Calendars, CompiledRules, evaluate
from domain.rules.calendars import Calendar
from domain.rules.rule import Forbid

MORNING = time(9)
LASTS = timedelta(minutes=45)
ANOTHER_AGENCY = "another-agency"
STANDS_FOR_TEXT = "…"
ANY_THEME = next(iter(themes_v1.NEEDS))


class Day(NamedTuple):
    """A day to try, and between which days an act would count if it counts then."""

    day: date
    not_before: date | None
    not_after: date | None


class Tried(NamedTuple):
    """An act that an agency may do: what came of it on the copy."""

    sketch: Sketch
    agency: str
    day: Day
    clears: bool
    after: Pathway


class Trials:
    """Of one situation. `raised` says which situations of the rule are out of step, on facts of whatever pathway."""

    def __init__(
        self,
        situation: Situation,
        rules: CompiledRules,
        calendars: Calendars,
        calendar: Calendar,
        now: datetime,
        position: int,
    ) -> None:
        self.situation = situation
        self._rules = rules
        self._calendars = calendars
        self._calendar = calendar
        self._now = now
        self._position = position
        self._standing = self._raised(situation.pathway)
        self._spare: tuple[Pathway, Pathway] | None = None
        """A pathway, and a copy of it that no act has changed yet."""

    @property
    def today(self) -> date:
        return self._now.astimezone(self._calendar.tz).date()

    def tried(self, sketch: Sketch, days: Iterable[Day], agency: str, pathway: Pathway | None = None) -> Tried | None:
        """What comes of it in that agency's hands: on the first day that clears, or else on the first allowed.

        None when it may not do it on any of them. Of a correction only whether it is allowed is asked.
        """
        allowed: Tried | None = None
        for each in days if any(blank.asks in DATES for blank in sketch.blanks) else list(days)[:1]:
            after = self._decided(sketch, each.day, agency, pathway or self.situation.pathway)
            if after is None:
                continue
            clears = sketch.way is not Way.CORRECT and self._clears(after)
            tried = Tried(sketch, agency, each, clears, after)
            if clears or sketch.way is Way.CORRECT:
                return tried
            allowed = allowed or tried
        return allowed

    def _decided(self, sketch: Sketch, day: date, agency: str, pathway: Pathway) -> Pathway | None:
        """The pathway after it; None when it is refused."""
        try:
            command = self._command(sketch, day, agency, pathway)
        except msgspec.ValidationError:
            return None  # Blanks whose stand-ins no command takes, such as an agency that there is none of.
        copy = self._copy_of(pathway)
        try:
            command.decide(copy, self._act(agency))
        except DomainError:
            self._spare = (pathway, copy)  # A refusal changed nothing.
            return None
        for version in range(pathway.version + 1, copy.version + 1):
            copy.ledger.stamp(version, self._position + version - pathway.version, self._now)
        return copy

    def _copy_of(self, pathway: Pathway) -> Pathway:
        spare, self._spare = self._spare, None
        return spare[1] if spare is not None and spare[0] is pathway else pathway_from(*state_of(pathway))

    def _command(self, sketch: Sketch, day: date, agency: str, pathway: Pathway) -> Command:
        spec = BY_NAME[sketch.command]
        values = {blank.pointer: self._stand_in(blank, day, agency, pathway) for blank in sketch.blanks}
        return spec.command(msgspec.convert(filled(sketch.body, values), spec.body), sketch.entry)

    def _stand_in(self, blank: Blank, day: date, agency: str, pathway: Pathway) -> str:
        if blank.asks is Asks.DAY:
            return day.isoformat()
        if blank.asks is Asks.INSTANT:
            at = datetime.combine(day, MORNING, self._calendar.tz)
            return (at + LASTS if blank.pointer.startswith("/end") else at).isoformat()
        if blank.asks is Asks.AGENCY:
            others = [*blank.choices, *sorted(pathway.participants), ANOTHER_AGENCY]
            return next(other for other in others if other not in (agency, pathway.referent))
        if blank.asks is Asks.TEXT:
            return STANDS_FOR_TEXT
        return blank.choices[0] if blank.choices else ANY_THEME

    def _act(self, agency: str) -> Act:
        return Act(agency=agency, agent=None, at=self._now, today=self.today)

    def _clears(self, after: Pathway) -> bool:
        """The situation is in step, and the same rule finds no other in its place."""
        raised = self._raised(after)
        return self._situation_key not in raised and raised <= self._standing

    @property
    def _situation_key(self) -> tuple[str, str | None]:
        target = self.situation.target if self._pairs else None
        return self.situation.activation.fact_id, None if target is None else target.fact_id

    @property
    def _pairs(self) -> bool:
        """Whether each pair of facts is a situation of its own."""
        return isinstance(self.situation.rule.body, Forbid)

    def _raised(self, pathway: Pathway) -> frozenset[tuple[str, str | None]]:
        judged = evaluate(pathway.facts(), self._rules, self._calendars, self._now, explained=False).obligations
        return frozenset((one.activation, one.target if self._pairs else None) for one in judged if one.raised)


DATES = frozenset({Asks.DAY, Asks.INSTANT})


def filled(body: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """A copy of the body with values put where their JSON pointers say; what they pass through is there already."""
    copy: Any = msgspec.json.decode(msgspec.json.encode(body))
    for pointer, value in values.items():
        *path, last = pointer.lstrip("/").split("/")
        place = copy
        for name in path:
            place = place[int(name) if isinstance(place, list) else name]
        place[last] = value
    assert isinstance(copy, dict)
    return copy


def days_to_try(today: date, window: tuple[date | None, date | None], activation: date) -> Iterator[Day]:
    """Today first; then the window's last and first day, and the days around the activation, as far as they came."""
    first, last = window
    yield Day(today, None, None)
    for day in (last, first):
        if day is not None and day < today:
            yield Day(day, first, last)
    for day in (activation, activation - timedelta(days=1), activation + timedelta(days=1)):
        if day < today:
            yield Day(day, None, day) if day <= activation else Day(day, day, today)
