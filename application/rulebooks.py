"""Use cases on rulebooks: draft a rule, keep its backtest, publish it, retire it; the rules in force of a territory."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from application.civil_time import ZoneOf, in_paris
from application.event_log import Appended, Commit, EventLog, Idempotency, StaleVersion, Stored
from application.rules_in_force import RulesInForce
from domain.agency import agency_id_of
from domain.aggregate import Event
from domain.clock import Clock
from domain.command import Act
from domain.errors import DomainError
from domain.rule_publication import (
    DraftRule,
    PublishRule,
    RecordBacktest,
    RetireRule,
    RulebookCommand,
    WithdrawDraft,
    read_to_draft,
)
from domain.rulebook import IN_FORCE, Backtest, Rulebook, open_rulebook, rulebook_id_of
from domain.rules import CompiledRules, Rule, Ruleset
from domain.rules.lint import Remark, agencies_named, refuse_cycles, remarks
from domain.rules.rule import RuleState

ATTEMPTS = 4
AGENCIES_LOOKED_UP_MAX = 50
TERRITORIES_KEPT = 256
"""Whose rulebooks stay in memory: only what is new in them is read again."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a command came to: enough to answer the same when it is sent again."""

    rule: str
    version: int | None
    state: RuleState | None
    """Null: there is no such version any more."""
    digest: str | None


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A command was carried out, durably."""

    outcome: Outcome
    rulebook_version: int
    position: int
    """Where the territory's log stood after it; 0 when the command changed nothing."""
    replayed: bool = False


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A command, who gives it, and under which conditions."""

    territory: str
    command: RulebookCommand
    by: str
    """The agency."""
    agent: str | None = None
    if_match: int | None = None
    """The version of the rulebook that the caller has seen; None: any."""
    idempotency_key: str | None = None
    fingerprint: bytes = b""
    correlation_id: UUID | None = None


class DraftRefused(Exception):
    """One rule of several cannot be drafted, so that none was."""

    def __init__(self, document: Mapping[str, Any], reason: DomainError) -> None:
        """`document` holds that rule alone."""
        rule = document["rules"][0] if "rules" in document else document
        self.rule = f"{rule['rule']}@{rule.get('version') or 1}"
        self.reason = reason
        super().__init__(f"{self.rule}: {reason.detail}")


class Known(NamedTuple):
    """What was last read of a territory. The rulebook is shared: it is never changed."""

    rulebook: Rulebook
    rules: CompiledRules | None = None
    """Of that very rulebook; None until they are asked for."""


class Rulebooks:
    """The rulebooks of every territory, straight from the log. Lists of rules are a read model: `rulebook`."""

    def __init__(self, log: EventLog, clock: Clock, rules: RulesInForce, zone_of: ZoneOf = in_paris) -> None:
        self.rules = rules
        self._log = log
        self._clock = clock
        self._zone_of = zone_of
        self._known: OrderedDict[str, Known] = OrderedDict()

    async def carry_out(self, order: Order) -> Receipt:
        """Decided again when somebody else wrote in between, unless the order says which version it expects.

        Raises StaleVersion, IdempotencyKeyReused and what the command itself may raise; then nothing has changed.
        """
        for attempts_left in reversed(range(ATTEMPTS)):
            try:
                return await self._decide(order)
            except StaleVersion:
                if order.if_match is not None or not attempts_left:
                    raise
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    async def draft(
        self, territory: str, documents: Sequence[dict[str, Any]], *, by: str, agent: str | None = None
    ) -> list[Outcome]:
        """Draft these rules at once, one of each document: all of them, or none. Raises DraftRefused, StaleVersion."""
        orders = [Order(territory=territory, command=DraftRule(document=one), by=by, agent=agent) for one in documents]
        for attempts_left in reversed(range(ATTEMPTS)):
            try:
                return await self._draft(orders, documents)
            except StaleVersion:
                if not attempts_left:
                    raise
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    async def record_backtest(
        self, territory: str, slug: str, version: int, backtest: Backtest, *, by: str, agent: str | None = None
    ) -> Receipt:
        """Keep what a stored backtest found. Again is a no-op. Raises UnknownRule, BacktestOfAnother."""
        command = RecordBacktest(slug=slug, version=version, backtest=backtest)
        return await self.carry_out(Order(territory=territory, command=command, by=by, agent=agent))

    async def read(self, territory: str, *, until_position: int | None = None) -> Rulebook:
        """As the log has it, or had it at a position; an empty one before anything was drafted. Not to be changed."""
        stored = await self._load(territory, until_position)
        return Rulebook() if stored is None else stored

    async def in_force(self, territory: str) -> CompiledRules:
        """The rules that judge a territory's pathways now."""
        rulebook = await self._load(territory)
        known = self._known.get(territory)
        if known is None or known.rulebook is not rulebook:
            # Nothing of its own yet, or somebody else has read a later one meanwhile.
            return self.rules.of(() if rulebook is None else rulebook.versions.values())
        if known.rules is None:
            known = self._known[territory] = Known(rulebook, self.rules.of(rulebook.versions.values()))
        assert known.rules is not None
        return known.rules

    async def lint(self, territory: str, document: Mapping[str, Any]) -> tuple[Ruleset, list[Remark]]:
        """The rules of a document, and what should be looked at in them here. Changes nothing. Raises RuleRefused."""
        ruleset = read_to_draft([document])
        return ruleset, await self.remarks_on(ruleset, territory)

    async def remarks_on(self, ruleset: Ruleset, territory: str) -> list[Remark]:
        """What should be looked at in rules here. Raises RuleRefused for a circle among those in force."""
        in_force = await self.in_force(territory)
        unknown = [
            slug
            for slug in agencies_named(ruleset)[:AGENCIES_LOOKED_UP_MAX]
            if not await self._log.read_stream(territory, agency_id_of(territory, slug))
        ]
        return lint_rules(ruleset, in_force.ruleset, territory, unknown)

    async def _decide(self, order: Order) -> Receipt:
        known, act = await self._load(order.territory), self._act(order)
        version = 0 if known is None else known.version
        try:
            if order.if_match not in (None, version):
                raise StaleVersion(version)
            rulebook = open_rulebook(order.territory, act) if known is None else known.copy()
            order.command.decide(rulebook, act, self.rules.shipped)
        except DomainError:
            replayed = await self._replayed(order)
            if replayed is None:
                raise
            return replayed
        return await self._append(order, rulebook, version)

    async def _draft(self, orders: Sequence[Order], documents: Sequence[dict[str, Any]]) -> list[Outcome]:
        territory, act = orders[0].territory, self._act(orders[0])
        known = await self._load(territory)
        rulebook = open_rulebook(territory, act) if known is None else known.copy()
        for order, document in zip(orders, documents, strict=True):
            try:
                order.command.decide(rulebook, act, self.rules.shipped)
            except DomainError as reason:
                raise DraftRefused(document, reason) from reason
        events = [event for event in rulebook.collect_events() if isinstance(event, Event)]
        if events:
            expected = 0 if known is None else known.version
            commit = Commit(stream_id=rulebook_id_of(territory), expected_version=expected, events=events)
            await self._log.append(territory, commit)
        return [_outcome(order.command, rulebook) for order in orders]

    async def _append(self, order: Order, rulebook: Rulebook, version: int) -> Receipt:
        outcome = _outcome(order.command, rulebook)
        events = [event for event in rulebook.collect_events() if isinstance(event, Event)]
        if len(events) == 1 and not version:
            events = []  # It opened a rulebook and wrote nothing in it.
        if not events and order.idempotency_key is None:
            return Receipt(outcome=outcome, rulebook_version=version, position=0)
        commit = Commit(
            stream_id=rulebook_id_of(order.territory),
            expected_version=version,
            events=events,
            correlation_id=order.correlation_id,
            idempotency=_idempotency(order, outcome),
        )
        return _receipt(await self._log.append(order.territory, commit), outcome)

    async def _replayed(self, order: Order) -> Receipt | None:
        """A refused command may be one that was carried out before: then the answer it was given stands."""
        key = order.idempotency_key
        if key is None or await self._log.outcome(order.territory, order.by, key) is None:
            return None
        nothing = Outcome(rule="", version=None, state=None, digest=None)
        commit = Commit(
            stream_id=rulebook_id_of(order.territory),
            expected_version=0,
            events=(),
            idempotency=_idempotency(order, nothing),
        )
        return _receipt(await self._log.append(order.territory, commit), nothing)

    async def _load(self, territory: str, until_position: int | None = None) -> Rulebook | None:
        """None before anything was drafted. As of now, what was known is gone on from: a stream is never rewritten."""
        stream_id = rulebook_id_of(territory)
        if until_position is not None:
            return _folded(None, await self._log.read_stream(territory, stream_id, until_position=until_position))
        known = self._known.get(territory)
        was = None if known is None else known.rulebook
        news = await self._log.read_stream(territory, stream_id, after_version=0 if was is None else was.version)
        rulebook = _folded(was, news) if news else was
        if rulebook is not None:
            self._keep(territory, rulebook)
        return rulebook

    def _keep(self, territory: str, rulebook: Rulebook) -> None:
        """The latest, whoever read it; the territories least asked for are forgotten."""
        known = self._known.get(territory)
        if known is None or known.rulebook.version < rulebook.version:
            self._known[territory] = Known(rulebook)
        self._known.move_to_end(territory)
        while len(self._known) > TERRITORIES_KEPT:
            self._known.popitem(last=False)

    def _act(self, order: Order) -> Act:
        at = self._clock.now()
        today = at.astimezone(self._zone_of(order.territory)).date()
        return Act(agency=order.by, agent=order.agent, at=at, today=today)


