"""Why an obligation stands as it does: evidence, window in plain words, near misses, in French and English.

Pure: the same facts, rule and calendar give the same explanation, so anyone can ask for it again.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from domain.facts import Fact
from domain.rules.calendars import Calendar
from domain.rules.document import PLACEHOLDER
from domain.rules.instants import instant_of, rfc3339
from domain.rules.obligation import NearMiss, Obligation, Status
from domain.rules.relations import Relations
from domain.rules.rule import Body, Forbid, Limit, Require, Rule, Silence
from domain.rules.values import field_of
from domain.rules.windows import EVER, Duration, Unit
from domain.rules.words import (
    ENGLISH,
    FAILURES,
    FRENCH,
    MONTHS,
    NOT_EXEMPTING,
    RELATIONS,
    SAID_IN_FRENCH,
    STATUS_TEXTS,
    STATUS_TEXTS_OF_KIND,
    UNITS,
)

_AWAY = re.compile(r"(before|after) by (?:P(\d+)D|(PT.+))")


class WindowExplained(msgspec.Struct, frozen=True, kw_only=True):
    open: str | None
    close: str | None
    first_day: str | None
    last_day: str | None
    """Local days, both included."""
    time_zone: str
    fr: str
    en: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What an alert shows to say why it is there."""

    rule: str
    """slug@version"""
    calendar: str
    status: Status
    activation: Mapping[str, Any]
    window: WindowExplained
    matched: tuple[Mapping[str, Any], ...]
    near_misses: tuple[NearMiss, ...]
    known_at: int
    """The highest position among the facts it was judged on."""
    fr: str
    en: str


def explain(obligation: Obligation, facts: Sequence[Fact], rule: Rule, calendar: Calendar) -> Explanation:
    """Explain an obligation from the facts it was judged on."""
    by_id = {fact.fact_id: fact for fact in facts}
    activation = by_id[obligation.activation]
    target = by_id.get(obligation.target or "")
    matched = tuple(excerpt(by_id[fact_id]) for fact_id in obligation.evidence if fact_id in by_id)
    sentences = {
        language: _sentences(language, obligation, rule, calendar, activation, target) for language in (FRENCH, ENGLISH)
    }
    return Explanation(
        rule=f"{rule.slug}@{rule.version}",
        calendar=obligation.calendar,
        status=obligation.status,
        activation=excerpt(activation),
        window=_window(obligation, rule, calendar),
        matched=matched,
        near_misses=obligation.near_misses,
        known_at=max(fact.position for fact in facts),
        fr=sentences[FRENCH],
        en=sentences[ENGLISH],
    )


def excerpt(fact: Fact) -> dict[str, Any]:
    """What is shown of a fact: no attributes, which may say more than its reader may see."""
    return {
        "fact_id": fact.fact_id,
        "type": fact.type,
        "agency": fact.agency,
        "start": _written(fact.start),
        "state": fact.state.value,
        "position": fact.position,
    }


def _written(point: date) -> str:
    return str(rfc3339(point.astimezone(UTC))) if isinstance(point, datetime) else point.isoformat()


def _window(obligation: Obligation, rule: Rule, calendar: Calendar) -> WindowExplained:
    first, last = _days(obligation, rule, calendar)
    return WindowExplained(
        open=rfc3339(obligation.open),
        close=rfc3339(obligation.close),
        first_day=None if first is None else first.isoformat(),
        last_day=None if last is None else last.isoformat(),
        time_zone=str(calendar.tz),
        fr=_spell_window(FRENCH, rule.body, first, last),
        en=_spell_window(ENGLISH, rule.body, first, last),
    )


def _days(obligation: Obligation, rule: Rule, calendar: Calendar) -> tuple[date | None, date | None]:
    """The first and the last local day of the window: that of a limit ends with the fact that crosses it."""
    first = obligation.open and _local_day(obligation.open, calendar)
    beyond = timedelta() if isinstance(rule.body, Limit) else timedelta(microseconds=1)
    last = obligation.close and _local_day(obligation.close - beyond, calendar)
    return first, last


def _local_day(moment: datetime, calendar: Calendar) -> date:
    return date.fromordinal(calendar.day_of(instant_of(moment)))


def _spell_window(language: str, body: Body, first: date | None, last: date | None) -> str:
    """In the rule's units, then the days that it comes to and their count."""
    text = _spell_limit(language, body) if isinstance(body, Limit) else _spell_sides(language, body)
    if first and last:
        days = _counted(language, (last - first).days + 1, Unit.DAYS)
        one, other = _spell_day(language, first), _spell_day(language, last)
        if language == FRENCH:
            return f"{text}, soit du {one} au {other} inclus : {days} en tout"
        return f"{text}, that is {one} to {other} included: {days} in all"
    return text


def _spell_limit(language: str, body: Limit) -> str:
    if body.in_last is None:
        return "en même temps" if language == FRENCH else "at the same time"
    span = body.in_last.start
    if span.unit is None:
        return "depuis toujours" if language == FRENCH else "since ever"
    counted = _counted(language, -span.count, span.unit)
    return f"sur {counted} glissants" if language == FRENCH else f"in any {counted} on end"


