"""Rules judged on a file of facts, with no database: what `unisson rules evaluate` runs."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from application.facts_file import parse_point, read_facts
from application.rulebook import load_rules, shipped_rules
from domain.facts import Fact
from domain.rules import Calendars, CompiledRules, Obligation, Ruleset, compile_rules, evaluate
from domain.rules.calendars import MAINLAND_ZONE
from domain.rules.explain import Explanation, explain

STANDARD_INPUT = Path("-")
YEARS = range(1900, 2201)
"""Of the clock values that are accepted."""


def evaluate_files(
    rules_path: Path | None, facts_path: Path, now: datetime, tz: str = MAINLAND_ZONE
) -> Iterator[dict[str, object]]:
    """One published obligation after another; the shipped rules when no file of rules is given.

    Facts are read from standard input when their path is `-`.

    Raises RuleRefused, FactLineRefused, UnknownTimeZone or OSError before the first line.
    """
    rules, pathways, calendars = _read(rules_path, facts_path, tz)
    return (obligation.line() for obligation in judge(pathways, rules, calendars, now))


def explain_files(
    rules_path: Path | None,
    facts_path: Path,
    now: datetime,
    tz: str = MAINLAND_ZONE,
    *,
    rule: str | None = None,
    activation: str | None = None,
) -> Iterator[tuple[Obligation, Explanation]]:
    """The same with why each stands as it does; of one rule, or of one activation, alone if it is named."""
    rules, pathways, calendars = _read(rules_path, facts_path, tz)
    compiled = compile_rules(rules)
    for one in judge(pathways, compiled if rule is None else compiled.only(rule), calendars, now):
        if activation in (None, one.activation):
            document, calendar = rules.find(one.rule, one.version), calendars.of(one.territory)
            yield one, explain(one, list(pathways[one.pathway]), document, calendar)


def _read(
    rules_path: Path | None, facts_path: Path, tz: str
) -> tuple[Ruleset, Mapping[str, Sequence[Fact]], Calendars]:
    rules = shipped_rules() if rules_path is None else load_rules(rules_path.read_bytes())
    calendars = Calendars(tz)
    with nullcontext(sys.stdin.buffer) if facts_path == STANDARD_INPUT else facts_path.open("rb") as lines:
        return rules, {pathway: list(facts) for pathway, facts in read_facts(lines, calendars).items()}, calendars


def judge(
    pathways: Mapping[str, Iterable[Fact]], rules: Ruleset | CompiledRules, calendars: Calendars, now: datetime
) -> Iterator[Obligation]:
    """Obligations of many pathways, by rule, version, pathway, then activation in time order."""
    compiled = rules if isinstance(rules, CompiledRules) else compile_rules(rules)
    judged = [
        obligation
        for pathway in sorted(pathways)
        for obligation in evaluate(list(pathways[pathway]), compiled, calendars, now).obligations
    ]
    judged.sort(key=lambda obligation: (obligation.rule, obligation.version))
    yield from judged


def encode_line(line: Mapping[str, object]) -> bytes:
    return msgspec.json.encode(line) + b"\n"


def read_now(text: str, tz: str = MAINLAND_ZONE) -> datetime:
    """A date (its midnight) or an RFC 3339 instant, local without offset, of a year in YEARS. Raises ValueError."""
    zone = Calendars(tz).default.tz
    point = parse_point(text, zone)
    if point.year not in YEARS:
        raise ValueError(f"This is not in the years {YEARS.start} to {YEARS.stop - 1}.")
    if not isinstance(point, datetime):
        point = _midnight(point).replace(tzinfo=zone)
    return point.astimezone(UTC)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the caller says in which zone
