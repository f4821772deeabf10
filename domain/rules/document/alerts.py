"""How an alert is raised, routed and worded, as a rules document writes it. It changes no verdict."""

import re
from typing import Any

from domain.rules.complaints import Complaint, Said, Words, shown
from domain.rules.document.windows import read_span
from domain.rules.reading import Fields, listed, text
from domain.rules.refusal import RuleRefused
from domain.rules.rule import AGENCY_LEAD, COORDINATOR, Escalation, Raise, Route, Severity
from domain.rules.values import Of, Reference
from domain.rules.where import parse_reference

LANGUAGES = ("fr", "en")
AGENCY = re.compile(r"[a-z0-9][a-z0-9-]{1,62}", re.ASCII)
"""An agency's short name."""
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDERS = re.compile(r"(?:when|target|pathway|while)\.[\w-]+|open|close|late_by")
_OF_KIND = {"limit": ("count", "max"), "silence": ("gap",)}
"""Placeholders that one kind of rule alone can fill."""


def read_severity(fields: Fields) -> Raise:
    if "severity" not in fields:
        return Raise()
    raw = Fields(fields.take("severity"), fields.at("severity"))
    severity = raw.choice("raise", Severity, "warning")
    steps = listed(raw.take("escalate"), raw.at("escalate")) if "escalate" in raw else ()
    escalate = tuple(_escalation(Fields(step, at)) for step, at in steps)
    raw.finish()
    return Raise(severity=severity, escalate=escalate)


def read_route(fields: Fields) -> Route:
    if "route" not in fields:
        return Route()
    raw = Fields(fields.take("route"), fields.at("route"))
    owner = _recipient(raw.take("owner"), raw.at("owner")) if "owner" in raw else None
    watch = listed(raw.take("watch"), raw.at("watch")) if "watch" in raw else ()
    route = Route(owner=owner, watch=tuple(_recipient(item, at) for item, at in watch))
    raw.finish()
    return route


def read_text(fields: Fields, kind: str) -> dict[str, str]:
    if "text" not in fields:
        return {}
    raw = Fields(fields.take("text"), fields.at("text"))
    spoken = {language: raw.prose(language) for language in LANGUAGES if language in raw}
    raw.finish()
    for language, template in spoken.items():
        for name in PLACEHOLDER.findall(template):
            if not _PLACEHOLDERS.fullmatch(name) and name not in _OF_KIND.get(kind, ()):
                said: dict[str, Said] = {"placeholder": f"{{{name}}}", "kind": kind, "known": _placeholders(kind)}
                raise RuleRefused(raw.at(language), Complaint.PLACEHOLDER_UNKNOWN, **said)
    return spoken


def _placeholders(kind: str) -> Words:
    own = ("close", *_OF_KIND.get(kind, ()))
    french, english = ("when.champ", "pathway.champ", *own), ("when.field", "pathway.field", *own)
    return Words(*(", ".join(f"{{{name}}}" for name in names) for names in (french, english)))


def _escalation(fields: Fields) -> Escalation:
    after = read_span(fields, "after")
    if after is None:
        raise RuleRefused(fields.path, Complaint.KEY_MISSING, key="after")
    notify = fields.text("notify", None)
    if notify not in (None, COORDINATOR, AGENCY_LEAD) and not AGENCY.fullmatch(notify):
        raise RuleRefused(fields.at("notify"), Complaint.NOTIFY_UNFIT, given=shown(notify))
    step = Escalation(after=after, to=fields.choice("to", Severity), notify=notify)
    fields.finish()
    return step


def _recipient(raw: Any, path: str) -> Reference | str:
    value = text(raw, path)
    known = frozenset({Of.WHEN, Of.PATHWAY})
    if value.startswith("$"):
        return parse_reference(value, path, known)
    if not AGENCY.fullmatch(value):
        raise RuleRefused(path, Complaint.AGENCY_UNFIT, given=shown(value))
    return value
