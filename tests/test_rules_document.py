"""Rules documents: what is read, and every way to be refused, with the path and a sentence."""

import re
from typing import Any

import pytest

from domain.facts import FactState
from domain.rules import RuleRefused, parse_rules
from domain.rules.document.kinds import OWNERS
from domain.rules.rule import At, Effect, OnClose, OnSuspend, Require, RuleState, Severity, Silence, Use
from domain.rules.values import Of, Reference
from domain.rules.windows import Duration, Unit
from tests.support.documents import DOCS
from tests.support.rule_histories import forbid, limit, require, silence

FULL = {
    "rule": "besoin-formation-orientation",
    "version": 3,
    "state": "active",
    "territory": ["FR-75", "FR-974"],
    "effective": {"from": "2026-01-01", "to": None},
    "kind": "require",
    "when": {"on": "diagnosis", "where": {"needs": {"has": "training"}}},
    "expect": {"on": "referral", "where": {"kind": "training"}, "match": {"theme": "theme"}},
    "within": {"from": "0d", "to": "30d"},
    "roll": "next_working",
    "until": {"on": "need_withdrawn", "match": {"theme": "theme"}, "effect": "release"},
    "min": 1,
    "accept": ["done"],
    "use": "shared",
    "strict": False,
    "grace": "3bd",
    "on_suspend": "freeze",
    "on_close": "cancel",
    "stale_after": "180d",
    "severity": {"raise": "warning", "escalate": [{"after": "10bd", "to": "critical", "notify": "coordinator"}]},
    "route": {"owner": "$when.agency", "watch": ["$pathway.referent"]},
    "inhibited_by": ["silence-90j"],
    "text": {
        "fr": "Besoin de formation « {when.theme} » du {when.start} sans orientation avant le {close}.",
        "en": 'Training need "{when.theme}" of {when.start} has no referral by {close}.',
    },
}


def test_a_whole_document_is_read() -> None:
    (rule,) = parse_rules([FULL])
    body = rule.body
    assert isinstance(body, Require)
    assert (rule.slug, rule.version, rule.state, rule.kind) == (FULL["rule"], 3, RuleState.ACTIVE, "require")
    assert rule.territories == {"FR-75", "FR-974"}
    assert (rule.is_effective(739616), rule.is_effective(739617)) == (False, True)  # 31 December 2025, 1 January.
    assert body.within.end == Duration(30, Unit.DAYS)
    assert body.within.roll
    assert body.until is not None
    assert body.until.effect is Effect.RELEASE
    assert body.expect.states == frozenset({FactState.DONE})
    assert rule.grace == Duration(3, Unit.BUSINESS_DAYS)
    assert rule.raises.escalate[0].to is Severity.CRITICAL
    assert rule.route.owner == Reference(Of.WHEN, "agency")
    assert rule.inhibited_by == ("silence-90j",)
    assert rule.source == FULL


def test_the_short_form_has_the_defaults_of_the_specification() -> None:
    (rule,) = parse_rules([require(rule="R01 need-to-referral")])
    body = rule.body
    assert isinstance(body, Require)
    assert (rule.slug, rule.version, rule.state, rule.territories) == (
        "R01 need-to-referral",
        1,
        RuleState.ACTIVE,
        None,
    )
    assert (body.min, body.use, body.expect.at, rule.strict) == (1, Use.SHARED, At.START, False)
    assert (rule.on_suspend, rule.on_close, rule.grace) == (OnSuspend.FREEZE, OnClose.CANCEL, None)
    assert body.expect.states == frozenset({FactState.DONE})
    assert body.when.states is None


def test_a_where_on_state_overrides_accept() -> None:
    expect = {"on": "referral", "where": {"any": [{"state": "no_show"}, {"kind": "x"}]}}
    (rule,) = parse_rules([require(expect=expect, accept=["done", "planned"])])
    assert isinstance(rule.body, Require)
    assert rule.body.expect.states is None


def test_each_kind_has_its_own_defaults() -> None:
    rules = {rule.kind: rule for rule in parse_rules([[require(), forbid(), limit(), silence()]])}
    assert {kind: rule.on_suspend.value for kind, rule in rules.items()} == {
        "require": "freeze",
        "forbid": "run",
        "limit": "run",
        "silence": "freeze",
    }
    assert {rule.on_close for rule in rules.values()} == {OnClose.CANCEL}


def test_a_key_of_another_kind_is_refused_with_what_this_kind_has() -> None:
    with pytest.raises(RuleRefused, match=r"one too many\. A forbid rule has `when`, `forbid`"):
        parse_rules([forbid(min=2)])
    with pytest.raises(RuleRefused, match=r"it belongs to rules of kind limit\. A require rule"):
        parse_rules([require(max=2)])


