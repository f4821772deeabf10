"""Rules documents: mappings in, rules out. Whatever is unknown, ill-typed or senseless is refused, with its path."""

from domain.rules.document.alerts import LANGUAGES, PLACEHOLDER
from domain.rules.document.names import refuse_unknown_names
from domain.rules.document.rules import Written, parse_rule, parse_rules, written_in

__all__ = ["LANGUAGES", "PLACEHOLDER", "Written", "parse_rule", "parse_rules", "refuse_unknown_names", "written_in"]
