"""The thirty rules that the language was made for can all be written in it."""

from collections import Counter

import pytest

from application.rulebook import load_rules
from domain.rules import Calendars, RuleRefused, compile_rules, evaluate, parse_rules
from tests.support.rule_histories import fact, local, require

CATALOGUE = """
- {rule: need-to-referral, kind: require, when: {on: diagnosis, where: {needs: {has: training}}}, expect: {on: referral, where: {kind: training}, match: {theme: theme}}, within: {from: 0d, to: 30d}}
- {rule: relocation-accompanied, kind: require, when: {on: relocation}, expect: {on: accompaniment, where: {kind: socio_professional}}, within: {from: -30d, to: 15d}, accept: [done, planned]}
- {rule: training-vs-relocation, kind: forbid, when: {on: training}, forbid: {on: relocation}, relation: [intersects]}
- {rule: referral-acknowledged, kind: require, when: {on: referral}, expect: {on: referral_ack, match: {referral_id: id}}, within: {from: 0bd, to: 5bd}, route: {owner: $when.to_agency}}
- {rule: duplicate-diagnosis, kind: forbid, when: {on: diagnosis}, forbid: {on: diagnosis, match: {theme: theme}, differ: {agency: agency}}, within: {from: -60d, to: 0d}}
- {rule: silence-90, kind: silence, of: {on: contact_events}, gap: 90d}
- {rule: first-appointment, kind: require, when: {on: referral_ack, where: {outcome: accepted}}, expect: {on: appointment, match: {referral_id: referral_id}}, within: {from: 0d, to: 21d}, accept: [done, planned]}
- {rule: outcome-recorded, kind: require, when: {on: appointment, at: end}, expect: {on: appointment_outcome, at: recorded, match: {appointment_id: id}}, within: {from: 0d, to: 7d}}
- {rule: repeated-no-show, kind: limit, count: {on: appointment, where: {state: no_show}}, max: 2, in_last: 60d}
- {rule: no-show-recontact, kind: require, when: {on: appointment, where: {state: no_show}}, expect: {on: contact_events}, within: {from: 0bd, to: 3bd}, strict: true}
- {rule: training-prescribed, kind: require, when: {on: training}, expect: {on: referral, where: {kind: training}, match: {theme: theme}}, within: {from: -180d, to: 0d}}
- {rule: housing-diagnosis-first, kind: require, when: {on: referral, where: {kind: housing}}, expect: {on: diagnosis, where: {theme: housing}}, within: {from: -6m, to: 0d}}
- {rule: double-accompaniment, kind: forbid, when: {on: accompaniment}, forbid: {on: accompaniment, match: {kind: kind}, differ: {agency: agency}}, relation: [intersects]}
- {rule: accompaniment-review, kind: silence, of: {on: review, match: {accompaniment_id: $while.id}}, while: {on: accompaniment}, gap: 6m}
- {rule: too-many-trainings, kind: limit, count: {on: training}, max: 2, concurrent: true}
- {rule: handover-after-move, kind: require, when: {on: relocation, where: {territory_changed: true}}, expect: {on: handover}, within: {from: -15d, to: 15d}}
- {rule: closing-summary, kind: require, when: {on: accompaniment, at: end}, expect: {on: summary, match: {accompaniment_id: id}}, within: {from: -7d, to: 15d}, on_close: keep}
- {rule: diagnosis-yearly, kind: silence, of: {on: diagnosis}, gap: 12m}
- {rule: double-booking, kind: forbid, when: {on: appointment, where: {precision: minute}}, forbid: {on: appointment, differ: {agency: agency}}, relation: [intersects]}
- {rule: urgent-48h, kind: require, when: {on: referral, where: {urgency: high}}, expect: {on: contact_events, match: {agency: to_agency}}, within: {from: 0h, to: 48h}, on_suspend: run}
- {rule: training-evaluated, kind: require, when: {on: training, at: end}, expect: {on: evaluation, match: {training_id: id}}, within: {from: 0d, to: 1m}, roll: next_working}
- {rule: contract-signed, kind: require, when: {on: orientation}, expect: {on: engagement_contract}, within: {from: 0d, to: 2m}, roll: next_working}
- {rule: refused-then-alternative, kind: require, when: {on: referral_ack, where: {outcome: refused}}, expect: {on: referral, match: {theme: theme}}, within: {from: 0bd, to: 10bd}, until: {on: need_withdrawn, match: {theme: theme}, effect: release}}
- {rule: decision-before-next-request, kind: require, when: {on: referral}, expect: {on: decision, match: {theme: theme}}, within: {from: 0d, to: inf}, until: {on: referral, match: {theme: theme}, effect: deadline}}
- {rule: no-training-just-after-move, kind: forbid, when: {on: relocation, at: end}, forbid: {on: training}, within: {from: 0d, to: 7d}}
- {rule: health-restriction, kind: forbid, when: {on: diagnosis, where: {restriction: heavy_work}}, forbid: {on: training, where: {physical: heavy}}, within: {from: 0d, to: inf}, unless: {on: medical_clearance, within: {from: 0d, to: inf}}}
- {rule: referent-ping-pong, kind: limit, count: {on: handover}, max: 3, in_last: 6m}
- {rule: referral-loop, kind: forbid, when: {on: referral}, forbid: {on: referral, match: {theme: theme, from_agency: to_agency, to_agency: from_agency}}, within: {from: -60d, to: 0d}}
- {rule: consent-covers-sharing, kind: require, when: {on: referral, where: {cross_agency: true}}, expect: {on: consent, match: {scope: theme}}, relation: [inside]}
- {rule: late-recording, kind: require, when: {on: intervention_events, at: start}, expect: {on: self, at: recorded}, within: {from: 0bd, to: 10bd}, severity: {raise: info}}
"""  # noqa: E501 - a rule a line, as they are catalogued.
RULES = load_rules(CATALOGUE)


def test_every_rule_of_the_catalogue_is_read() -> None:
    kinds = Counter(rule.kind for rule in RULES)
    assert kinds == {"require": 17, "forbid": 7, "limit": 3, "silence": 3}


@pytest.mark.parametrize("scope", ["household", "worker", "pathway"])
def test_a_rule_about_more_than_one_pathway_is_refused(scope: str) -> None:
    with pytest.raises(RuleRefused, match=r"/scope: .* one pathway"):
        parse_rules([require(scope=scope)])


def test_all_of_them_are_judged_together_on_one_pathway() -> None:
    facts = [
        fact("o1", "opened", "2026-01-02"),
        fact("d1", "diagnosis", "2026-01-05", theme="training", needs=["training"], restriction="heavy_work"),
        fact("d2", "diagnosis", "2026-02-05", theme="training", needs=["training"], agency="mission", position=2),
        fact("t1", "training", "2026-02-16", "2026-03-13", theme="training", physical="heavy"),
        fact("m1", "relocation", "2026-03-02"),
        *(fact(f"n{day}", "appointment", f"2026-03-0{day}", state="no_show") for day in (3, 4, 5)),
    ]
    evaluation = evaluate(facts, compile_rules(RULES), Calendars(), local("2026-03-20 00:00"))
    raised = {(one.rule, one.activation, one.target) for one in evaluation.obligations if one.raised}
    assert raised >= {
        ("need-to-referral", "d1", None),
        ("duplicate-diagnosis", "d2", "d1"),
        ("training-vs-relocation", "t1", "m1"),
        ("health-restriction", "d1", "t1"),
        ("repeated-no-show", "n5", None),
    }
    assert not any(rule == "too-many-trainings" for rule, _, _ in raised)
