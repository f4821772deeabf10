"""The result of a backtest: what the rules would have raised, counted. Codes, ids and dates only.

The same histories, rules and period give the same bytes.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TypeAlias

import msgspec

from application.backtest.histories import History
from application.backtest.recording_lag import AgencyLag, RecordingLag, percentile
from application.backtest.replay import Episode, Found
from application.backtest.samples import SampledAlert, Sampler
from domain.alert import ClearedBecause
from domain.alert_worth import is_stale
from domain.rulebook import BacktestMode, Difference
from domain.rules.calendars import Calendar
from domain.rules.instants import DAY, FOREVER
from domain.rules.plan import CompiledRules
from domain.rules.rule import Rule

FALSE_ALARMS = frozenset((ClearedBecause.LATE_EVIDENCE, ClearedBecause.CORRECTED, ClearedBecause.RETRACTED))
"""Why an alert is over that would never have been raised, had all been recorded at once and rightly."""

Identity: TypeAlias = tuple[str, str, str, str | None]


class AlertLoad(msgspec.Struct, frozen=True, kw_only=True):
    """How many alerts one agency would have had in one month."""

    month: str
    agency: str
    severity: str
    alerts: int
    quiet: int
    """Of these, those so old when found that nobody would have been told."""
    cleared: int
    """Of these, how many were over by the end of the period."""
    false_alarms: int


class RuleResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one version of one rule would have raised."""

    rule: str
    version: int
    severity: str
    activations: int
    """Facts that made the rule expect something, in the period or before it."""
    alerts: int
    pathways: int
    """With at least one alert."""
    quiet: int
    """Of these, those so old when found that nobody would have been told."""
    open_at_end: int
    cleared: dict[str, int]
    """How many were over, by reason."""
    cleared_percent: int | None
    """Null without alerts, as are the others."""
    false_alarm_percent: int | None
    open_days_median: int | None
    """Whole days from being raised to being over, or to the end of the period."""
    open_days_p95: int | None
    difference: Difference | None = None


