"""Four of the rules that come with the product: enough to see how pathways are judged, told and judged again."""

from application.rulebook import shipped_rules
from domain.rules import Ruleset

FOUR = frozenset({"need-to-referral", "referral-acknowledged", "relocation-accompanied", "silence-90"})


def four_rules() -> Ruleset:
    return Ruleset(tuple(rule for rule in shipped_rules() if rule.slug in FOUR))
