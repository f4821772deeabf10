"""`unisson at` shows a territory as it was known, straight from the log, for people and for programs."""

import json
from pathlib import Path
from typing import Any

import pytest

from api.cli import main
from api.cli.failure import Status
from domain.clock import SettableClock
from tests.support.alerted import alerts_of, unanswered
from tests.support.command_line import Ran, unisson
from tests.support.service import CCAS, MISSION_LOCALE, NOW, TERRITORY, running

Here = dict[str, str]


class Told:
    """What happened there."""

    pathway: str
    referral: str
    asked_at: int
    """Position just before the alert."""
    alert: str


@pytest.fixture
async def told(database_url: str, tmp_path: Path) -> Told:
    """A referral that nobody answered in time, then answered late."""
    told, clock = Told(), SettableClock(NOW)
    async with running(database_url, tmp_path, clock=clock) as service:
        ccas, mission = await service.agency(CCAS), await service.agency(MISSION_LOCALE)
        pathway, told.referral = await unanswered(ccas, clock)
        told.pathway = pathway.rpartition("/")[2]
        [alert] = await alerts_of(ccas)
        told.alert, told.asked_at = alert["id"], alert["position"] - 1
        answered = await mission.command(f"{pathway}/referrals/{told.referral}/moves", {"status": "accepted"})
        position = answered.headers["x-position"]
        await ccas.get("/v1/alerts", params={"at_least": position}, headers={"Prefer": "wait=10"})
    return told


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Here:
    return {"UNISSON_DATABASE_URL": database_url, "UNISSON_DATA_DIR": str(tmp_path), "UNISSON_LANG": "en"}


async def at(here: Here, moment: object, *arguments: object, **options: str) -> Ran:
    words = [str(each) for each in (moment, *arguments)]
    return await unisson("at", *words, "--territory", TERRITORY, **here, **options)


def lines(ran: Ran) -> list[dict[str, Any]]:
    assert ran.status == 0, ran.err
    return [json.loads(line) for line in ran.out.splitlines()]


async def test_an_inbox_is_shown_as_it_was(told: Told, here: Here) -> None:
    [item] = lines(await at(here, told.asked_at, "inbox", MISSION_LOCALE, "--json"))
    assert (item["kind"], item["id"]) == ("referral_to_answer", told.referral)
    now = lines(await at(here, "now", "inbox", MISSION_LOCALE, "--json"))
    assert [item["kind"] for item in now] == ["referral_to_start"]


async def test_what_came_between_two_moments_is_said_thing_by_thing(told: Told, here: Here) -> None:
    changes = lines(await at(here, told.asked_at, "differences", "--against", "now", "--json"))
    by_key = {change["key"]: change for change in changes}
    alert = by_key[f"pathways/{told.pathway}/alerts/{told.alert}"]
    assert (alert["before"], alert["after"]["told"]["cleared_because"]) == (None, "done_late")
    answered = by_key[f"pathways/{told.pathway}/facts/{told.referral}"]
    assert (answered["before"]["attrs"]["status"], answered["after"]["attrs"]["status"]) == ("requested", "accepted")


async def test_an_alert_is_judged_again(told: Told, here: Here) -> None:
    ran = await at(here, "now", "why", told.alert)
    assert ran.status == 0, ran.err
    assert "referral-acknowledged@1" in ran.out
    assert "referral.requested" in ran.out
    assert ran.out.endswith("The same verdict as then.\n")


async def test_people_read_a_line_for_each_thing_and_a_future_one_is_refused(told: Told, here: Here) -> None:
    ran = await at(here, told.asked_at, "facts", told.pathway)
    assert ran.status == 0, ran.err
    assert [line.split()[2] for line in ran.out.splitlines()] == [
        "opened",
        "referent",
        "diagnosis",
        "consent",
        "referral",
    ]
    ran = await at(here, 10_000, "facts")
    assert (ran.status, ran.out) == (1, "")
    assert "The log does not reach there" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("yesterday facts", "neither a position nor an instant"),
        ("2026-03-02T09:00:00 facts", "neither a position nor an instant"),
        ("now inbox", "inbox NAME"),
        ("now facts P-00001", "not an id"),
        ("now facts --against 3", "--against goes with differences"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(arguments: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["at", *arguments.split(), "--territory", TERRITORY, "--lang", "en"]) == Status.USAGE
    told = capsys.readouterr()
    assert (told.out, len(told.err.splitlines())) == ("", 1)
    assert said in told.err
