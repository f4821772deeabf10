"""Whoever owns the database changes history; the verifier, offline, says what and where."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from application.checkpoints import KEY_BYTES, Checkpoint
from application.merkle import HASH_BYTES
from application.tree_tiles import extended
from infrastructure import tiles
from infrastructure.database import Database, Pool
from infrastructure.sealer import SealingRefused
from infrastructure.signing_key import LogKey
from tests.support.sealed_events import T, append_person
from tests.support.sealed_log import SealedLog, said, sealed_log, without_triggers

Tampering = Callable[[Database, SealedLog], Awaitable[Any]]


@pytest.fixture
async def log(database_url: str, pool: Pool, tmp_path: Path) -> AsyncIterator[SealedLog]:
    """28 events of 7 people: 20 sealed when the auditor came, 28 now."""
    async with sealed_log(database_url, pool, tmp_path) as opened:
        opened.last_checkpoint()
        await opened.grow(people=2)
        yield opened


RELEAF = "UPDATE events SET leaf = sha256('\\x00'::bytea || header || payload_sha256)"


async def edit_a_payload(db: Database, _: SealedLog) -> None:
    await db.execute("UPDATE events SET payload = set_byte(payload, 3, 0) WHERE position = 6")


async def edit_a_payload_and_its_hash(db: Database, _: SealedLog) -> None:
    await db.execute("UPDATE events SET payload = 'x', payload_sha256 = sha256('x') WHERE position = 6")
    await db.execute(RELEAF)


async def edit_a_header(db: Database, _: SealedLog) -> None:
    await db.execute("UPDATE events SET header = set_byte(header, 20, get_byte(header, 20) # 1) WHERE position = 6")


async def edit_a_column(db: Database, _: SealedLog) -> None:
    await db.execute("UPDATE events SET agency = 'police' WHERE position = 6")


async def swap_two_payloads_of_one_person(db: Database, _: SealedLog) -> None:
    await db.execute(
        "UPDATE events a SET payload = b.payload FROM events b WHERE (a.position, b.position) IN ((6, 7), (7, 6))"
    )


async def swap_two_payloads_and_their_hashes(db: Database, _: SealedLog) -> None:
    await db.execute(
        "UPDATE events a SET payload = b.payload, payload_sha256 = b.payload_sha256 FROM events b"
        " WHERE (a.position, b.position) IN ((6, 7), (7, 6))"
    )
    await db.execute(RELEAF)


async def delete_one_in_the_middle(db: Database, _: SealedLog) -> None:
    await db.execute("DELETE FROM events WHERE position = 6")


async def delete_one_and_close_the_gap(db: Database, _: SealedLog) -> None:
    await db.execute("DELETE FROM events WHERE position = 6")
    await db.execute("UPDATE events SET position = position + 1000000 WHERE position > 6")
    await db.execute("UPDATE events SET position = position - 1000001 WHERE position > 1000000")
    await db.execute("UPDATE log_head SET position = position - 1")


async def delete_the_tail(db: Database, _: SealedLog) -> None:
    await db.execute("DELETE FROM events WHERE position > 26")
    await db.execute("UPDATE log_head SET position = 26")


async def delete_the_tail_and_what_was_sealed_of_it(db: Database, _: SealedLog) -> None:
    """All that the database knows is as it was when 20 events were sealed."""
    await db.execute("DELETE FROM events WHERE position > 20")
    await db.execute("UPDATE log_head SET position = 20")
    await db.execute("DELETE FROM checkpoints WHERE size > 20")
    await db.execute("UPDATE merkle_trees SET size = 20")
    await db.execute(f"UPDATE merkle_tiles SET hashes = substr(hashes, 1, {20 * HASH_BYTES})")


async def renumber_two(db: Database, _: SealedLog) -> None:
    await db.execute("UPDATE events SET position = 1006 WHERE position = 6")
    await db.execute("UPDATE events SET position = 6 WHERE position = 10")
    await db.execute("UPDATE events SET position = 10 WHERE position = 1006")


async def back_date(db: Database, _: SealedLog) -> None:
    """In the column, in the header, and with a leaf that fits."""
    await db.execute("UPDATE events SET recorded_at = recorded_at - interval '1 day' WHERE position = 6")
    await db.execute(
        "UPDATE events SET header = substr(header, 1, length(header) - 8)"
        " || int8send((extract(epoch FROM recorded_at) * 1000000)::bigint)"
    )
    await db.execute(RELEAF)


async def insert_one(db: Database, _: SealedLog) -> None:
    """A copy of the last of somebody's events, one version later, in the middle."""
    await db.execute("UPDATE events SET position = position + 1000000 WHERE position > 8")
    await db.execute("UPDATE events SET position = position - 999999 WHERE position > 1000000")
    await db.execute(
        'INSERT INTO events SELECT (jsonb_populate_record(e, \'{"position": 9, "stream_version": 5}\')).*'
        " FROM events e WHERE position = 8"
    )
    await db.execute("UPDATE events SET header = overlay(header placing '\\x05' from 32 for 1) WHERE position = 9")
    await db.execute(RELEAF)
    await db.execute("UPDATE log_head SET position = position + 1")


