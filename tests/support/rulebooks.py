"""Rules to publish, and what it takes to publish them: documents, backtests, two persons of two agencies."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from domain.command import Act
from domain.ids import uuid7
from domain.rule_publication import PublishRule, RecordBacktest, RulebookCommand, read_draft
from domain.rulebook import Backtest, BacktestMode, Difference, Rulebook, open_rulebook
from tests.support.four_rules import four_rules

TERRITORY = "FR-34"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SHIPPED = four_rules()
LEAD, CLERK = ("departement-34", "agent-1"), ("ccas-montpellier", "agent-7")


def act(who: tuple[str, str | None] = LEAD, at: datetime = NOON) -> Act:
    agency, agent = who
    return Act(agency=agency, agent=agent, at=at, today=at.date())


def document(slug: str = "silence-30-days", version: int = 1, **changes: Any) -> dict[str, Any]:
    """A rule that takes effect a week after NOON."""
    rule: dict[str, Any] = {
        "rule": slug,
        "version": version,
        "kind": "silence",
        "of": {"on": "contact_events"},
        "gap": "30d",
        "effective": {"from": "2026-03-09"},
        "text": {"fr": "Aucun contact depuis le {when.start}.", "en": "No contact since {when.start}."},
    }
    return rule | changes


def backtest(rule: dict[str, Any], *, difference: Difference | None = None, **fields: Any) -> Backtest:
    found = Backtest(
        id=uuid7(),
        mode=BacktestMode.HINDSIGHT,
        digest=read_draft(rule)[2],
        known_at=100,
        pathways=40,
        activations=60,
        alerts=7,
        difference=difference,
    )
    return msgspec.structs.replace(found, **fields)


def tried(rule: dict[str, Any], **fields: Any) -> RecordBacktest:
    return RecordBacktest(slug=rule["rule"], version=rule["version"], backtest=backtest(rule, **fields))


def published(rule: dict[str, Any], *, active: bool = True) -> PublishRule:
    return PublishRule(slug=rule["rule"], version=rule["version"], active=active)


def rulebook_after(*commands: RulebookCommand | tuple[RulebookCommand, tuple[str, str | None]]) -> Rulebook:
    """A rulebook on which these were carried out, each by the lead unless it says by whom."""
    rulebook = open_rulebook(TERRITORY, act())
    for each in commands:
        command, who = each if isinstance(each, tuple) else (each, LEAD)
        command.decide(rulebook, act(who), SHIPPED)
    return rulebook
