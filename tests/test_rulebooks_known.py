"""A rulebook stays in memory: only what is new is read again, whoever wrote it, and no reader sees it half changed."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from application.event_log import Stored
from application.rulebooks import DraftRefused, Order, Rulebooks
from application.rules_in_force import RulesInForce
from domain.clock import SettableClock
from domain.rule_publication import DraftRule, PublishRule, RetireRule, RulebookCommand, RulebookFull, WithdrawDraft
from infrastructure.memory_event_log import MemoryEventLog
from tests.support.logs import START, memory_log
from tests.support.rulebooks import CLERK, LEAD, SHIPPED, TERRITORY, backtest, document

RULE = document()


class CountedLog:
    """A log that says how many events were read."""

    def __init__(self, log: MemoryEventLog) -> None:
        self._log = log
        self.read = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def read_stream(self, territory: str, stream_id: UUID, **limits: Any) -> Sequence[Stored]:
        found = await self._log.read_stream(territory, stream_id, **limits)
        self.read += len(found)
        return found


@pytest.fixture
def log() -> CountedLog:
    return CountedLog(memory_log())


def process(log: CountedLog) -> Rulebooks:
    return Rulebooks(log, SettableClock(START), RulesInForce(SHIPPED))  # type: ignore[arg-type]


async def act(rulebooks: Rulebooks, command: RulebookCommand, who: tuple[str, str | None] = LEAD) -> None:
    await rulebooks.carry_out(Order(territory=TERRITORY, command=command, by=who[0], agent=who[1]))


async def test_only_what_is_new_is_read_again(log: CountedLog) -> None:
    rulebooks = process(log)
    for number in range(1, 20):
        await act(rulebooks, DraftRule(document=document(f"rule-{number}")))
    await rulebooks.read(TERRITORY)
    assert log.read == 20
    await rulebooks.in_force(TERRITORY)
    assert log.read == 20


async def test_processes_see_what_the_others_write(log: CountedLog) -> None:
    one, other = process(log), process(log)
    await act(one, DraftRule(document=RULE))
    assert ("silence-30-days", 1) in (await other.read(TERRITORY)).versions
    await other.record_backtest(TERRITORY, "silence-30-days", 1, backtest(RULE), by=LEAD[0])
    await act(one, PublishRule(slug="silence-30-days", version=1, active=True), CLERK)
    assert "silence-30-days" in {rule.slug for rule in (await other.in_force(TERRITORY)).ruleset}
    await act(other, RetireRule(slug="silence-30-days"))
    fresh = process(log)
    for rulebooks in (one, other):
        assert (await rulebooks.read(TERRITORY)).versions == (await fresh.read(TERRITORY)).versions
        assert (await rulebooks.in_force(TERRITORY)).ruleset == (await fresh.in_force(TERRITORY)).ruleset


async def test_what_was_read_does_not_change_under_its_reader(log: CountedLog) -> None:
    rulebooks = process(log)
    await act(rulebooks, DraftRule(document=RULE))
    seen = await rulebooks.read(TERRITORY)
    versions = dict(seen.versions)
    await act(rulebooks, DraftRule(document=document("another")))
    await act(rulebooks, WithdrawDraft(slug="silence-30-days", version=1))
    await rulebooks.read(TERRITORY)
    assert (seen.versions, seen.version) == (versions, 2)


async def test_a_refused_command_leaves_nothing_behind(log: CountedLog) -> None:
    rulebooks = process(log)
    await act(rulebooks, DraftRule(document=RULE))
    with pytest.raises(DraftRefused, match="silence-90@1"):
        await rulebooks.draft(TERRITORY, [document("b"), document("silence-90")], by=LEAD[0])
    assert set((await rulebooks.read(TERRITORY)).versions) == {("silence-30-days", 1)}


async def test_a_rulebook_that_would_be_full_drafts_nothing(log: CountedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.rule_publication.VERSIONS_MAX", 3)
    rulebooks = process(log)
    await act(rulebooks, DraftRule(document=RULE))
    with pytest.raises(DraftRefused) as refused:
        await rulebooks.draft(TERRITORY, [document(slug) for slug in "abc"], by=LEAD[0])
    assert isinstance(refused.value.reason, RulebookFull)
    assert refused.value.rule == "c@1"
    assert len((await rulebooks.read(TERRITORY)).versions) == 1
    drafted = await rulebooks.draft(TERRITORY, [document(slug) for slug in "ab"], by=LEAD[0])
    assert [outcome.rule for outcome in drafted] == ["a", "b"]
