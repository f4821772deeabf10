"""Rules ready to judge with: the product's and a territory's own, compiled once for all who have the same."""

from collections import OrderedDict
from collections.abc import Iterable

from domain.rulebook import RuleVersion, rules_in_force
from domain.rules import CompiledRules, Ruleset, compile_rules
from domain.rules.rule import RuleState

KEPT_MAX = 64
Identity = tuple[tuple[str, int, str, str], ...]


class RulesInForce:
    """Compiled rulesets, the latest used kept: most territories have the product's rules and no others."""

    def __init__(self, shipped: Ruleset, kept_max: int = KEPT_MAX) -> None:
        self.shipped = shipped
        self._kept_max = kept_max
        self._compiled: OrderedDict[Identity, CompiledRules] = OrderedDict()

    def of(self, published: Iterable[RuleVersion]) -> CompiledRules:
        """Drafts count for nothing. The order in which the versions come neither."""
        versions = sorted(
            (version for version in published if version.state is not RuleState.DRAFT),
            key=lambda version: (version.slug, version.version),
        )
        identity = tuple((each.slug, each.version, each.state.value, each.digest) for each in versions)
        known = self._compiled.get(identity)
        if known is None:
            known = self._compiled[identity] = compile_rules(rules_in_force(self.shipped, versions))
        self._compiled.move_to_end(identity)
        while len(self._compiled) > self._kept_max:
            self._compiled.popitem(last=False)
        return known