def test_the_targets_of_a_chain_have_one_of_its_types() -> None:
    expect = {"on": ["referral", "contact", "handover"]}
    (rule,) = parse_rules([require(expect=expect, next_among=["contact", "referral"])])
    assert isinstance(rule.body, Require)
    assert rule.body.expect.types == ("referral", "contact")
    (any_fact,) = parse_rules([require(expect={"on": "*"}, prev_among=["contact"])])
    assert isinstance(any_fact.body, Require)
    assert any_fact.body.expect.types == ("contact",)


def test_groups_are_expanded_and_may_be_declared() -> None:
    document = {
        "groups": {"moves": ["relocation", "handover"]},
        "rules": [require(when={"on": ["moves", "pathway.opened"]}), silence(of={"on": "contact_events"})],
    }
    first, second = parse_rules([document])
    assert isinstance(first.body, Require)
    assert first.body.when.types == ("relocation", "handover", "opened")
    assert isinstance(second.body, Silence)
    assert "contact" in second.body.of.types


def test_one_rule_a_list_a_mapping_and_several_documents_are_all_read() -> None:
    one, two = require(rule="one"), require(rule="two")
    for documents in ([one], [[one]], [{"rules": [one]}]):
        assert [rule.slug for rule in parse_rules(documents)] == ["one"]
    assert [rule.slug for rule in parse_rules([two, [one]])] == ["one", "two"]


