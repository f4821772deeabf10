"""Synchronisation rules: what must happen around an event, and how each expectation stands. Pure data and functions."""

from domain.rules.calendars import Calendars
from domain.rules.compilation import compile_rules
from domain.rules.document import parse_rules
from domain.rules.evaluate import evaluate
from domain.rules.obligation import Evaluation, NearMiss, Obligation, Status
from domain.rules.plan import CompiledRules
from domain.rules.refusal import RuleRefused
from domain.rules.rule import Rule, Ruleset

__all__ = [
    "Calendars",
    "CompiledRules",
    "Evaluation",
    "NearMiss",
    "Obligation",
    "Rule",
    "RuleRefused",
    "Ruleset",
    "Status",
    "compile_rules",
    "evaluate",
    "parse_rules",
]
