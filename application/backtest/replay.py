"""A pathway lived again as it was recorded: what would have been raised, when, and what ended it.

The same steps as online: deadlines at their own time before what is recorded then, one judgement after each recording.
"""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec

from application.backtest.histories import Cause, History, apply
from domain.alert import ClearedBecause
from domain.facts import Fact
from domain.rules import Calendars, CompiledRules, Obligation, Status
from domain.rules.instants import FOREVER, instant_of, moment_of
from domain.rules.obligation import Reason
from domain.rules.watch import Watch


class Episode(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One alert from being raised to being over. Instants in microseconds; the same alert may be raised again."""

    rule: str
    version: int
    pathway: str
    activation: str
    target: str | None
    """Of the rules that forbid: the other fact of the pair."""
    opened: int
    closed: int | None
    because: ClearedBecause | None
    """Why it is over; None while it lasts."""


Key: TypeAlias = tuple[str, str, str | None]
"""Rule, activation and, for the rules that forbid, the other fact: what makes an alert the same alert."""


def replay(history: History, rules: CompiledRules, calendars: Calendars, until: int) -> list[Episode]:
    """By instant, then rule, activation and target."""
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
        self._watch = Watch(rules, calendars)
        self._next_due = FOREVER
        self._open: dict[Key, tuple[Obligation, int]] = {}
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
        raised = {(one.rule, one.activation, one.target): one for one in evaluation.obligations if one.raised}
        if raised.keys() == self._open.keys():
            return
        for key in self._open.keys() - raised.keys():
            was, opened = self._open.pop(key)
            because = self._because(cause, was, evaluation.obligations)
            self._over.append(self._episode(was, opened, now, because))
        for key in raised.keys() - self._open.keys():
            self._open[key] = (raised[key], now)

    def finish(self) -> list[Episode]:
        lasting = [self._episode(was, opened, None, None) for was, opened in self._open.values()]
        return sorted([*self._over, *lasting], key=order_of)

    def _episode(self, was: Obligation, opened: int, closed: int | None, because: ClearedBecause | None) -> Episode:
        return Episode(
            rule=was.rule,
            version=was.version,
            pathway=self._pathway,
            activation=was.activation,
            target=was.target,
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
        return reason_of(next(_successors(was, obligations), None))


def order_of(episode: Episode) -> tuple[int, str, str, str]:
    return (episode.opened, episode.rule, episode.activation, episode.target or "")


def _successors(was: Obligation, obligations: Sequence[Obligation]) -> Iterator[Obligation]:
    """The same expectation judged again; of a pair, the same pair."""
    for now in obligations:
        is_same = (now.rule, now.version, now.activation) == (was.rule, was.version, was.activation)
        if is_same and (was.target is None or now.target == was.target):
            yield now


def reason_of(now: Obligation | None) -> ClearedBecause:
    """Why an obligation is out of step no more, from how it stands; None: it is no longer expected."""
    if now is None:
        return ClearedBecause.RELEASED
    match now.status:
        case Status.VIOLATED_LATE:
            return ClearedBecause.DONE_LATE
        case Status.SATISFIED:
            return ClearedBecause.LATE_EVIDENCE
        case Status.CANCELLED:
            return _CANCELLED[now.reason]
    return ClearedBecause.SUSPENDED


_CANCELLED = {
    None: ClearedBecause.RELEASED,
    Reason.RELEASED: ClearedBecause.RELEASED,
    Reason.SUSPENDED: ClearedBecause.SUSPENDED,
    Reason.CLOSED: ClearedBecause.CLOSED,
}