BAD: list[tuple[Any, str]] = [
    ([], "/"),
    ("a text", "/"),
    (3, "/"),
    ({"rules": {}}, "/rules"),
    ({"groups": {}}, "/"),
    ({"groups": {"self": ["a"]}, "rules": []}, "/groups/self"),
    ({"groups": {"g": []}, "rules": [require()]}, "/groups/g"),
    ({"rules": [require()], "extra": 1}, "/extra"),
    ([require(), 3], "/1"),
    ([require(), require()], "/1/version"),
    ({"kind": "require"}, "/"),
    (require(rule=""), "/rule"),
    (require(rule=7), "/rule"),
    (require(rule="a\x00b"), "/rule"),
    (require(kind="limit"), "/when"),
    (require(kind="forbid"), "/expect"),
    (require(kind="requires"), "/kind"),
    (require(kind=None), "/"),
    (require(version=0), "/version"),
    (require(version="1"), "/version"),
    (require(version=True), "/version"),
    (require(state="on"), "/state"),
    (require(territory=[]), "/territory"),
    (require(territory=["*", "FR-34"]), "/territory"),
    (require(effective={"from": "2026-13-01"}), "/effective/from"),
    (require(effective={"from": "2026-02-01", "to": "2026-02-01"}), "/effective"),
    (require(effective={"since": "2026-02-01"}), "/effective/since"),
    (require(when={}), "/when"),
    (require(when={"on": []}), "/when/on"),
    (require(when={"on": "self"}), "/when/on"),
    (require(when={"on": "diagnosis", "match": {"a": "b"}}), "/when/match"),
    (require(when={"on": "diagnosis", "where": {"a": "$when.b"}}), "/when/where/a"),
    (require(when={"on": "diagnosis", "at": "middle"}), "/when/at"),
    (require(when={"on": "diagnosis", "type": "x"}), "/when/type"),
    (require(expect={"on": ["self", "referral"]}), "/expect/on"),
    (require(expect={"on": "referral", "match": ["theme"]}), "/expect/match"),
    (require(expect={"on": "referral", "match": {"theme": 3}}), "/expect/match/theme"),
    (require(expect={"on": "referral", "match": {"theme": "$nobody.theme"}}), "/expect/match/theme"),
    (require(expect={"on": "referral", "relation": ["inside"]}, relation="inside"), "/expect/relation"),
    (require(relation=["inside", "near"]), "/relation/1"),
    (require(relation=[]), "/relation"),
    (require(relation=["inside"], within=None, roll="next_working"), "/roll"),
    (require(when={"on": "x", "relation": "inside"}), "/when/relation"),
    (require(unless={"where": {"a": 1}}), "/unless"),
    (require(unless={"on": "x", "within": {"from": "5d", "to": "1d"}}), "/unless/within"),
    (require(unless={"on": "self"}), "/unless/on"),
    (require(unless={"on": "x", "relation": "inside"}), "/unless/relation"),
    (require(scope="household"), "/scope"),
    (require(count={"on": "x"}), "/count"),
    (require(gap="3d"), "/gap"),
    (require(within=None), "/"),
    (require(within={"from": "0d"}), "/within"),
    (require(within={"from": "0d", "to": 30}), "/within/to"),
    (require(within={"from": "0d", "to": "30 days"}), "/within/to"),
    (require(within={"from": "5d", "to": "1d"}), "/within"),
    (require(within={"from": "inf", "to": "inf"}), "/within"),
    (require(within={"from": "3h", "to": "90min"}), "/within"),
    (require(within={"from": "0d", "to": "1d", "until": "2d"}), "/within/until"),
    (require(bounds="[)"), "/within"),
    (require(bounds="{}", within={"from": "0h", "to": "1h"}), "/bounds"),
    (require(roll="next"), "/roll"),
    (require(roll="next_working", within={"from": "0h", "to": "1h"}), "/roll"),
    (require(min=0), "/min"),
    (require(min=1.5), "/min"),
    (require(accept=["finished"]), "/accept/0"),
    (require(accept=[]), "/accept"),
    (require(use="once"), "/use"),
    (require(strict="no"), "/strict"),
    (require(grace="-1d"), "/grace"),
    (require(grace="inf"), "/grace"),
    (require(on_suspend="stop"), "/on_suspend"),
    (require(on_close="stay"), "/on_close"),
    (require(stale_after="soon"), "/stale_after"),
    (require(until={"on": "x"}), "/until"),
    (require(until={"on": "x", "effect": "stop"}), "/until/effect"),
    (require(until={"effect": "release"}), "/until"),
    (require(until="x"), "/until"),
    (require(until={"on": "x", "effect": "release", "within": {}}), "/until/within"),
    (require(next_among=[]), "/next_among"),
    (require(severity="high"), "/severity"),
    (require(severity={"raise": "loud"}), "/severity/raise"),
    (require(severity={"escalate": [{"to": "critical"}]}), "/severity/escalate/0"),
    (require(severity={"escalate": [{"after": "1d"}]}), "/severity/escalate/0"),
    (require(route={"owner": "$while.agency"}), "/route/owner"),
    (require(route={"to": "x"}), "/route/to"),
    (require(inhibited_by=[3]), "/inhibited_by/0"),
    (require(text={"de": "x"}), "/text/de"),
    (require(text={"fr": "{when.__class__}{secret}"}), "/text/fr"),
    (require(text={"fr": "x" * 3000}), "/text/fr"),
    (require(when={"on": "x", "where": {"a": {"between": [5, 1]}}}), "/when/where/a/between"),
    (require(when={"on": "x", "where": {"a": {"between": ["a", 1]}}}), "/when/where/a/between"),
    (require(when={"on": "x", "where": {"a": {"between": ["2026-02-01", "2026-01-01"]}}}), "/when/where/a/between"),
    (require(route={"owner": "Mission locale"}), "/route/owner"),
    (require(route={"watch": ["ccas", "when.agency"]}), "/route/watch/1"),
    (require(route={"watch": "c"}), "/route/watch"),
    (require(text={"fr": "\x1b[31m"}), "/text/fr"),
    (require(source="\x9b31m"), "/source"),
    (require(rule="adv\n"), "/rule"),
    (require(inhibited_by=["a\tb"]), "/inhibited_by/0"),
    (require(when={"on": "x", "where": {"a": "\x00"}}), "/when/where/a"),
    (require(when={"on": "x", "where": {"a": ["b", "\x1b[2J"]}}), "/when/where/a/1"),
    (require(when={"on": "x", "where": {"a": {"ne": "\x7f"}}}), "/when/where/a/ne"),
    (require(when={"on": "x", "where": {"a\n": 1}}), "/when/where/a\n"),
    (require(expect={"on": "y", "match": {"a": "b\n"}}), "/expect/match/a"),
    (require(whn={"on": "x"}), "/whn"),
    (require(next_among=["contact"]), "/next_among"),
    (require(text={"fr": "{count}"}), "/text/fr"),
    (forbid(within=None), "/"),
    (forbid(forbid=None), "/"),
    (forbid(forbid={"on": "self"}), "/forbid/on"),
    (forbid(forbid={"on": "x", "within": {"from": "0d", "to": "1d"}}), "/forbid/within"),
    (forbid(min=2), "/min"),
    (forbid(use="one_to_one"), "/use"),
    (forbid(max=2), "/max"),
    (forbid(relation="touches"), "/relation"),
    (forbid(relation=[["meets"]]), "/relation/0"),
    (forbid(within=None, relation="meets", bounds="[)"), "/bounds"),
    (forbid(within=None, relation="meets", roll="next_working"), "/roll"),
    (forbid(until={"on": "x", "relation": "meets", "effect": "release"}), "/until/relation"),
    (forbid(prev_among="contact"), "/prev_among"),
    (limit(count=None), "/"),
    (limit(count="appointment"), "/count"),
    (limit(count={"on": "x", "relation": "meets"}), "/count/relation"),
    (limit(count={"on": "x", "differ": {"a": "a"}}), "/count/differ"),
    (limit(count={"on": "x", "match": {"a": "b"}}), "/count/match/a"),
    (limit(count={"on": "x", "match": {"a": "$pathway.a"}}), "/count/match/a"),
    (limit(count={"on": "x", "where": {"a": "$when.b"}}), "/count/where/a"),
    (limit(count={"on": "x", "at": "end"}, in_last=None, concurrent=True), "/count/at"),
    (limit(max=None), "/"),
    (limit(max=-1), "/max"),
    (limit(max=2.5), "/max"),
    (limit(in_last=None), "/"),
    (limit(in_last=None, concurrent=False), "/"),
    (limit(concurrent=True), "/in_last"),
    (limit(concurrent="yes"), "/concurrent"),
    (limit(in_last="-3d"), "/in_last"),
    (limit(in_last="0d"), "/in_last"),
    (limit(when={"on": "x"}), "/when"),
    (limit(within={"from": "0d", "to": "1d"}), "/within"),
    (limit(strict=True), "/strict"),
    (limit(roll="next_working"), "/roll"),
    (limit(on_suspend="freeze"), "/on_suspend"),
    (limit(on_close="force"), "/on_close"),
    (limit(unless={"on": "x", "match": {"a": 1}}), "/unless/match/a"),
    (limit(text={"en": "{gap}"}), "/text/en"),
    ({**require(), 3: "x"}, "/"),
    (silence(gap="-3d"), "/gap"),
    (silence(gap="inf"), "/gap"),
    (silence(of={"on": "contact", "match": {"a": "b"}}), "/of/match"),
    (silence(of={"on": "contact", "where": {"a": "$while.id"}}), "/of/where/a"),
    (silence(within={"from": "0d", "to": "1d"}), "/within"),
    (silence(when={"on": "x"}), "/when"),
    (silence(unless={"on": "x"}), "/unless"),
    (silence(of={"on": "contact", "relation": "meets"}), "/of/relation"),
    (silence(**{"while": {"on": []}}), "/while/on"),
]


