"""The rules of a territory as they are shown: the product's and its own, every version with its state."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

import msgspec

from domain.rulebook import RuleVersion, rules_in_force
from domain.rules import Rule, Ruleset
from domain.rules.rule import RuleState


class ListedRule(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one rule."""

    slug: str
    version: int
    state: RuleState
    kind: str
    shipped: bool
    effective_from: str | None
    effective_to: str | None
    digest: str | None
    changed_at: datetime | None
    document: Mapping[str, Any]
    rule: Rule


def listed(shipped: Ruleset, known: Iterable[RuleVersion]) -> list[ListedRule]:
    """By rule and version. `known` are the versions that the territory drafted, published or retired."""
    own = {(each.slug, each.version): each for each in known}
    drafts = [each.rule() for each in own.values() if each.state is RuleState.DRAFT]
    rules = [*rules_in_force(shipped, own.values()), *drafts]
    rules.sort(key=lambda rule: (rule.slug, rule.version))
    return [_listed(rule, own.get((rule.slug, rule.version))) for rule in rules]


def _listed(rule: Rule, known: RuleVersion | None) -> ListedRule:
    document = known.document if known is not None else ""
    return ListedRule(
        slug=rule.slug,
        version=rule.version,
        state=rule.state,
        kind=rule.kind,
        shipped=not document,
        effective_from=_day(rule.effective_from),
        effective_to=_day(rule.effective_to),
        digest=known.digest or None if known is not None else None,
        changed_at=None if known is None else known.changed_at,
        document=msgspec.json.decode(document) if document else rule.source,
        rule=rule,
    )


def _day(ordinal: int | None) -> str | None:
    return None if ordinal is None else date.fromordinal(ordinal).isoformat()