def _spell_sides(language: str, body: Require | Forbid | Silence) -> str:
    """Both sides of the window; without one, the relation that stands for it; or both."""
    window = body.gap if isinstance(body, Silence) else body.within
    sides = " → ".join(_spell_side(language, side) for side in (window.start, window.end))
    target = body.expect if isinstance(body, Require) else body.forbid if isinstance(body, Forbid) else body.of
    if target.relation is None:
        return sides
    related = _spell_relation(language, target.relation)
    return related if window == EVER else f"{sides}, {related}"


def _spell_relation(language: str, relation: Relations) -> str:
    said = [RELATIONS[language][name] for name in relation.names]
    if language == FRENCH:
        return f"le fait déclencheur {' ou '.join(said)}"
    return f"the activation {' or '.join(said)}"


def _spell_side(language: str, side: Duration) -> str:
    french = language == FRENCH
    if side.unit is None:
        return "sans limite" if french else "no limit"
    if side.count == 0:
        exact = side.is_exact
        return ("à l'instant même" if exact else "le jour même") if french else ("then" if exact else "the same day")
    counted = _counted(language, abs(side.count), side.unit)
    if french:
        return f"{counted} {'avant' if side.count < 0 else 'après'}"
    return f"{counted} {'before' if side.count < 0 else 'after'}"


def _counted(language: str, count: int, unit: Unit) -> str:
    singular, plural = UNITS[language][unit]
    return f"{count} {singular if count == 1 else plural}"


def _spell_day(language: str, day: date) -> str:
    number = "1er" if language == FRENCH and day.day == 1 else str(day.day)
    return f"{number} {MONTHS[language][day.month - 1]} {day.year}"


def _sentences(
    language: str, obligation: Obligation, rule: Rule, calendar: Calendar, activation: Fact, target: Fact | None
) -> str:
    parts = []
    template = rule.text.get(language)
    if template is not None:
        parts.append(
            fill(template, lambda name: _value(language, name, obligation, rule, calendar, activation, target))
        )
    status = obligation.status
    parts.append(STATUS_TEXTS_OF_KIND.get((language, rule.kind, status), STATUS_TEXTS[language][status]))
    is_fault = rule.kind in ("forbid", "limit") and status is Status.VIOLATED_OPEN
    parts.extend(_spell_miss(language, miss, is_fault=is_fault) for miss in obligation.near_misses)
    return " ".join(parts)


def fill(template: str, value: Callable[[str], str]) -> str:
    """Put values in place of `{names}`. Nothing else in a template has a meaning."""
    return PLACEHOLDER.sub(lambda found: value(found.group(1)), template)


def _value(
    language: str,
    name: str,
    obligation: Obligation,
    rule: Rule,
    calendar: Calendar,
    activation: Fact,
    target: Fact | None,
) -> str:
    first, last = _days(obligation, rule, calendar)
    if name == "open":
        return "…" if first is None else _spell_day(language, first)
    if name == "close":
        return "…" if last is None else _spell_day(language, last)
    if name == "late_by":
        return obligation.late_by or "…"
    if isinstance(rule.body, Limit) and name in ("count", "max"):
        return str(rule.body.max + (name == "count"))  # A limit is crossed by one fact too many.
    if isinstance(rule.body, Silence) and name == "gap" and rule.body.gap.end.unit is not None:
        return _counted(language, rule.body.gap.end.count, rule.body.gap.end.unit)
    owner, _, field = name.partition(".")
    fact = activation if owner == "when" else target if owner == "target" else None
    value = None if fact is None else field_of(fact, field)
    if isinstance(value, datetime):
        value = value.astimezone(calendar.tz).date()
    if isinstance(value, date):
        return _spell_day(language, value)
    return "…" if value is None else str(value)


def _spell_miss(language: str, miss: NearMiss, *, is_fault: bool) -> str:
    """Of what should not be, near misses are facts that nearly exempted it."""
    test, _, field = miss.failed.partition(".")
    detail = RELATIONS[language][miss.detail] if test == "relation" else _spell_detail(language, miss.detail)
    said = FAILURES[language][test].format(detail=detail, field=field)
    if is_fault:
        return NOT_EXEMPTING[language].format(fact_id=miss.fact_id, said=said)
    return f"Le fait {miss.fact_id} {said}." if language == FRENCH else f"Fact {miss.fact_id} {said}."


def _spell_detail(language: str, detail: str) -> str:
    """`after by P4D` reads "4 days too late"; other details are values, shown as they are."""
    found = _AWAY.fullmatch(detail)
    french = language == FRENCH
    if found is None:
        return SAID_IN_FRENCH.get(detail, detail) if french else detail
    side, days, exact = found.groups()
    span = exact if days is None else _counted(language, int(days), Unit.DAYS)
    if french:
        return f"{span} trop {'tard' if side == 'after' else 'tôt'}"
    return f"{span} too {'late' if side == 'after' else 'early'}"
