"""Explanations: what a person reads, in both languages, from the same data."""

from domain.facts import Fact
from domain.rules import Calendars, Evaluation, NearMiss, Ruleset, parse_rules
from domain.rules.explain import Explanation, explain
from tests.support.rule_histories import fact, judged, require

RULE = require(
    text={
        "fr": "Besoin « {when.theme} » du {when.start} sans orientation au {close} ({pathway.x}).",
        "en": 'Need "{when.theme}" of {when.start} has no referral by {close} ({target.agency}).',
    }
)
DIAGNOSIS = fact("d1", "diagnosis", "2026-03-01", theme="it", position=4)


def explained(facts: list[Fact], now: str = "2026-06-01", rule: dict[str, object] = RULE) -> Explanation:
    evaluation: Evaluation = judged(facts, now, rule)
    ruleset: Ruleset = parse_rules([rule])
    obligation = evaluation.obligations[0]
    return explain(obligation, facts, ruleset.find(obligation.rule, obligation.version), Calendars().default)


def test_an_explanation_says_rule_calendar_evidence_and_what_was_known() -> None:
    referral = fact("r1", "referral", "2026-04-02", theme="it", position=9, agency="mission")
    found = explained([DIAGNOSIS, referral])
    assert (found.rule, found.calendar, found.known_at) == ("need-to-referral@1", Calendars().default.version, 9)
    assert found.activation == {
        "fact_id": "d1",
        "type": "diagnosis",
        "agency": "ccas",
        "start": "2026-03-01",
        "state": "done",
        "position": 4,
    }
    assert [item["fact_id"] for item in found.matched] == ["r1"]
    assert found.en.endswith("by 31 March 2026 (mission). Done late.")


def test_the_window_is_spelled_out_with_its_days() -> None:
    window = explained([DIAGNOSIS]).window
    assert (window.first_day, window.last_day, window.time_zone) == ("2026-03-01", "2026-03-31", "Europe/Paris")
    assert window.fr == "le jour même → 30 jours après, soit du 1er mars 2026 au 31 mars 2026 inclus : 31 jours en tout"
    assert window.en == "the same day → 30 days after, that is 1 March 2026 to 31 March 2026 included: 31 days in all"
    assert (window.open, window.close) == ("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z")


def test_every_kind_of_side_has_words_in_both_languages() -> None:
    for start, end in (("-1bd", "1wd"), ("-inf", "2w"), ("0h", "1h"), ("-2m", "1y"), ("0d", "inf"), ("5min", "9min")):
        window = explained([DIAGNOSIS], rule=RULE | {"within": {"from": start, "to": end}}).window
        assert " → " in window.fr
        assert " → " in window.en
    assert explained([DIAGNOSIS], rule=RULE | {"within": {"from": "-inf", "to": "1bd"}}).window.fr == (
        "sans limite → 1 jour ouvré après"
    )


def test_near_misses_are_told_in_words() -> None:
    late_theme = fact("r1", "referral", "2026-03-05", theme="wood")
    early = fact("r2", "referral", "2026-02-25", theme="it")
    cancelled = fact("r3", "referral", "2026-03-09", theme="it", state="cancelled")
    found = explained([DIAGNOSIS, late_theme, early, cancelled])
    assert NearMiss("r2", "window", "before by P4D") in found.near_misses
    assert "Fact r2 is outside the window (4 days too early)." in found.en
    assert "Le fait r2 est hors du délai (4 jours trop tôt)." in found.fr
    assert "Le fait r3 n'est pas dans un état accepté (annulé)." in found.fr
    assert 'Fact r1 does not correspond on "theme" (wood).' in found.en


def test_what_is_not_known_is_left_as_dots_and_templates_run_no_code() -> None:
    found = explained([fact("d1", "diagnosis", "2026-03-01", note="{when.agency}")])
    assert found.fr.startswith("Besoin « … » du 1er mars 2026 sans orientation au 31 mars 2026 (…).")


def test_a_minute_fact_is_told_by_its_local_day() -> None:
    found = explained([fact("d1", "diagnosis", "2026-03-01 00:30", theme="it")])
    assert "du 1er mars 2026" in found.fr


def test_the_same_obligation_is_explained_the_same_way() -> None:
    assert explained([DIAGNOSIS]) == explained([DIAGNOSIS])