class RuleOverlap(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of one rule raised while, on the same pathway, one of the other rule was open, or the other way round."""

    rule: str
    other: str
    alerts: int
    percent: int
    """Of the alerts of `rule`."""


class BacktestTable(msgspec.Struct, frozen=True, kw_only=True):
    """What a set of rules would have raised."""

    mode: BacktestMode
    since: str | None = msgspec.field(name="from")
    """Alerts are counted from this instant on; null: from the first."""
    until: str = msgspec.field(name="to")
    known_at: int | None = None
    """Position up to which the territory's log was read; null for facts from elsewhere."""
    calendar: str
    pathways: int
    versions: int
    """Of facts: corrections and retractions are versions too."""
    alerts: int
    rules: list[RuleResult]
    load: list[AlertLoad]
    overlap: list[RuleOverlap]
    recording_lag: list[AgencyLag]
    samples: list[SampledAlert]


class _RuleTally:
    def __init__(self) -> None:
        self.activations = self.alerts = self.pathways = self.quiet = 0
        self.cleared: Counter[str] = Counter()
        self.false_alarms = 0
        self.open_days: Counter[int] = Counter()
        self.new = self.gone = self.same = 0


class Tally:
    """Counts as pathways are judged: memory grows with agencies, months and rules, not with pathways."""

    def __init__(
        self,
        rules: CompiledRules,
        calendar: Calendar,
        since: int | None,
        until: int,
        against: Mapping[str, int] | None = None,
    ) -> None:
        """`against`: by slug, the version in force with which alerts are compared."""
        self._calendar = calendar
        self._since = since
        self._until = until
        self._against = against
        self._rule_of = {(plan.rule.slug, plan.rule.version): plan.rule for plan in rules.plans}
        self._latest = dict(sorted(self._rule_of))
        self._rules = {key: _RuleTally() for key in self._rule_of}
        self._load: Counter[tuple[str, str, str]] = Counter()
        self._load_quiet: Counter[tuple[str, str, str]] = Counter()
        self._load_cleared: Counter[tuple[str, str, str]] = Counter()
        self._load_false: Counter[tuple[str, str, str]] = Counter()
        self._overlap: Counter[tuple[str, str]] = Counter()
        self._lag = RecordingLag(calendar)
        self.sampler = Sampler()
        self.pathways = self.versions = 0

    def add(self, history: History, found: Found, before: Found | None = None) -> None:
        """One pathway, judged under the rules, and under those in force when there is something to compare."""
        self.pathways += 1
        self.versions += history.count()
        self._lag.add(history)
        for key, count in found.activations.items():
            self._rules[key].activations += count
        episodes = self._counted(found.episodes)
        known = None if before is None else {_identity(one) for one in self._counted(before.episodes)}
        for one in episodes:
            self._count(one)
            is_new = None if known is None else _identity(one) not in known
            self.sampler.offer(one, history, is_new=is_new)
        for key in {(one.rule, one.version) for one in episodes}:
            self._rules[key].pathways += 1
        self._overlap.update(_overlapping(episodes))
        if known is not None:
            self._compare(episodes, known)

    def _counted(self, episodes: Sequence[Episode]) -> list[Episode]:
        """Those raised within the period."""
        first = self._since
        return [one for one in episodes if (first is None or one.opened >= first) and one.opened <= self._until]

    def _count(self, one: Episode) -> None:
        rule, tally = self._rule_of[one.rule, one.version], self._rules[one.rule, one.version]
        tally.alerts += 1
        is_quiet = one.imported or is_stale(rule, one.at, one.opened, self._calendar)
        tally.quiet += is_quiet
        tally.open_days[((self._until if one.closed is None else one.closed) - one.opened) // DAY] += 1
        month = date.fromordinal(self._calendar.day_of(one.opened)).isoformat()[:7]
        cell = (month, one.agency, rule.raises.severity.value)
        self._load[cell] += 1
        self._load_quiet[cell] += is_quiet
        if one.because is not None:
            tally.cleared[one.because.value] += 1
            self._load_cleared[cell] += 1
            if one.because in FALSE_ALARMS:
                tally.false_alarms += 1
                self._load_false[cell] += 1

    def _compare(self, episodes: Sequence[Episode], known: set[Identity]) -> None:
        """Each alert once, however often it was raised again."""
        versions = {_identity(one): one.version for one in episodes}
        for identity, version in versions.items():
            tally = self._rules[identity[0], version]
            if identity in known:
                tally.same += 1
            else:
                tally.new += 1
        for identity in known - versions.keys():
            self._rules[identity[0], self._latest[identity[0]]].gone += 1

    def rules(self) -> list[RuleResult]:
        return [self._rule_result(self._rule_of[key], self._rules[key]) for key in sorted(self._rules)]

    def _rule_result(self, rule: Rule, tally: _RuleTally) -> RuleResult:
        against = self._against
        return RuleResult(
            rule=rule.slug,
            version=rule.version,
            severity=rule.raises.severity.value,
            activations=tally.activations,
            alerts=tally.alerts,
            pathways=tally.pathways,
            quiet=tally.quiet,
            open_at_end=tally.alerts - tally.cleared.total(),
            cleared=dict(sorted(tally.cleared.items())),
            cleared_percent=_percent(tally.cleared.total(), tally.alerts),
            false_alarm_percent=_percent(tally.false_alarms, tally.alerts),
            open_days_median=percentile(tally.open_days, 50) if tally.alerts else None,
            open_days_p95=percentile(tally.open_days, 95) if tally.alerts else None,
            difference=None
            if against is None
            else Difference(against=against.get(rule.slug), new=tally.new, gone=tally.gone, same=tally.same),
        )

    def load(self) -> list[AlertLoad]:
        return [
            AlertLoad(
                month=month,
                agency=agency,
                severity=severity,
                alerts=self._load[month, agency, severity],
                quiet=self._load_quiet[month, agency, severity],
                cleared=self._load_cleared[month, agency, severity],
                false_alarms=self._load_false[month, agency, severity],
            )
            for month, agency, severity in sorted(self._load)
        ]

    def overlap(self) -> list[RuleOverlap]:
        alerts: Counter[str] = Counter()
        for (slug, _), tally in self._rules.items():
            alerts[slug] += tally.alerts
        return [
            RuleOverlap(rule=rule, other=other, alerts=count, percent=_percent(count, alerts[rule]) or 0)
            for (rule, other), count in sorted(self._overlap.items())
        ]

    def recording_lag(self) -> list[AgencyLag]:
        return self._lag.by_agency()


def _identity(one: Episode) -> Identity:
    return (one.rule, one.pathway, one.activation, one.target)


def _overlapping(episodes: Sequence[Episode]) -> Iterator[tuple[str, str]]:
    """(rule, other rule) once for each alert of the rule during which an alert of the other was open too."""
    if len({one.rule for one in episodes}) < 2:
        return
    for one in episodes:
        end = FOREVER if one.closed is None else one.closed
        others = {
            other.rule
            for other in episodes
            if other.opened < end and (other.closed is None or other.closed > one.opened)
        }
        yield from ((one.rule, other) for other in others if other != one.rule)


def _percent(part: int, whole: int) -> int | None:
    """Rounded down, so that 100 means all of them."""
    return part * 100 // whole if whole else None
