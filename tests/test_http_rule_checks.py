"""Over HTTP: rules tried on facts that are sent, and what is stored judged again."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from application.access import Scope
from domain.clock import SettableClock
from tests.support.service import CCAS, HOUSING, MISSION_LOCALE, NOW, Service, running

NEED = {"pathway": "p", "fact_id": "d1", "type": "diagnosis", "start": "2026-01-05", "attrs": {"theme": "it"}}
ANSWER = {"pathway": "p", "fact_id": "r1", "type": "referral", "start": "2026-02-20", "attrs": {"theme": "it"}}
RULE = {
    "rule": "answered",
    "kind": "require",
    "when": {"on": "diagnosis"},
    "expect": {"on": "referral", "match": {"theme": "theme"}},
    "within": {"from": "0d", "to": "30d"},
}


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: SettableClock) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path, clock=clock) as service:
        yield service


async def test_rules_are_judged_on_the_facts_that_are_sent(service: Service) -> None:
    ccas = await service.agency(CCAS)
    body = {"facts": [NEED, ANSWER], "now": "2026-03-01T00:00:00Z", "document": RULE}
    answer = await ccas.command("/v1/rule-evaluations", body)
    [judgement] = answer.json()["items"]
    assert (judgement["status"], judgement["target"], judgement["late_by"]) == ("violated_late", "r1", "P16D")


async def test_without_a_document_the_rules_in_force_are_judged(service: Service) -> None:
    ccas = await service.agency(CCAS)
    answer = await ccas.command("/v1/rule-evaluations", {"facts": [NEED], "now": "2026-03-01T00:00:00Z"})
    assert answer.status_code == 200, answer.text
    assert "answered" not in {one["rule"] for one in answer.json()["items"]}


@pytest.mark.parametrize(
    ("change", "status", "code", "pointer"),
    [
        ({"document": RULE | {"kind": "permit"}}, 422, "rule_invalid", "/document/kind"),
        ({"document": RULE | {"rule": "adv\n"}}, 422, "rule_invalid", "/document/rule"),
        ({"document": RULE | {"rule": "Not a slug"}}, 422, "rule_invalid", "/document/rule"),
        ({"facts": [NEED | {"start": "soon"}]}, 422, "fact_invalid", "/facts/0/start"),
        ({"facts": [NEED, ANSWER | {"state": "Jean Dupont"}]}, 422, "fact_invalid", "/facts/1/state"),
        ({"facts": [NEED, []]}, 422, "invalid_body", "/facts/1"),
        ({"facts": [NEED] * 501}, 422, "invalid_body", "/facts"),
        ({"now": "today"}, 422, "invalid_body", "/now"),
        ({"now": "0001-01-01T00:00:00+14:00"}, 422, "invalid_body", "/now"),
        ({"now": "9999-12-31T23:59:59-14:00"}, 422, "invalid_body", "/now"),
        ({"facts": [NEED] * 500, "document": {"rules": [RULE | {"version": n} for n in range(1, 42)]}}, 422, "", ""),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_cannot_be_judged_is_refused(
    service: Service, change: dict[str, Any], status: int, code: str, pointer: str
) -> None:
    ccas = await service.agency(CCAS)
    body = {"facts": [NEED], "now": "2026-03-01T00:00:00Z", "document": RULE} | change
    refused = await ccas.command("/v1/rule-evaluations", body)
    problem = refused.json()
    assert refused.status_code == status
    assert problem["code"] == (code or "evaluation_too_large")
    assert "Dupont" not in refused.text
    if pointer:
        assert problem["errors"][0]["pointer"] == pointer


async def test_what_is_stored_is_as_it_is_judged(service: Service) -> None:
    ccas = await service.agency(CCAS)
    for _ in range(2):
        pathway = await ccas.opened()
        referral = await ccas.command(f"{pathway}/referrals", {"to_agency": MISSION_LOCALE, "theme": HOUSING})
    await ccas.get("/v1/alerts", params={"at_least": referral.headers["x-position"]})
    pilot = await service.agency(CCAS, scopes=frozenset({Scope.READ, Scope.STEER}))
    first = (await pilot.get("/v1/reconciliation", params={"limit": "1"})).json()
    last = (await pilot.get("/v1/reconciliation", params={"limit": "1", "cursor": first["next"]})).json()
    assert [(page["pathways"], page["waiting"], page["differences"]) for page in (first, last)] == [(1, 0, [])] * 2
    assert first["obligations"] > 1
    assert (await ccas.get("/v1/reconciliation")).status_code == 403
