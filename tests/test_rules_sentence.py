"""A rule read out: one sentence that says every one of its conditions, in both languages."""

import pytest

from application.rulebook import load_rules, shipped_rules
from domain.rules.sentence import sentence_of


def said(document: str, language: str = "fr") -> str:
    return sentence_of(load_rules(document).rules[0], language)


NEED = """
rule: r
kind: require
when: {on: diagnosis, where: {needs: {has: training}}}
expect: {on: referral, where: {kind: training}, match: {theme: theme}}
within: {from: 0d, to: 30d}
"""


def test_a_response_is_said_in_french_and_in_english() -> None:
    assert said(NEED) == (
        "Quand un diagnostic [besoin = formation] est posé, une orientation [type = formation, même thème] "
        "doit suivre sous 30 jours."
    )
    assert said(NEED, "en") == (
        "When a diagnosis [need = training] is made, a referral [type = training, same theme] "
        "must follow within 30 days."
    )


@pytest.mark.parametrize(
    ("within", "expected"),
    [
        ("{from: 0bd, to: 1bd}", "doit suivre sous 1 jour ouvré"),
        ("{from: 0d, to: inf}", "doit suivre par la suite"),
        ("{from: -6m, to: 0d}", "doit précéder dans les 6 mois d'avant"),
        ("{from: -inf, to: 0d}", "doit précéder auparavant"),
        ("{from: -30d, to: 15d}", "doit exister entre 30 jours avant et 15 jours après"),
        ("{from: -inf, to: inf}", "doit exister à un moment quelconque"),
        ("{from: 0d, to: 0d}", "doit suivre le même jour"),
        ("{from: 2d, to: 5d}", "doit suivre entre 2 jours après et 5 jours après"),
        ("{from: 0h, to: 48h}", "doit suivre sous 48 heures"),
    ],
)
def test_each_window_has_its_words(within: str, expected: str) -> None:
    assert said(NEED.replace("{from: 0d, to: 30d}", within)).endswith(f"{expected}.")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("min: 2", "au moins 2 orientations [type = formation, même thème] doivent suivre sous 30 jours."),
        ("grace: 3bd", "sous 30 jours ; signalé 3 jours ouvrés plus tard."),
        ("strict: true", "doit suivre strictement sous 30 jours."),
        ("accept: [done, planned]", "[type = formation, même thème, prévu compte] doit suivre sous 30 jours."),
        ("roll: next_working", "sous 30 jours, reporté au jour ouvré suivant s'il tombe un jour chômé."),
        ("on_close: keep", "sous 30 jours, même après la clôture."),
        ("on_suspend: run", "sous 30 jours, même pendant une suspension."),
        ("use: one_to_one", "sous 30 jours, chacun pour un seul."),
        (
            "until: {on: need_withdrawn, match: {theme: theme}, effect: release}",
            "sous 30 jours, sauf si survient d’ici là un retrait de besoin [même thème].",
        ),
        (
            "until: {on: diagnosis, differ: {agency: agency}, effect: deadline}",
            "sous 30 jours avant le prochain diagnostic [autre service].",
        ),
        ("since: {on: orientation}", "sous 30 jours depuis la dernière décision d'orientation."),
        (
            "next_among: [referral, training]",
            "sous 30 jours, à compter parmi les prochains faits : orientations ou formations.",
        ),
    ],
)
def test_every_modifier_is_said(more: str, expected: str) -> None:
    assert said(NEED + more).endswith(expected)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("{state: {ne: cancelled}}", "[état ≠ annulé]"),
        ("{kind: [training, housing]}", "[type = formation ou logement]"),
        ("{valid_until: {exists: false}}", "[sans « valid_until »]"),
        ("{territory_changed: true, cross_agency: false}", "[change de territoire, pas entre deux services]"),
        ("{level: {between: [1, 3]}}", "[1 ≤ « level » ≤ 3]"),
        ("{level: {lt: 3}}", "[« level » < 3]"),
        ("{agency: $pathway.referent}", "[service = « referent » du parcours]"),
        (
            "{any: [{kind: health}, {all: [{urgency: high}, {theme: x}]}]}",
            "[type = santé ou (urgence = haute et thème = x)]",
        ),
        ("{not: {outcome: refused}}", "[sauf issue = refusée]"),
        ("{outcome: null}", "[issue = absent]"),
    ],
)
def test_every_condition_is_said(where: str, expected: str) -> None:
    assert said(NEED.replace("{needs: {has: training}}", where)).startswith(f"Quand un diagnostic {expected} est posé")


