"""Every refusal of a rules document, in French and in English: each can happen, and says where and what to write."""

import re
from string import Formatter
from typing import Any

import pytest

from application.rulebook import load_rules
from domain.rule_publication import read_draft
from domain.rules import RuleRefused
from domain.rules.complaints import QUOTED_MAX, SAID_MAX, Complaint, Words, name_of, shown
from domain.rules.lint import refuse_cycles
from tests.support.rule_histories import forbid, limit, require, silence

Y = "rule: a\nkind: require\nwhen: {on: x}\nexpect: {on: y}\n"
"""A rule that lacks its window."""
CIRCLE = """
- {rule: a, kind: silence, of: {on: x}, gap: 9d, inhibited_by: [b]}
- {rule: b, kind: silence, of: {on: x}, gap: 9d, inhibited_by: [a]}
"""


def parameters(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def read(document: Any) -> None:
    """A rules file, or a document to draft."""
    if isinstance(document, str | bytes):
        refuse_cycles(load_rules(document))
    else:
        read_draft(document)


def refusal_of(document: Any) -> RuleRefused:
    with pytest.raises(RuleRefused) as refused:
        read(document)
    return refused.value


@pytest.mark.parametrize("complaint", Complaint)
def test_a_complaint_says_the_same_in_both_languages(complaint: Complaint) -> None:
    assert parameters(complaint.fr) == parameters(complaint.en)
    assert complaint.fr != complaint.en
    for sentence in (complaint.fr, complaint.en):
        assert sentence.endswith((".", "?"))
        assert not sentence[0].isupper()
    assert "`" not in complaint.fr
    assert "«" not in complaint.en


nested: dict[str, Any] = {"theme": "it"}
for _ in range(20):
    nested = {"not": nested}


def where(condition: Any) -> dict[str, Any]:
    return require(when={"on": "x", "where": condition})


RAISED: list[tuple[Complaint, Any]] = [
    (Complaint.MAPPING_EXPECTED, require(severity="high")),
    (Complaint.KEY_MISSING, {"kind": "require"}),
    (Complaint.KEY_UNKNOWN, require(zzz=1)),
    (Complaint.KEY_MISSPELT, require(on_suspnd="run")),
    (Complaint.KEY_NOT_TEXT, {**require(), 3: "x"}),
    (Complaint.KEY_NOT_TEXT, where({3: "x"})),
    (Complaint.KEY_OF_ANOTHER_KIND, require(max=2)),
    (Complaint.FLAG_EXPECTED, require(strict="no")),
    (Complaint.WHOLE_EXPECTED, require(min=1.5)),
    (Complaint.OUT_OF_RANGE, require(min=0)),
    (Complaint.NUMBER_TOO_LARGE, where({"count": 10**25})),
    (Complaint.TEXT_EXPECTED, require(rule=7)),
    (Complaint.TEXT_EMPTY, require(rule=" ")),
    (Complaint.TEXT_TOO_LONG, require(source="x" * 301)),
    (Complaint.TEXT_HOLDS_CONTROLS, require(rule="a\x00b")),
    (Complaint.TEXT_HOLDS_HALVES, where({"theme": "\ud800"})),
    (Complaint.LIST_EMPTY, require(territory=[])),
    (Complaint.NOT_ONE_OF, require(use="once")),
    (Complaint.NOT_ONE_OF, require(roll="next")),
    (Complaint.NO_RULE, ""),
    (Complaint.RULE_EXPECTED, "a text"),
    (Complaint.RULES_EXPECTED, {"rules": {}}),
    (Complaint.ONE_RULE_AT_A_TIME, {"rules": [require(rule="a"), require(rule="b")]}),
    (Complaint.RULE_TOO_LONG, where({f"field{n}": "x" * 1_900 for n in range(40)}) | {"rule": "a"}),
    (Complaint.SLUG_UNFIT, require(rule="Besoin de formation")),
    (Complaint.KIND_UNKNOWN, require(kind="requires")),
    (Complaint.VERSION_TWICE, {"rules": [require(), require()]}),
    (Complaint.ONE_PATHWAY_ONLY, require(scope="household")),
    (Complaint.EVERY_TERRITORY_ALONE, require(territory=["*", "FR-34"])),
    (Complaint.NOT_A_DATE, require(effective={"from": "2026-13-01"})),
    (Complaint.NEVER_EFFECTIVE, require(effective={"from": "2026-02-01", "to": "2026-02-01"})),
    (Complaint.CIRCLE, require(rule="a", inhibited_by=["a"])),
    (Complaint.GROUPS_EXPECTED, {"groups": ["a"], "rules": [require()]}),
    (Complaint.GROUP_NAME_TAKEN, {"groups": {"self": ["a"]}, "rules": [require()]}),
    (Complaint.TYPES_EXPECTED, {"types": ["a"], "rules": [require()]}),
    (Complaint.TYPE_NAME_TAKEN, {"types": {"contact_events": []}, "rules": [require()]}),
    (Complaint.TYPE_UNKNOWN, require(when={"on": "xyz"})),
    (Complaint.TYPE_MISSPELT, require(when={"on": "diagnosys"})),
    (Complaint.GROUP_OF_GROUPS, {"groups": {"a": ["contact_events"]}, "rules": [require()]}),
    (Complaint.FIELD_UNKNOWN, require(when={"on": "diagnosis", "where": {"xyz": 1}})),
    (Complaint.FIELD_MISSPELT, require(when={"on": "diagnosis", "where": {"nedes": 1}})),
    (Complaint.PATHWAY_FIELD_UNKNOWN, require(text={"fr": "{pathway.referent}"})),
    (Complaint.SELF_STANDS_ALONE, require(when={"on": "self"})),
    (Complaint.LINKS_EXPECTED, require(expect={"on": "x", "match": ["theme"]})),
    (Complaint.NOTHING_TO_LINK, require(when={"on": "x", "match": {"a": "b"}})),
    (Complaint.COUNTED_BY_ITSELF, limit(count={"on": "x", "match": {"a": "b"}})),
    (Complaint.DIFFER_IN_COUNT, limit(count={"on": "x", "differ": {"a": "a"}})),
    (Complaint.RELATION_UNKNOWN, forbid(relation="touches")),
    (Complaint.RELATION_TWICE, require(expect={"on": "x", "relation": "inside"}, relation="inside")),
    (Complaint.RELATION_MISPLACED, require(when={"on": "x", "relation": "inside"})),
    (Complaint.EFFECT_MISSING, require(until={"on": "x"})),
    (Complaint.CHAIN_WITHOUT_TARGET, require(next_among=["contact"])),
    (Complaint.CONDITIONS_EXPECTED, where("theme")),
    (Complaint.CONDITION_EMPTY, where({})),
    (Complaint.CONDITIONS_TOO_DEEP, where(nested)),
    (Complaint.OPERATOR_MISSING, where({"theme": {}})),
    (Complaint.OPERATOR_UNKNOWN, where({"theme": {"like": "i%"}})),
    (Complaint.EXISTS_TAKES_A_FLAG, where({"theme": {"exists": "yes"}})),
    (Complaint.IN_TAKES_A_LIST, where({"theme": {"in": "it"}})),
    (Complaint.BETWEEN_TAKES_TWO, where({"age": {"between": [1]}})),
    (Complaint.BETWEEN_UNLIKE, where({"age": {"between": ["a", 1]}})),
    (Complaint.BETWEEN_REVERSED, where({"age": {"between": [5, 1]}})),
    (Complaint.ORDERED_EXPECTED, where({"age": {"lt": None}})),
    (Complaint.SINGLE_VALUE_EXPECTED, where({"theme": {"eq": {"a": 1}}})),
    (Complaint.NOT_A_REFERENCE, where({"theme": "$when"})),
    (Complaint.REFERENCE_MISPLACED, where({"theme": "$when.theme"})),
    (Complaint.NOT_A_DURATION, require(grace="soon")),
    (Complaint.SPAN_EXPECTED, require(grace="-1d")),
    (Complaint.GAP_NOT_POSITIVE, silence(gap="0d")),
    (Complaint.IN_LAST_NOT_POSITIVE, limit(in_last="0d")),
    (Complaint.WINDOW_EMPTY, require(within={"from": "5d", "to": "1d"})),
    (Complaint.WITHIN_MISPLACED, require(until={"on": "x", "effect": "release", "within": {}})),
    (Complaint.NO_WINDOW_TO_CHANGE, forbid(within=None, relation="meets", bounds="[)")),
    (Complaint.BOUNDS_WITHOUT_HOURS, require(bounds="[)")),
    (Complaint.ROLL_WITHOUT_DAY, require(roll="next_working", within={"from": "0h", "to": "1h"})),
    (Complaint.IN_LAST_MISSING, limit(in_last=None, concurrent=False)),
    (Complaint.IN_LAST_AND_CONCURRENT, limit(concurrent=True)),
    (Complaint.CONCURRENT_WITHOUT_POINT, limit(count={"on": "x", "at": "end"}, in_last=None, concurrent=True)),
    (Complaint.FREEZE_IN_LIMIT, limit(on_suspend="freeze")),
    (Complaint.FORCE_IN_LIMIT, limit(on_close="force")),
    (Complaint.AGENCY_UNFIT, require(route={"owner": "Mission locale"})),
    (
        Complaint.NOTIFY_UNFIT,
        require(severity={"escalate": {"after": "5bd", "to": "critical", "notify": "Le coordinateur"}}),
    ),
    (Complaint.PLACEHOLDER_UNKNOWN, require(text={"fr": "{secret}"})),
    (Complaint.DOCUMENT_TOO_LARGE, "x" * 1_000_000),
    (Complaint.NOT_UTF8, b"rule: \xff"),
    (Complaint.NOT_YAML, "rule: ["),
    (Complaint.NOT_YAML_TEXT, "rule: a\x00b"),
    (Complaint.YAML_KEY_NOT_PLAIN, "{a: b}: c"),
    (Complaint.YAML_KEY_TWICE, "rule: a\nrule: b"),
    (Complaint.YAML_ALIAS, "rule: *a"),
    (Complaint.YAML_ANCHOR, "rule: &name a"),
    (Complaint.YAML_TAG, "rule: !!str a"),
    (Complaint.YAML_MERGE_KEY, "<<: {rule: a}"),
    (Complaint.YAML_TOO_DEEP, "[" * 40 + "]" * 40),
]


@pytest.mark.parametrize(
    ("complaint", "document"), RAISED, ids=[f"{number}-{one.name}" for number, (one, _) in enumerate(RAISED)]
)
def test_each_complaint_is_made_in_both_languages(complaint: Complaint, document: Any) -> None:
    refusal = refusal_of(document)
    assert refusal.complaint is complaint
    assert refusal.detail == f"{refusal.field}: {refusal.sentence}"
    assert refusal.detail_fr == f"{refusal.field} : {refusal.sentence_fr}"
    assert refusal.sentence_fr != refusal.sentence
    assert "`" not in refusal.sentence_fr
    assert not re.search(r"\b(expected|missing|known|mapping|the|not)\b", refusal.sentence_fr)


def test_no_complaint_is_never_made() -> None:
    assert {complaint for complaint, _ in RAISED} == set(Complaint)


TYPICAL: list[tuple[Any, str, str, str]] = [
    (
        f"{Y}widthin: {{from: 0d, to: 30d}}",
        "/widthin",
        "« widthin » n'est pas connu ici. Vouliez-vous écrire « within » ?",
        "`widthin` is not known here. Did you mean `within`?",
    ),
    (
        f"{Y}within: {{form: 0d, to: 30d}}",
        "/within/form",
        "« form » n'est pas connu ici. Vouliez-vous écrire « from » ?",
        "`form` is not known here. Did you mean `from`?",
    ),
    (Y, "/", "il manque « within ».", "`within` is missing."),
    (
        f"{Y}within: {{from: 30d, to: 0d}}",
        "/within",
        "la fenêtre est vide : elle commence (« from ») à 30d et finit (« to ») à 0d.",
        "the window is empty: it starts at 30d and ends at 0d.",
    ),
    (
        f"{Y}within: {{from: inf, to: inf}}",
        "/within",
        "la fenêtre est vide : elle commence (« from ») à inf et finit (« to ») à inf.",
        "the window is empty: it starts at inf and ends at inf.",
    ),
    (
        CIRCLE,
        "/inhibited_by",
        "ces règles se masquent l'une l'autre, en rond : a → b → a.",
        "these rules hide each other in a circle: a → b → a.",
    ),
    (
        f"{Y}within: 30d",
        "/within",
        "un ensemble de champs est attendu ici ; trouvé : un texte.",
        "a mapping is expected here, not a text.",
    ),
    (
        require(min=1.5),
        "/min",
        "un nombre entier est attendu ; trouvé : un nombre à virgule.",
        "a whole number is expected, not a decimal number.",
    ),
    (
        require(max=2),
        "/max",
        (
            "« max » n'a pas de sens ici : c'est l'affaire des règles de genre limit. "
            "Une règle « require » a « when », « expect » et « within »."
        ),
        (
            "`max` has no meaning here: it belongs to rules of kind limit. "
            "A require rule has `when`, `expect` and `within`."
        ),
    ),
    (
        f"{Y}relation: near",
        "/relation",
        "« near » n'est pas une relation entre deux périodes ; choisissez parmi : before, after, ",
        "'near' is not a relation between intervals; known: before, after, ",
    ),
    (
        "rule: &name a",
        "/rule",
        "ligne 1 : les ancres YAML (&name) ne sont pas acceptées.",
        "line 1: anchors (&name) are not accepted.",
    ),
    (
        "rule: *name",
        "/rule",
        "ligne 1 : les renvois YAML (*name) ne sont pas acceptés.",
        "line 1: aliases (*name) are not accepted.",
    ),
    (
        "rule: !!python/object/apply:os.system [id]",
        "/rule",
        "ligne 1 : les étiquettes YAML (tag:yaml.org,2002:python/object/apply:os.system) ne sont pas acceptées.",
        "line 1: tags (tag:yaml.org,2002:python/object/apply:os.system) are not accepted.",
    ),
    (
        "rule: a\nkind: require\nrule: b",
        "/rule",
        "ligne 3 : ce champ est donné deux fois.",
        "line 3: this key is given twice.",
    ),
    (
        "x" * 1_000_000,
        "/",
        "le document dépasse 256 ko.",
        "the document is larger than 256 kB.",
    ),
    (
        f"{Y}within: {{from: 0d, to: __import__('os')}}",
        "/within/to",
        "« __import__('os') » n'est pas une durée comme 30d : ",
        "'__import__('os')' is not a duration such as 30d: ",
    ),
    (
        f"{Y}within: {{from: 0d, to: {{{{7*7}}}}}}",
        "/within/to",
        "ligne 5 : le nom d'un champ est un simple texte.",
        "line 5: a key is a plain text.",
    ),
    (
        require(text={"fr": "{{7*7}}"}),
        "/text/fr",
        "{7*7} n'est pas connu dans une règle « require » ; écrivez {when.champ}, {pathway.champ}, {close}.",
        "{7*7} is not known in a require rule; write {when.field}, {pathway.field}, {close}.",
    ),
    (
        where({"theme": "$__import__('os').system"}),
        "/when/where/theme",
        "« $__import__('os').system » ne renvoie à rien : écrivez $when.champ ou $pathway.champ.",
        "'$__import__('os').system' is not a reference: write $when.field or $pathway.field.",
    ),
    (
        "rule: a: b",
        "/",
        "ce n'est pas du YAML : ligne 1, colonne 8 : un deux-points n'a pas sa place ici ; vérifiez les retraits.",
        "this is not YAML: line 1, column 8: mapping values are not allowed in this context.",
    ),
    (
        "%YAML 3",
        "/",
        "ce n'est pas du YAML : ligne 1, colonne 8 : la lecture s'arrête là.",
        "this is not YAML: line 1, column 8: did not find expected digit or '.' character.",
    ),
]


@pytest.mark.parametrize(
    ("document", "path", "fr", "en"), TYPICAL, ids=[f"{number}{path}" for number, (_, path, *_) in enumerate(TYPICAL)]
)
def test_a_usual_mistake_is_told_with_its_place(document: Any, path: str, fr: str, en: str) -> None:
    refusal = refusal_of(document)
    assert refusal.field == path
    if fr.endswith((".", "?")):
        assert (refusal.sentence_fr, refusal.sentence) == (fr, en)
    else:
        assert refusal.sentence_fr.startswith(fr)
        assert refusal.sentence.startswith(en)


def test_a_refusal_is_the_same_wherever_its_document_stands() -> None:
    inside = refusal_of(require(text={"de": "x"}))
    assert inside.below("/document").field == "/document/text/de"
    assert inside.below("/document").sentence_fr == inside.sentence_fr
    assert refusal_of({"kind": "require"}).below("/document").detail_fr == "/document : il manque « rule »."


def test_what_an_author_wrote_is_cut_and_cannot_speak_to_a_terminal() -> None:
    long = refusal_of(require(grace="x" * 10_000))
    assert len(long.detail) < 2 * SAID_MAX
    assert len(long.detail_fr) < 2 * SAID_MAX
    assert "x" * (QUOTED_MAX + 1) not in long.detail + long.detail_fr
    named = refusal_of(require(**{"y" * 250_000: 1}))
    assert named.field == f"/{'y' * QUOTED_MAX}…"
    for said in (named.detail, named.detail_fr, named.below("/document").detail):
        assert "y" * (QUOTED_MAX + 1) not in said
    key = refusal_of(require(**{"\x1b[2J": 1}))
    assert "\x1b" not in key.detail + key.detail_fr
    assert key.field == "/\x1b[2J"


@pytest.mark.parametrize(
    ("value", "named", "quoted"),
    [
        (None, "rien", "rien"),
        (True, "un oui ou non", "un oui ou non"),
        (30, "un nombre", "30"),
        (2.5, "un nombre à virgule", "2.5"),
        ("soon", "un texte", "« soon »"),
        ({"a": 1}, "un ensemble de champs", "un ensemble de champs"),
        ((1, 2), "une liste", "une liste"),
        (b"x", "autre chose", "autre chose"),
    ],
)
def test_a_value_is_named_as_its_author_would(value: object, named: str, quoted: str) -> None:
    assert (name_of(value).fr, shown(value).fr) == (named, quoted)


def test_a_complaint_that_lacks_its_words_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Complaint.KEY_MISSING.told()
    assert Complaint.KEY_MISSING.told(key="on") == Words("il manque « on ».", "`on` is missing.")
