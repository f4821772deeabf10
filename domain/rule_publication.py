"""What may be asked of a rulebook: draft a version, keep its backtest, publish it, retire it. Each knows how to decide.

Nothing is judged before it was tried on the territory's past, and nobody changes the past alone.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any

import msgspec

from domain.command import Act
from domain.errors import DomainError
from domain.rulebook import (
    IN_FORCE,
    Author,
    Backtest,
    DraftWithdrawn,
    RuleActivated,
    RuleBacktested,
    Rulebook,
    RuleDrafted,
    RulePutInShadow,
    RuleRedrafted,
    RuleRetired,
    RuleVersion,
    UnknownRule,
    rules_in_force,
)
from domain.rules import Rule, RuleRefused, Ruleset, parse_rules
from domain.rules.complaints import Complaint
from domain.rules.document import refuse_unknown_names, written_in
from domain.rules.lint import refuse_cycles, refuse_unfit_slug
from domain.rules.reading import pointer
from domain.rules.rule import RuleState

DOCUMENT_BYTES_MAX = 64 * 1024
"""Of one version, in its canonical form."""
NUMBER_MAX = 2**53
"""The largest that every reader of JSON takes for what it is."""
VERSIONS_MAX = 1_000
"""Of all the rules of a territory together."""

Slug = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,99}$(?!\\n)", description="A rule's slug.")]
Version = Annotated[int, msgspec.Meta(ge=1, le=1_000_000, description="A version of a rule.")]


class RulebookCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request to change a territory's rulebook. `shipped` are the rules that come with the product."""

    def decide(self, rulebook: Rulebook, act: Act, shipped: Ruleset) -> None:
        """Trigger events or raise a DomainError; never both."""
        raise NotImplementedError  # pragma: no cover


class DraftRule(RulebookCommand, frozen=True, kw_only=True):
    """Write a version of a rule, or write its draft anew. The same again is a no-op."""

    document: dict[str, Any]
    """A rule, or `{groups, types, rules}` with one. Its `state` says nothing here: it is drafted."""

    @property
    def key(self) -> tuple[str, int]:
        """Raises RuleRefused."""
        rule, _, _ = read_draft(self.document)
        return rule.slug, rule.version

    def decide(self, rulebook: Rulebook, act: Act, shipped: Ruleset) -> None:
        rule, text, digest = read_draft(self.document)
        key = (rule.slug, rule.version)
        known = rulebook.versions.get(key)
        if known is not None and known.state is RuleState.RETIRED:
            raise VersionImmutable(
                "This version was retired: what is to be judged again needs another version.",
                detail_fr="Cette version a été retirée : ce qui doit être jugé à nouveau demande une autre version.",
                field="/version",
            )
        if known is not None and known.digest == digest:
            return
        if known is not None and known.state is RuleState.DRAFT:
            rulebook.record(RuleRedrafted, act, key, document=text, digest=digest)
            return
        _must_be_new(rulebook, rule, shipped)
        rulebook.record(RuleDrafted, act, key, document=text, digest=digest)


class WithdrawDraft(RulebookCommand, frozen=True, kw_only=True):
    """Give up a draft."""

    slug: Slug
    version: Version

    def decide(self, rulebook: Rulebook, act: Act, shipped: Ruleset) -> None:  # noqa: ARG002 (of every command)
        if rulebook.find(self.slug, self.version).state is not RuleState.DRAFT:
            raise VersionImmutable
        rulebook.record(DraftWithdrawn, act, (self.slug, self.version))


class RecordBacktest(RulebookCommand, frozen=True, kw_only=True):
    """Keep what a stored backtest found, so that the version may be published. The same again is a no-op."""

    slug: Slug
    version: Version
    backtest: Backtest

    def decide(self, rulebook: Rulebook, act: Act, shipped: Ruleset) -> None:  # noqa: ARG002 (of every command)
        version = rulebook.find(self.slug, self.version)
        if self.backtest in version.backtests:
            return
        if self.backtest.digest != version.digest:
            raise BacktestOfAnother
        rulebook.record(RuleBacktested, act, (self.slug, self.version), backtest=self.backtest)


