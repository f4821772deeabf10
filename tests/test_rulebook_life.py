"""A version of a rule: drafted, tried, in shadow, active, retired. Nothing published ever changes."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain.aggregate import EVENT_TYPES
from domain.errors import DomainError
from domain.rule_publication import (
    DOCUMENT_BYTES_MAX,
    AlreadyPublished,
    BacktestOfAnother,
    BacktestRequired,
    DifferenceRequired,
    DraftRule,
    NotPublished,
    RecordBacktest,
    RetireRule,
    RulebookCommand,
    RulebookFull,
    SecondPersonRequired,
    VersionImmutable,
    VersionNotLater,
    WithdrawDraft,
    active_version,
    canonical,
    read_draft,
)
from domain.rulebook import (
    Difference,
    Rulebook,
    UnknownRule,
    rulebook_id_of,
    rules_in_force,
)
from domain.rules import RuleRefused, Ruleset
from domain.rules.rule import RuleState
from tests.support.rulebooks import (
    CLERK,
    LEAD,
    SHIPPED,
    TERRITORY,
    act,
    backtest,
    document,
    published,
    rulebook_after,
    tried,
)

RULE = document()
KEY = ("silence-30-days", 1)
PAST = document(effective={"from": "2026-01-01"})
COMPARED = tried(PAST, difference=Difference(against=None, new=7, gone=0, same=0))


def state_of(rulebook: Rulebook, key: tuple[str, int] = KEY) -> RuleState:
    return rulebook.versions[key].state


def in_force(rulebook: Rulebook) -> dict[str, str]:
    rules = rules_in_force(SHIPPED, rulebook.versions.values())
    return {f"{rule.slug}@{rule.version}": rule.state.value for rule in rules}


def refused(
    refusal: type[DomainError], rulebook: Rulebook, command: RulebookCommand, who: tuple[str, str | None] = LEAD
) -> DomainError:
    """The command is refused, and the rulebook is as it was."""
    events, rules = len(rulebook.pending_events), in_force(rulebook)
    with pytest.raises(refusal) as caught:
        command.decide(rulebook, act(who), SHIPPED)
    assert (len(rulebook.pending_events), in_force(rulebook)) == (events, rules)
    return caught.value


def test_a_rulebook_has_one_stream_for_ever() -> None:
    assert rulebook_id_of("FR-34") == UUID("c586d998-0bac-8abd-9c67-4dedc27d03c0")
    assert rulebook_id_of("FR-34") != rulebook_id_of("FR-30")


def test_before_anything_is_published_the_rules_are_the_products() -> None:
    rulebook = rulebook_after(DraftRule(document=RULE))
    assert in_force(rulebook) == {f"{rule.slug}@{rule.version}": "active" for rule in SHIPPED}


def test_a_draft_is_tried_put_in_shadow_activated_and_retired() -> None:
    rulebook = rulebook_after(DraftRule(document=RULE))
    seen = [state_of(rulebook)]
    for command in (tried(RULE), published(RULE, active=False), published(RULE), RetireRule(slug=KEY[0])):
        command.decide(rulebook, act(), SHIPPED)
        seen.append(state_of(rulebook))
    assert seen == [RuleState.DRAFT, RuleState.DRAFT, RuleState.SHADOW, RuleState.ACTIVE, RuleState.RETIRED]


def test_a_tried_draft_may_be_activated_at_once() -> None:
    rulebook = rulebook_after(DraftRule(document=RULE), tried(RULE), published(RULE))
    assert in_force(rulebook)["silence-30-days@1"] == "active"


def test_the_same_draft_written_otherwise_changes_nothing() -> None:
    again = dict(reversed(RULE.items())) | {"state": "active"}
    rulebook = rulebook_after(DraftRule(document=RULE), DraftRule(document=again))
    assert [type(event).__name__ for event in rulebook.pending_events] == ["RulebookOpened", "RuleDrafted"]


def test_a_draft_written_anew_needs_a_backtest_of_its_own() -> None:
    changed = document(gap="45d")
    rulebook = rulebook_after(DraftRule(document=RULE), tried(RULE), DraftRule(document=changed))
    refused(BacktestRequired, rulebook, published(RULE))
    refused(BacktestOfAnother, rulebook, tried(RULE))
    tried(changed).decide(rulebook, act(), SHIPPED)
    published(changed).decide(rulebook, act(), SHIPPED)
    assert state_of(rulebook) is RuleState.ACTIVE


@pytest.mark.parametrize("active", [True, False])
def test_nothing_is_published_untried(active: bool) -> None:
    refused(BacktestRequired, rulebook_after(DraftRule(document=RULE)), published(RULE, active=active))


def test_a_backtest_kept_twice_is_kept_once() -> None:
    once = tried(RULE)
    rulebook = rulebook_after(DraftRule(document=RULE), once, once)
    assert rulebook.versions[KEY].tried == (once.backtest,)


@pytest.mark.parametrize("active", [True, False])
def test_a_version_is_published_once(active: bool) -> None:
    rulebook = rulebook_after(DraftRule(document=RULE), tried(RULE), published(RULE, active=active))
    refused(AlreadyPublished, rulebook, published(RULE, active=active))


def test_what_raises_alerts_does_not_go_back_to_shadow_nor_what_was_retired_to_life() -> None:
    rulebook = rulebook_after(DraftRule(document=RULE), tried(RULE), published(RULE))
    refused(AlreadyPublished, rulebook, published(RULE, active=False))
    RetireRule(slug=KEY[0], version=1).decide(rulebook, act(), SHIPPED)
    for active in (True, False):
        refused(AlreadyPublished, rulebook, published(RULE, active=active))


@pytest.mark.parametrize("active", [True, False])
def test_another_document_under_a_published_version_is_refused(active: bool) -> None:
    rulebook = rulebook_after(DraftRule(document=RULE), tried(RULE), published(RULE, active=active))
    assert refused(VersionImmutable, rulebook, DraftRule(document=document(gap="31d"))).field == "/version"
    refused(VersionImmutable, rulebook, WithdrawDraft(slug=KEY[0], version=1))
    DraftRule(document=RULE).decide(rulebook, act(), SHIPPED)
    assert in_force(rulebook)["silence-30-days@1"] == ("active" if active else "shadow")


def test_a_shipped_version_is_published_already() -> None:
    refused(VersionImmutable, rulebook_after(), DraftRule(document=document("silence-90", 1)))


def test_a_version_before_a_published_one_is_refused() -> None:
    third = document(version=3)
    rulebook = rulebook_after(DraftRule(document=third), tried(third), published(third))
    refused(VersionNotLater, rulebook, DraftRule(document=document(version=2)))


@pytest.mark.parametrize("active", [True, False])
def test_a_version_that_was_overtaken_while_a_draft_is_not_published(active: bool) -> None:
    second, third = document(version=2), document(version=3)
    drafts = (DraftRule(document=second), DraftRule(document=third))
    rulebook = rulebook_after(*drafts, tried(second), tried(third), published(third))
    refused(VersionNotLater, rulebook, published(second, active=active))


def test_a_later_version_of_a_shipped_rule_takes_over_from_its_date() -> None:
    mine = document("silence-90", 2)
    rulebook = rulebook_after(DraftRule(document=mine), tried(mine), published(mine))
    assert {name: state for name, state in in_force(rulebook).items() if "90" in name} == {
        "silence-90@1": "active",
        "silence-90@2": "active",
    }
    assert active_version(rulebook, "silence-90", SHIPPED) == 2


def test_what_the_product_ships_later_under_a_rule_taken_over_is_not_for_the_territory() -> None:
    mine = document("silence-90", 2)
    rulebook = rulebook_after(DraftRule(document=mine), tried(mine), published(mine))
    old = next(rule for rule in SHIPPED if rule.slug == "silence-90")
    later = Ruleset((old, *(msgspec.structs.replace(old, version=version) for version in (2, 3))))
    rules = rules_in_force(later, rulebook.versions.values())
    assert [(rule.version, rule.source.get("gap")) for rule in rules] == [(1, "90d"), (2, "30d")]


def test_a_shipped_rule_may_be_retired_and_stays_so() -> None:
    retire = RetireRule(slug="silence-90")
    rulebook = rulebook_after(retire, retire)
    assert in_force(rulebook)["silence-90@1"] == "retired"
    assert len(rulebook.pending_events) == 2
    refused(VersionImmutable, rulebook, DraftRule(document=document("silence-90", 1)))


def test_retiring_a_later_version_gives_back_the_one_before() -> None:
    mine = document("silence-90", 2)
    rulebook = rulebook_after(
        DraftRule(document=mine), tried(mine), published(mine), RetireRule(slug="silence-90", version=2)
    )
    assert active_version(rulebook, "silence-90", SHIPPED) == 1


def test_a_draft_is_given_up_not_retired_and_its_number_is_free_again() -> None:
    rulebook = rulebook_after(DraftRule(document=RULE))
    refused(NotPublished, rulebook, RetireRule(slug=KEY[0], version=1))
    WithdrawDraft(slug=KEY[0], version=1).decide(rulebook, act(), SHIPPED)
    assert KEY not in rulebook.versions
    DraftRule(document=document(gap="45d")).decide(rulebook, act(), SHIPPED)
    assert state_of(rulebook) is RuleState.DRAFT


@pytest.mark.parametrize(
    "command",
    [
        WithdrawDraft(slug="nothing", version=1),
        published(document("nothing")),
        RetireRule(slug="nothing"),
        RetireRule(slug="silence-90", version=9),
        RecordBacktest(slug="nothing", version=1, backtest=backtest(RULE)),
    ],
)
def test_what_the_territory_does_not_have_is_unknown(command: RulebookCommand) -> None:
    refused(UnknownRule, rulebook_after(), command)


# The past.


def test_the_past_is_changed_only_after_a_comparison_and_by_a_second_person() -> None:
    rulebook = rulebook_after(DraftRule(document=PAST), tried(PAST))
    refused(DifferenceRequired, rulebook, published(PAST), CLERK)
    COMPARED.decide(rulebook, act(), SHIPPED)
    refused(SecondPersonRequired, rulebook, published(PAST), LEAD)
    published(PAST).decide(rulebook, act(CLERK), SHIPPED)
    assert state_of(rulebook) is RuleState.ACTIVE


@pytest.mark.parametrize(
    ("drafter", "publisher", "fit"),
    [
        (LEAD, LEAD, False),
        (LEAD, (LEAD[0], "agent-2"), True),
        (LEAD, (LEAD[0], None), False),
        ((LEAD[0], None), LEAD, False),
        ((LEAD[0], None), (CLERK[0], None), True),
        (LEAD, (CLERK[0], None), True),
        (LEAD, (CLERK[0], LEAD[1]), False),
    ],
)
def test_a_second_person_is_surely_another(
    drafter: tuple[str, str | None], publisher: tuple[str, str | None], fit: bool
) -> None:
    rulebook = rulebook_after((DraftRule(document=PAST), drafter), COMPARED)
    if not fit:
        refused(SecondPersonRequired, rulebook, published(PAST), publisher)
        return
    published(PAST).decide(rulebook, act(publisher), SHIPPED)
    assert state_of(rulebook) is RuleState.ACTIVE


def test_whoever_rewrote_a_draft_is_no_second_person() -> None:
    rulebook = rulebook_after(DraftRule(document=document(gap="45d")), (DraftRule(document=PAST), CLERK), COMPARED)
    for who in (LEAD, CLERK):
        refused(SecondPersonRequired, rulebook, published(PAST), who)


def test_without_a_date_a_rule_judges_all_the_past() -> None:
    always = {name: value for name, value in RULE.items() if name != "effective"}
    rulebook = rulebook_after(DraftRule(document=always), tried(always))
    refused(DifferenceRequired, rulebook, published(always), CLERK)


def test_the_day_of_publication_is_not_the_past() -> None:
    today = document(effective={"from": "2026-03-02"})
    rulebook = rulebook_after(DraftRule(document=today), tried(today), published(today))
    assert state_of(rulebook) is RuleState.ACTIVE


def test_a_shadow_may_look_at_the_past_alone() -> None:
    rulebook = rulebook_after(DraftRule(document=PAST), tried(PAST), published(PAST, active=False))
    assert state_of(rulebook) is RuleState.SHADOW


def test_a_comparison_with_a_version_no_longer_in_force_is_worth_nothing() -> None:
    past = document("silence-90", 3, effective={"from": "2026-01-01"})
    second = document("silence-90", 2)
    against_first = tried(past, difference=Difference(against=1, new=1, gone=2, same=3))
    rulebook = rulebook_after(
        DraftRule(document=past), against_first, DraftRule(document=second), tried(second), published(second)
    )
    refused(DifferenceRequired, rulebook, published(past), CLERK)
    tried(past, difference=Difference(against=2, new=1, gone=2, same=3)).decide(rulebook, act(), SHIPPED)
    published(past).decide(rulebook, act(CLERK), SHIPPED)
    assert active_version(rulebook, "silence-90", SHIPPED) == 3


# What may be drafted.


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"rule": "R01 need"}, "/rule"),
        ({"rule": "Silence"}, "/rule"),
        ({"gap": "-3d"}, "/gap"),
        ({"of": {"on": "contact", "were": {}}}, "/of/were"),
        ({"inhibited_by": ["silence-30-days"]}, "/inhibited_by"),
        ({"text": {"fr": "x" * 2001}}, "/text/fr"),
    ],
)
def test_a_document_that_is_no_sound_rule_is_refused_with_its_path(changes: dict[str, Any], path: str) -> None:
    assert refused(RuleRefused, rulebook_after(), DraftRule(document=document(**changes))).field == path


def test_a_document_with_several_rules_or_none_is_refused() -> None:
    for rules in ([RULE, document("b")], []):
        refused(RuleRefused, rulebook_after(), DraftRule(document={"rules": rules}))


def test_a_long_document_is_refused() -> None:
    words = [f"word-{number}" for number in range(DOCUMENT_BYTES_MAX // 10)]
    long = document(of={"on": "contact", "where": {"channel": {"in": words}}})
    assert "64 kB" in refused(RuleRefused, rulebook_after(), DraftRule(document=long)).detail


def test_rules_that_hide_each_other_are_refused_when_they_meet() -> None:
    first, second = document("a", inhibited_by=["b"]), document("b", inhibited_by=["a"])
    rulebook = rulebook_after(
        DraftRule(document=first), tried(first), published(first), DraftRule(document=second), tried(second)
    )
    assert "a → b → a" in refused(RuleRefused, rulebook, published(second, active=False)).detail


@pytest.mark.parametrize("again", [RULE, document(gap="45d")])
def test_a_retired_version_does_not_come_back(again: dict[str, Any]) -> None:
    slug, version = KEY
    retired = RetireRule(slug=slug, version=version)
    rulebook = rulebook_after(DraftRule(document=RULE), tried(RULE), published(RULE), retired)
    refusal = refused(VersionImmutable, rulebook, DraftRule(document=again))
    assert (refusal.code, refusal.field) == ("version_immutable", "/version")
    assert "retired" in refusal.detail


def test_a_rulebook_has_room_for_so_many_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.rule_publication.VERSIONS_MAX", 2)
    rulebook = rulebook_after(DraftRule(document=RULE), DraftRule(document=document("b")))
    refused(RulebookFull, rulebook, DraftRule(document=document("c")))
    DraftRule(document=document("b", gap="45d")).decide(rulebook, act(), SHIPPED)


def test_a_rule_with_groups_of_its_own_reads_back_the_same() -> None:
    whole = {
        "groups": {"talks": "call"},
        "types": {"call": ["length"]},
        "rules": [document(of={"on": "talks"}) | {"state": "active"}],
    }
    rule, text, _ = read_draft(whole)
    rulebook = rulebook_after(DraftRule(document=whole))
    assert rulebook.versions[KEY].rule().body == rule.body
    assert '"state"' not in text


def test_infinity_is_written_as_rules_write_it() -> None:
    assert canonical({"within": {"from": float("-inf"), "to": float("inf")}}) == '{"within":{"from":"-inf","to":"inf"}}'


@pytest.mark.parametrize("value", [10**30, "\ud800"])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(RuleRefused):
        canonical({"where": {"count": value}})


def test_events_of_rulebooks_are_about_no_person() -> None:
    types = [event_type for topic, event_type in EVENT_TYPES.items() if topic.startswith("rulebook.")]
    assert types
    assert not any(event_type.OF_PERSON for event_type in types)


def test_a_rulebook_reads_back_from_its_events() -> None:
    rulebook = rulebook_after(DraftRule(document=RULE), tried(RULE), published(RULE), RetireRule(slug=KEY[0]))
    again: Rulebook | None = None
    for event in rulebook.pending_events:
        again = event.mutate(again)
    assert again is not None
    assert (again.versions, again.territory, again.id) == (
        rulebook.versions,
        TERRITORY,
        rulebook_id_of(TERRITORY),
    )
