"""Acts are tried before they are proposed: on copies, on days that count, in the hands of each agency."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.acts.proposed import Proposal, proposals
from application.acts.sketch import Asks, Blank, Way
from application.acts.trial import filled
from application.acts.words import label_of
from application.rulebook import shipped_rules
from domain.alert import Finding
from domain.catalogue import BY_NAME
from domain.closure import ClosePathway, ClosureOutcome
from domain.command import Act
from domain.fact_types import FACT_TYPES
from domain.pathway import Pathway
from domain.pathway_state import state_of
from domain.rules import Calendars, compile_rules, evaluate, parse_rules
from tests.support.broken_rules import broken, lived
from tests.support.pathways import NOW as PLAYED
from tests.support.stories import eventful

LAST_DAY = date(2026, 11, 20)
NOW = datetime.combine(LAST_DAY + timedelta(days=1), time(12), tzinfo=UTC)
RULES, CALENDARS = shipped_rules(), Calendars()
COMPILED = compile_rules(RULES)


def out_of_step(rule: str) -> tuple[Pathway, Finding]:
    """A pathway that breaks the rule, and what is found."""
    pathway = lived(broken(rule, 0, LAST_DAY))
    judged = evaluate(pathway.facts(), COMPILED, CALENDARS, NOW).obligations
    one = next(each for each in judged if each.raised and each.rule == rule)
    finding = Finding(
        pathway=pathway.id,
        rule=rule,
        version=one.version,
        severity="warning",
        activation=one.activation,
        target=one.target,
        opens=one.open,
        closes=one.close,
        at=one.at,
        evidence=one.evidence,
    )
    return pathway, finding


def proposed(pathway: Pathway, finding: Finding, **options: tuple[str, ...]) -> list[Proposal]:
    rule = RULES.find(finding.rule, finding.version)
    return proposals(rule, finding, pathway, CALENDARS, NOW, pathway.version, **options)


@pytest.mark.parametrize("rule", ["need-to-referral", "too-many-trainings", "handover-after-move"])
def test_nothing_that_is_tried_is_recorded(rule: str) -> None:
    pathway, finding = out_of_step(rule)
    before, facts = state_of(pathway), pathway.facts()
    first = proposed(pathway, finding)
    assert first
    assert proposed(pathway, finding) == first
    assert (state_of(pathway), pathway.facts(), pathway.collect_events()) == (before, facts, [])


def test_what_must_have_been_so_then_is_asked_for_with_its_days() -> None:
    """A consent of today does not cover a referral of last month: the day must be given, and not be later."""
    pathway, finding = out_of_step("consent-covers-sharing")
    asked = next(fact for fact in pathway.facts() if fact.fact_id == finding.activation)
    consent = proposed(pathway, finding)[0]
    assert (consent.command, consent.way) == ("give-consent", Way.DO)
    [on] = [blank for blank in consent.blanks if blank.pointer == "/on"]
    assert (on.required, on.not_after) == (True, asked.start)


def test_what_may_be_done_today_asks_for_no_day() -> None:
    pathway, finding = out_of_step("silence-90")
    [contact] = [act for act in proposed(pathway, finding) if act.command == "record-contact"]
    [on] = [blank for blank in contact.blanks if blank.pointer == "/on"]
    assert (on.required, on.not_before, on.not_after) == (False, None, None)


def test_a_consent_is_asked_for_no_more_than_is_needed() -> None:
    pathway, finding = out_of_step("consent-covers-sharing")
    consent = proposed(pathway, finding)[0]
    [scope] = [blank for blank in consent.blanks if blank.pointer == "/scope"]
    assert scope.choices[-1] == "all"
    assert len(scope.choices) > 1


def test_where_nobody_can_do_it_at_once_a_first_step_is_proposed() -> None:
    """Nobody was named to take over: the referent names somebody, who then confirms."""
    pathway, finding = out_of_step("handover-after-move")
    first = proposed(pathway, finding)[0]
    assert (first.command, first.way, first.clears) == ("assign-referent", Way.PREPARE, False)


def test_agencies_able_to_act_are_suggested() -> None:
    pathway, finding = out_of_step("need-to-referral")
    referral = proposed(pathway, finding, able=("afpa-34",))[0]
    assert referral.body == {"need_id": finding.activation, "theme": "se-former--trouver-sa-formation"}
    [to_agency] = [blank for blank in referral.blanks if blank.pointer == "/to_agency"]
    assert (to_agency.choices, to_agency.is_closed) == (("afpa-34",), False)


def test_an_act_is_for_those_whom_the_domain_lets_do_it() -> None:
    pathway, finding = out_of_step("referral-acknowledged")
    asked = next(fact for fact in pathway.facts() if fact.fact_id == finding.activation)
    by_label = {(act.command, act.body.get("status")): act.agencies for act in proposed(pathway, finding)}
    assert by_label["move-referral", "accepted"] == (asked.attrs["to_agency"],)
    assert set(by_label["move-referral", "cancelled"]) == {asked.agency, asked.attrs["to_agency"]}


def test_nothing_is_proposed_that_a_closed_pathway_refuses() -> None:
    pathway, finding = out_of_step("closing-summary")
    opener = pathway.ledger.entries[pathway.id].agency
    close = ClosePathway(outcome=ClosureOutcome.OTHER)
    close.decide(pathway, Act(agency=pathway.referent or opener, agent=None, at=NOW, today=NOW.date()))
    pathway.ledger.stamp(pathway.version, pathway.version, NOW)
    commands = {act.command for act in proposed(pathway, finding)}
    assert "sum-up-accompaniment" in commands
    assert commands <= {"sum-up-accompaniment", "correct-entry", "retract-entry"}


def test_what_is_there_no_more_has_no_acts() -> None:
    pathway, finding = out_of_step("need-to-referral")
    gone = msgspec.structs.replace(finding, activation="01a20000-0000-7000-8000-000000000000")
    assert proposed(pathway, gone) == []


def test_values_are_put_where_their_pointers_say() -> None:
    body = {"needs": [{"restriction": "heavy_work"}]}
    whole = filled(body, {"/needs/0/theme": "numerique--x", "/on": "2026-03-02"})
    assert whole == {"needs": [{"restriction": "heavy_work", "theme": "numerique--x"}], "on": "2026-03-02"}
    assert body == {"needs": [{"restriction": "heavy_work"}]}


ODD = st.sampled_from(["it", "accepted", "housing", "homeless", "sante", "", 1, 1.5, True, None, "01a2", "2026-01-01"])
FIELDS = st.sampled_from(sorted({name for names in FACT_TYPES.values() for name in names} | {"id", "agency", "start"}))
TYPES = st.sampled_from(sorted(FACT_TYPES))
WHERE = st.dictionaries(FIELDS, ODD | st.lists(ODD, min_size=1, max_size=3), max_size=2)


@st.composite
def odd_rules(draw: st.DrawFn) -> dict[str, Any]:
    """Rules that a territory could write: whatever they seek, of whatever type, matched on whatever fields."""
    sought: dict[str, Any] = {"on": draw(TYPES), "match": draw(st.dictionaries(FIELDS, FIELDS, max_size=2))}
    if where := draw(WHERE):
        sought["where"] = where
    when = {"on": draw(TYPES)}
    kind = draw(st.sampled_from(["require", "forbid", "limit", "silence"]))
    match kind:
        case "require":
            return {"kind": kind, "when": when, "expect": sought, "within": {"from": "0d", "to": "1d"}}
        case "forbid":
            unless = {"unless": sought} if draw(st.booleans()) else {}
            ever = {"from": "-inf", "to": "inf"}
            return {"kind": kind, "when": when, "forbid": {"on": draw(TYPES)}, "within": ever} | unless
        case "limit":
            return {"kind": kind, "count": when, "max": 1, "in_last": "90d", "unless": sought}
    return {"kind": kind, "of": {"on": sought["on"]}, "gap": "1d"}


@given(odd_rules())
def test_whatever_a_territory_asks_for_what_is_proposed_can_be_sent(written: dict[str, Any]) -> None:
    pathway = eventful().pathway
    for version in range(1, pathway.version + 1):
        pathway.ledger.stamp(version, version, PLAYED)
    [rule] = parse_rules([{"rule": "odd", "text": {"fr": "x", "en": "x"}} | written])
    now = PLAYED + timedelta(days=20)
    judged = evaluate(pathway.facts(), compile_rules([rule]), CALENDARS, now).obligations
    for one in [each for each in judged if each.raised][:3]:
        finding = Finding(
            pathway=pathway.id,
            rule=rule.slug,
            version=rule.version,
            severity="warning",
            activation=one.activation,
            target=one.target,
            opens=one.open,
            closes=one.close,
            evidence=one.evidence,
        )
        for act in proposals(rule, finding, pathway, CALENDARS, now, pathway.version):
            assert act.agencies
            assert label_of(act.command, act.body.get("status"), act.way).fr
            said = {blank.pointer: said_for(blank) for blank in act.blanks if blank.required}
            msgspec.convert(filled(act.body, said), BY_NAME[act.command].body)


def said_for(blank: Blank) -> str:
    if blank.choices:
        return blank.choices[0]
    days = {Asks.DAY: "2026-03-10", Asks.INSTANT: "2026-03-10T09:00:00Z", Asks.THEME: "famille--garde-denfants"}
    return days.get(blank.asks, "said")
