"""What is shown of a replay: the same views as at the time, and pictures that can be compared. Codes, ids and dates."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import msgspec

from api.inbox import to_do_view
from api.pathways import view
from api.replies import as_view
from api.timeline import FactNow, obligation_view
from application.differences import Picture
from application.replay import History, Moment, Replay
from domain.alert import (
    AlertStatus,
    ClearedBecause,
    NearMiss,
    RaisedBecause,
    Recipient,
    alert_id_of,
)
from domain.facts import Fact
from domain.pathway import Pathway
from domain.rules import CompiledRules, Obligation, Rule
from domain.rules.rule import Forbid
from domain.true_on import as_true_on, holds_on
from projections.agency_inbox import InboxItem
from projections.alert_board import AlertRow
from projections.replayed import AlertThen, alert_then, inbox_then
from projections.resting import rest_of


class MomentView(msgspec.Struct, kw_only=True):
    """What is replayed: how much was known, and when that was."""

    known_at: int
    """Position of the territory's log."""
    at: datetime
    true_on: date | None
    """Only what was so on that day, in the light of what was known."""


class Told(msgspec.Struct, kw_only=True):
    """How an alert that was raised had been told by then."""

    raised_at: datetime
    changed_at: datetime
    revision: int
    position: int
    known_at: int
    """How much of the log was known when it was last found."""
    quiet: bool
    recipients: tuple[Recipient, ...]
    raised_because: RaisedBecause | None
    cleared_because: ClearedBecause | None


class ReplayedAlert(msgspec.Struct, kw_only=True):
    """An alert as it stood; or, for a given day, a situation that was out of step on that day."""

    id: UUID
    pathway_id: UUID
    rule: str
    rule_version: int
    severity: str
    status: AlertStatus
    activation: str
    target: str | None
    opens: datetime | None
    closes: datetime | None
    at: datetime | None
    calendar: str
    evidence: tuple[str, ...]
    near_misses: tuple[NearMiss, ...]
    told: Told | None
    """Null: nobody had been told by then."""


class Lens:
    """Lays pathways out at one moment, under the rules of then."""

    def __init__(self, replay: Replay, territory: str, moment: Moment, rules: CompiledRules) -> None:
        self.moment = moment
        self.zone = replay.zone_of(territory)
        self.now = replay.clock_of(territory, moment)
        self.rule_of: Mapping[tuple[str, int], Rule] = {(each.slug, each.version): each for each in rules.ruleset}
        self._replay = replay
        self._territory = territory
        self._rules = rules

    @classmethod
    async def at(cls, replay: Replay, territory: str, moment: Moment) -> "Lens":
        return cls(replay, territory, moment, await replay.rules(territory, moment))

    async def look(self, pathways: Sequence[UUID]) -> list["Seen"]:
        """Those that were known then, in the order asked. Few at once."""
        histories = await self._replay.histories(self._territory, pathways, self.moment)
        return [seen for history in histories if (seen := self.see(history)) is not None]

    def see(self, history: History) -> "Seen | None":
        """None for a pathway that was not yet open on the day asked about."""
        day, pathway = self.moment.true_on, history.pathway
        then = pathway if day is None else as_true_on(pathway, day, self.zone)
        return None if then is None else Seen(self, history, then)

    def judge(self, pathway: Pathway) -> Sequence[Obligation]:
        return self._replay.verdicts(self._territory, pathway, self._rules, self.moment)


