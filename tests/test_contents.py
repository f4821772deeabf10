"""Who a person is, their health and what was noted are opened by one route, with a ground, and never without a trace."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.openapi import document
from application.access import Scope
from domain.clock import SettableClock
from domain.roles import Role
from infrastructure.database import Pool
from tests.support.service import CCAS, HOUSING, MISSION_LOCALE, NOW, TERRITORY, Agency, Service, running

IDENTITY = {"given_name": "Zoé", "family_name": "Quatremère", "birth_date": "1991-05-17", "phone": "+33612345678"}
NOTE = "A dit craindre son propriétaire."
ADDICTION = "sante--addictions"


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: SettableClock) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path, clock=clock) as service:
        yield service


@pytest.fixture
async def software(service: Service) -> Agency:
    return await service.agency()


@pytest.fixture
async def place(software: Agency) -> str:
    """A pathway of the CCAS, with a name, a note and a theme of health."""
    place = await software.opened(**IDENTITY)
    await software.command(f"{place}/contacts", {"channel": "phone", "note": NOTE})
    diagnosed = await software.command(f"{place}/diagnoses", {"needs": [{"theme": ADDICTION}, {"theme": HOUSING}]})
    assert diagnosed.status_code == 201, diagnosed.text
    return place


async def opened(client: Agency, place: str, compartments: str = "identity", purpose: str = "accompaniment") -> Any:
    return await client.get(f"{place}/contents?compartments={compartments}&purpose={purpose}")


async def accesses(service: Service, place: str) -> list[dict[str, Any]]:
    """As the data-protection officer sees them."""
    dpo = await service.person(Role.DPO, agency="dpd-34")
    listed = await dpo.get(f"{place}/accesses")
    assert listed.status_code == 200, listed.text
    items: list[dict[str, Any]] = listed.json()["items"]
    return items


async def test_a_worker_opens_identity_and_own_notes_of_a_pathway_of_the_agency(service: Service, place: str) -> None:
    worker = await service.person(Role.WORKER)
    shown = await opened(worker, place, "identity,notes")
    assert shown.status_code == 200, shown.text
    body = shown.json()
    assert body["identity"] == IDENTITY | {"email": None, "address": None}
    assert [(note["type"], note["text"]) for note in body["notes"]] == [("contact.recorded", NOTE)]
    assert (body["health"], body["erased"], body["version"]) == (None, [], 3)