@pytest.mark.parametrize(("document", "path"), BAD, ids=[f"{number}{path}" for number, (_, path) in enumerate(BAD)])
def test_a_bad_document_is_refused_with_the_path_and_a_sentence(document: Any, path: str) -> None:
    with pytest.raises(RuleRefused) as refusal:
        parse_rules([document])
    assert refusal.value.field == path
    assert refusal.value.sentence[-1] in ".?"
    assert len(refusal.value.sentence) > 10
    assert refusal.value.sentence_fr[-1] in ".?"


def test_the_path_names_the_document_among_several() -> None:
    with pytest.raises(RuleRefused) as refusal:
        parse_rules([require(), [require(rule="other", kind="limits")]])
    assert refusal.value.field == "/documents/1/0/kind"


def test_a_misspelt_key_is_told_its_likely_name() -> None:
    with pytest.raises(RuleRefused, match="Did you mean `on_suspend`"):
        parse_rules([require(on_suspnd="run")])


LANGUAGE = (DOCS / "reference" / "rule-language.md").read_text("utf-8")


def section(heading: str) -> str:
    return LANGUAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_the_reference_page_says_which_kinds_know_each_key() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| ([^|]*) \|$", section("By kind"), re.MULTILINE)
    assert {key: tuple(re.findall(r"`(\w+)`", kinds)) for key, kinds in rows} == OWNERS


def test_every_key_of_the_reference_page_is_read() -> None:
    values: dict[str, Any] = FULL | {"source": "Code de l'action sociale", "route": {"watch": ["mission"]}}
    rows = re.findall(r"^\| (`.*?`) \|", section("Every rule"), re.MULTILINE)
    keys = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert keys == set(values) - set(OWNERS)
    assert len(parse_rules([values])) == 1


def test_a_text_for_readers_may_have_several_lines() -> None:
    (rule,) = parse_rules([require(text={"fr": "Un mot.\nUn autre.\tÀ part."}, source="Loi\nArticle 3")])
    assert rule.text["fr"].count("\n") == 1
    assert rule.basis == "Loi\nArticle 3"