def lint_rules(
    ruleset: Ruleset,
    among: Iterable[Rule] = (),
    territory: str | None = None,
    unknown_agencies: Collection[str] = (),
) -> list[Remark]:
    """What should be looked at in rules, where others are in force. Raises RuleRefused for a circle among them."""
    others = [rule for rule in among if rule.state in IN_FORCE]
    refuse_cycles([*others, *ruleset])
    return remarks(ruleset.rules, others, territory, unknown_agencies)


def _folded(was: Rulebook | None, news: Iterable[Stored]) -> Rulebook | None:
    rulebook = None if was is None else was.copy()
    for stored in news:
        rulebook = stored.event.mutate(rulebook)
    return rulebook


def _outcome(command: RulebookCommand, rulebook: Rulebook) -> Outcome:
    match command:
        case DraftRule():
            slug, number = command.key
        case RetireRule():
            return Outcome(rule=command.slug, version=command.version, state=RuleState.RETIRED, digest=None)
        case WithdrawDraft() | RecordBacktest() | PublishRule():
            slug, number = command.slug, command.version
        case _:
            raise AssertionError(command)  # pragma: no cover
    known = rulebook.versions.get((slug, number))
    return Outcome(
        rule=slug,
        version=number,
        state=None if known is None else known.state,
        digest=None if known is None else known.digest,
    )


def _idempotency(order: Order, outcome: Outcome) -> Idempotency | None:
    if order.idempotency_key is None:
        return None
    return Idempotency(
        client=order.by,
        key=order.idempotency_key,
        fingerprint=order.fingerprint,
        outcome=msgspec.json.encode(outcome),
    )


def _receipt(appended: Appended, outcome: Outcome) -> Receipt:
    replayed = appended.replayed is not None
    if appended.replayed is not None:
        outcome = msgspec.json.decode(appended.replayed, type=Outcome)
    return Receipt(
        outcome=outcome,
        rulebook_version=appended.version,
        position=appended.last_position,
        replayed=replayed,
    )
