"""Each alert proposes the acts that clear it: of every shipped rule, the first one sent as proposed does."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import msgspec
import pytest

from api.demo.script import by_day
from api.demo.territory import AGENCIES, TERRITORY
from api.pathways import UPDATES
from application.access import Scope
from application.acts.aside import DISPUTE, WAIVE
from application.acts.sketch import Way
from application.rulebook import shipped_rules
from domain.alert_commands import Dispute, Waive
from domain.catalogue import BY_NAME
from domain.clock import SettableClock
from domain.roles import Role
from tests.support.acting import body_of, send
from tests.support.broken_rules import broken
from tests.support.service import CCAS, HOUSING, Agency, Service, running

RULES = sorted(rule.slug for rule in shipped_rules())
SIAO = "siao-herault"
ABOUT_THE_ALERT = {WAIVE: Waive, DISPUTE: Dispute}
NEVER_OPEN = {"late-recording"}
"""Known too late as soon as it is known at all: told by nobody, and nothing is left to do."""
LAST_DAY = date(2026, 11, 20)
NOW = datetime.combine(LAST_DAY + timedelta(days=1), time(12), tzinfo=UTC)


class Town:
    """Agencies and, by the rule that it breaks, the pathway of each life."""

    def __init__(self, service: Service, agencies: dict[str, Agency], pathways: dict[str, UUID]) -> None:
        self.service = service
        self.agencies = agencies
        self.pathways = pathways

    async def alert(self, rule: str) -> tuple[Agency, dict[str, Any]]:
        """The open alert of that rule on its life's pathway, and an agency that sees its content."""
        pathway = str(self.pathways[rule])
        for agency in self.agencies.values():
            params = {"rule": rule, "pathway_id": pathway, "status": "open"}
            items: list[dict[str, Any]] = (await agency.get("/v1/alerts", params=params)).json()["items"]
            if items:
                return agency, items[-1]
        raise AssertionError(f"nobody is told of {rule}")

    async def own_alert(self) -> tuple[Agency, dict[str, Any]]:
        """A referral of a test's own that nobody answers, as the agency that asked is told of it."""
        clerk = self.agencies[CCAS]
        pathway = await clerk.opened()
        body = {"to_agency": SIAO, "theme": HOUSING, "on": str(LAST_DAY - timedelta(days=20))}
        asked = await clerk.command(f"{pathway}/referrals", body)
        params = {"rule": "referral-acknowledged", "pathway_id": pathway.rpartition("/")[2]}
        params["at_least"] = asked.headers["x-position"]
        [alert] = (await clerk.get("/v1/alerts", params=params)).json()["items"]
        return clerk, alert


