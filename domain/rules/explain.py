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
from domain.rules.rule import Rule, Silence
from domain.rules.values import field_of
from domain.rules.windows import Duration, Unit, Window

FRENCH, ENGLISH = "fr", "en"

UNITS: Mapping[str, Mapping[Unit, tuple[str, str]]] = {
    FRENCH: {
        Unit.DAYS: ("jour", "jours"),
        Unit.BUSINESS_DAYS: ("jour ouvré", "jours ouvrés"),
        Unit.WORKING_DAYS: ("jour ouvrable", "jours ouvrables"),
        Unit.WEEKS: ("semaine", "semaines"),
        Unit.MONTHS: ("mois", "mois"),
        Unit.YEARS: ("an", "ans"),
        Unit.HOURS: ("heure", "heures"),
        Unit.MINUTES: ("minute", "minutes"),
    },
    ENGLISH: {
        Unit.DAYS: ("day", "days"),
        Unit.BUSINESS_DAYS: ("business day", "business days"),
        Unit.WORKING_DAYS: ("working day (Saturdays included)", "working days (Saturdays included)"),
        Unit.WEEKS: ("week", "weeks"),
        Unit.MONTHS: ("month", "months"),
        Unit.YEARS: ("year", "years"),
        Unit.HOURS: ("hour", "hours"),
        Unit.MINUTES: ("minute", "minutes"),
    },
}
STATUS_TEXTS: Mapping[str, Mapping[Status, str]] = {
    FRENCH: {
        Status.PENDING: "En attente.",
        Status.SATISFIED: "Respecté.",
        Status.VIOLATED_OPEN: "Délai dépassé, rien n'a encore répondu.",
        Status.VIOLATED_LATE: "Fait en retard.",
        Status.CLEARED: "Levé.",
        Status.WAIVED: "Dérogation accordée.",
        Status.CANCELLED: "Sans objet.",
    },
    ENGLISH: {
        Status.PENDING: "Pending.",
        Status.SATISFIED: "Satisfied.",
        Status.VIOLATED_OPEN: "The deadline has passed and nothing has answered it yet.",
        Status.VIOLATED_LATE: "Done late.",
        Status.CLEARED: "Cleared.",
        Status.WAIVED: "Waived.",
        Status.CANCELLED: "No longer applies.",
    },
}
FAILURES: Mapping[str, Mapping[str, str]] = {
    FRENCH: {
        "state": "n'est pas dans un état accepté ({detail})",
        "window": "est hors du délai ({detail})",
        "match": "ne correspond pas sur « {field} » ({detail})",
        "differ": "ne diffère pas sur « {field} » ({detail})",
        "where": "ne remplit pas la condition sur « {field} » ({detail})",
    },
    ENGLISH: {
        "state": "is not in an accepted state ({detail})",
        "window": "is outside the window ({detail})",
        "match": 'does not correspond on "{field}" ({detail})',
        "differ": 'does not differ on "{field}" ({detail})',
        "where": 'does not meet the condition on "{field}" ({detail})',
    },
}


_AWAY = re.compile(r"(before|after) by (?:P(\d+)D|(PT.+))")
SAID_IN_FRENCH = {"absent": "absent", "same moment": "au même moment", "planned": "prévu", "cancelled": "annulé"}


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
    window = rule.body.gap if isinstance(rule.body, Silence) else rule.body.within
    first, last = _days(obligation, calendar)
    return WindowExplained(
        open=rfc3339(obligation.open),
        close=rfc3339(obligation.close),
        first_day=None if first is None else first.isoformat(),
        last_day=None if last is None else last.isoformat(),
        time_zone=str(calendar.tz),
        fr=_spell_window(FRENCH, window, first, last),
        en=_spell_window(ENGLISH, window, first, last),
    )


def _days(obligation: Obligation, calendar: Calendar) -> tuple[date | None, date | None]:
    """The first and the last local day of the window."""
    first = obligation.open and _local_day(obligation.open, calendar)
    last = obligation.close and _local_day(obligation.close - timedelta(microseconds=1), calendar)
    return first, last


def _local_day(moment: datetime, calendar: Calendar) -> date:
    return date.fromordinal(calendar.day_of(instant_of(moment)))


def _spell_window(language: str, window: Window, first: date | None, last: date | None) -> str:
    """Both sides in the rule's units, then the days they come to and their count."""
    start, end = (_spell_side(language, side) for side in (window.start, window.end))
    if language == FRENCH:
        text = f"{start} → {end}"
        if first and last:
            days = _counted(FRENCH, (last - first).days + 1, Unit.DAYS)
            text += f", soit du {_spell_day(FRENCH, first)} au {_spell_day(FRENCH, last)} inclus : {days} en tout"
        return text
    text = f"{start} → {end}"
    if first and last:
        days = _counted(ENGLISH, (last - first).days + 1, Unit.DAYS)
        text += f", that is {_spell_day(ENGLISH, first)} to {_spell_day(ENGLISH, last)} included: {days} in all"
    return text


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


_FRENCH_MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip
_ENGLISH_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
MONTHS = {FRENCH: _FRENCH_MONTHS, ENGLISH: _ENGLISH_MONTHS}


def _spell_day(language: str, day: date) -> str:
    number = "1er" if language == FRENCH and day.day == 1 else str(day.day)
    return f"{number} {MONTHS[language][day.month - 1]} {day.year}"


def _sentences(
    language: str, obligation: Obligation, rule: Rule, calendar: Calendar, activation: Fact, target: Fact | None
) -> str:
    parts = []
    template = rule.text.get(language)
    if template is not None:
        parts.append(fill(template, lambda name: _value(language, name, obligation, calendar, activation, target)))
    parts.append(STATUS_TEXTS[language][obligation.status])
    parts.extend(_spell_miss(language, miss) for miss in obligation.near_misses)
    return " ".join(parts)


def fill(template: str, value: Callable[[str], str]) -> str:
    """Put values in place of `{names}`. Nothing else in a template has a meaning."""
    return PLACEHOLDER.sub(lambda found: value(found.group(1)), template)


def _value(
    language: str, name: str, obligation: Obligation, calendar: Calendar, activation: Fact, target: Fact | None
) -> str:
    first, last = _days(obligation, calendar)
    if name == "open":
        return "…" if first is None else _spell_day(language, first)
    if name == "close":
        return "…" if last is None else _spell_day(language, last)
    if name == "late_by":
        return obligation.late_by or "…"
    owner, _, field = name.partition(".")
    fact = activation if owner == "when" else target if owner == "target" else None
    value = None if fact is None else field_of(fact, field)
    if isinstance(value, datetime):
        value = value.astimezone(calendar.tz).date()
    if isinstance(value, date):
        return _spell_day(language, value)
    return "…" if value is None else str(value)


def _spell_miss(language: str, miss: NearMiss) -> str:
    test, _, field = miss.failed.partition(".")
    said = FAILURES[language][test].format(detail=_spell_detail(language, miss.detail), field=field)
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
