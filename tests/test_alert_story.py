"""One alert from end to end over real sockets: who is told what and when, who takes it, what clears it, what stays."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from application.access import USUAL_SCOPES, Scope
from domain.pathway import SYSTEM
from tests.support.alert_story import (
    CCAS,
    COUNTY,
    EMPLOYMENT,
    FAMILY_NAME,
    FROM_ZONE,
    HOUSING,
    LINK,
    NOTE,
    THEME,
    TO_ZONE,
    TRAINING,
    Played,
    Stage,
    play,
    staged,
)

TEAM, LEAD, COORDINATOR = f"{TRAINING} (team)", f"{TRAINING} (lead)", f"{COUNTY} (coordinator)"
EVERYBODY_ONLINE = {CCAS: "webhook", HOUSING: "webhook", EMPLOYMENT: "stream"}
STEERING = USUAL_SCOPES | {Scope.STEER}
UNANSWERED = "Alert left unanswered, passed to the next level"
RULE = "relocation-accompanied"


class Story(NamedTuple):
    stage: Stage
    played: Played

    def times_of(self, what: str, agency: str) -> list[str]:
        return [f"{one.at:%d %H:%M}" for one in self.stage.account.told if (one.what, one.agency) == (what, agency)]


@pytest.fixture(scope="module")
async def story(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    async with staged(tmp_path_factory.mktemp("story"), module_database_url) as stage:
        yield Story(stage, await play(stage))


def test_all_concerned_are_told_as_soon_as_it_is_out_of_step(story: Story) -> None:
    """By night; what is not urgent waits for the morning where people are written to."""
    assert story.stage.account.of("raised") == EVERYBODY_ONLINE
    for agency in EVERYBODY_ONLINE:
        assert story.times_of("raised", agency) == ["19 00:30"]
    assert list(story.played.mails["raised"]) == [TEAM]
    assert story.times_of("New alert", TEAM) == ["19 08:01"]


def test_what_one_answers_the_others_are_told(story: Story) -> None:
    assert story.times_of("answered", HOUSING) == ["19 08:01", "27 09:30"]
    assert story.times_of("answered", CCAS) == ["27 09:30"], "nobody is told of what they did themselves"
    assert story.times_of("A service answered 1 alert.", TEAM)[0] == "25 08:01"


def test_unanswered_it_goes_to_the_leads_after_three_working_days(story: Story) -> None:
    assert [story.times_of("escalated", agency)[0] for agency in EVERYBODY_ONLINE] == ["25 00:30"] * 3
    assert story.times_of(UNANSWERED, LEAD) == ["25 08:01"]


def test_then_to_the_coordinator_at_once_be_it_night(story: Story) -> None:
    """It is critical by then. The county takes no part in the pathway: it hears that there is something, no more."""
    told = [one for one in story.stage.account.told if one.agency == COUNTY]
    assert [one.what for one in told] == ["escalated", "answered", "cleared"]
    assert not any(one.with_pathway for one in told)
    assert story.times_of("escalated", COUNTY) == ["27 00:30"]
    assert story.times_of(UNANSWERED, COORDINATOR) == ["27 00:30"]
    assert all("urgent" in text for text in story.played.mails["coordinator"].values())


def test_the_coordinator_reads_what_was_passed_on(story: Story) -> None:
    seen = story.played.seen_by_coordinator
    assert (seen["sees"], seen["escalation"], seen["content"]["rule"]) == ("content", "coordinator", RULE)
    assert seen["content"]["severity"] == "critical"


def test_one_agency_takes_it_and_the_next_is_told_so(story: Story) -> None:
    assert story.played.too_late["code"] == "already_taken"
    answers = {each["agency"]: each["answer"] for each in story.played.at_the_end["responses"]}
    assert (answers[EMPLOYMENT], answers[CCAS]) == ("taking", "in_support")


def test_the_act_clears_it_and_everybody_hears(story: Story) -> None:
    assert story.stage.account.of("cleared") == EVERYBODY_ONLINE | {COUNTY: "webhook"}
    assert story.played.mails["cleared"].keys() == {TEAM, COORDINATOR}
    assert story.played.at_the_end["status"] == "cleared"
    assert story.played.at_the_end["content"]["cleared_because"] == "done_late"


def test_the_silence_of_one_is_plain_to_see(story: Story) -> None:
    assert TRAINING in story.played.at_the_end["content"]["not_answered"]
    [training] = [each for each in story.played.at_the_end["responses"] if each["agency"] == TRAINING]
    assert training["delivered_by"] == "mail"
    assert (training["read_at"], training["answer"]) == (None, None)


async def test_no_message_says_anything_of_the_person(story: Story) -> None:
    stage = story.stage
    sent = b"".join([*stage.mail.raw, *stage.bodies])
    assert story.played.alert_id.encode() in sent
    for word in (FAMILY_NAME, NOTE, THEME, FROM_ZONE, TO_ZONE, RULE, "relo", "accompan"):
        assert word.encode() not in sent
    for text in story.played.mails["coordinator"].values():
        assert LINK.findall(text) == [story.played.alert_id]


def test_its_history_says_who_did_what_and_when(story: Story) -> None:
    """Each step is an event of the alert's own stream; those that say whom it reached are left out here."""
    steps = [each for each in story.played.history if each["type"] != "alert.delivered"]
    assert [(each["type"].removeprefix("alert."), each["agency"]) for each in steps] == [
        ("raised", SYSTEM),
        ("read", CCAS),
        ("read", HOUSING),
        ("answered", CCAS),
        ("escalated", SYSTEM),
        ("escalated", SYSTEM),
        ("read", COUNTY),
        ("answered", EMPLOYMENT),
        ("cleared", SYSTEM),
    ]
    assert [each["on"][:10] for each in steps if each["agency"] == SYSTEM] == [
        "2026-03-18",  # At midnight in Sète.
        "2026-03-24",
        "2026-03-26",
        "2026-03-30",
    ]
    assert (steps[0]["before"], steps[-1]["after"]["status"], steps[-1]["reason"]) == (None, "cleared", "done_late")
    reached = {each["about"] for each in story.played.history if each["type"] == "alert.delivered"}
    assert reached == {CCAS, EMPLOYMENT, HOUSING, TRAINING, COUNTY}


async def test_its_rule_is_judged_by_it(story: Story) -> None:
    """11 days of a week-end in which clocks went forward: 273 hours; answered 7 hours and a half after it was told."""
    pilot = await story.stage.service.agency(COUNTY, scopes=STEERING)
    answer = await pilot.get(f"/v1/rules/{RULE}/health", params={"by": "agency"}, headers={"Prefer": "wait=5"})
    lines = {line["agency"]: line for line in answer.json()["items"]}
    assert {agency: line["acted_on"] for agency, line in lines.items()} == {
        CCAS: 1,
        EMPLOYMENT: 1,
        HOUSING: 0,
        TRAINING: 0,
        COUNTY: 0,
    }
    [whole] = (await pilot.get(f"/v1/rules/{RULE}/health")).json()["items"]
    assert (whole["raised"], whole["told"], whole["acted_on"], whole["escalated"]) == (1, 1, 1, 1)
    assert whole["cleared_because"] == {"done_late": 1}
    assert whole["median_hours_to_resynchronise"] == 273
    assert whole["median_hours_to_acknowledge"] == 7.52