class PublishRule(RulebookCommand, frozen=True, kw_only=True):
    """Put a version in shadow, or let it raise alerts. Nothing of it can change from then on."""

    slug: Slug
    version: Version
    active: bool
    """False: in shadow, judged and never told."""

    def decide(self, rulebook: Rulebook, act: Act, shipped: Ruleset) -> None:
        version = rulebook.find(self.slug, self.version)
        wanted = RuleState.ACTIVE if self.active else RuleState.SHADOW
        if version.state in (wanted, RuleState.ACTIVE, RuleState.RETIRED):
            raise AlreadyPublished
        if not version.tried:
            raise BacktestRequired
        rule = version.rule()
        _must_fit(rulebook, rule, shipped)
        key, said = (self.slug, self.version), {"document": version.document, "digest": version.digest}
        if not self.active:
            rulebook.record(RulePutInShadow, act, key, **said)
            return
        retroactive = rule.effective_from is None or rule.effective_from < act.today.toordinal()
        if retroactive:
            _must_be_allowed_to_change_the_past(version, rulebook, act, shipped)
        rulebook.record(RuleActivated, act, key, retroactive=retroactive, **said)


class RetireRule(RulebookCommand, frozen=True, kw_only=True):
    """Judge a version no more; without a version, every one in force. Retired again is a no-op."""

    slug: Slug
    version: Version | None = None

    def decide(self, rulebook: Rulebook, act: Act, shipped: Ruleset) -> None:
        rules = rules_in_force(shipped, rulebook.versions.values())
        mine = [rule for rule in rules if rule.slug == self.slug and self.version in (None, rule.version)]
        if not mine:
            known = rulebook.versions.get((self.slug, self.version or 0))
            raise NotPublished if known is not None else UnknownRule
        for rule in mine:
            if rule.state in IN_FORCE:
                rulebook.record(RuleRetired, act, (rule.slug, rule.version))


def read_draft(document: Mapping[str, Any]) -> tuple[Rule, str, str]:
    """The one rule of a document, its canonical text and the digest of that. Raises RuleRefused."""
    rules = read_to_draft([document])
    if len(rules) > 1:
        raise RuleRefused("/rules", Complaint.ONE_RULE_AT_A_TIME)
    [rule] = rules
    refuse_cycles([rule])
    text = canonical(document)
    return rule, text, digest_of(text)


def read_to_draft(documents: Sequence[Any]) -> Ruleset:
    """The rules of documents, each of which may be drafted by itself; circles aside. Raises RuleRefused."""
    rules = read_to_try(documents)
    written = list(written_in(documents))
    for each in written:
        if len(canonical(each.alone).encode()) > DOCUMENT_BYTES_MAX:
            raise RuleRefused(each.path, Complaint.RULE_TOO_LONG, kilobytes=DOCUMENT_BYTES_MAX // 1024)
    refuse_unknown_names(written)
    return rules


def read_to_try(documents: Sequence[Any]) -> Ruleset:
    """The rules of documents, fit to be told apart by name; types and fields as they come. Raises RuleRefused."""
    rules = parse_rules(documents)
    for each in written_in(documents):
        refuse_unfit_slug(each.raw["rule"], each.path)
    return rules


def canonical(document: Mapping[str, Any]) -> str:
    """The same text for the same rule, however it was written. `state` is left out: the version's life says it."""
    rules = document.get("rules")
    bare: dict[str, Any] = {name: value for name, value in document.items() if name != "state"}
    if rules is not None:
        bare["rules"] = [
            {name: value for name, value in rule.items() if name != "state"} if isinstance(rule, Mapping) else rule
            for rule in ([rules] if isinstance(rules, Mapping) else rules)
        ]
    try:
        return msgspec.json.encode(_plain(bare, ""), order="deterministic").decode()
    except UnicodeEncodeError:
        raise RuleRefused("", Complaint.TEXT_HOLDS_HALVES) from None


def _plain(value: Any, path: str) -> Any:
    """Only what JSON has: infinity as rules write it, dates as texts. Raises RuleRefused."""
    if isinstance(value, Mapping):
        return {name: _plain(each, pointer(path, name)) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, pointer(path, index)) for index, each in enumerate(value)]
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if isinstance(value, int) and abs(value) > NUMBER_MAX:
        raise RuleRefused(path, Complaint.NUMBER_TOO_LARGE)
    return value.isoformat() if isinstance(value, date) else value


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _must_be_new(rulebook: Rulebook, rule: Rule, shipped: Ruleset) -> None:
    """A version comes after all that were published, and may not change one of them."""
    published = [each.version for each in rules_in_force(shipped, rulebook.versions.values()) if each.slug == rule.slug]
    if rule.version in published:
        raise VersionImmutable(field="/version")
    if published and rule.version < max(published):
        raise VersionNotLater(f"Version {max(published)} of this rule is already published.", field="/version")
    if len(rulebook.versions) >= VERSIONS_MAX:
        raise RulebookFull


