"""An auditor of cases replays what the mandate names, as it was known, and nothing else."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest

from domain.clock import SettableClock
from domain.roles import Role
from tests.support.service import CCAS, HOUSING, MISSION_LOCALE, NOW, Agency, Service, running
from tests.test_http_alerts import alerts_of, unanswered

DEPARTMENT = "departement-34"


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: SettableClock) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path, clock=clock) as service:
        yield service


class Audit(NamedTuple):
    """Those who mandate, and who is mandated."""

    officer: Agency
    proposer: Agency
    auditor: Agency
    auditor_id: str


@pytest.fixture
async def audit(service: Service) -> Audit:
    auditor = await service.person(Role.CASE_AUDITOR, agency=DEPARTMENT)
    who = (await auditor.get("/v1/me")).json()
    officer = await service.person(Role.DPO, agency=DEPARTMENT)
    return Audit(officer, await service.person(Role.LEAD, agency=DEPARTMENT), auditor, who["agent"])


async def mandate(audit: Audit, clock: SettableClock, *pathways: str, **changes: Any) -> str:
    """Proposed and signed; its address."""
    proposed = await audit.proposer.command("/v1/mandates", proposal(audit, clock, *pathways, **changes))
    assert proposed.status_code == 201, proposed.text
    signed = await audit.officer.command(f"{proposed.headers['location']}/signatures")
    assert signed.status_code == 200, signed.text
    return str(proposed.headers["location"])


def proposal(audit: Audit, clock: SettableClock, *pathways: str, **changes: Any) -> dict[str, Any]:
    now = clock.now()
    return {
        "kind": "case",
        "auditor_agency": DEPARTMENT,
        "auditor": audit.auditor_id,
        "begins_at": now.isoformat(),
        "ends_at": (now + timedelta(days=30)).isoformat(),
        "reference": "DPO-2026-014",
        "pathways": [pathway.rpartition("/")[2] for pathway in pathways],
    } | changes


async def test_a_mandate_opens_the_pathways_it_names_and_no_other(
    service: Service, audit: Audit, clock: SettableClock
) -> None:
    ccas = await service.agency(CCAS)
    named, other = await ccas.opened(), await ccas.opened()
    await mandate(audit, clock, named)
    seen = await audit.auditor.get(named.replace("/v1/", "/v1/audit/"))
    assert seen.status_code == 200, seen.text
    assert seen.json()["pathway"] == (await ccas.get(named)).json()
    same = {"X-Request-Id": "same"}
    foreign = await audit.auditor.get(other.replace("/v1/", "/v1/audit/"), headers=same)
    absent = await audit.auditor.get(f"/v1/audit/pathways/{uuid4()}", headers=same)
    assert (foreign.status_code, foreign.text) == (404, absent.text.replace(absent.url.path, foreign.url.path))
