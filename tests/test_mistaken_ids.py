"""The id of one thing where that of another is expected: answered as an id that there is not, and never a fault."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from domain.agency import agency_id_of
from domain.roles import Role
from tests.support.service import CCAS, TERRITORY, Agency, Service, running

COMMANDS = {
    "break-glass": {"motive": "Found unconscious; the hospital asks whom to call."},
    "contacts": {"channel": "phone"},
    "erasures": {"ground": "person_asked"},
    "legal-holds": {"ground": "audit"},
    "restrictions": {"ground": "unlawful"},
    "subject-access": {},
}
NEEDED = {"contents": {"compartments": "identity", "purpose": "rights"}}
READ_BY_ID = re.compile(r"^/v1/(?!audit/).*{(alert|erasure|mandate|pathway)_id}")


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path) as service:
        yield service


async def test_the_id_of_something_else_is_answered_as_one_that_there_is_not(service: Service) -> None:
    officer = await service.person(Role.DPO, Role.OPERATOR, Role.LEAD, Role.WORKER)
    paths = [route.path_format for route in service.app.routes if "GET" in getattr(route, "methods", ())]
    for kind, mistaken in (await streams(service, officer)).items():
        for path in filter(READ_BY_ID.match, paths):
            if f"{{{kind}_id}}" not in path:
                assert await read(officer, path, mistaken) == await read(officer, path, uuid4()), (kind, path)
        for name, body in COMMANDS.items() if kind != "pathway" else ():
            refused = await officer.command(f"/v1/pathways/{mistaken}/{name}", body)
            assert (refused.status_code, refused.json()["code"]) == (404, "unknown_pathway"), (kind, name)


async def streams(service: Service, officer: Agency) -> dict[str, UUID]:
    """Of which the log has one each."""
    pathway = await officer.opened()
    erasure = await officer.command(f"{await officer.opened()}/erasures", {"ground": "person_asked"})
    assert erasure.status_code == 202, erasure.text
    await officer.put(f"/v1/agencies/{CCAS}", json={"name": "CCAS", "capabilities": ["housing"]})
    return {
        "pathway": UUID(pathway.rsplit("/", 1)[-1]),
        "erasure": UUID(erasure.json()["id"]),
        "member": await service.member(Role.WORKER),
        "agency": agency_id_of(TERRITORY, CCAS),
    }


async def read(reader: Agency, path: str, stream_id: UUID) -> tuple[int, str]:
    answer = await reader.get(re.sub(r"{\w+}", str(stream_id), path), params=NEEDED.get(path.rsplit("/", 1)[-1], {}))
    return answer.status_code, answer.json()["code"]
