"""Which rules judged a territory when: what was worked out once is not worked out again at each change."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from application.rules_in_force import RulesInForce
from domain.rulebook import RuleVersion
from domain.rules import CompiledRules, Ruleset
from projections.projection import Build
from projections.rulings import Rulings
from tests.support.rule_histories import require

BUILD = Build("desynchronisation", 3, 1, ())
FIRST = datetime(2026, 1, 5, tzinfo=UTC)


class Counted(RulesInForce):
    """Counts how often rules are made ready."""

    asked = 0

    def of(self, published: Iterable[RuleVersion]) -> CompiledRules:
        self.asked += 1
        return super().of(published)


class Changes:
    """A version published at each position up to the head."""

    head = 0

    async def fetchval(self, *_: object) -> int:
        return self.head

    async def fetch(self, _query: str, _territory: str, head: int) -> list[tuple[Any, ...]]:
        return [
            (number, FIRST + timedelta(days=number), "rule", number, "active", f"{number}", _document(number))
            for number in range(1, head + 1)
        ]


def _document(version: int) -> str:
    return msgspec.json.encode(require(rule="rule", version=version)).decode()


async def test_a_change_makes_one_ruling_ready_and_leaves_the_earlier_ones() -> None:
    in_force, db = Counted(Ruleset(())), Changes()
    rulings = Rulings(in_force)
    db.head = 3
    before = await rulings.of(db, BUILD, "FR-34")  # type: ignore[arg-type]
    asked = in_force.asked
    db.head = 4
    after = await rulings.of(db, BUILD, "FR-34")  # type: ignore[arg-type]
    assert in_force.asked == asked + 1
    assert [after.at(position) is before.at(position) for position in range(5)] == [True] * 4 + [False]
    assert len(after.latest.rule_of) == 4
