"""Is this person known? What a search gives away, whom a confirmation tells, and how often one may ask."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from application.access import Caller, Means, Scope
from application.identity_terms import Identity
from application.matching import (
    ANSWER_STEP_SECONDS,
    GOOD_FOR,
    PER_USER,
    Matching,
    Searched,
    TooManySearches,
    UnknownSearch,
)
from domain.clock import SettableClock
from domain.compartments import Compartment
from domain.recognition import PersonRecognised, SearchReason
from domain.roles import Role
from infrastructure.database import Pool
from infrastructure.person_searches import PostgresSearches
from tests.support.logs import KEYS
from tests.support.service import CCAS, MISSION_LOCALE, NOW, TERRITORY, Agency, Service, running
from tests.support.vaults import TOKEN, served, vault_of

ADA = {"given_name": "Ada", "family_name": "Lefèvre", "birth_date": "1987-03-14"}
LIKE_ADA = ADA | {"given_name": "Alma", "family_name": "Lefebvre"}
NOBODY = ADA | {"given_name": "Nobody"}


@pytest.fixture
async def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: SettableClock) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path, clock=clock) as opened:
        yield opened


@pytest.fixture
async def ada(service: Service) -> str:
    """The id of Ada's pathway, opened by the CCAS."""
    place = await (await service.agency(CCAS)).opened(**ADA)
    await service.runtime.follower.catch_up()
    return place.rpartition("/")[2]


@pytest.fixture
async def mission(service: Service) -> Agency:
    return await service.person(Role.WORKER, agency=MISSION_LOCALE)


async def searched(client: Agency, **identity: Any) -> dict[str, Any]:
    answer = await client.post("/v1/persons/matches", json=identity)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def confirmed(client: Agency, token: str, status: int = 200) -> dict[str, Any]:
    body = {"token": token, "reason": "reception"}
    answer = await client.put("/v1/persons/matches/confirmations", json=body)
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def found(client: Agency, **identity: Any) -> dict[str, Any]:
    return await confirmed(client, (await searched(client, **identity))["token"])


async def test_a_search_says_nothing_of_whether_somebody_was_found(mission: Agency, ada: str) -> None:
    one = await mission.post("/v1/persons/matches", json=ADA)
    other = await mission.post("/v1/persons/matches", json=NOBODY)
    first, second = one.json(), other.json()
    assert set(first) == set(second) == {"token", "expires_at", "searches_left"}
    assert len(one.content) == len(other.content)
    assert first["expires_at"] == second["expires_at"]
    assert {name for name, _ in one.headers.items()} == {name for name, _ in other.headers.items()}


async def test_no_search_is_answered_before_a_whole_step_of_time(service: Service, ada: str) -> None:
    """Which is longer than what is done, so that it does not show whether more was done."""
    for sought in (ADA, NOBODY) * 3:
        began = time.monotonic()
        await service.runtime.matching.search(worker(), msgspec.convert(sought, Identity))
        assert time.monotonic() - began >= ANSWER_STEP_SECONDS


async def test_whoever_answers_for_a_search_learns_that_the_person_is_known(mission: Agency, ada: str) -> None:
    assert await found(mission, **ADA) == {"known": True, "sureness": "certain", "yours": []}
    assert await found(mission, **LIKE_ADA) == {"known": True, "sureness": "likely", "yours": []}
    assert await found(mission, **NOBODY) == {"known": False, "sureness": None, "yours": []}


async def test_one_who_takes_part_is_led_to_the_pathway_and_nobody_is_told(service: Service, ada: str) -> None:
    worker = await service.person(Role.WORKER)
    assert await found(worker, **ADA) == {"known": True, "sureness": "certain", "yours": [ada]}
    assert "person.recognised" not in await topics(service)


async def test_those_who_know_the_person_are_told_and_nothing_is_opened(
    service: Service, mission: Agency, ada: str
) -> None:
    await found(mission, **ADA)
    assert (await mission.get(f"/v1/pathways/{ada}")).status_code == 404
    ccas = await service.agency(CCAS)
    head = await service.runtime.log.head(TERRITORY)
    await service.runtime.follower.catch_up()
    items = (await ccas.get(f"/v1/pathways/{ada}/timeline?at_least={head}")).json()["items"]
    assert [(item["type"], item["agency"]) for item in items] == [
        ("pathway.opened", CCAS),
        ("person.recognised", MISSION_LOCALE),
    ]


