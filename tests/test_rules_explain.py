"""Explanations: what a person reads, in both languages, from the same data."""

from domain.facts import Fact
from domain.rules import Calendars, Evaluation, NearMiss, Ruleset, parse_rules
from domain.rules.explain import Explanation, explain
from domain.rules.relations import NAMES
from domain.rules.words import RELATIONS
from tests.support.rule_histories import fact, forbid, judged, limit, require, silence

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


MOVED = forbid(
    text={
        "fr": "Formation {target.kind} du {target.start} trop près du relogement du {when.start}.",
        "en": "Training {target.kind} of {target.start} too close to the move of {when.start}.",
    },
    unless={"on": "agreement", "within": {"from": "0d", "to": "3d"}},
)


def test_a_forbidden_pair_is_told_with_its_target_and_what_nearly_exempted_it() -> None:
    move = fact("m1", "relocation", "2026-03-01")
    training = fact("t1", "training", "2026-03-04", kind="it")
    agreement = fact("g1", "agreement", "2026-03-06")
    found = explained([move, training, agreement], rule=MOVED)
    assert [item["fact_id"] for item in found.matched] == ["m1", "t1"]
    assert found.fr == (
        "Formation it du 4 mars 2026 trop près du relogement du 1er mars 2026. "
        "Deux faits qui s'excluent ont été constatés. "
        "Le fait g1 n'en dispense pas : il est hors du délai (2 jours trop tard)."
    )
    assert found.en == (
        "Training it of 4 March 2026 too close to the move of 1 March 2026. "
        "Two facts that exclude each other were found. "
        "Fact g1 does not exempt from it: it is outside the window (2 days too late)."
    )


def test_a_ban_that_holds_so_far_says_what_nearly_broke_it() -> None:
    found = explained(
        [fact("m1", "relocation", "2026-03-01"), fact("t1", "training", "2026-03-10")], "2026-03-02", MOVED
    )
    assert found.fr.endswith("Rien d'interdit jusqu'ici. Le fait t1 est hors du délai (2 jours trop tard).")
    assert found.en.endswith("Nothing forbidden so far. Fact t1 is outside the window (2 days too late).")


def test_a_relation_is_told_in_words_in_both_languages() -> None:
    rule = require(when={"on": "referral"}, expect={"on": "consent"}, relation=["inside", "meets"], within=None)
    facts = [fact("r1", "referral", "2026-03-01"), fact("c1", "consent", "2026-03-09", None)]
    found = explained(facts, rule=rule)
    assert found.window.fr == ("le fait déclencheur a lieu tout entier pendant ou se termine quand il commence")
    assert found.window.en == "the activation takes place wholly during it or ends when it starts"
    assert "Le fait c1 n'est pas dans la relation voulue (le fait déclencheur se termine avant lui)." in found.fr
    assert "Fact c1 is not in a wanted relation (the activation ends before it)." in found.en
    both = explained(facts, rule=rule | {"within": {"from": "0d", "to": "inf"}})
    assert both.window.en.startswith("the same day → no limit, the activation takes place wholly during it")


def test_every_relation_has_words_in_both_languages() -> None:
    assert set(RELATIONS["fr"]) == set(RELATIONS["en"]) == set(NAMES)


def test_a_limit_says_how_many_and_in_what_time() -> None:
    facts = [fact(f"n{day}", "appointment", f"2026-03-0{day}", state="no_show") for day in (1, 2, 3)]
    text = {
        "fr": "{count} absences pour {max} admises au {close}.",
        "en": "{count} absences, {max} allowed, by {close}.",
    }
    found = explained(facts, rule=limit(in_last="10bd", text=text))
    assert found.fr == "3 absences pour 2 admises au 3 mars 2026. La limite est dépassée."
    assert found.en == "3 absences, 2 allowed, by 3 March 2026. The limit is exceeded."
    assert (found.window.first_day, found.window.last_day) == ("2026-02-17", "2026-03-03")
    assert found.window.fr.startswith("sur 10 jours ouvrés glissants, soit du 17 février 2026 au 3 mars 2026 inclus")
    assert found.window.en.startswith(
        "in any 10 business days on end, that is 17 February 2026 to 3 March 2026 included"
    )
    ever = explained(facts, rule=limit(in_last="inf", max=0)).window
    assert (ever.fr, ever.en) == ("depuis toujours", "since ever")
    at_a_time = explained(facts, rule=limit(in_last=None, concurrent=True, max=0)).window
    assert (at_a_time.fr, at_a_time.en) == ("en même temps", "at the same time")


def test_a_silence_may_say_its_gap() -> None:
    rule = silence(gap="3w", text={"fr": "Rien depuis {gap}.", "en": "Nothing for {gap}."})
    found = explained([fact("o1", "opened", "2026-03-01")], rule=rule)
    assert found.fr.startswith("Rien depuis 3 semaines.")
    assert found.en.startswith("Nothing for 3 weeks.")