@pytest.fixture(scope="module")
async def town(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    clock = SettableClock(NOW)  # Keys are made for a year from now on.
    async with running(module_database_url, tmp_path_factory.mktemp("town"), clock=clock) as service:
        agencies = {each.slug: await service.agency(each.slug) for each in AGENCIES}
        pathways = await _play(agencies, clock)
        clock.set(NOW)
        head = await service.runtime.log.head(TERRITORY)
        await agencies[SIAO].get("/v1/alerts", params={"at_least": head}, headers={"Prefer": "wait=30"})
        yield Town(service, agencies, pathways)


async def _play(agencies: dict[str, Agency], clock: SettableClock) -> dict[str, UUID]:
    stories = [broken(rule, number, LAST_DAY) for number, rule in enumerate(RULES)]
    pathways: dict[str, UUID] = {}
    for _, by_story in by_day(stories):
        clock.set(max(calls[-1].at for calls in by_story.values()))
        for number, calls in by_story.items():
            for call in calls:
                spec, rule = BY_NAME[call.command], RULES[number]
                known = f"/{pathways[rule]}" if rule in pathways else ""
                path = f"/v1/pathways{known}" + spec.path.replace("{entry_id}", str(call.entry))
                headers = {"If_Match": "*"} if spec.name in UPDATES else {}
                answer = await agencies[call.agency].command(path, call.body, **headers)
                assert answer.status_code in {200, 201}, (rule, call, answer.text)
                pathways.setdefault(rule, UUID(answer.json()["pathway_id"]))
    return pathways


async def acts_of(agency: Agency, alert: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await agency.get(f"/v1/alerts/{alert['id']}/acts")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def taken(town: Town, act: dict[str, Any], agency: str) -> httpx2.Response:
    """The answer to an act sent as it was proposed, its blanks filled in, by one of those whose it is."""
    another = next(name for name in town.agencies if name != agency)
    answer = await send(town.agencies[agency], act, body_of(act, NOW, another_agency=another))
    assert answer.status_code in {200, 201}, (act, answer.text)
    return answer


@pytest.mark.parametrize("rule", sorted(set(RULES) - NEVER_OPEN))
async def test_the_first_act_proposed_clears_the_alert(town: Town, rule: str) -> None:
    agency, alert = await town.alert(rule)
    for _ in range(2):  # A first step may come before.
        acts = await acts_of(agency, alert)
        must_be_well_formed(acts)
        act = next(each for each in acts if each["clears"] or each["way"] == "prepare")
        answer = await taken(town, act, act["agencies"][0])
        if act["way"] != "prepare":
            break
    at_least = {"at_least": answer.headers["x-position"]}
    now = (await agency.get(f"/v1/alerts/{alert['id']}", params=at_least)).json()
    assert now["status"] == "cleared", (act, now)
    assert await acts_of(agency, alert) == []


def must_be_well_formed(acts: list[dict[str, Any]]) -> None:
    """Every act is complete once its blanks are filled in, named in both languages; the better ones come first."""
    ways = [act["way"] for act in acts]
    assert ways == sorted(ways, key=list(Way).index)
    assert ways[-2:] == ["set_aside", "set_aside"]
    for act in acts:
        assert act["label_fr"] != act["label_en"]
        assert {blank["type"] for blank in act["blanks"]} <= {"string"}
        body = body_of(act, NOW, another_agency="another-agency")
        type_ = ABOUT_THE_ALERT.get(act["command"]) or BY_NAME[act["command"]].body
        msgspec.convert(body, type_)


@pytest.mark.parametrize("rule", sorted(NEVER_OPEN))
async def test_what_is_late_once_it_is_known_alerts_nobody(town: Town, rule: str) -> None:
    pathway = town.pathways[rule]
    obligations = []
    for agency in town.agencies.values():
        answer = await agency.get(f"/v1/pathways/{pathway}/obligations")
        if answer.status_code == 200:
            assert (await agency.get("/v1/alerts", params={"rule": rule})).json()["items"] == []
            obligations += [each for each in answer.json()["items"] if each["rule"] == rule]
    assert "violated_late" in {each["status"] for each in obligations}


async def test_the_ways_out_are_taken_as_proposed_and_the_alert_stands(town: Town) -> None:
    clerk, alert = await town.own_alert()
    for act in (await acts_of(clerk, alert))[-2:]:
        assert act["permitted"]
        answer = await taken(town, act, CCAS)
    at_least = {"at_least": answer.headers["x-position"]}
    now = (await clerk.get(f"/v1/alerts/{alert['id']}", params=at_least)).json()
    assert now["status"] == "open"
    assert now["waived_until"] is not None
    [own] = [each for each in now["responses"] if each["agency"] == CCAS]
    assert own["disputed"] == "done_elsewhere"


async def test_an_act_says_whose_it_is(town: Town) -> None:
    """Asked for help, it is for the agency asked to answer: the one that asked is shown it, and told so."""
    clerk, alert = await town.own_alert()
    [accept, *_] = await acts_of(clerk, alert)
    assert (accept["command"], accept["body"], accept["permitted"]) == ("move-referral", {"status": "accepted"}, False)
    assert accept["agencies"] == [SIAO]
    [asked, *_] = await acts_of(town.agencies[SIAO], alert)
    assert asked == accept | {"permitted": True}


async def test_who_may_not_write_is_shown_the_acts_and_permitted_none(town: Town) -> None:
    _, alert = await town.own_alert()
    for role, writes in ((Role.WORKER, True), (Role.LEAD, False)):
        person = await town.service.person(role, agency=SIAO)
        [accept, *_] = await acts_of(person, alert)
        assert accept["permitted"] is writes
    reader = await town.service.agency(SIAO, frozenset({Scope.READ}))
    assert {act["permitted"] for act in await acts_of(reader, alert)} == {False}


async def test_acts_are_shown_to_nobody_but_those_who_see_the_content(town: Town) -> None:
    _, alert = await town.own_alert()
    stranger, same, absent_id = town.agencies["sante-proximite"], {"X-Request-Id": "same"}, str(uuid4())
    absent = await stranger.get(f"/v1/alerts/{absent_id}/acts", headers=same)
    foreign = await stranger.get(f"/v1/alerts/{alert['id']}/acts", headers=same)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "unknown_alert")
    assert foreign.text.replace(alert["id"], absent_id) == absent.text