async def test_every_search_is_written_and_names_nobody(service: Service, mission: Agency, ada: str) -> None:
    await found(mission, **ADA)
    await searched(mission, **NOBODY)
    history = [stored async for page in service.runtime.log.pages(TERRITORY, after=0) for stored in page]
    told = [stored for stored in history if stored.topic.startswith("person.search")]
    assert [stored.topic for stored in told] == ["person.searched", "person.search-confirmed", "person.searched"]
    assert {stored.event.agency for stored in told} == {MISSION_LOCALE}
    assert all(stored.event.actor for stored in told)
    assert all(stored.subject is None for stored in told)
    assert [type(stored.event) for stored in history if stored.topic == "person.recognised"] == [PersonRecognised]


async def test_a_token_serves_only_whoever_searched(service: Service, mission: Agency, ada: str) -> None:
    token = (await searched(mission, **ADA))["token"]
    colleague = await service.person(Role.WORKER, agency=MISSION_LOCALE)
    for other in (colleague, await service.person(Role.WORKER)):
        assert (await confirmed(other, token, 404))["code"] == "unknown_search"
    assert (await confirmed(mission, token))["known"] is True
    assert (await confirmed(mission, "A" * 32, 404))["code"] == "unknown_search"


async def test_a_confirmation_sent_again_is_answered_the_same_and_tells_nobody_twice(
    service: Service, mission: Agency, ada: str
) -> None:
    token = (await searched(mission, **ADA))["token"]
    assert await confirmed(mission, token) == await confirmed(mission, token)
    told = await topics(service)
    assert [told.count(topic) for topic in ("person.recognised", "person.search-confirmed")] == [1, 1]


def worker(agent: str = "m1", agency: str = MISSION_LOCALE) -> Caller:
    """Somebody whose session never ends, for what takes hours."""
    return Caller(
        territory=TERRITORY,
        agency=agency,
        agent=agent,
        means=Means.PERSON,
        roles=frozenset({Role.WORKER}),
        scopes=frozenset({Scope.MATCH}),
    )


async def test_a_token_is_not_good_for_long(service: Service, ada: str, clock: SettableClock) -> None:
    matching, identity = service.runtime.matching, msgspec.convert(ADA, Identity)
    tokens = [(await matching.search(worker(), identity)).token for _ in range(2)]
    clock.advance(GOOD_FOR - timedelta(microseconds=1))
    assert (await matching.confirm(worker(), tokens[0], SearchReason.RECEPTION)).known
    clock.advance(timedelta(microseconds=1))
    with pytest.raises(UnknownSearch):
        await matching.confirm(worker(), tokens[1], SearchReason.RECEPTION)


async def test_an_hour_allows_so_many_searches_and_the_last_one_shows(service: Service, clock: SettableClock) -> None:
    matching = service.runtime.matching
    left = [(await matching.search(worker(), Identity())).searches_left for _ in range(PER_USER)]
    assert left == list(range(PER_USER - 1, -1, -1))
    with pytest.raises(TooManySearches) as refused:
        await matching.search(worker(), Identity())
    assert refused.value.context == {"retry_after_s": 3600}
    await matching.search(worker("m2"), Identity())
    clock.advance(timedelta(hours=1))
    await matching.search(worker(), Identity())


async def test_an_agency_has_a_limit_of_its_own(service: Service) -> None:
    runtime = service.runtime
    searches = PostgresSearches(runtime.pool)
    matching = Matching(runtime.blind_index, searches, runtime.log, runtime.clock, per_user=2, per_agency=3)
    assert [(await matching.search(worker(agent), Identity())).searches_left for agent in "aab"] == [1, 0, 0]
    with pytest.raises(TooManySearches):
        await matching.search(worker("c"), Identity())
    assert (await matching.search(worker("c", CCAS), Identity())).searches_left == 1


async def test_searches_made_at_once_are_counted_one_by_one(service: Service) -> None:
    asked = [service.runtime.matching.search(worker(), Identity()) for _ in range(PER_USER + 10)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, TooManySearches) for answer in answers) == 10
    assert sum(isinstance(answer, Searched) for answer in answers) == PER_USER


async def test_searches_that_count_no_more_are_dropped_whoever_made_them(
    service: Service, clock: SettableClock, ada: str
) -> None:
    matching, pool = service.runtime.matching, service.runtime.pool
    await matching.search(worker(), msgspec.convert(ADA, Identity))
    clock.advance(timedelta(minutes=30))
    await matching.search(worker("b", CCAS), Identity())
    await matching.drop_old()
    assert await pool.fetchval("SELECT count(*) FROM person_searches") == 2
    clock.advance(timedelta(minutes=30))
    await matching.drop_old()
    assert [tuple(row) for row in await pool.fetch("SELECT agency, found FROM person_searches")] == [(CCAS, [])]


