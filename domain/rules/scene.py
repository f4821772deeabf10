"""A pathway's facts on one calendar at one instant: what governs, what has come, when to look again."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.facts import Fact
from domain.rules.calendars import Calendar
from domain.rules.instants import FOREVER
from domain.rules.life import Life
from domain.rules.obligation import Obligation
from domain.rules.plan import Plan
from domain.rules.territories import Territories
from domain.rules.timeline import EMPTY_POOL, Placed, PlacedFacts, Timeline


class Scene:
    """A pathway's facts on one calendar, at one instant. Remembers when to look again."""

    def __init__(
        self,
        facts: Sequence[Fact],
        calendar: Calendar,
        now: int,
        pathway: Mapping[str, Any],
        territories: Territories,
        placed: PlacedFacts | None = None,
        *,
        explained: bool,
    ) -> None:
        self.calendar = calendar
        self.now = now
        self.pathway = pathway
        self.timeline = Timeline(facts, calendar, pathway, placed)
        self.life = Life(self.timeline)
        self.territories = territories
        self.explained = explained
        self.next_due = FOREVER
        self.settled: Mapping[str, Obligation] = {}
        """By activation, what is known to stand under the rule being judged."""

    def governs(self, plan: Plan, activation: Placed) -> bool:
        """Whether an activation is this scene's to judge, under this version, in a territory of the rule."""
        if plan.takes_all:
            return self.territories.is_home(self.calendar, activation.fact)
        if not plan.takes(activation.day):
            return False
        fact, wanted = activation.fact, plan.rule.territories
        if wanted is not None and self.territories.of(fact) not in wanted:
            return False
        return self.territories.is_home(self.calendar, fact)

    def note(self, instant: int) -> None:
        """Something may change at this instant, if it is still to come."""
        if self.now < instant < self.next_due:
            self.next_due = instant

    def has_acted(self, placed: Placed) -> bool:
        """Whether it stops others by now; when it will is noted."""
        if placed.effect <= self.now:
            return True
        self.note(placed.effect)
        return False

    def has_come(self, placed: Placed) -> bool:
        """Whether it counts as done now; what is still to come is noted."""
        if placed.point <= self.now:
            return True
        self.note(placed.point)
        return False

    def counts(self, target: Placed) -> bool:
        """What is planned and accepted counts at once, what is done from its own point on."""
        return target.planned or self.has_come(target)

    def activations(self, plan: Plan) -> list[Placed]:
        """What `when` picks and this scene judges, in order."""
        candidates = self.timeline.pools(plan.sought["when"].filter).get(None, EMPTY_POOL).items
        return [candidate for candidate in candidates if self.governs(plan, candidate)]
