"""The YAML subset, and the rules that come with the product."""

import pytest

from application.rulebook import load_rules, shipped_rules
from domain.rules import RuleRefused
from domain.rules.rule import RuleState
from tests.support.four_rules import four_rules
from tests.support.rule_histories import fact, judged, statuses

RULE = """
rule: R01 need-to-referral
kind: require
when: {on: diagnosis, where: {needs: {has: training}}}
expect: {on: referral, where: {kind: training}, match: {theme: theme}}
within: {from: 0d, to: 30d}
"""


def test_on_is_a_key_and_dates_are_texts() -> None:
    ruleset = load_rules(RULE + "effective: {from: 2026-01-01, to: null}\nstate: active\nstrict: false\n")
    assert ruleset.rules[0].effective_from == 739617
    assert ruleset.rules[0].state is RuleState.ACTIVE


def test_every_form_of_document_is_read() -> None:
    listed = "- {rule: a, kind: silence, of: {on: contact}, gap: 90d}\n- {rule: b, kind: silence, of: {on: x}, gap: 1m}"
    grouped = "groups: {talks: [call, visit]}\nrules:\n- {rule: c, kind: silence, of: {on: talks}, gap: 90d}"
    assert [rule.slug for rule in load_rules(listed)] == ["a", "b"]
    assert [rule.slug for rule in load_rules(grouped)] == ["c"]
    assert [rule.slug for rule in load_rules(f"---\n{RULE}---\n{listed}\n---\n")] == ["R01 need-to-referral", "a", "b"]
    assert load_rules(RULE.encode()).rules == load_rules(RULE).rules


def test_scalars_are_those_of_yaml_1_2() -> None:
    where = "where: {a: yes, b: 12:30, c: 0x1F, d: 1_000, e: ~, f: 3, g: 2.5, h: '3', i: true, j: -4}"
    text = f"{{rule: a, kind: require, when: {{on: x, {where}}}, expect: {{on: y}}, within: {{from: 0d, to: .inf}}}}"
    source = load_rules(text).rules[0].source["when"]["where"]
    assert source == {
        "a": "yes",
        "b": "12:30",
        "c": "0x1F",
        "d": "1_000",
        "e": None,
        "f": 3,
        "g": 2.5,
        "h": "3",
        "i": True,
        "j": -4,
    }
    assert type(source["f"]) is int


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no rule"),
        ("---\n---\n", "no rule"),
        ("rule: [", "not YAML: line"),
        ("rule: a\nrule: b", "line 2: this key is given twice"),
        ("rule: !!python/object/apply:os.system [id]", "tags"),
        ("rule: !!str a", "tags"),
        ("rule: &name a", "anchors"),
        ("rule: &a [x]\nwhen: *a", "anchors"),
        ("rule: *a", "aliases"),
        ("<<: {rule: a}", "merge keys"),
        ("{a: b}: c", "a key is a plain text"),
        ("? [a]\n: c", "a key is a plain text"),
        ("[" * 5000, "nested|not YAML"),
        ("a: " * 40, "nested|not YAML"),
        ("rule: a\x00b", "not YAML"),
        ("rule: a\nversion: 1234567890123456789", "/version: this number is too large"),
        ("rule: a\nversion: 1.5\nkind: silence\nof: {on: x}\ngap: 9d", "not a decimal number"),
        ('{rule: a, kind: silence, of: {on: x, where: {theme: "a\\0b"}}, gap: 9d}', "/of/where/theme: .* control"),
        ("x" * 300_000, "larger than 256 kB"),
    ],
)
def test_yaml_outside_the_subset_is_refused(text: str, said: str) -> None:
    with pytest.raises(RuleRefused, match=said):
        load_rules(text)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(RuleRefused, match="UTF-8"):
        load_rules(b"rule: \xff")


def test_the_path_of_a_fault_is_told() -> None:
    with pytest.raises(RuleRefused) as refusal:
        load_rules("- {rule: a, kind: silence, of: {on: contact, where: {state: {like: x}}}, gap: 90d}")
    assert refusal.value.field == "/0/of/where/state/like"


def test_the_shipped_rules_are_read_from_all_their_files() -> None:
    assert {"need-to-referral", "silence-90", "relocation-accompanied"} <= {rule.slug for rule in shipped_rules()}


def shipped(*facts: object, now: str = "2026-06-01") -> dict[str, str]:
    rules = [dict(rule.source) for rule in four_rules()]
    found = judged(facts, now, *rules)  # type: ignore[arg-type]
    return {f"{one.rule} {one.activation}": one.status.value for one in found.obligations}


def test_shipped_a_training_need_without_training_referral_in_thirty_days() -> None:
    need = fact("d1", "diagnosis", "2026-01-05", needs=["training"], theme="it")
    other = fact("d2", "diagnosis", "2026-01-05", needs=["housing"], theme="it")
    housing = fact("r1", "referral", "2026-01-06", kind="housing", theme="it", status="cancelled")
    withdrawn = fact("d3", "diagnosis", "2026-01-05", needs=["training"], theme="it", status="withdrawn")
    assert shipped(need, other, housing, withdrawn) == {"need-to-referral d1": "violated_open"}


def test_shipped_a_relocation_without_accompaniment_around_it() -> None:
    moved = fact("m1", "relocation", "2026-03-01")
    called_off = fact("m2", "relocation", "2026-03-01", state="cancelled")
    booked = fact("a1", "accompaniment", "2026-03-16", kind="socio_professional", state="planned")
    too_late = fact("a1", "accompaniment", "2026-03-17", kind="socio_professional")
    assert shipped(moved, called_off) == {"relocation-accompanied m1": "violated_open"}
    assert shipped(moved, booked) == {"relocation-accompanied m1": "satisfied"}
    assert shipped(moved, too_late) == {"relocation-accompanied m1": "violated_late"}


def test_shipped_a_referral_without_answer_in_five_business_days() -> None:
    asked = fact("r1", "referral", "2026-03-02", kind="housing")
    withdrawn = fact("r2", "referral", "2026-03-02", kind="housing", status="cancelled")
    answered = fact("k1", "referral_ack", "2026-03-09", referral_id="r1")
    assert shipped(asked, withdrawn) == {"referral-acknowledged r1": "violated_open"}
    assert shipped(asked, answered) == {"referral-acknowledged r1": "satisfied"}


def test_shipped_no_contact_for_ninety_days() -> None:
    opened = fact("o1", "opened", "2026-01-05")
    assert shipped(opened, now="2026-04-06") == {"silence-90 o1": "violated_open"}
    seen = fact("c1", "appointment", "2026-03-01 10:00")
    missed = fact("c2", "appointment", "2026-03-20 10:00", state="no_show")
    assert shipped(opened, seen, missed, now="2026-04-06") == {
        "silence-90 o1": "satisfied",
        "silence-90 c1": "pending",
    }


def test_statuses_of_nothing_are_none() -> None:
    assert statuses(judged([], "2026-06-01", dict(shipped_rules().rules[0].source))) == {}