async def test_software_cannot_search_more_by_naming_other_agents(service: Service) -> None:
    partner = await service.partner(MISSION_LOCALE)
    for number in range(PER_USER):
        headers = {"X-Agent": f"agent-{number}"}
        assert (await partner.post("/v1/persons/matches", json=NOBODY, headers=headers)).status_code == 200
    again = await partner.post("/v1/persons/matches", json=NOBODY, headers={"X-Agent": "another"})
    assert again.status_code == 429


async def test_nobody_searches_with_an_api_key(service: Service) -> None:
    answer = await (await service.agency(CCAS)).post("/v1/persons/matches", json=ADA)
    assert answer.status_code == 403


@pytest.mark.parametrize("left_out", ["given_name", "family_name", "birth_date"])
async def test_nobody_is_found_by_less_than_a_full_identity(mission: Agency, left_out: str) -> None:
    body = {name: value for name, value in ADA.items() if name != left_out}
    answer = await mission.post("/v1/persons/matches", json=body)
    assert answer.status_code == 422


async def test_the_restricted_are_not_known(service: Service, mission: Agency, ada: str) -> None:
    dpo = await service.person(Role.DPO)
    answer = await dpo.command(f"/v1/pathways/{ada}/restrictions", {"ground": "accuracy_contested"})
    assert answer.status_code in (200, 201), answer.text
    assert await found(mission, **ADA) == {"known": False, "sureness": None, "yours": []}


async def test_the_erased_are_not_known(service: Service, mission: Agency, ada: str) -> None:
    token = (await searched(mission, **ADA))["token"]
    opened = (await service.runtime.log.read_stream(TERRITORY, UUID(ada)))[0]
    assert opened.subject is not None
    await service.runtime.vault.keys.destroy(TERRITORY, opened.subject, Compartment)
    assert await service.runtime.blind_index.forget(TERRITORY, opened.subject) == 2
    assert await service.runtime.pool.fetchval("SELECT count(*) FROM person_searches") == 0
    assert (await confirmed(mission, token, 404))["code"] == "unknown_search"
    assert (await found(mission, **ADA))["known"] is False


async def test_what_waits_for_a_confirmation_is_dropped(service: Service, ada: str, clock: SettableClock) -> None:
    matching, pool = service.runtime.matching, service.runtime.pool
    identity = msgspec.convert(ADA, Identity)
    await matching.search(worker(), identity)
    assert await pool.fetchval("SELECT found <> '{}' FROM person_searches") is True
    clock.advance(timedelta(hours=1))
    await matching.search(worker(), identity)
    assert await pool.fetchval("SELECT count(*) FROM person_searches") == 1


async def test_an_agency_sees_its_own_duplicates(service: Service, ada: str) -> None:
    ccas = await service.agency(CCAS)
    other = (await ccas.opened(**LIKE_ADA)).rpartition("/")[2]
    await (await service.agency(MISSION_LOCALE)).opened(**ADA)
    await service.runtime.follower.catch_up()
    items = (await ccas.get("/v1/persons/duplicates")).json()["items"]
    assert items == [{"pathway_id": ada, "other_pathway_id": other, "agree": "sound"}]
    assert (await (await service.agency(MISSION_LOCALE)).get("/v1/persons/duplicates")).json() == {"items": []}


async def topics(service: Service) -> list[str]:
    return [stored.topic for stored in await service.runtime.log.page(TERRITORY, after=0)]


async def test_people_are_found_when_the_vault_is_in_another_process(
    database_url: str, pool: Pool, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    async with served(vault_of(pool, KEYS)) as address:
        chosen = {"vault_url": address, "vault_token_file": tmp_path / "token"}
        async with running(database_url, tmp_path / "data", chosen=chosen) as service:
            ccas = await service.agency(CCAS)
            place = await ccas.opened(**ADA)
            assert (await ccas.command(f"{place}/contacts", {"channel": "phone", "note": "Rang."})).status_code == 201
            await service.runtime.follower.catch_up()
            mission = await service.person(Role.WORKER, agency=MISSION_LOCALE)
            assert (await found(mission, **ADA))["known"] is True