def _must_fit(rulebook: Rulebook, rule: Rule, shipped: Ruleset) -> None:
    """Among the rules in force, it comes after those of its name that raise alerts and hides no rule that hides it."""
    others = [
        each
        for each in rules_in_force(shipped, rulebook.versions.values())
        if each.state in IN_FORCE and (each.slug, each.version) != (rule.slug, rule.version)
    ]
    later = [each.version for each in others if each.slug == rule.slug and each.state is RuleState.ACTIVE]
    if any(version > rule.version for version in later):
        raise VersionNotLater(f"Version {max(later)} of this rule is already published.")
    refuse_cycles([*others, rule])


def _must_be_allowed_to_change_the_past(version: RuleVersion, rulebook: Rulebook, act: Act, shipped: Ruleset) -> None:
    """Raises DifferenceRequired, SecondPersonRequired."""
    before = active_version(rulebook, version.slug, shipped)
    compared = [backtest.difference for backtest in version.tried if backtest.difference is not None]
    if not any(difference.against == before for difference in compared):
        raise DifferenceRequired
    publisher = Author(act.agency, act.agent)
    if not all(publisher.is_surely_another_than(author) for author in version.authors):
        raise SecondPersonRequired


def active_version(rulebook: Rulebook | None, slug: str, shipped: Ruleset) -> int | None:
    """The latest version of a rule that raises alerts; None when none does."""
    rules = rules_in_force(shipped, () if rulebook is None else rulebook.versions.values())
    return max((rule.version for rule in rules if rule.slug == slug and rule.state is RuleState.ACTIVE), default=None)


class VersionImmutable(DomainError):
    """This version is published: another document needs another version."""

    code = "version_immutable"
    title_fr = "Cette version est publiée : un autre document demande une autre version."


class VersionNotLater(DomainError):
    """A later version of this rule is already published."""

    code = "version_not_later"
    title_fr = "Une version plus récente de cette règle est déjà publiée."


class AlreadyPublished(DomainError):
    """This version is already published so, or was retired."""

    code = "already_published"
    title_fr = "Cette version est déjà publiée ainsi, ou a été retirée."


class NotPublished(DomainError):
    """This version is a draft: withdraw it instead."""

    code = "not_published"
    title_fr = "Cette version est un brouillon : abandonnez-le plutôt."


class BacktestRequired(DomainError):
    """This very document has to be tried on the territory's past before it is published."""

    code = "backtest_required"
    title_fr = "Ce document doit d'abord être essayé sur le passé du territoire."


class BacktestOfAnother(DomainError):
    """This backtest tried another document: the draft has changed since."""

    code = "backtest_of_another"
    title_fr = "Cet essai portait sur un autre document : le brouillon a changé depuis."


class DifferenceRequired(DomainError):
    """To take effect in the past, it has to be compared with the version in force, in a stored backtest."""

    code = "difference_required"
    title_fr = "Pour agir sur le passé, elle doit être comparée, dans un essai conservé, à la version en vigueur."


class SecondPersonRequired(DomainError):
    """To take effect in the past, it has to be published by another person than those who wrote it."""

    code = "second_person_required"
    title_fr = "Pour agir sur le passé, elle doit être publiée par une autre personne que celles qui l'ont écrite."


class RulebookFull(DomainError):
    """The territory has a thousand versions of rules: withdraw drafts that are no longer wanted."""

    code = "rulebook_full"
    title_fr = "Le territoire a mille versions de règles : abandonnez les brouillons devenus inutiles."
