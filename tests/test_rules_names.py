"""A rule is drafted in the words that facts have: types and fields that no fact will ever have are refused."""

import re
from pathlib import Path
from typing import Any

import pytest

from application.rulebook import load_documents, load_rules, one_by_one, shipped_rules
from domain.rule_publication import read_draft, read_to_draft, read_to_try
from domain.rules import Rule, RuleRefused
from domain.rules.rule import Require
from tests.support.rule_histories import forbid, limit, require, silence

LANGUAGE = Path(__file__).parents[1] / "docs" / "reference" / "rule-language.md"


def where(condition: Any) -> dict[str, Any]:
    return require(when={"on": "diagnosis", "where": condition})


@pytest.mark.parametrize("rule", shipped_rules().rules, ids=lambda rule: rule.slug)
def test_the_shipped_rules_could_be_drafted(rule: Rule) -> None:
    assert read_draft(rule.source)[0] == rule


UNKNOWN: list[tuple[dict[str, Any], str, str]] = [
    (require(when={"on": "diagnosys"}), "/when/on", "'diagnosis'"),
    (require(when={"on": ["diagnosis", "referal"]}), "/when/on/1", "'referral'"),
    (require(expect={"on": "zzz"}), "/expect/on", "under `types`"),
    (require(next_among=["referral", "zzz"]), "/next_among/1", "zzz"),
    (require(until={"on": "need_withdrawal", "effect": "release"}), "/until/on", "'need_withdrawn'"),
    (where({"nedes": {"has": "training"}}), "/when/where/nedes", "'needs'"),
    (where({"statut": "withdrawn"}), "/when/where/statut", "'status'"),
    (where({"any": [{"theme": "it"}, {"not": {"agancy": "ccas"}}]}), "/when/where/any/1/not/agancy", "'agency'"),
    (where({"physical": "heavy"}), "/when/where/physical", "'diagnosis' has no field"),
    (require(expect={"on": "referral", "where": {"theme": "$when.__class__"}}), "/expect/where/theme", "__class__"),
    (
        require(expect={"on": "referral", "where": {"theme": {"in": ["it", "$when.them"]}}}),
        "/expect/where/theme/in/1",
        "'theme'",
    ),
    (where({"theme": "$pathway.theme"}), "/when/where/theme", "it knows: closure_id, id"),
    (require(expect={"on": "referral", "match": {"them": "theme"}}), "/expect/match/them", "'theme'"),
    (require(expect={"on": "referral", "match": {"theme": "them"}}), "/expect/match/theme", "'diagnosis'"),
    (require(expect={"on": "self", "where": {"urgency": "high"}}), "/expect/where/urgency", "'diagnosis'"),
    (require(unless={"on": "training", "differ": {"agency": "needz"}}), "/unless/differ/agency", "'needs'"),
    (require(route={"owner": "$when.to_agency"}), "/route/owner", "'diagnosis'"),
    (require(route={"watch": ["$when.agency", "$pathway.agency"]}), "/route/watch/1", "id, referent"),
    (require(text={"fr": "…", "en": "{when.needz}"}), "/text/en", "'needs'"),
    (require(text={"fr": "{target.needs}"}), "/text/fr", "'referral'"),
    (forbid(forbid={"on": "trainings"}), "/forbid/on", "'training'"),
    (limit(count={"on": "appointment", "match": {"theme": "theme"}}), "/count/match/theme", "'appointment'"),
    (silence(of={"on": "contact", "where": {"outcome": "x"}}), "/of/where/outcome", "'contact'"),
    (
        {"rule": "a", "kind": "silence", "while": {"on": "training"}, "gap": "9d"}
        | {"of": {"on": "review", "match": {"accompaniment_id": "$while.idd"}}},
        "/of/match/accompaniment_id",
        "'id'",
    ),
]


@pytest.mark.parametrize(("document", "path", "said"), UNKNOWN, ids=[f"{n}{each[1]}" for n, each in enumerate(UNKNOWN)])
def test_an_unknown_name_is_refused_with_its_place(document: dict[str, Any], path: str, said: str) -> None:
    with pytest.raises(RuleRefused) as refused:
        read_draft(document)
    assert refused.value.field == path
    assert said in refused.value.sentence


@pytest.mark.parametrize(("document", "path", "said"), UNKNOWN, ids=[f"{n}{each[1]}" for n, each in enumerate(UNKNOWN)])
def test_a_rule_that_is_only_tried_takes_names_as_they_come(document: dict[str, Any], path: str, said: str) -> None:
    assert path
    assert said
    assert len(read_to_try([document])) == 1


