"""A pathway lived again as it was recorded: what would have been raised, when, and what ended it.

The same steps as online: deadlines at their own time before what is recorded then, one judgement after each recording.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from application.backtest.histories import Cause, History, apply
from application.importing import IMPORTER
from domain.alert import ClearedBecause
from domain.alert_worth import cleared_because
from domain.facts import Fact
from domain.rules import Calendars, CompiledRules, Obligation
from domain.rules.instants import FOREVER, instant_of, moment_of
from domain.rules.rule import Rule
from domain.rules.values import Of, Reference, field_of
from domain.rules.watch import Watch


class Episode(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One alert from being raised to being over. Instants in microseconds; the same alert may be raised again."""

    rule: str
    version: int
    pathway: str
    activation: str
    target: str | None
    """Of the rules that forbid: the other fact of the pair."""
    agency: str
    """Whose it is to act: the one that the rule names, or else the one that did what the rule starts from."""
    imported: bool
    """It was out of step already when its activation was taken over from another system."""
    at: int
    """When it fell out of step."""
    opened: int
    """When it was raised."""
    closed: int | None
    because: ClearedBecause | None
    """Why it is over; None while it lasts."""


Key: TypeAlias = tuple[str, str, str | None]
"""Rule, activation and, for the rules that forbid, the other fact: what makes an alert the same alert."""


class Found(NamedTuple):
    """What rules make of one pathway."""

    episodes: list[Episode]
    """By instant, then rule, activation and target."""
    activations: Counter[tuple[str, int]]
    """How many facts each version of a rule expected something of, as known at the end."""


def replay(history: History, rules: CompiledRules, calendars: Calendars, until: int) -> Found:
    lived = _Lived(history.pathway, rules, calendars)
    for step in history.steps:
        if step.on > until:
            break
        lived.elapse(step.on)
        apply(step, lived.known)
        lived.judge(step.on, step.cause)
    lived.elapse(until)
    return lived.finish()


class _Lived:
    """What is known and what is open, at one instant of a pathway's life."""

    def __init__(self, pathway: str, rules: CompiledRules, calendars: Calendars) -> None:
        self._pathway = pathway
        self._rules = {(plan.rule.slug, plan.rule.version): plan.rule for plan in rules.plans}
        self._watch = Watch(rules, calendars)
        self._next_due = FOREVER
        self._judged: Sequence[Obligation] = ()
        self._open: dict[Key, tuple[Obligation, Fact, int]] = {}
        self._over: list[Episode] = []
        self.known: dict[str, Fact] = {}

    def elapse(self, until: int) -> None:
        """Deadlines up to an instant, each at its own time."""
        while self._next_due <= until:
            self.judge(self._next_due, Cause.NEWS)

    def judge(self, now: int, cause: Cause) -> None:
        moment = moment_of(now)
        assert moment is not None
        evaluation = self._watch.judge(list(self.known.values()), moment)
        self._next_due = FOREVER if evaluation.next_due is None else instant_of(evaluation.next_due)
        self._judged = evaluation.obligations
        raised = {(one.rule, one.activation, one.target): one for one in self._judged if one.raised}
        if raised.keys() == self._open.keys():
            return
        for key in self._open.keys() - raised.keys():
            was, activation, opened = self._open.pop(key)
            self._over.append(self._episode(was, activation, opened, now, self._because(cause, was, self._judged)))
        for key in raised.keys() - self._open.keys():
            self._open[key] = (raised[key], self.known[key[1]], now)

    def finish(self) -> Found:
        lasting = [self._episode(*was, None, None) for was in self._open.values()]
        expecting = {(one.rule, one.version, one.activation) for one in self._judged}
        activations = Counter((rule, version) for rule, version, _ in expecting)
        return Found(sorted([*self._over, *lasting], key=order_of), activations)

    def _episode(
        self, was: Obligation, activation: Fact, opened: int, closed: int | None, because: ClearedBecause | None
    ) -> Episode:
        assert was.at is not None
        at = instant_of(was.at)
        return Episode(
            rule=was.rule,
            version=was.version,
            pathway=self._pathway,
            activation=was.activation,
            target=was.target,
            agency=owner_of(self._rules[was.rule, was.version], activation),
            imported=was_imported(activation, at),
            at=at,
            opened=opened,
            closed=closed,
            because=because,
        )

    def _because(self, cause: Cause, was: Obligation, obligations: Sequence[Obligation]) -> ClearedBecause:
        match cause:
            case Cause.RETRACTION:
                return ClearedBecause.RETRACTED
            case Cause.CORRECTION:
                return ClearedBecause.CORRECTED
        return cleared_because(next(_successors(was, obligations), None))


def owner_of(rule: Rule, activation: Fact) -> str:
    """The agency that is to act, as far as the rule and its activation tell."""
    match rule.route.owner:
        case Reference(of=Of.WHEN, field=field):
            named = field_of(activation, field)
        case named:
            pass
    return named if isinstance(named, str) and named else activation.agency


def was_imported(activation: Fact, at: int) -> bool:
    """Of what an import brings to light nobody is told."""
    return activation.actor == IMPORTER and at <= instant_of(activation.recorded_at)


def order_of(episode: Episode) -> tuple[int, str, str, str]:
    return (episode.opened, episode.rule, episode.activation, episode.target or "")


def _successors(was: Obligation, obligations: Sequence[Obligation]) -> Iterator[Obligation]:
    """The same expectation judged again; of a pair, the same pair."""
    for now in obligations:
        is_same = (now.rule, now.version, now.activation) == (was.rule, was.version, was.activation)
        if is_same and (was.target is None or now.target == was.target):
            yield now