class Seen:
    """One pathway at one moment: everything that can be asked of it, worked out when it is."""

    def __init__(self, lens: Lens, history: History, pathway: Pathway) -> None:
        self.history = history
        self.pathway = pathway
        """On a given day, without what is dated later."""
        self._lens = lens
        self._day = lens.moment.true_on

    @cached_property
    def facts(self) -> list[Fact]:
        facts, day = self.pathway.facts(), self._day
        return facts if day is None else [fact for fact in facts if holds_on(fact, day, self._lens.zone)]

    @cached_property
    def verdicts(self) -> Sequence[Obligation]:
        return self._lens.judge(self.history.pathway)

    @cached_property
    def told(self) -> list[AlertThen]:
        """Alerts that had been raised by then, as they stood."""
        return [alert for events in self.history.alerts.values() if (alert := alert_then(events)) is not None]

    @cached_property
    def alerts(self) -> list[ReplayedAlert]:
        """Those told; on a given day, what was out of step on that day."""
        if self._day is None:
            return [_alert_view(alert.row) for alert in self.told]
        return [self._situation(alert, one) for alert, one in sorted(self._broken.items())]

    @cached_property
    def to_do(self) -> list[InboxItem]:
        """Of every agency, longest waiting first."""
        if self._day is None:
            waiting = [item for alert in self.told if not self._sleeps(alert) for item in alert.inbox]
        else:
            waiting = [item for alert in self.told if alert.row.alert in self._broken for item in alert.items()]
        return inbox_then(self.pathway, waiting, self._lens.now)

    def _sleeps(self, alert: AlertThen) -> bool:
        finding = alert.alert.finding
        rule = None if finding is None else self._lens.rule_of.get((finding.rule, finding.version))
        return rule is not None and rest_of(self.pathway).ends(rule)

    @cached_property
    def _broken(self) -> dict[UUID, Obligation]:
        """By the alert that it is, or would be."""
        return {self._alert_of(each): each for each in self.verdicts if each.raised and not each.shadow}

    def _alert_of(self, obligation: Obligation) -> UUID:
        is_pair = isinstance(self._lens.rule_of[obligation.rule, obligation.version].body, Forbid)
        target = obligation.target if is_pair else None
        return alert_id_of(obligation.rule, self.pathway.id, obligation.activation, target)

    def _situation(self, alert: UUID, one: Obligation) -> ReplayedAlert:
        known = next((_alert_view(each.row).told for each in self.told if each.row.alert == alert), None)
        return ReplayedAlert(
            id=alert,
            pathway_id=self.pathway.id,
            rule=one.rule,
            rule_version=one.version,
            severity=self._lens.rule_of[one.rule, one.version].raises.severity.value,
            status=AlertStatus.OPEN,
            activation=one.activation,
            target=one.target,
            opens=one.open,
            closes=one.close,
            at=one.at,
            calendar=one.calendar,
            evidence=one.evidence,
            near_misses=tuple(NearMiss(miss.fact_id, miss.failed, miss.detail) for miss in one.near_misses),
            told=known,
        )


def moment_view(moment: Moment) -> MomentView:
    return MomentView(known_at=moment.position, at=moment.at, true_on=moment.true_on)


def facts_view(seen: Seen) -> list[FactNow]:
    contested = {str(entry_id) for entry_id in seen.pathway.rights.contested}
    return [as_view(fact, FactNow, contested=fact.fact_id in contested) for fact in seen.facts]


def _alert_view(row: AlertRow) -> ReplayedAlert:
    cleared_because = None if row.reason is None else ClearedBecause(row.reason)
    told = as_view(row, Told, raised_because=row.because, cleared_because=cleared_because)
    return as_view(row, ReplayedAlert, id=row.alert, pathway_id=row.pathway, rule_version=row.version, told=told)


def picture(seen: Seen) -> Picture:
    """Everything about a pathway under keys of its own: what two moments are compared by."""
    return {key: msgspec.to_builtins(shown) for key, shown in _shown(seen)}


def pictures(seen: Iterable[Seen]) -> Picture:
    """Of several pathways together: no key is of two."""
    return {key: shown for each in seen for key, shown in picture(each).items()}


def _shown(seen: Seen) -> Iterator[tuple[str, Any]]:
    place = f"pathways/{seen.pathway.id}"
    standing = view(seen.pathway)
    yield place, msgspec.structs.replace(standing, entries=[])
    for entry in standing.entries:
        yield f"{place}/entries/{entry.id}", entry
    for fact in facts_view(seen):
        yield f"{place}/facts/{fact.fact_id}", fact
    for verdict in seen.verdicts:
        situation = "/".join(part for part in (verdict.activation, verdict.target) if part)
        yield f"{place}/verdicts/{verdict.rule}@{verdict.version}/{situation}", obligation_view(verdict)
    for alert in seen.alerts:
        yield f"{place}/alerts/{alert.id}", alert
    for item in seen.to_do:
        yield f"{place}/inboxes/{item.agency}/{item.item}", to_do_view(item)