async def move_one_to_another_stream(db: Database, log: SealedLog) -> None:
    stream = log.people[4].bytes
    await db.execute("UPDATE events SET stream_id = $1, stream_version = 5 WHERE position = 8", log.people[4])
    await db.execute(
        "UPDATE events SET header = overlay(overlay(header placing $1 from 11) placing '\\x05' from 32 for 1)"
        " WHERE position = 8",
        stream,
    )
    await db.execute(RELEAF)


async def prune_without_erasure(db: Database, _: SealedLog) -> None:
    await db.execute("UPDATE events SET payload = NULL WHERE position = 6")


async def edit_a_leaf(db: Database, _: SealedLog) -> None:
    await db.execute("UPDATE events SET leaf = set_byte(leaf, 0, get_byte(leaf, 0) # 1) WHERE position = 6")


async def edit_a_tile(db: Database, _: SealedLog) -> None:
    await db.execute("UPDATE merkle_tiles SET hashes = set_byte(hashes, 200, get_byte(hashes, 200) # 1)")


async def sign_again_with_another_key(db: Database, log: SealedLog) -> None:
    await rewrite_the_tree(db, forged_key(log))


async def rewrite_everything(db: Database, log: SealedLog) -> None:
    """Another history from event 6 on, its tree, and checkpoints by the only key at hand: one's own."""
    await edit_a_payload_and_its_hash(db, log)
    await rewrite_the_tree(db, forged_key(log))


def forged_key(log: SealedLog) -> LogKey:
    """Everything about it is right but the secret."""
    return LogKey(log.sealer.key.name, b"forged key's seed".ljust(KEY_BYTES))


async def rewrite_the_tree(db: Database, key: LogKey) -> None:
    """As a sealer with this key would have made it."""
    leaves = [row["leaf"] for row in await db.fetch("SELECT leaf FROM events ORDER BY position")]
    await db.execute("DELETE FROM merkle_tiles")
    await tiles.store_tiles(db, T, extended(0, {}, leaves))
    signing = key.of_log(T)
    await db.execute("UPDATE merkle_trees SET size = $1", len(leaves))
    for size in [row["size"] for row in await db.fetch("SELECT size FROM checkpoints")]:
        checkpoint = Checkpoint(signing.verifier.name, size, await tiles.root(db, T, size))
        await db.execute("UPDATE checkpoints SET note = $1 WHERE size = $2", str(signing.sign(checkpoint)), size)


TAMPERINGS: dict[Tampering, str] = {
    edit_a_payload: "FR-34, event 6: sealed payload altered",
    edit_a_payload_and_its_hash: "FR-34, event 6: not the event that was sealed",
    edit_a_header: "FR-34, event 6: leaf altered",
    edit_a_column: "FR-34, event 6: column altered in the database: agency",
    swap_two_payloads_of_one_person: "FR-34, event 6: sealed payload altered",
    swap_two_payloads_and_their_hashes: "FR-34, event 6: not the event that was sealed",
    delete_one_in_the_middle: "FR-34, event 6: event missing",
    delete_one_and_close_the_gap: "FR-34, event 6: version 3 of stream",
    delete_the_tail: "FR-34: end cut off: 28 events sealed, 26 present",
    delete_the_tail_and_what_was_sealed_of_it: "FR-34/last-signed: 28 events signed, 20 present",
    renumber_two: "FR-34, event 6: version 2 of stream",
    back_date: "FR-34, event 6: recorded before",
    insert_one: "FR-34, event 9: not the event that was sealed",
    move_one_to_another_stream: "FR-34, event 8: version 5 of stream",
    prune_without_erasure: "FR-34, event 6: payload removed",
    edit_a_leaf: "FR-34, event 6: leaf altered",
    edit_a_tile: "FR-34/tile/0/000.p/28: tile of the tree altered",
    sign_again_with_another_key: "FR-34/checkpoint: signature false",
    rewrite_everything: "FR-34/checkpoint: signature false",
}


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda each: each.__name__)
async def test_is_noticed_offline(
    log: SealedLog, pool: Pool, tamper: Tampering, capsys: pytest.CaptureFixture[str]
) -> None:
    async with without_triggers(pool) as db:
        await tamper(db, log)
    status, lines = said(capsys, str(await log.bundle()))
    assert (status, len(lines)) == (1, 1)
    assert TAMPERINGS[tamper] in lines[0]


