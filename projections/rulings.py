"""Which rules judged a territory at each position of its log: the product's, then what the territory published."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from application.notifications import needed_kinds
from application.rules_in_force import RulesInForce
from domain.rules import CompiledRules, Rule
from projections.projection import Build, Connection
from projections.rulebook import changes

TERRITORIES_KEPT = 256

HEAD = """
SELECT coalesce(max(c.position), 0)
FROM consumers k JOIN rulebook_changes c ON c.territory = k.territory
    AND c.position <= coalesce(k.replay_head, k.position)
WHERE k.territory = $1 AND k.name = $2 AND k.build = $3"""

Version = tuple[str, int]


class Ruling(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """The rules in force from one position on, until the next change."""

    position: int
    """Of the change that brought them; 0: those that came with the product."""
    at: datetime | None
    rules: CompiledRules
    rule_of: Mapping[Version, Rule]
    pairs: frozenset[Version]
    """Versions of which each pair of facts is a situation of its own."""
    hidden_by: Mapping[Version, frozenset[str]]
    """Rules whose open alerts explain those of a version."""
    kinds: frozenset[str]
    """Kinds of intervention that satisfy one of them."""


class RulesHistory:
    """The rulings of one territory, in order; the first is that of the product."""

    def __init__(self, rulings: Sequence[Ruling]) -> None:
        self._rulings = rulings
        self._positions = [ruling.position for ruling in rulings]

    @property
    def latest(self) -> Ruling:
        return self._rulings[-1]

    @property
    def by_position(self) -> Mapping[int, Ruling]:
        return {ruling.position: ruling for ruling in self._rulings}

    def at(self, position: int) -> Ruling:
        """Those in force once everything up to a position is known."""
        return self._rulings[bisect_right(self._positions, position) - 1]

    def after(self, position: int) -> Ruling | None:
        """The next to come after a position; None when there is none yet."""
        place = bisect_right(self._positions, position)
        return self._rulings[place] if place < len(self._rulings) else None

    def latest_by(self, moment: datetime) -> Ruling:
        """The last that was recorded by then."""
        return next(each for each in reversed(self._rulings) if each.at is None or each.at <= moment)


class Rulings:
    """The histories of territories. What is remembered of one holds until its rulebook changes again."""

    def __init__(self, in_force: RulesInForce) -> None:
        self._in_force = in_force
        self._known: OrderedDict[str, tuple[int, RulesHistory]] = OrderedDict()
        self._shipped = _ruling(0, None, in_force.of(()))

    async def of(self, db: Connection, build: Build, territory: str) -> RulesHistory:
        """Up to where a build is folded in a territory, in whose transaction this is asked."""
        head = await db.fetchval(HEAD, territory, build.name, build.number)
        known = self._known.get(territory)
        if known is None or known[0] != head:
            before = {} if known is None else known[1].by_position
            made = [
                before.get(change.position) or _ruling(change.position, change.at, self._in_force.of(change.published))
                for change in (await changes(db, territory, head) if head else ())
            ]
            known = self._known[territory] = head, RulesHistory([self._shipped, *made])
        self._known.move_to_end(territory)
        while len(self._known) > TERRITORIES_KEPT:
            self._known.popitem(last=False)
        return known[1]


def _ruling(position: int, at: datetime | None, rules: CompiledRules) -> Ruling:
    everyone: Sequence[Rule] = rules.ruleset.rules
    return Ruling(
        position=position,
        at=at,
        rules=rules,
        rule_of={(rule.slug, rule.version): rule for rule in everyone},
        pairs=frozenset((rule.slug, rule.version) for rule in everyone if rule.kind == "forbid"),
        hidden_by={(rule.slug, rule.version): frozenset(rule.inhibited_by) for rule in everyone if rule.inhibited_by},
        kinds=frozenset(kind for plan in rules for kind in needed_kinds(plan.rule)),
    )
