"""The person index: people are found again by what agrees; nothing in it names anybody; nothing of the erased stays."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from application.blind_index import HASH_BYTES, BlindKeys, OneIndexKey, TwoIndexKeys
from application.identity_terms import Identity, Kind
from domain.compartments import Compartment
from domain.opening import CorrectIdentity, OpenPathway
from domain.referral import RequestReferral
from infrastructure.database import Pool
from infrastructure.vault_client import RemoteBlindKeys
from projections.builds import live_builds
from projections.content import content_hash
from projections.person_index import PersonRows
from projections.rebuild import rebuild
from tests.support.following import (
    CCAS,
    HOUSING,
    MISSION,
    Territory,
    all_projections,
    blind_keys,
    catch_up,
    follower_of,
    territory,
)
from tests.support.logs import KEYS
from tests.support.vaults import asked, vault_of

T = "FR-34"
BORN = date(1987, 3, 14)
ADA: dict[str, Any] = {"given_name": "Ada", "family_name": "Lefèvre", "birth_date": BORN, "phone": "06 12 34 56 78"}


@pytest.fixture
async def place(database_url: str, pool: Pool) -> AsyncIterator[Territory]:
    async with territory(database_url, pool) as opened:
        await follower_of(pool, opened, all_projections(opened)).catch_up()
        yield opened


@pytest.fixture
def rows(place: Territory, pool: Pool) -> PersonRows:
    return PersonRows(pool, blind_keys(place))


async def kinds(rows: PersonRows, **identity: Any) -> dict[UUID, set[Kind]]:
    found: dict[UUID, set[Kind]] = {}
    for each in await rows.find(T, Identity(**identity)):
        found.setdefault(each.pathway, set()).add(each.kind)
    return found


async def test_a_person_is_found_by_what_agrees(pool: Pool, place: Territory, rows: PersonRows) -> None:
    ada = await place.open(command=OpenPathway(**ADA))
    await place.open(command=OpenPathway(given_name="Ada", family_name="Lefèvre", birth_date=date(1987, 3, 15)))
    await place.open(command=OpenPathway(given_name="Ada", family_name="Lefèvre"))
    await catch_up(pool, place)
    assert await kinds(rows, **ADA) == {ada: {Kind.EXACT, Kind.PHONE, Kind.SOUND}}
    assert await kinds(rows, given_name="Alma", family_name="Lefebvre", birth_date=BORN) == {ada: {Kind.SOUND}}
    assert await kinds(rows, phone="+33612345678", birth_date=BORN) == {ada: {Kind.PHONE}}
    assert await kinds(rows, phone="+33612345678") == {}
    assert await kinds(rows, given_name="Ada", family_name="Martin", birth_date=BORN) == {}


async def test_a_corrected_identity_is_found_by_what_is_right(pool: Pool, place: Territory, rows: PersonRows) -> None:
    pathway = await place.open(command=OpenPathway(**ADA))
    await catch_up(pool, place)
    await place.act(pathway, CCAS, CorrectIdentity(given_name="Ada", family_name="Byron", birth_date=BORN))
    await catch_up(pool, place)
    assert await kinds(rows, **ADA) == {}
    assert await kinds(rows, given_name="Ada", family_name="Byron", birth_date=BORN) == {
        pathway: {Kind.EXACT, Kind.SOUND}
    }


async def test_territories_do_not_find_each_others_people(
    database_url: str, pool: Pool, place: Territory, rows: PersonRows
) -> None:
    async with territory(database_url, pool, name="FR-30") as other:
        await other.open(command=OpenPathway(**ADA))
        await catch_up(pool, other)
    assert await kinds(rows, **ADA) == {}
    await place.open(command=OpenPathway(**ADA))
    await catch_up(pool, place)
    stored = await pool.fetch("SELECT hash FROM person_index WHERE kind = 'exact'")
    assert len(stored) == len({row["hash"] for row in stored}) == 2


async def test_the_index_holds_short_hashes_and_nothing_that_names_anybody(pool: Pool, place: Territory) -> None:
    await place.open(command=OpenPathway(**ADA))
    await catch_up(pool, place)
    stored = await pool.fetch("SELECT * FROM person_index")
    assert {len(row["hash"]) for row in stored} == {HASH_BYTES}
    assert {row["kind"] for row in stored} == {"exact", "phone", "sound"}
    assert not any(word in str(stored) for word in ("Ada", "Lefèvre", "lefevre", "1987", "12345678"))


async def test_an_agency_is_told_of_its_own_duplicates_only(pool: Pool, place: Territory, rows: PersonRows) -> None:
    one = await place.open(CCAS, OpenPathway(**ADA))
    two = await place.open(CCAS, OpenPathway(given_name="Adda", family_name="Lefebvre", birth_date=BORN))
    foreign = await place.open(MISSION, OpenPathway(**ADA))
    await catch_up(pool, place)
    assert await rows.twins(T, CCAS, 10) == [(*sorted((one, two)), Kind.SOUND)]
    assert await rows.twins(T, MISSION, 10) == []
    await place.act(foreign, MISSION, RequestReferral(to_agency=CCAS, theme="logement-hebergement--louer-un-logement"))
    await catch_up(pool, place)
    pairs = {frozenset(pair) for *pair, _ in await rows.twins(T, CCAS, 10)}
    assert pairs == {frozenset({one, two}), frozenset({one, foreign}), frozenset({two, foreign})}
    assert await rows.twins(T, HOUSING, 10) == []


async def test_the_erased_are_forgotten(pool: Pool, place: Territory, rows: PersonRows) -> None:
    ada = await place.open(command=OpenPathway(**ADA))
    await place.open(command=OpenPathway(**ADA | {"family_name": "Martin"}))
    await catch_up(pool, place)
    subject = (await place.pathway(ada)).subject
    assert subject is not None
    assert await rows.forget("FR-30", subject) == 0
    assert await rows.forget(T, subject) == 3
    assert await rows.forget(T, subject) == 0
    assert list(await kinds(rows, **ADA)) != [ada]
    assert await pool.fetchval("SELECT count(*) FROM person_index") == 3


async def test_rebuilt_it_holds_the_same_and_nothing_of_the_erased(pool: Pool, place: Territory) -> None:
    erased = await place.open(command=OpenPathway(**ADA))
    await place.open(command=OpenPathway(**ADA | {"given_name": "Alma"}))
    await catch_up(pool, place)
    before = await content(pool, place)
    await rebuilt(pool, place)
    assert await content(pool, place) == before

    subject = (await place.pathway(erased)).subject
    assert subject is not None
    await place.log.vault.destroy(T, subject, Compartment)  # type: ignore[attr-defined]
    await rebuilt(pool, place)
    assert await pool.fetchval("SELECT count(*) FROM person_index WHERE subject = $1", subject) == 0
    assert await pool.fetchval("SELECT count(*) FROM person_index") == 3


async def test_a_hashing_key_is_turned_over_by_a_rebuild(pool: Pool, place: Territory, rows: PersonRows) -> None:
    keys = blind_keys(place)
    ada = await place.open(command=OpenPathway(**ADA))
    await catch_up(pool, place)
    await keys.rotate_index(T)
    assert set(await kinds(rows, **ADA)) == {ada}, "the old hashes serve meanwhile"
    later = await place.open(command=OpenPathway(**ADA))
    await catch_up(pool, place)
    await rebuilt(pool, place)
    await keys.retire_index(T)
    assert set(await kinds(rows, **ADA)) == {ada, later}
    versions = await pool.fetch("SELECT key_version, count(*) FROM person_index GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in versions] == [(1, 6), (2, 6)]
    await rebuilt(pool, place)
    assert await pool.fetchval("SELECT array_agg(DISTINCT key_version) FROM person_index") == [2]


async def content(pool: Pool, place: Territory) -> str:
    async with pool.acquire() as db:
        return await content_hash(db, (await live_builds(db, all_projections(place)))["person_index"], T)


async def rebuilt(pool: Pool, place: Territory) -> None:
    await rebuild(pool, place.log, all_projections(place), place.clock, ["person_index"])


# The keys.


@pytest.fixture(params=["here", "another process"])
async def keys(request: pytest.FixtureRequest, pool: Pool) -> AsyncIterator[BlindKeys]:
    vault = vault_of(pool, KEYS)
    if request.param == "here":
        yield vault.blind
        return
    async with asked(vault) as line:
        yield RemoteBlindKeys(line)


async def test_the_same_term_has_one_hash_by_territory_and_version(keys: BlindKeys) -> None:
    first = await keys.hashes(T, ["one", "two", "one"])
    assert list(first) == [1]
    assert first[1][0] == first[1][2] != first[1][1]
    await keys.rotate_index(T)
    both = await keys.hashes(T, ["one"])
    assert both[1][0] == first[1][0] != both[2][0]
    elsewhere = await keys.hashes("FR-30", ["one"])
    assert elsewhere[1][0] not in (both[1][0], both[2][0])
    assert {len(each) for some in both.values() for each in some} == {HASH_BYTES}


async def test_versions_come_and_go_one_at_a_time(keys: BlindKeys) -> None:
    await keys.hashes(T, [])
    with pytest.raises(OneIndexKey):
        await keys.retire_index(T)
    assert (await keys.rotate_index(T)).version == 2
    with pytest.raises(TwoIndexKeys):
        await keys.rotate_index(T)
    assert (await keys.retire_index(T)).version == 1
    assert [(key.version, key.retired_at is None) for key in await keys.index_keys(T)] == [(1, False), (2, True)]
    assert list(await keys.hashes(T, ["one"])) == [2]


async def test_the_vault_holds_the_hashing_key_wrapped_like_any_other(keys: BlindKeys, pool: Pool) -> None:
    await keys.hashes(T, ["one"])
    assert await pool.fetchval("SELECT count(*) FROM vault.keys WHERE length(wrapped) = 60") == 1
    await keys.rotate_index(T)
    await keys.hashes(T, ["one"])
    await keys.retire_index(T)
    assert await pool.fetchval("SELECT count(*) FROM vault.keys WHERE wrapped IS NULL") == 1