def test_the_point_that_counts_is_said() -> None:
    rule = "{rule: r, kind: require, when: {on: accompaniment, at: %s}, expect: {on: self, at: recorded}, %s}"
    assert said(rule % ("end", "within: {from: 0d, to: 5d}")) == (
        "Quand un accompagnement se termine, ce fait doit être saisi sous 5 jours."
    )
    assert said(rule % ("recorded", "within: {from: 0d, to: 5d}"), "en") == (
        "When an accompaniment is recorded, that fact must be recorded within 5 days."
    )


def test_silence_and_what_must_not_be_are_said() -> None:
    assert said("{rule: r, kind: silence, of: {on: contact_events}, gap: 90d}") == (
        "Jamais plus de 90 jours sans contact avec la personne tant que le parcours est ouvert."
    )
    span = (
        "{rule: r, kind: silence, of: {on: review, match: {accompaniment_id: id}}, while: {on: accompaniment}, gap: 6m}"
    )
    assert said(span, "en") == "Never more than 6 months without a review [about it] while an accompaniment lasts."
    twice = (
        "{rule: r, kind: forbid, when: {on: diagnosis}, within: {from: -60d, to: 0d},"
        " forbid: {on: diagnosis, match: {theme: theme}, differ: {agency: agency}}}"
    )
    assert said(twice) == (
        "Quand un diagnostic est posé, aucun autre diagnostic [même thème, autre service] "
        "ne doit avoir lieu dans les 60 jours d'avant."
    )


@pytest.mark.parametrize(
    ("rule", "fr", "en"),
    [
        (
            "{rule: r, kind: forbid, when: {on: training}, forbid: {on: relocation}, relation: [intersects]}",
            "Quand une formation commence, aucun relogement ne doit avoir lieu en même temps.",
            "When a training starts, no relocation may take place at the same time.",
        ),
        (
            "{rule: r, kind: require, when: {on: referral}, expect: {on: consent, relation: [inside]}}",
            "Quand une orientation est demandée, un accord de la personne doit exister pendant toute sa durée.",
            "When a referral is requested, a consent of the person must exist during the whole of it.",
        ),
        (
            "{rule: r, kind: limit, count: {on: appointment, where: {state: no_show}}, max: 2, in_last: 60d}",
            "Pas plus de 2 rendez-vous [état = absence] en 60 jours.",
            "No more than 2 appointments [state = no-show] in 60 days.",
        ),
        (
            "{rule: r, kind: limit, count: {on: training, match: {kind: kind}}, max: 2, concurrent: true}",
            "Pas plus de 2 formations [même type] à la fois.",
            "No more than 2 trainings [same type] at a time.",
        ),
        (
            "{rule: r, kind: limit, count: {on: handover}, max: 3, in_last: inf, unless: {on: relocation}}",
            "Pas plus de 3 passages de relais en tout, sauf s'il y a un relogement.",
            "No more than 3 handovers in all, unless there is a relocation.",
        ),
    ],
)
def test_relations_and_limits_are_said(rule: str, fr: str, en: str) -> None:
    assert (said(rule), said(rule, "en")) == (fr, en)


def test_a_type_that_only_its_author_knows_keeps_its_name() -> None:
    rule = "{rule: r, kind: require, when: {on: [visit_x, y]}, expect: {on: '*'}, within: {from: 0d, to: 1d}}"
    assert said(rule) == "Quand un fait « visit_x » ou fait « y » a lieu, un fait doit suivre sous 1 jour."


def test_every_rule_that_is_shipped_can_be_said() -> None:
    for rule in shipped_rules():
        for language in ("fr", "en"):
            assert sentence_of(rule, language).endswith(".")
