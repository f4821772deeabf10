"""What the linter says of rules that can be read: circles, rules that find nothing new, names that lead nowhere."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.rules import Calendars, Rule, RuleRefused, Status, compile_rules, evaluate, parse_rules
from domain.rules.lint import agencies_named, find_cycle, never_activated, refuse_cycles, remarks
from domain.rules.subsumption import is_subsumed
from tests.support.rule_histories import fact

TEXTS = {"fr": "…", "en": "…"}
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def require(slug: str = "a", **changes: Any) -> Rule:
    document = {
        "rule": slug,
        "kind": "require",
        "when": {"on": "diagnosis", "where": {"theme": "a"}},
        "expect": {"on": "referral", "where": {"kind": "training"}},
        "within": {"from": "0d", "to": "30d"},
        "text": TEXTS,
    }
    return read(document | changes)


def silence(slug: str = "a", gap: str = "90d", **changes: Any) -> Rule:
    return read({"rule": slug, "kind": "silence", "of": {"on": "contact"}, "gap": gap, "text": TEXTS} | changes)


def read(document: dict[str, Any]) -> Rule:
    rule: Rule = parse_rules([document]).rules[0]
    return rule


def codes(*rules: Rule, among: tuple[Rule, ...] = (), territory: str | None = None) -> list[str]:
    return [remark.code for remark in remarks(rules, among, territory)]


def test_a_sound_rule_is_remarked_on_in_nothing() -> None:
    assert codes(require(), silence("b")) == []


def test_a_circle_is_told_by_its_names() -> None:
    rules = [silence("a", inhibited_by=["b"]), silence("b", inhibited_by=["c", "x"]), silence("c", inhibited_by=["a"])]
    circle = find_cycle(rules)
    assert circle[0] == circle[-1]
    assert set(circle) == {"a", "b", "c"}
    with pytest.raises(RuleRefused, match="hide each other in a circle"):
        refuse_cycles(rules)
    assert find_cycle(rules[:2]) == ()


def test_many_rules_that_lead_to_the_same_are_no_circle_and_cost_no_time() -> None:
    rules = [silence(f"r{n}", inhibited_by=[f"r{n + 1}", f"r{n + 2}"]) for n in range(400)]
    assert find_cycle(rules) == ()


def test_a_rule_hidden_by_a_name_that_nobody_has() -> None:
    found = remarks([silence(inhibited_by=["b", "missing"])], [silence("b", "60bd")])
    assert [(remark.code, remark.path) for remark in found] == [("unknown_inhibitor", "/inhibited_by/1")]
    assert "missing" in found[0].fr
    assert "missing" in found[0].en


def test_a_rule_without_a_text_in_both_languages() -> None:
    assert codes(silence(text={"fr": "…"})) == ["text_missing"]


def test_a_rule_for_other_territories() -> None:
    assert codes(silence(territory=["FR-75"]), territory="FR-34") == ["elsewhere"]
    assert codes(silence(territory=["FR-75", "FR-34"]), territory="FR-34") == []


@pytest.mark.parametrize(
    "narrow",
    [
        {"within": {"from": "0d", "to": "60d"}},
        {"when": {"on": "diagnosis", "where": {"theme": "a", "urgency": "high"}}},
        {"expect": {"on": ["referral", "contact"], "where": {"kind": "training"}}},
        {"expect": {"on": "referral"}},
        {"effective": {"from": "2026-01-01"}},
        {"territory": ["FR-34"]},
    ],
)
def test_a_rule_that_finds_only_what_another_finds(narrow: dict[str, Any]) -> None:
    assert codes(require("mine", **narrow), among=(require("theirs"),)) == ["subsumed"]
    assert codes(require("theirs"), among=(require("mine", **narrow),)) == []


@pytest.mark.parametrize(
    "other",
    [
        {"within": {"from": "0d", "to": "20d"}},
        {"within": {"from": "0d", "to": "60bd"}},
        {"when": {"on": "diagnosis"}},
        {"expect": {"on": "referral", "where": {"kind": "housing"}}},
        {"strict": True},
        {"use": "one_to_one", "within": {"from": "0d", "to": "60d"}},
        {"grace": "2d", "within": {"from": "0d", "to": "60d"}},
    ],
)
def test_a_rule_that_may_find_more(other: dict[str, Any]) -> None:
    assert not is_subsumed(require("mine", **other), require("theirs"))


def test_a_longer_silence_is_heard_by_a_shorter_one() -> None:
    assert is_subsumed(silence("long", "180d"), silence("short", "90d"))
    assert not is_subsumed(silence("short", "90d"), silence("long", "180d"))


def test_a_rule_in_shadow_makes_no_other_useless() -> None:
    assert not is_subsumed(silence("long", "180d"), silence("short", "90d", state="shadow"))


FACTS = st.lists(
    st.tuples(
        st.sampled_from(["diagnosis", "referral", "contact"]), st.integers(0, 120), st.sampled_from(["it", "art"])
    ),
    min_size=1,
    max_size=12,
)


@given(
    start=st.integers(-20, 20),
    length=st.integers(0, 60),
    earlier=st.integers(0, 20),
    later=st.integers(0, 20),
    more_targets=st.booleans(),
    all_themes=st.booleans(),
    history=FACTS,
)
def test_whatever_a_subsumed_rule_finds_the_other_finds(
    start: int,
    length: int,
    earlier: int,
    later: int,
    more_targets: bool,
    all_themes: bool,
    history: list[tuple[str, int, str]],
) -> None:
    wide = require(
        "wide",
        when={"on": "diagnosis"} | ({} if all_themes else {"where": {"theme": "a"}}),
        expect={"on": "referral"},
        within={"from": f"{start}d", "to": f"{start + length}d"},
    )
    narrow = require(
        "narrow",
        expect={"on": ["referral", "contact"] if more_targets else "referral"},
        within={"from": f"{start - earlier}d", "to": f"{start + length + later}d"},
    )
    assert is_subsumed(narrow, wide)
    facts = [
        fact(f"f{n}", kind, f"2026-{1 + day // 28:02d}-{1 + day % 28:02d}", theme=theme)
        for n, (kind, day, theme) in enumerate(history)
    ]
    found = evaluate(facts, compile_rules([narrow, wide]), Calendars(), NOW, explained=False).obligations
    late = {(one.rule, one.activation) for one in found if one.status in (Status.VIOLATED_OPEN, Status.VIOLATED_LATE)}
    assert {("wide", activation) for rule, activation in late if rule == "narrow"} <= late


def test_a_rule_that_nothing_set_off_in_twelve_months() -> None:
    recent, old = fact("d1", "diagnosis", "2026-02-01", theme="a"), fact("d2", "diagnosis", "2024-02-01", theme="a")
    rule, shadow = require(effective={"from": "2026-05-01"}), require("b", state="shadow")
    for facts, expected in (([recent], []), ([old], ["a", "b"]), ([], ["a", "b"])):
        found = never_activated([rule, shadow], {"P": facts}, Calendars(), NOW)
        assert [remark.rule for remark in found] == expected


def thousand(make: str) -> list[Rule]:
    match make:
        case "nested silences":
            return [silence(f"s{n}", f"{2_000 - n}d") for n in range(1_000)]
        case "unlike conditions":
            return [require(f"r{n}", when={"on": "diagnosis", "where": {"theme": f"t{n}"}}) for n in range(1_000)]
        case _:
            return [require(f"r{n}", expect={"on": f"type{n}"}) for n in range(1_000)]


@pytest.mark.parametrize("make", ["nested silences", "unlike conditions", "unlike targets"])
def test_a_thousand_rules_are_compared_with_few(make: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounded by the count of comparisons, which no other load of the machine changes."""
    asked = []

    def compared(rule: Rule, by: Rule) -> bool:
        asked.append((rule.slug, by.slug))
        return is_subsumed(rule, by)

    monkeypatch.setattr("domain.rules.subsumption.is_subsumed", compared)
    rules = thousand(make)
    subsumed = [remark.rule for remark in remarks(rules) if remark.code == "subsumed"]
    assert len(asked) <= 50_000
    assert len(subsumed) == (999 if make == "nested silences" else 0)


def test_the_strictest_rule_is_named() -> None:
    found = remarks([silence("long", "90d")], [silence("a", "60d"), silence("b", "30d"), silence("c", "45d")])
    assert [remark.en for remark in found] == ['Whatever this rule would find, "b" finds already.']


def test_an_agency_that_the_territory_does_not_have() -> None:
    rule = silence(route={"owner": "ccas", "watch": ["$when.agency", "nobody"]})
    assert agencies_named([rule]) == ["ccas", "nobody"]
    found = remarks([rule], unknown_agencies=["nobody"])
    assert [(remark.code, remark.path) for remark in found] == [("unknown_agency", "/route/watch/1")]
    assert "nobody" in found[0].fr
    assert "nobody" in found[0].en


def test_an_agency_that_is_only_called_upon_later_has_to_be_there_too() -> None:
    steps = [{"after": f"{days}d", "to": "critical", "notify": who} for days, who in enumerate(CALLED, start=1)]
    rule = silence(severity={"escalate": steps})
    assert agencies_named([rule]) == ["nobody"]
    [found] = remarks([rule], unknown_agencies=["nobody"])
    assert (found.code, found.path) == ("unknown_agency", "/severity/escalate/2/notify")


CALLED = ("coordinator", "agency_lead", "nobody")
