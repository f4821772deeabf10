"""Whether a pathway exists is told to nobody who takes no part in it: not by words, not by headers, not by time."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from api.openapi import document
from application.access import KEY_SCOPES
from domain.ids import uuid7
from domain.roles import Role
from tests.campaigns.existence import mann_whitney, measure
from tests.support.service import CCAS, MISSION_LOCALE, Agency, Service, running

ROUTES = [
    (method.upper(), path, "requestBody" in operation)
    for path, item in document()["paths"].items()
    for method, operation in item.items()
    if "{pathway_id}" in path
]


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path) as service:
        yield service


async def said(client: Agency, method: str, path: str, pathway: str, *, with_body: bool) -> tuple[object, ...]:
    """All that an answer tells, the pathway's own id apart, which the client sent."""
    answer = await client.request(
        method,
        path.replace("{pathway_id}", pathway).replace("{entry_id}", str(UUID(int=7))),
        content=b"{}" if with_body else None,
        headers={
            "Content-Type": "application/json",
            "Idempotency-Key": "k",
            "If-Match": "*",
            "X-Request-Id": "the-same",
        },
    )
    return answer.status_code, sorted(answer.headers.multi_items()), answer.text.replace(pathway, "")


async def test_absent_and_foreign_pathways_are_refused_to_the_byte_alike(service: Service) -> None:
    """On every route of a pathway, to software and to people. Breaking the glass is how a person may learn of one."""
    known = (await (await service.agency(CCAS)).opened(family_name="Martin")).rpartition("/")[2]
    outsiders = [
        await service.agency(MISSION_LOCALE, scopes=KEY_SCOPES),
        await service.person(Role.WORKER, agency=MISSION_LOCALE),
        await service.person(Role.STEERING, agency=MISSION_LOCALE),
        await service.person(Role.INTEGRITY_AUDITOR, agency=MISSION_LOCALE),
    ]
    compared = 0
    for method, path, with_body in ROUTES:
        for outsider in outsiders:
            foreign = await said(outsider, method, path, known, with_body=with_body)
            absent = await said(outsider, method, path, str(uuid7()), with_body=with_body)
            assert foreign == absent, f"{method} {path}"
            assert foreign[0] not in range(200, 300)
            compared += 1
    assert compared > 150


async def test_a_refusal_takes_as_long_for_a_pathway_of_others_as_for_none(service: Service) -> None:
    known = (await (await service.agency(CCAS)).opened()).rpartition("/")[2]
    stranger = await service.agency(MISSION_LOCALE)
    for _ in range(5):  # Another process may have had the machine.
        told = await measure(stranger, UUID(known), 40)
        if told.is_nothing:
            break
    print(told)  # noqa: T201
    assert told.is_nothing


def test_the_statistic_finds_a_difference_and_finds_none_where_there_is_none() -> None:
    some = [float(value) for value in range(100)]
    assert mann_whitney(some, some) > 0.9
    assert mann_whitney(some, [value + 30 for value in some]) < 0.001
