"""A few alerts of a backtest, the same at each run, with all that is needed to judge whether they make sense."""

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from uuid import UUID
from zlib import crc32

import msgspec

from application.backtest.histories import History, apply
from application.backtest.replay import Episode
from domain.alert import ClearedBecause, alert_id_of
from domain.facts import Fact
from domain.rulebook import BacktestMode
from domain.rules import Calendars, CompiledRules, Obligation, evaluate
from domain.rules.instants import moment_of, rfc3339

SAMPLES = 20


class Miss(msgspec.Struct, frozen=True):
    """A fact that failed exactly one test."""

    fact_id: str
    failed: str


class SampledAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert explained, in ids and codes."""

    alert: UUID
    rule: str
    version: int
    pathway: str
    activation: str
    target: str | None
    agency: str
    is_new: bool | None
    """Whether the version in force would not have raised it; null when there was nothing to compare with."""
    raised_at: str | None
    over_at: str | None
    over_because: ClearedBecause | None
    opens: str | None
    closes: str | None
    at: str | None
    evidence: tuple[str, ...]
    near_misses: tuple[Miss, ...]


class Chosen(msgspec.Struct, frozen=True):
    episode: Episode
    history: History
    is_new: bool | None


class Sampler:
    """Keeps the alerts whose identity has the lowest checksum: chance for who reads, none for who runs it again."""

    def __init__(self) -> None:
        self._kept: list[tuple[int, str, int, Chosen]] = []
        self._offered = 0

    def offer(self, episode: Episode, history: History, *, is_new: bool | None) -> None:
        self._offered += 1
        identity = f"{episode.rule}|{episode.pathway}|{episode.activation}|{episode.target or ''}"
        rank = -crc32(identity.encode())
        if len(self._kept) == SAMPLES and rank < self._kept[0][0]:
            return
        heappush(self._kept, (rank, identity, -self._offered, Chosen(episode, history, is_new)))
        if len(self._kept) > SAMPLES:
            heappop(self._kept)

    def explained(
        self, mode: BacktestMode, rules: CompiledRules, calendars: Calendars, until: int
    ) -> list[SampledAlert]:
        """Oldest first."""
        chosen = (each for *_, each in sorted(self._kept, reverse=True))
        by_date = sorted(chosen, key=lambda one: (one.episode.opened, one.episode.rule, one.episode.pathway))
        return [_explained(each, mode, rules.only(each.episode.rule), calendars, until) for each in by_date]


def _explained(
    chosen: Chosen, mode: BacktestMode, rules: CompiledRules, calendars: Calendars, until: int
) -> SampledAlert:
    episode = chosen.episode
    obligation = _obligation(chosen, mode, rules, calendars, until)
    return SampledAlert(
        alert=alert_id_of(episode.rule, episode.pathway, episode.activation, episode.target),
        rule=episode.rule,
        version=episode.version,
        pathway=episode.pathway,
        activation=episode.activation,
        target=episode.target,
        agency=episode.agency,
        is_new=chosen.is_new,
        raised_at=_written(episode.opened),
        over_at=None if episode.closed is None else _written(episode.closed),
        over_because=episode.because,
        opens=rfc3339(obligation.open),
        closes=rfc3339(obligation.close),
        at=rfc3339(obligation.at),
        evidence=obligation.evidence,
        near_misses=tuple(Miss(miss.fact_id, miss.failed) for miss in obligation.near_misses),
    )


def _obligation(
    chosen: Chosen, mode: BacktestMode, rules: CompiledRules, calendars: Calendars, until: int
) -> Obligation:
    """The expectation as it stood when it was raised, or as it stands with all that is known today."""
    episode = chosen.episode
    as_known = mode is BacktestMode.AS_KNOWN
    now = moment_of(episode.opened if as_known else until)
    assert now is not None
    for facts in _known_around(chosen.history, episode.opened) if as_known else [chosen.history.known_today()]:
        for one in evaluate(facts, rules, calendars, now).obligations:
            is_same = one.activation == episode.activation and one.version == episode.version
            if is_same and episode.target in (None, one.target) and (one.raised or not as_known):
                return one
    raise AssertionError("what was raised is found again at its own instant")


def _known_around(history: History, instant: int) -> Iterator[Sequence[Fact]]:
    """What was known just before an instant, then after each step recorded at it."""
    facts: dict[str, Fact] = {}
    for step in history.steps:
        if step.on >= instant:
            yield list(facts.values())
        if step.on > instant:
            return
        apply(step, facts)
    yield list(facts.values())


def _written(instant: int) -> str | None:
    return rfc3339(moment_of(instant))
