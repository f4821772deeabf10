"""Given a pathway, when a service asks for something, then...: scenarios of the aggregate, without any store."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import domain.catalogue  # noqa: F401 -- registers every event type.
from domain.aggregate import Event
from domain.command import Act, Command
from domain.errors import DomainError
from domain.facts import Fact
from domain.opening import OpenPathway, open_pathway
from domain.pathway import Pathway
from domain.rights import Measure

CCAS, MISSION_LOCALE, SIAO, FRANCE_TRAVAIL = "ccas-montpellier", "mission-locale", "siao-34", "france-travail"
STRANGER = "caf-75"
NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
TODAY = date(2026, 3, 10)
BIRTH = date(1991, 5, 17)
SUBJECT = UUID("01900000-0000-7000-8000-000000000001")
PATHWAY = UUID("01900000-0000-7000-8000-000000000002")


def an_id(name: str) -> UUID:
    """A stable id for what a scenario speaks of."""
    return uuid5(PATHWAY, name)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def act_of(agency: str = CCAS, at: datetime = NOW) -> Act:
    return Act(agency=agency, agent="agent-7", at=at, today=at.date())


def opened(by: str = CCAS, **fields: Any) -> Pathway:
    """A pathway opened sixty days ago; its events are taken off, as if stored."""
    known: dict[str, Any] = {"on": ago(60), "given_name": "Ada", "birth_date": BIRTH}
    command = OpenPathway(**known | fields)
    return open_pathway(command, "FR-34", act_of(by), PATHWAY, SUBJECT)


class Scenario:
    """A pathway with what was done to it. Each step checks that a replay of the events gives the same state."""

    def __init__(self, pathway: Pathway) -> None:
        self.pathway = pathway
        self.events: list[Event] = []
        self.new: list[Event] = []
        self.refusal: DomainError | None = None
        self._collect()

    def given(self, *commands: Command | Measure, by: str = CCAS) -> "Scenario":
        for command in commands:
            command.decide(self.pathway, act_of(by))
        self._collect()
        return self

    def when(self, command: Command, by: str = CCAS, at: datetime = NOW) -> "Scenario":
        before = self.pathway.facts(), self.pathway.version
        self.refusal = None
        try:
            command.decide(self.pathway, act_of(by, at))
        except DomainError as refusal:
            self.refusal = refusal
            assert (self.pathway.facts(), self.pathway.version) == before, "a refused command changed something"
        self._collect()
        return self

    def then_refused(self, error: type[DomainError], field: str | None = None) -> "Scenario":
        assert type(self.refusal) is error, f"expected {error.__name__}, got {self.refusal!r}"
        if field is not None:
            assert self.refusal.field == field
        assert not self.new
        return self

    def then_recorded(self, *event_types: type[Event]) -> "Scenario":
        assert self.refusal is None, f"refused: {self.refusal!r}"
        assert tuple(type(event) for event in self.new) == event_types
        return self

    def then_fact(self, fact_type: str, **expected: Any) -> "Scenario":
        """Exactly one fact of this type has these fields or attributes."""
        assert self.refusal is None, f"refused: {self.refusal!r}"
        found = [fact for fact in self.facts(fact_type) if _has(fact, expected)]
        assert len(found) == 1, f"{len(found)} of {self.facts(fact_type)}"
        return self

    def then_no_fact(self, fact_type: str, **expected: Any) -> "Scenario":
        assert self.refusal is None, f"refused: {self.refusal!r}"
        assert [fact for fact in self.facts(fact_type) if _has(fact, expected)] == []
        return self

    def then_participants(self, *agencies: str) -> "Scenario":
        assert self.pathway.participants == set(agencies)
        return self

    def facts(self, *types: str) -> list[Fact]:
        return [fact for fact in self.pathway.facts() if not types or fact.type in types]

    def _collect(self) -> None:
        self.new = [event for event in self.pathway.collect_events() if isinstance(event, Event)]
        self.events += self.new
        assert replay(self.events).facts() == self.pathway.facts()


def _has(fact: Fact, expected: dict[str, Any]) -> bool:
    return all(
        (getattr(fact, name) if name in Fact.__struct_fields__ else fact.attrs.get(name)) == value
        for name, value in expected.items()
    )


def given(*commands: Command, by: str = CCAS) -> Scenario:
    """A pathway opened by the CCAS, and what it was asked since."""
    return Scenario(opened()).given(*commands, by=by)


def replay(events: list[Event]) -> Pathway:
    pathway: Pathway | None = None
    for event in events:
        pathway = event.mutate(pathway)
    assert pathway is not None
    return pathway


def timeless(facts: Sequence[Fact]) -> list[dict[str, Any]]:
    """Facts without their version: what is so, not when we learnt it."""
    versioned = {"recorded_at", "position"}
    return [{name: getattr(fact, name) for name in fact.__struct_fields__ if name not in versioned} for fact in facts]
