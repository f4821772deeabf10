"""Every version of every fact of a pathway, and from when to when each was what was known."""

from typing import TypeAlias

from application.backtest.histories import History
from domain.facts import Fact, FactState
from domain.rules.case import Case
from domain.rules.instants import FOREVER
from domain.rules.rule import OnClose
from domain.rules.scene import Scene
from domain.rules.timeline import Placed
from domain.rules.vocabulary import CLOSED, LIFE_TYPES, OPENED

Tick: TypeAlias = int
"""Logical time: an instant, and the step recorded at it. Deadlines come before what is recorded at their instant."""

STEP_BITS = 20
STEPS_MAX = (1 << STEP_BITS) - 1
Stretch: TypeAlias = tuple[Tick, Tick]


class Versions:
    """Of one pathway, up to an instant."""

    __slots__ = ("_closed_by", "closed_at", "closing", "facts", "last", "opening", "shut_at", "spans", "until")

    def __init__(self, until: int) -> None:
        self.until = until
        self.last: Tick = (until << STEP_BITS) | STEPS_MAX
        self.facts: list[Fact] = []
        self.spans: dict[int, Stretch] = {}
        """By identity of the version."""
        self.opening: Fact | None = None
        self._closed_by: Fact | None = None
        self.closing: Placed | None = None
        self.closed_at: Tick = 0
        """When the closing became known."""
        self.shut_at: Tick = 0
        """When it began to end what waits."""

    @classmethod
    def of(cls, history: History, until: int) -> "Versions | None":
        """None when the pathway's life or its territory has more than one version: what counts then depends on when."""
        if len(history.steps) > STEPS_MAX:
            return None
        versions = cls(until)
        facts, spans = versions.facts, versions.spans
        present: dict[str, tuple[Fact, Tick]] = {}
        territory: object = versions
        for number, step in enumerate(history.steps, start=1):
            if step.on > until:
                break
            tick = (step.on << STEP_BITS) | number
            for change in step.changes:
                replaced = present.pop(change.fact_id, None)
                if replaced is not None:
                    spans[id(replaced[0])] = (replaced[1], tick)
                fact = change.fact
                if fact is None:
                    continue
                if territory is versions:
                    territory = fact.territory
                if fact.territory != territory or id(fact) in spans:
                    return None
                if fact.type in LIFE_TYPES and not versions._take_life(fact, number, tick):
                    return None
                present[change.fact_id] = (fact, tick)
                spans[id(fact)] = (tick, FOREVER << STEP_BITS)
                facts.append(fact)
        return versions if versions._is_lively(spans) else None

    def _take_life(self, fact: Fact, number: int, tick: Tick) -> bool:
        """One opening, known from the beginning, and one closing without end: no other life is taken."""
        if fact.state is not FactState.DONE:
            return False
        match LIFE_TYPES[fact.type]:
            case kind if kind == OPENED and self.opening is None and number == 1:
                self.opening = fact
            case kind if kind == CLOSED and self._closed_by is None and fact.end in (None, fact.start):
                self._closed_by = fact
                self.closed_at = tick
            case _:
                return False
        return True

    def _is_lively(self, spans: dict[int, Stretch]) -> bool:
        """Whether what opens and closes is never taken back."""
        life = [fact for fact in (self.opening, self._closed_by) if fact is not None]
        return all(spans[id(fact)][1] == FOREVER << STEP_BITS for fact in life)

    def take_closing(self, scene: Scene) -> bool:
        """False for a closing before the opening: it closes nothing, and still ends what waits."""
        if self._closed_by is None:
            return True
        (closing,) = scene.life.closures
        self.closing = closing
        self.shut_at = max(self.closed_at, closing.effect << STEP_BITS)
        return not scene.life.openings or closing.last >= scene.life.openings[0].point

    def come(self, placed: Placed) -> Stretch:
        """From when to when it is known, and it has come."""
        known, gone = self.spans[id(placed.fact)]
        return max(known, placed.point << STEP_BITS), gone

    def end_of(self, case: Case, gone: Tick) -> Tick:
        """When an expectation is no more, as far as its activation and the closing of the pathway decide."""
        closing = self.closing
        if closing is None or case.plan.rule.on_close is OnClose.KEEP:
            return gone
        ends = case.activation.point <= closing.last < case.close.instant
        return min(gone, self.shut_at) if ends else gone
