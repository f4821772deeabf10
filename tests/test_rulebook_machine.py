"""Any command on a rulebook in any state: refused or carried out, what is published stays, a replay gives the same."""

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.errors import DomainError
from domain.rule_publication import DraftRule, RetireRule, RulebookCommand, WithdrawDraft
from domain.rulebook import IN_FORCE, Difference, RuleActivated, Rulebook, open_rulebook, rules_in_force
from domain.rules.rule import RuleState
from tests.support.rulebooks import CLERK, LEAD, NOON, SHIPPED, TERRITORY, act, document, published, tried

LIFE = [RuleState.DRAFT, RuleState.SHADOW, RuleState.ACTIVE, RuleState.RETIRED]
SLUGS = st.sampled_from(["a", "b", "silence-90"])
NUMBERS = st.integers(1, 3)


def some_rule(slug: str, version: int, gap: str, first: str, hidden_by: str | None) -> dict[str, Any]:
    hidden = {} if hidden_by in (None, slug) else {"inhibited_by": [hidden_by]}
    return document(slug, version, gap=gap, effective={"from": first}, **hidden)


RULES = st.builds(
    some_rule,
    SLUGS,
    NUMBERS,
    st.sampled_from(["30d", "60d"]),
    st.sampled_from(["2026-01-01", "2026-03-09"]),
    st.none() | SLUGS,
)
PERSONS = st.sampled_from([LEAD, CLERK, (LEAD[0], None)])


class AnyRulebook(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.rulebook = open_rulebook(TERRITORY, act())
        self.published: dict[tuple[str, int], str] = {}
        self.furthest: dict[tuple[str, int], RuleState] = {}

    @initialize(first=RULES)
    def begins_with_a_draft(self, first: dict[str, Any]) -> None:
        self.carry_out(DraftRule(document=first), LEAD)

    @rule(document=RULES, who=PERSONS)
    def draft(self, document: dict[str, Any], who: tuple[str, str | None]) -> None:
        self.carry_out(DraftRule(document=document), who)

    @rule(slug=SLUGS, version=NUMBERS, who=PERSONS)
    def withdraw(self, slug: str, version: int, who: tuple[str, str | None]) -> None:
        self.carry_out(WithdrawDraft(slug=slug, version=version), who)

    @rule(number=st.integers(0, 8), against=st.none() | NUMBERS, who=PERSONS)
    def keep_a_backtest(self, number: int, against: int | None, who: tuple[str, str | None]) -> None:
        self.carry_out(tried(self.some(number), difference=Difference(against=against, new=1, gone=1, same=1)), who)

    @rule(document=RULES, who=PERSONS)
    def keep_a_backtest_of_anything(self, document: dict[str, Any], who: tuple[str, str | None]) -> None:
        self.carry_out(tried(document), who)

    @rule(number=st.integers(0, 8), active=st.booleans(), who=PERSONS)
    def publish(self, number: int, active: bool, who: tuple[str, str | None]) -> None:
        self.carry_out(published(self.some(number), active=active), who)

    def some(self, number: int) -> dict[str, Any]:
        """The document of one of the territory's versions."""
        documents = [version.document for version in self.rulebook.versions.values() if version.document]
        found: dict[str, Any] = json.loads(documents[number % len(documents)]) if documents else document()
        return found

    @rule(slug=SLUGS, version=st.none() | NUMBERS, who=PERSONS)
    def retire(self, slug: str, version: int | None, who: tuple[str, str | None]) -> None:
        self.carry_out(RetireRule(slug=slug, version=version), who)

    def carry_out(self, command: RulebookCommand, who: tuple[str, str | None]) -> None:
        before, events = self.in_force(), len(self.rulebook.pending_events)
        try:
            command.decide(self.rulebook, act(who), SHIPPED)
        except DomainError:
            assert (self.in_force(), len(self.rulebook.pending_events)) == (before, events)

    def in_force(self) -> list[tuple[str, int, str]]:
        rules = rules_in_force(SHIPPED, self.rulebook.versions.values())
        return [(one.slug, one.version, one.state.value) for one in rules]

    @invariant()
    def a_replay_gives_the_same(self) -> None:
        again: Rulebook | None = None
        for event in self.rulebook.pending_events:
            again = event.mutate(again)
        assert again is not None
        assert again.versions == self.rulebook.versions

    @invariant()
    def what_is_published_never_changes_nor_goes_back(self) -> None:
        versions = self.rulebook.versions
        for key, digest in self.published.items():
            assert versions[key].digest == digest
        for key, version in versions.items():
            was = self.furthest.get(key, RuleState.DRAFT)
            assert LIFE.index(version.state) >= LIFE.index(was)
            if version.state is not RuleState.DRAFT:
                self.published[key], self.furthest[key] = version.digest, version.state

    @invariant()
    def nothing_untried_is_judged_and_nobody_changed_the_past_alone(self) -> None:
        for version in self.rulebook.versions.values():
            if version.state in IN_FORCE:
                assert version.tried
        for event in self.rulebook.pending_events:
            if isinstance(event, RuleActivated) and event.retroactive:
                assert (event.agency, event.actor) not in self.authors(event.slug, event.version)

    def authors(self, slug: str, version: int) -> set[tuple[str, str | None]]:
        return {(author.agency, author.agent) for author in self.rulebook.versions[slug, version].authors}

    @invariant()
    def a_later_rule_never_reads_as_retroactive_nor_a_past_one_as_not(self) -> None:
        for event in self.rulebook.pending_events:
            if isinstance(event, RuleActivated):
                first = self.rulebook.versions[event.slug, event.version].rule().effective_from
                assert event.retroactive == (first is None or first < NOON.date().toordinal())


TestAnyRulebook = AnyRulebook.TestCase
