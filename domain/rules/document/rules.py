"""Whole documents: one rule, a list, or rules and the names they declare; and what every kind of rule may say."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from domain.rules.complaints import Complaint, name_of, shown
from domain.rules.document.alerts import read_route, read_severity, read_text
from domain.rules.document.kinds import KINDS, read_body, read_on_close, read_on_suspend, refuse_keys_of_others
from domain.rules.document.selectors import Groups, Types, read_declared_types, read_groups
from domain.rules.document.windows import read_span
from domain.rules.reading import Fields, pointer, prose, texts
from domain.rules.refusal import RuleRefused
from domain.rules.rule import Rule, Ruleset, RuleState
from domain.rules.vocabulary import GROUPS

BASIS_MAX = 300
WRAPPER = frozenset({"groups", "types", "rules"})
"""The keys of a document that holds rules, and what their names mean."""


class Written(NamedTuple):
    """One rule as it stands in a document, with the names that the document declares."""

    raw: Any
    path: str
    groups: Groups
    types: Types
    declared: Mapping[str, Any]
    """The document's `groups` and `types`, as they stand in it."""
    document_path: str

    @property
    def alone(self) -> Any:
        """The same rule as a document of its own."""
        return {**self.declared, "rules": [self.raw]} if self.declared else self.raw


def parse_rules(documents: Sequence[Any]) -> Ruleset:
    """Read the documents of one text: each a rule, a list of rules, or `{groups: …, types: …, rules: […]}`."""
    rules = [(parse_rule(each.raw, each.path, each.groups), each.path) for each in written_in(documents)]
    if not rules:
        raise RuleRefused("", Complaint.NO_RULE)
    _refuse_twins(rules)
    return Ruleset(tuple(sorted((rule for rule, _ in rules), key=lambda rule: (rule.slug, rule.version))))


def written_in(documents: Sequence[Any]) -> Iterator[Written]:
    """Each rule of the documents, in their order. Raises RuleRefused for what cannot hold rules."""
    for index, document in enumerate(documents):
        yield from _written_in(document, "" if len(documents) == 1 else f"/documents/{index}")


def _written_in(document: Any, root: str) -> Iterator[Written]:
    groups: Groups = GROUPS
    types: Types = {}
    declared: Mapping[str, Any] = {}
    path = root
    if isinstance(document, Mapping) and not WRAPPER.isdisjoint(document):
        fields = Fields(document, root)
        groups = read_groups(fields.take("groups", {}), fields.at("groups"))
        types = read_declared_types(fields.take("types", {}), fields.at("types"), groups)
        declared = {name: document[name] for name in ("groups", "types") if document.get(name)}
        document = fields.take("rules")
        fields.finish()
        path = fields.at("rules")
        if not isinstance(document, list | tuple):
            raise RuleRefused(path, Complaint.RULES_EXPECTED, given=name_of(document))
    if isinstance(document, Mapping):
        yield Written(document, path, groups, types, declared, root)
        return
    if not isinstance(document, list | tuple):
        raise RuleRefused(path, Complaint.RULE_EXPECTED, given=name_of(document))
    for index, item in enumerate(document):
        yield Written(item, pointer(path, index), groups, types, declared, root)


def _refuse_twins(rules: list[tuple[Rule, str]]) -> None:
    seen: dict[tuple[str, int], str] = {}
    for rule, path in rules:
        first = seen.setdefault((rule.slug, rule.version), path)
        if first != path:
            raise RuleRefused(
                pointer(path, "version"),
                Complaint.VERSION_TWICE,
                version=rule.version,
                rule=rule.slug,
                first=first or "/",
            )


def parse_rule(raw: Any, path: str = "", groups: Groups = GROUPS) -> Rule:
    """Read one rule. Raises RuleRefused."""
    fields = Fields(raw, path)
    slug = fields.text("rule")
    kind = _kind(fields)
    fields.refuse("scope", Complaint.ONE_PATHWAY_ONLY)
    refuse_keys_of_others(fields, kind)
    body = read_body(fields, kind, groups)
    effective_from, effective_to = _effective(fields)
    rule = Rule(
        slug=slug,
        version=fields.whole("version", 1, 1, 1_000_000),
        state=fields.choice("state", RuleState, "active"),
        territories=_territories(fields),
        effective_from=effective_from,
        effective_to=effective_to,
        body=body,
        strict=fields.flag("strict", default=False),
        grace=read_span(fields, "grace"),
        on_suspend=read_on_suspend(fields, kind),
        on_close=read_on_close(fields, kind),
        stale_after=read_span(fields, "stale_after"),
        raises=read_severity(fields),
        route=read_route(fields),
        inhibited_by=texts(fields.take("inhibited_by"), fields.at("inhibited_by")) if "inhibited_by" in fields else (),
        text=read_text(fields, kind),
        basis=_basis(fields),
        source=dict(raw),
    )
    fields.finish()
    return rule


def _kind(fields: Fields) -> str:
    kind = fields.take("kind")
    if kind in KINDS:
        return str(kind)
    raise RuleRefused(fields.at("kind"), Complaint.KIND_UNKNOWN, given=shown(kind), known=", ".join(KINDS))


def _basis(fields: Fields) -> str:
    """The text of law or the practice that the rule stands on: for people, it changes no verdict."""
    raw = fields.take("source", "")
    return "" if raw == "" else prose(raw, fields.at("source"), BASIS_MAX)


def _effective(fields: Fields) -> tuple[int | None, int | None]:
    if "effective" not in fields:
        return None, None
    span = Fields(fields.take("effective"), fields.at("effective"))
    first, end = _day(span, "from"), _day(span, "to")
    span.finish()
    if first is not None and end is not None and first >= end:
        raise RuleRefused(span.path, Complaint.NEVER_EFFECTIVE)
    return first, end


def _day(fields: Fields, name: str) -> int | None:
    raw = fields.take(name, None)
    if raw is None:
        return None
    if isinstance(raw, date) and not isinstance(raw, datetime):
        return raw.toordinal()
    try:
        return date.fromisoformat(raw).toordinal()
    except (TypeError, ValueError):
        raise RuleRefused(fields.at(name), Complaint.NOT_A_DATE, given=shown(raw)) from None


def _territories(fields: Fields) -> frozenset[str] | None:
    codes = texts(fields.take("territory", "*"), fields.at("territory"))
    if "*" in codes:
        if len(codes) > 1:
            raise RuleRefused(fields.at("territory"), Complaint.EVERY_TERRITORY_ALONE)
        return None
    return frozenset(codes)
