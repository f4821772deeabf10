"""Rules documents: mappings in, rules out. Whatever is unknown, ill-typed or senseless is refused, with its path."""

from domain.rules.document.alerts import LANGUAGES, PLACEHOLDER
from domain.rules.document.rules import parse_rule, parse_rules

__all__ = ["LANGUAGES", "PLACEHOLDER", "parse_rule", "parse_rules"]
