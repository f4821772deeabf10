"""The rulebook of a territory: which versions of which rules it drafts, tries in shadow, applies and retires.

Before anything is published, the rules that come with the product are its rulebook. No person appears here.
"""

from collections.abc import Iterable
from copy import copy
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

import msgspec
from eventsourcing.domain import Aggregate

from domain.aggregate import Created, Event, stored
from domain.command import Act
from domain.errors import DomainError
from domain.ids import uuid8_of
from domain.rules import Rule, Ruleset, parse_rules
from domain.rules.rule import RuleState

VERSIONS_READ_MAX = 2048
"""Kept as rules, for who asks again."""
IN_FORCE = frozenset((RuleState.SHADOW, RuleState.ACTIVE))


def rulebook_id_of(territory: str) -> UUID:
    """The stream of a territory's rulebook: a UUIDv8 from a SHA-256, so that there is one only."""
    return uuid8_of("rulebook", territory)


class BacktestMode(StrEnum):
    HINDSIGHT = "hindsight"  # Facts as known today: how often did it really happen?
    AS_KNOWN = "as_known"  # Replayed as it became known: what would people have been told, and when?


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What changes for a territory, compared with the version in force."""

    against: int | None
    """The version compared with; None when none was active."""
    new: int
    """Alerts that only the tried version raises."""
    gone: int
    same: int


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """A stored trial on the territory's own past, summed up. The whole result is kept apart, under this id."""

    id: UUID
    mode: BacktestMode
    digest: str
    """Of the document that was tried."""
    known_at: int
    """Position up to which the log was read."""
    pathways: int
    activations: int
    alerts: int
    difference: Difference | None = None


class Author(NamedTuple):
    agency: str
    agent: str | None

    def is_surely_another_than(self, other: "Author") -> bool:
        """Two agencies are two, unless one person acts for both; within one, both must have said who they are."""
        if None in (self.agent, other.agent):
            return self.agency != other.agency
        return self.agent != other.agent


class RuleVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one rule, as it stands."""

    slug: str
    version: int
    state: RuleState
    document: str = ""
    """Canonical JSON; empty for a version that came with the product."""
    digest: str = ""
    authors: tuple[Author, ...] = ()
    """Whoever drafted it, the first first."""
    backtests: tuple[Backtest, ...] = ()
    changed_at: datetime | None = None

    def rule(self) -> Rule:
        """What it says, in its present state."""
        return read_version(self.document, self.state)

    @property
    def tried(self) -> tuple[Backtest, ...]:
        """The backtests of this very document."""
        return tuple(each for each in self.backtests if each.digest == self.digest)


class RuleEvent(Event, frozen=True, kw_only=True):
    """Something that happened to one version of one rule."""

    OF_PERSON: ClassVar[bool] = False

    slug: str
    version: int

    @property
    def key(self) -> tuple[str, int]:
        return self.slug, self.version

    def change(self, rulebook: "Rulebook", **fields: Any) -> None:
        was = rulebook.versions[self.key]
        rulebook.versions[self.key] = msgspec.structs.replace(was, changed_at=self.timestamp, **fields)


@stored
class RulebookOpened(Created, frozen=True, kw_only=True):
    """A territory began to write rules of its own."""

    TOPIC: ClassVar[str] = "rulebook.opened"
    ORIGINATOR: ClassVar[str] = "domain.rulebook:Rulebook"
    OF_PERSON: ClassVar[bool] = False

    territory: str

    def apply(self, rulebook: "Rulebook") -> None:
        rulebook.territory = self.territory


@stored
class RuleDrafted(RuleEvent, frozen=True, kw_only=True):
    """A version was written for the first time."""

    TOPIC: ClassVar[str] = "rulebook.rule-drafted"

    document: str
    digest: str

    def apply(self, rulebook: "Rulebook") -> None:
        rulebook.versions[self.key] = RuleVersion(
            slug=self.slug,
            version=self.version,
            state=RuleState.DRAFT,
            document=self.document,
            digest=self.digest,
            authors=(Author(self.agency, self.actor),),
            changed_at=self.timestamp,
        )


@stored
class RuleRedrafted(RuleEvent, frozen=True, kw_only=True):
    """A draft was written anew."""

    TOPIC: ClassVar[str] = "rulebook.rule-redrafted"

    document: str
    digest: str

    def apply(self, rulebook: "Rulebook") -> None:
        author, known = Author(self.agency, self.actor), rulebook.versions[self.key].authors
        authors = known if author in known else (*known, author)
        self.change(rulebook, document=self.document, digest=self.digest, authors=authors)


@stored
class DraftWithdrawn(RuleEvent, frozen=True, kw_only=True):
    """A draft was given up; its number may be used again."""

    TOPIC: ClassVar[str] = "rulebook.draft-withdrawn"

    def apply(self, rulebook: "Rulebook") -> None:
        del rulebook.versions[self.key]


@stored
class RuleBacktested(RuleEvent, frozen=True, kw_only=True):
    """A version was tried on the territory's past, and the result stored."""

    TOPIC: ClassVar[str] = "rulebook.rule-backtested"

    backtest: Backtest

    def apply(self, rulebook: "Rulebook") -> None:
        self.change(rulebook, backtests=(*rulebook.versions[self.key].backtests, self.backtest))