KNOWN: list[dict[str, Any]] = [
    where({"id": {"exists": True}, "type": "diagnosis", "precision": "day", "state": "done", "actor": {"ne": "x"}}),
    require(when={"on": ["diagnosis", "training"], "where": {"physical": "heavy", "needs": {"has": "training"}}}),
    require(when={"on": "*", "where": {"urgency": "high"}}),
    require(when={"on": "pathway_closed"}, expect={"on": "summary"}),
    require(expect={"on": "self", "at": "recorded", "where": {"needs": {"has": "training"}}}),
    require(when={"on": "contact_events", "where": {"channel": "phone"}}, expect={"on": "referral"}),
    where({"all": [{"theme": {"between": ["a", "b"]}}, {"agency": "$pathway.id"}]}),
    require(route={"owner": "$when.agency", "watch": ["ccas", "$pathway.referent"]}),
    silence(text={"fr": "{when.start} {when.channel} {pathway.id} {gap}", "en": "{close}"}),
    limit(text={"fr": "{when.status}, {count}, {max}"}),
]


@pytest.mark.parametrize("document", KNOWN)
def test_what_a_fact_has_is_known(document: dict[str, Any]) -> None:
    read_draft(document)


BILLS = {"groups": {"bills": ["energy_contract", "rent"]}, "types": {"energy_contract": ["supplier"], "rent": []}}


def test_a_document_may_declare_types_from_elsewhere() -> None:
    rule = require(when={"on": "bills", "where": {"supplier": "x"}}, expect={"on": "contact"})
    body = read_draft({**BILLS, "rules": [rule]})[0].body
    assert isinstance(body, Require)
    assert body.when.types == ("energy_contract", "rent")
    with pytest.raises(RuleRefused) as refused:
        read_draft({**BILLS, "rules": [where({"supplier": "x"})]})
    assert refused.value.field == "/rules/0/when/where/supplier"


def test_declared_fields_add_to_those_of_a_known_type() -> None:
    document = {"types": {"diagnosis": ["score"]}, "rules": [where({"score": {"gt": 3}, "theme": "it"})]}
    read_draft(document)


@pytest.mark.parametrize(
    ("declared", "path"),
    [
        ({"groups": {"a": ["contact", "contact_events"]}}, "/groups/a/1"),
        ({"groups": {"a": ["contact"], "b": ["a"]}}, "/groups/b/0"),
        ({"groups": {"a": "contacts"}}, "/groups/a"),
        ({"types": {"rent": [3]}}, "/types/rent/0"),
        ({"types": {"*": []}}, "/types/*"),
        ({"types": {"contact_events": []}}, "/types/contact_events"),
        ({"types": "rent"}, "/types"),
    ],
)
def test_a_declaration_that_means_nothing_is_refused(declared: dict[str, Any], path: str) -> None:
    with pytest.raises(RuleRefused) as refused:
        read_draft({**declared, "rules": [silence()]})
    assert refused.value.field == path


def test_types_are_declared_beside_rules_only() -> None:
    with pytest.raises(RuleRefused) as refused:
        read_draft({**silence(), "types": {"rent": []}})
    assert refused.value.field == "/rule"


def test_each_rule_of_several_keeps_what_was_declared() -> None:
    first, second = one_by_one([{**BILLS, "rules": [silence(), silence(rule="b", of={"on": "bills"})]}])
    assert first == {**BILLS, "rules": [silence()]}
    assert read_draft(second)[0].slug == "b"


def test_the_example_of_the_reference_page_is_sound() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", LANGUAGE.read_text("utf-8"), re.DOTALL)
    assert read_to_draft(load_documents(example)) == load_rules(example)


@pytest.mark.parametrize("slug", ["adv\n", "Not a slug", "-a"])
def test_a_rule_is_tried_under_a_name_that_it_could_keep(slug: str) -> None:
    with pytest.raises(RuleRefused) as refused:
        read_to_try([[silence(), silence(rule=slug)]])
    assert refused.value.field == "/1/rule"


def test_what_is_too_long_to_be_drafted_is_told_before() -> None:
    long = where({"any": [{"theme": "x" * 1_900} for _ in range(40)]})
    with pytest.raises(RuleRefused, match="longer than 64 kB") as refused:
        read_to_draft([[silence(), long]])
    assert refused.value.field == "/1"