async def test_an_untouched_log_holds_for_whoever_kept_a_checkpoint(
    log: SealedLog, capsys: pytest.CaptureFixture[str]
) -> None:
    status, lines = said(capsys, str(await log.bundle()), "--since", str(log.folder / "mine"))
    assert status == 0
    assert lines == [f"FR-34: 28 events intact, root {lines[0].split()[5].strip(',')}, key {log.key}"]


async def test_the_sealer_signs_nothing_over_a_tampered_log(log: SealedLog, pool: Pool) -> None:
    """What is tampered with before it is sealed is never sealed."""
    await append_person(log.writer)
    async with without_triggers(pool) as db:
        await db.execute("UPDATE events SET agency = 'police' WHERE position = 30")
    with pytest.raises(SealingRefused, match="event 30: its columns are not those of its header"):
        await log.sealer.seal(T)
    assert await pool.fetchval("SELECT max(size) FROM checkpoints") == 28


async def test_whoever_takes_the_signing_key_too_cannot_undo_a_checkpoint_kept_elsewhere(
    log: SealedLog, pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another history, its tree and its signatures, all by the genuine key."""
    async with without_triggers(pool) as db:
        await edit_a_payload_and_its_hash(db, log)
        await rewrite_the_tree(db, log.sealer.key)
    (log.folder / "last-signed" / T).unlink()
    bundle = str(await log.bundle())
    assert said(capsys, bundle)[0] == 0
    status, lines = said(capsys, bundle, "--since", str(log.folder / "mine"))
    assert status == 1
    assert "the first 20 events are not those that were signed" in lines[0]


async def test_a_new_signing_key_is_noticed_by_whoever_knows_the_old_one(
    log: SealedLog, pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    old = log.key
    log.change_key()
    async with without_triggers(pool) as db:
        await db.execute("UPDATE merkle_trees SET verifier_key = $1", log.key)
        await db.execute("DELETE FROM checkpoints")
    bundle = str(await log.bundle())
    assert said(capsys, bundle)[0] == 0
    assert "signed by a key that you did not give" in said(capsys, bundle, "--key", old)[1][0]
    assert "does not hold this log" in said(capsys, bundle, "--since", str(log.folder / "mine"))[1][0]


async def test_a_restored_backup_is_noticed(log: SealedLog, pool: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole host as it was, the sealer's memory included: only who kept a later checkpoint can tell."""
    log.last_checkpoint("latest")
    async with without_triggers(pool) as db:
        await delete_the_tail_and_what_was_sealed_of_it(db, log)
    (log.folder / "last-signed" / T).write_text((log.folder / "mine").read_text("utf-8"), "utf-8")
    bundle = str(await log.bundle())
    assert said(capsys, bundle)[0] == 0
    status, lines = said(capsys, bundle, "--since", str(log.folder / "latest"))
    assert status == 1
    assert "28 events signed, 20 present: end cut off, or an old copy restored" in lines[0]


async def test_two_histories_of_one_length_are_noticed(
    log: SealedLog, pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Restored, then grown again to the same size: each auditor is shown a log that holds by itself."""
    shown_to_one = log.last_checkpoint("latest")
    async with without_triggers(pool) as db:
        await delete_the_tail_and_what_was_sealed_of_it(db, log)
    (log.folder / "last-signed" / T).unlink()
    await log.grow(people=2)
    bundle = str(await log.bundle())
    assert said(capsys, bundle, "--since", str(log.folder / "mine"))[0] == 0
    status, lines = said(capsys, bundle, "--since", str(shown_to_one))
    assert status == 1
    assert "two signed roots for 28 events" in lines[0]


async def test_the_sealer_remembers_what_it_signed_when_the_database_does_not(log: SealedLog, pool: Pool) -> None:
    async with without_triggers(pool) as db:
        await delete_the_tail_and_what_was_sealed_of_it(db, log)
    with pytest.raises(SealingRefused, match="28 events were sealed and 20 are left"):
        await log.sealer.seal(T)
    await append_person(log.writer, events=10)
    with pytest.raises(SealingRefused, match="the first 28 events are not those that were sealed"):
        await log.sealer.seal(T)
