"""What is remembered of pathways judged lately is counted whole, so that it can be bounded."""

from uuid import UUID

from application.rules_in_force import RulesInForce
from domain.rules import Calendars, Ruleset, parse_rules
from projections.obligation_rows import Judged
from projections.rulings import Ruling
from tests.support.rule_histories import fact, local, require


def test_a_pathway_in_which_nothing_is_open_counts_for_all_that_is_known_of_it() -> None:
    rules = RulesInForce(Ruleset(parse_rules([require()]).rules)).of(())
    ruling = Ruling(position=0, at=None, rules=rules, rule_of={}, pairs=frozenset(), hidden_by={}, kinds=frozenset())
    judged = Judged(UUID(int=1), ruling, Calendars())
    diagnosis, referral = (
        fact("d", "diagnosis", "2026-01-05", theme="a"),
        fact("r", "referral", "2026-01-06", theme="a"),
    )
    judged.evaluate([diagnosis, referral], local("2026-06-01 10:00"))
    assert judged.rows == {}
    assert judged.size == 4, "itself, two facts and one obligation that was answered"