@stored
class RulePutInShadow(RuleEvent, frozen=True, kw_only=True):
    """A version is judged from now on, and nobody is told what it finds."""

    TOPIC: ClassVar[str] = "rulebook.rule-put-in-shadow"

    document: str
    digest: str

    def apply(self, rulebook: "Rulebook") -> None:
        self.change(rulebook, state=RuleState.SHADOW)


@stored
class RuleActivated(RuleEvent, frozen=True, kw_only=True):
    """A version raises alerts from now on."""

    TOPIC: ClassVar[str] = "rulebook.rule-activated"

    document: str
    digest: str
    retroactive: bool = False
    """It also judges what happened before it was published."""

    def apply(self, rulebook: "Rulebook") -> None:
        self.change(rulebook, state=RuleState.ACTIVE)


@stored
class RuleRetired(RuleEvent, frozen=True, kw_only=True):
    """A version is judged no more. It may be one that came with the product."""

    TOPIC: ClassVar[str] = "rulebook.rule-retired"

    def apply(self, rulebook: "Rulebook") -> None:
        if self.key not in rulebook.versions:
            rulebook.versions[self.key] = RuleVersion(slug=self.slug, version=self.version, state=RuleState.RETIRED)
        self.change(rulebook, state=RuleState.RETIRED)


class Rulebook(Aggregate):
    """What is published never changes: another document needs another version."""

    def __init__(self) -> None:
        self.territory = ""
        self.versions: dict[tuple[str, int], RuleVersion] = {}

    def copy(self) -> "Rulebook":
        """The same, to be changed apart from this one. Of a rulebook with nothing pending."""
        twin = copy(self)
        twin.versions = dict(self.versions)
        twin._pending_events = []  # noqa: SLF001 (the library keeps them in a list, which would be shared)
        return twin

    def find(self, slug: str, version: int) -> RuleVersion:
        """Raises UnknownRule."""
        found = self.versions.get((slug, version))
        if found is None:
            raise UnknownRule
        return found

    def record(self, event_type: type[RuleEvent], act: Act, key: tuple[str, int], **fields: Any) -> None:
        slug, version = key
        self.trigger_event(
            event_type,
            agency=act.agency,
            actor=act.agent,
            timestamp=act.at,
            slug=slug,
            version=version,
            **fields,
        )


def open_rulebook(territory: str, act: Act) -> Rulebook:
    """The rulebook of a territory that has none yet, with its first event pending."""
    return Rulebook._create(  # noqa: SLF001 (the library's way to create an aggregate from a given event type)
        RulebookOpened,
        id=rulebook_id_of(territory),
        timestamp=act.at,
        agency=act.agency,
        actor=act.agent,
        territory=territory,
    )


@lru_cache(maxsize=VERSIONS_READ_MAX)
def read_version(document: str, state: RuleState) -> Rule:
    """A stored document as a rule, in a state that the document itself does not tell."""
    rule: Rule = parse_rules([msgspec.json.decode(document)]).rules[0]
    return msgspec.structs.replace(rule, state=state)


def rules_in_force(shipped: Ruleset, published: Iterable[RuleVersion]) -> Ruleset:
    """Every version that is judged, or was: the product's, and over them the territory's own.

    A rule that the territory once took over is its own from that version on: what the product later ships under the
    same number or above is not for it.
    """
    own = [version for version in published if version.state is not RuleState.DRAFT]
    taken_over: dict[str, int] = {}
    for version in own:
        if version.document:
            taken_over[version.slug] = min(version.version, taken_over.get(version.slug, version.version))
    retired = {(version.slug, version.version) for version in own if not version.document}
    kept = [
        _retired(rule) if (rule.slug, rule.version) in retired else rule
        for rule in shipped
        if rule.slug not in taken_over or rule.version < taken_over[rule.slug]
    ]
    rules = [*kept, *(version.rule() for version in own if version.document)]
    return Ruleset(tuple(sorted(rules, key=lambda rule: (rule.slug, rule.version))))


def _retired(rule: Rule) -> Rule:
    return msgspec.structs.replace(rule, state=RuleState.RETIRED)


class UnknownRule(DomainError):
    """The territory has no such rule, or not in this version."""

    code = "unknown_rule"
    status = 404
    title_fr = "Le territoire n'a pas de telle règle, ou pas dans cette version."
