"""Pruning drops the payloads of an erased person, and nothing else of anybody."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from application.pruning import NotErased
from infrastructure.database import Pool
from infrastructure.event_header import leaf_hash
from infrastructure.group_writer import GroupWriter
from infrastructure.pruning import PostgresPruning
from tests.support.sealed_events import T, append_erasure, append_person


@pytest.fixture
async def writer(database_url: str) -> AsyncIterator[GroupWriter]:
    async with GroupWriter(database_url) as opened:
        yield opened


async def payloads(pool: Pool, person: UUID) -> list[bytes | None]:
    rows = await pool.fetch("SELECT payload FROM events WHERE subject = $1 ORDER BY position", person)
    return [row["payload"] for row in rows]


async def test_an_erased_persons_payloads_go_and_their_hashes_stay(writer: GroupWriter, pool: Pool) -> None:
    person, other = await append_person(writer), await append_person(writer)
    await append_erasure(writer, person, after=3)
    before = await pool.fetch("SELECT leaf FROM events ORDER BY position")

    assert await PostgresPruning(pool).prune(T, person) == 3

    assert await payloads(pool, person) == [None, None, None, b"sealed"]
    assert None not in await payloads(pool, other)
    rows = await pool.fetch("SELECT header, payload_sha256, leaf FROM events ORDER BY position")
    assert [row["leaf"] for row in rows] == [row["leaf"] for row in before]
    assert all(row["leaf"] == leaf_hash(row["header"], row["payload_sha256"]) for row in rows)


async def test_pruning_again_does_nothing(writer: GroupWriter, pool: Pool) -> None:
    person = await append_person(writer)
    await append_erasure(writer, person, after=3)
    await PostgresPruning(pool).prune(T, person)
    assert await PostgresPruning(pool).prune(T, person) == 0


async def test_whoever_was_not_erased_is_not_pruned(writer: GroupWriter, pool: Pool) -> None:
    person, other = await append_person(writer), await append_person(writer)
    await append_erasure(writer, other, after=3)
    with pytest.raises(NotErased):
        await PostgresPruning(pool).prune(T, person)
    assert None not in await payloads(pool, person)


async def test_an_erasure_in_one_territory_prunes_nothing_in_another(writer: GroupWriter, pool: Pool) -> None:
    person = await append_person(writer)
    await append_erasure(writer, person, after=3)
    with pytest.raises(NotErased):
        await PostgresPruning(pool).prune("FR-30", person)
    assert None not in await payloads(pool, person)


@pytest.mark.parametrize(
    "change",
    [
        "payload = NULL, topic = 'x'",
        "payload = 'other'",
        "payload_sha256 = sha256('other'), payload = NULL",
        "recorded_at = recorded_at - interval '1 day'",
    ],
)
async def test_even_of_an_erased_person_nothing_else_changes(writer: GroupWriter, pool: Pool, change: str) -> None:
    person = await append_person(writer)
    await append_erasure(writer, person, after=3)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="events never change"):
        await pool.execute(f"UPDATE events SET {change} WHERE position = 1")


async def test_the_event_that_says_so_keeps_its_payload(writer: GroupWriter, pool: Pool) -> None:
    person = await append_person(writer)
    await append_erasure(writer, person, after=3)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="events never change"):
        await pool.execute("UPDATE events SET payload = NULL WHERE topic = 'person.erased'")


async def test_only_the_owner_may_prune(pool: Pool) -> None:
    granted = await pool.fetchval(
        "SELECT has_function_privilege('public', 'prune_payloads(text,uuid,bigint,bigint)', 'EXECUTE')"
    )
    assert granted is False
