"""People come in with a session, partners' software with a token; both are known for what they are, or refused."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import pytest

from api.role_names import RoleName
from application.access import Scope
from domain.roles import Role
from tests.support.service import Service, running


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path) as up:
        yield up


async def test_a_person_is_known_with_their_roles(service: Service) -> None:
    person = await service.person(Role.WORKER, Role.LEAD)
    told = (await person.get("/v1/me")).json()
    assert (told["means"], told["roles"]) == ("person", ["lead", "worker"])
    assert told["agent"] == told["key_id"]
    assert {"read", "case:read:identity", "manage"} <= set(told["scopes"])


async def test_software_is_known_with_its_scopes_and_without_roles(service: Service) -> None:
    partner = await service.partner(scopes=frozenset({Scope.READ}))
    told = (await partner.get("/v1/me")).json()
    assert (told["means"], told["roles"], told["scopes"]) == ("service", [], ["read"])


async def test_software_acting_for_somebody_may_no_more_than_both(service: Service) -> None:
    member_id = await service.member(Role.DPO)
    partner = await service.partner(scopes=frozenset({Scope.READ, Scope.WRITE}), member_id=member_id)
    told = (await partner.get("/v1/me")).json()
    assert (told["agent"], told["roles"], told["scopes"]) == (str(member_id), ["dpo"], ["read"])
    assert (await partner.command("/v1/pathways")).status_code == 403


def test_every_role_has_its_name() -> None:
    assert set(get_args(RoleName)) == set(Role)
