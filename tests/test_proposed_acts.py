"""Each alert proposes the acts that clear it: of every shipped rule, the first one sent as proposed does."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest

from api.demo.script import by_day
from api.demo.territory import AGENCIES, TERRITORY
from api.pathways import UPDATES
from application.rulebook import shipped_rules
from domain.catalogue import BY_NAME
from domain.clock import SettableClock
from tests.support.acting import body_of, send
from tests.support.broken_rules import broken
from tests.support.service import Agency, Service, running

RULES = sorted(rule.slug for rule in shipped_rules())
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


@pytest.fixture(scope="module")
async def town(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    clock = SettableClock(NOW)  # Keys are made for a year from now on.
    async with running(module_database_url, tmp_path_factory.mktemp("town"), clock=clock) as service:
        agencies = {each.slug: await service.agency(each.slug) for each in AGENCIES}
        pathways = await _play(agencies, clock)
        clock.set(NOW)
        head = await service.runtime.log.head(TERRITORY)
        await agencies["siao-herault"].get("/v1/alerts", params={"at_least": head}, headers={"Prefer": "wait=30"})
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


@pytest.mark.parametrize("rule", sorted(set(RULES) - NEVER_OPEN))
async def test_the_first_act_proposed_clears_the_alert(town: Town, rule: str) -> None:
    agency, alert = await town.alert(rule)
    for _ in range(2):  # A first step may come before.
        acts = (await agency.get(f"/v1/alerts/{alert['id']}/acts")).json()["items"]
        assert acts, rule
        act = next(each for each in acts if each["clears"] or each["way"] == "prepare")
        doer = next(name for name in act["agencies"])
        another = next(name for name in town.agencies if name != doer)
        answer = await send(town.agencies[doer], act, body_of(act, NOW, another_agency=another))
        assert answer.status_code in {200, 201}, (act, answer.text)
        at_least = {"at_least": answer.headers["x-position"]}
        now = (await agency.get(f"/v1/alerts/{alert['id']}", params=at_least)).json()
        if act["way"] != "prepare":
            break
    assert now["status"] == "cleared", (act, now)
    after = (await agency.get(f"/v1/alerts/{alert['id']}/acts")).json()
    assert after == {"alert_id": alert["id"], "items": []}


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
