"""What a rule says, as data: frozen structs, immutable once published. `document` reads them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from domain.facts import FactState
from domain.rules.relations import Relations
from domain.rules.values import Reference
from domain.rules.where import ALWAYS, Condition
from domain.rules.windows import Duration, Window

EVERY_TYPE = "*"
SELF = "self"


class RuleState(StrEnum):
    DRAFT = "draft"
    SHADOW = "shadow"
    ACTIVE = "active"
    RETIRED = "retired"


class At(StrEnum):
    """Which point of a fact is used."""

    START = "start"
    END = "end"
    RECORDED = "recorded"


class Use(StrEnum):
    SHARED = "shared"
    ONE_TO_ONE = "one_to_one"


class Effect(StrEnum):
    """What the fact of an `until` does to a pending obligation: end it, or bring its deadline forward."""

    RELEASE = "release"
    DEADLINE = "deadline"


class OnSuspend(StrEnum):
    FREEZE = "freeze"
    RUN = "run"
    CANCEL = "cancel"


class OnClose(StrEnum):
    CANCEL = "cancel"
    KEEP = "keep"
    FORCE = "force"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Link(msgspec.Struct, frozen=True):
    """A field of the target against a value of the activation."""

    field: str
    value: Reference


class Selector(msgspec.Struct, frozen=True, kw_only=True):
    """Which facts are meant, and which of their points."""

    types: tuple[str, ...]
    at: At = At.START
    where: Condition = ALWAYS
    states: frozenset[FactState] | None = None
    """None: any state."""
    match: tuple[Link, ...] = ()
    differ: tuple[Link, ...] = ()
    relation: Relations | None = None
    """Any of these must hold from the activation's interval to the target's."""


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that ends the wait (`until`), or before which nothing counts (`since`)."""

    selector: Selector
    effect: Effect


class Exemption(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that lifts what the rule asks (`unless`): at any time, or in a window of its own around the activation."""

    selector: Selector
    within: Window


COORDINATOR, AGENCY_LEAD = "coordinator", "agency_lead"


class Escalation(msgspec.Struct, frozen=True, kw_only=True):
    after: Duration
    to: Severity
    notify: str | None = None
    """COORDINATOR, AGENCY_LEAD, or an agency's short name."""


class Raise(msgspec.Struct, frozen=True, kw_only=True):
    """How loud an alert is, and how it grows."""

    severity: Severity = Severity.WARNING
    escalate: tuple[Escalation, ...] = ()


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Who must act and who watches: references or agencies' slugs. Empty: whoever takes part."""

    owner: Reference | str | None = None
    watch: tuple[Reference | str, ...] = ()


class Require(msgspec.Struct, frozen=True, kw_only=True, tag="require"):
    """Each activation needs `min` targets in its window."""

    when: Selector
    expect: Selector
    within: Window
    ends_with_activation: bool = False
    """The window closes with the activation's own interval: no `within`, and a `relation` that is settled by then."""
    min: int = 1
    use: Use = Use.SHARED
    until: Cut | None = None
    since: Cut | None = None
    next_among: tuple[str, ...] = ()
    prev_among: tuple[str, ...] = ()
    unless: Exemption | None = None


class Forbid(msgspec.Struct, frozen=True, kw_only=True, tag="forbid"):
    """No target in the window of an activation, or none whose interval has a `relation` to the activation's."""

    when: Selector
    forbid: Selector
    within: Window
    accepts_planned: bool = False
    """An activation that is planned counts before it comes."""
    ends_with_activation: bool = False
    until: Cut | None = None
    since: Cut | None = None
    next_among: tuple[str, ...] = ()
    prev_among: tuple[str, ...] = ()
    unless: Exemption | None = None


class Limit(msgspec.Struct, frozen=True, kw_only=True, tag="limit"):
    """No more than `max` facts in a sliding window, or at a time; `match` in `count` makes groups, counted apart."""

    count: Selector
    max: int
    in_last: Window | None
    """Looks back from each counted fact; None: their intervals are counted, at the start of each."""
    unless: Exemption | None = None


class Silence(msgspec.Struct, frozen=True, kw_only=True, tag="silence"):
    """No `gap` without a fact of a kind while the pathway, or the interval of `span`, is active."""

    of: Selector
    gap: Window
    span: Selector | None = None


Body = Require | Forbid | Limit | Silence


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one rule. `effective` is a half-open range of local days; territories None: everywhere."""

    slug: str
    version: int = 1
    state: RuleState = RuleState.ACTIVE
    territories: frozenset[str] | None = None
    effective_from: int | None = None
    effective_to: int | None = None
    body: Body
    strict: bool = False
    grace: Duration | None = None
    on_suspend: OnSuspend = OnSuspend.FREEZE
    on_close: OnClose = OnClose.CANCEL
    stale_after: Duration | None = None
    raises: Raise = Raise()
    route: Route = Route()
    inhibited_by: tuple[str, ...] = ()
    text: Mapping[str, str] = msgspec.field(default_factory=dict)
    basis: str = ""
    """The text of law or the practice that it stands on."""
    source: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """The document as it was written, for those who show it."""

    @property
    def kind(self) -> str:
        return str(self.body.__struct_config__.tag)

    def is_effective(self, day: int) -> bool:
        return (self.effective_from is None or day >= self.effective_from) and (
            self.effective_to is None or day < self.effective_to
        )


class Ruleset(msgspec.Struct, frozen=True):
    """Rules ordered by slug and version."""

    rules: tuple[Rule, ...]

    def __iter__(self) -> Any:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)

    def find(self, slug: str, version: int) -> Rule:
        return next(rule for rule in self.rules if rule.slug == slug and rule.version == version)
