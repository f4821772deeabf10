"""Witnesses sign what extends what they signed, refuse the rest, and keep what two contradicting notes prove."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.witness import create_witness
from application.checkpoints import COSIGNATURE, Checkpoint, SignedNote, SigningKey, VerifierKey
from application.merkle import Range
from application.tree_tiles import range_hash
from application.witnessing import (
    Forked,
    IllFormed,
    NotAnExtension,
    NotSignedByTheLog,
    OtherSize,
    Submission,
    UnknownLog,
    WitnessRefusal,
)
from domain.clock import SettableClock
from infrastructure.database import Pool
from infrastructure.signing_key import LogKey
from infrastructure.witness import HttpWitness, Publisher, read_witnesses
from infrastructure.witness_folder import WitnessFolder
from tests.support.plain_server import PlainServer
from tests.support.sealed_events import T
from tests.support.sealed_log import SealedLog, said, sealed_log, without_triggers
from tests.support.service import NOW
from tests.test_merkle import LEAVES, TILES, consistency_proof, tiles_of
from tests.test_tampering import delete_the_tail_and_what_was_sealed_of_it

CLOCK = SettableClock(NOW)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return LogKey.load_or_create(tmp_path / "log-key").of_log(T)


@pytest.fixture
def witness(tmp_path: Path, key: SigningKey) -> WitnessFolder:
    folder = WitnessFolder(tmp_path / "witness", CLOCK)
    folder.watch(str(key.verifier))
    return folder


def submitted(key: SigningKey, old: int, size: int, tiles: Any = TILES) -> Submission:
    checkpoint = Checkpoint(key.verifier.name, size, range_hash(Range(0, size), tiles))
    proof = consistency_proof(tiles, min(old, size), size)
    return Submission(old, tuple(proof), str(key.sign(checkpoint)))


async def test_a_log_that_grows_is_signed_each_time(witness: WitnessFolder, key: SigningKey) -> None:
    for old, size in ((0, 5), (5, 300), (300, 300), (300, 1000)):
        asked = submitted(key, old, size)
        line = await witness.add(asked)
        assert SignedNote.parse(asked.note + line).signed_by(VerifierKey.parse(witness.key))
    assert VerifierKey.parse(witness.key).kind == COSIGNATURE


async def test_a_witness_says_where_to_prove_from(witness: WitnessFolder, key: SigningKey) -> None:
    await witness.add(submitted(key, 0, 300))
    with pytest.raises(OtherSize) as refused:
        await witness.add(submitted(key, 0, 1000))
    assert refused.value.size == 300


async def test_a_shorter_log_is_never_signed(witness: WitnessFolder, key: SigningKey) -> None:
    await witness.add(submitted(key, 0, 300))
    with pytest.raises(OtherSize):
        await witness.add(submitted(key, 0, 200))
    with pytest.raises(IllFormed):
        await witness.add(submitted(key, 300, 200))


async def test_another_history_is_refused_and_kept_as_evidence(
    witness: WitnessFolder, key: SigningKey, tmp_path: Path
) -> None:
    await witness.add(submitted(key, 0, 300))
    other = tiles_of([*LEAVES[:200], *reversed(LEAVES[200:])])
    with pytest.raises(Forked):
        await witness.add(submitted(key, 300, 300, other))
    with pytest.raises(NotAnExtension):
        await witness.add(submitted(key, 300, 1000, other))
    kept = sorted((tmp_path / "witness" / "evidence").iterdir())
    assert len(kept) == 2
    for file in kept:
        known, shown = file.read_text("utf-8").split("\n\n" + key.verifier.name, 1)
        assert SignedNote.parse(known + "\n").signed_by(key.verifier)
        assert SignedNote.parse(key.verifier.name + shown).signed_by(key.verifier)


async def test_what_the_log_did_not_sign_is_refused(witness: WitnessFolder, key: SigningKey, tmp_path: Path) -> None:
    forged = LogKey(key.verifier.name.partition("/")[0], bytes(32)).of_log(T)
    with pytest.raises(NotSignedByTheLog):
        await witness.add(submitted(forged, 0, 5))
    with pytest.raises(UnknownLog):
        await witness.add(submitted(LogKey.load_or_create(tmp_path / "other").of_log(T), 0, 5))


async def test_a_proof_from_nothing_is_empty(witness: WitnessFolder, key: SigningKey) -> None:
    asked = submitted(key, 0, 5)
    with pytest.raises(NotAnExtension):
        await witness.add(Submission(0, (bytes(32),), asked.note))


async def test_a_witness_remembers_across_restarts(witness: WitnessFolder, key: SigningKey, tmp_path: Path) -> None:
    await witness.add(submitted(key, 0, 300))
    again = WitnessFolder(tmp_path / "witness", CLOCK)
    assert again.key == witness.key
    with pytest.raises(OtherSize):
        await again.add(submitted(key, 0, 200))


@given(st.binary(max_size=300))
def test_any_request_is_read_without_failing(body: bytes) -> None:
    with pytest.raises(IllFormed):
        Submission.parse(body)


def test_a_submission_is_read_back(key: SigningKey) -> None:
    asked = submitted(key, 7, 1000)
    assert Submission.parse(asked.encoded()) == asked


# Over HTTP.


@pytest.fixture
async def http(witness: WitnessFolder) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=create_witness(witness))  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=transport, base_url="http://witness") as client:
        yield client


async def test_the_protocol_answers_as_c2sp_says(
    http: httpx2.AsyncClient, witness: WitnessFolder, key: SigningKey
) -> None:
    async def sent(asked: Submission) -> httpx2.Response:
        return await http.post("/add-checkpoint", content=asked.encoded())

    signed = await sent(submitted(key, 0, 300))
    assert signed.status_code == 200
    assert signed.text.startswith(f"— {witness.name} ")

    conflict = await sent(submitted(key, 0, 1000))
    assert (conflict.status_code, conflict.text) == (409, "300\n")
    assert conflict.headers["content-type"] == "text/x.tlog.size"

    other = tiles_of(LEAVES[::-1])
    assert (await sent(submitted(key, 300, 300, other))).status_code == 409
    assert (await sent(submitted(key, 300, 1000, other))).status_code == 422
    assert (await sent(submitted(key, 300, 200))).status_code == 400
    assert (await http.post("/add-checkpoint", content=b"old x")).status_code == 400
    assert (await http.post("/add-checkpoint", content=b"x" * 100_000)).status_code == 413


@pytest.mark.parametrize(
    ("status", "text"),
    [(409, "9" * 5_000), (409, "١٢"), (409, ""), (422, "no"), (500, ""), (200, ""), (200, "— nobody AAAA\n")],
)
async def test_whatever_a_witness_answers_is_taken_for_a_refusal(
    witness: WitnessFolder, key: SigningKey, status: int, text: str
) -> None:
    """And never fails the sealer that asked."""
    async with PlainServer(lambda _: (status, "text/plain; charset=utf-8", text)) as address:
        with pytest.raises(WitnessRefusal):
            await HttpWitness(address, VerifierKey.parse(witness.key)).add(submitted(key, 0, 5))


# Shown by the sealer.


@pytest.fixture
async def log(database_url: str, pool: Pool, tmp_path: Path) -> AsyncIterator[SealedLog]:
    async with sealed_log(database_url, pool, tmp_path) as opened:
        yield opened


async def test_a_bundle_carries_what_the_witnesses_signed(log: SealedLog, pool: Pool, tmp_path: Path) -> None:
    folders = [WitnessFolder(tmp_path / name, CLOCK) for name in ("one", "two")]
    for each in folders:
        each.watch(log.key)
    log.published(Publisher(pool, folders))
    await log.grow(people=1)
    await log.grow(people=1)
    bundle = await log.bundle()
    note = SignedNote.parse((bundle / T / "checkpoint").read_text("utf-8"))
    assert all(note.signed_by(VerifierKey.parse(each.key)) for each in folders)
    assert (await log.verdict()).faults == []


async def test_a_witness_refuses_a_restored_log(
    log: SealedLog, pool: Pool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Database, sealer's memory and key, all as they were."""
    folder = WitnessFolder(tmp_path / "one", CLOCK)
    folder.watch(log.key)
    memory = (log.folder / "last-signed" / T).read_text("utf-8")
    publisher = Publisher(pool, [folder])
    log.published(publisher)
    await log.grow(people=2)
    async with without_triggers(pool) as db:
        await db.execute("DELETE FROM cosignatures")
        await delete_the_tail_and_what_was_sealed_of_it(db, log)
    (log.folder / "last-signed" / T).write_text(memory, "utf-8")
    restored = await log.sealer.seal(T)
    assert restored is not None
    assert await pool.fetchval("SELECT count(*) FROM cosignatures") == 0
    with pytest.raises(OtherSize):
        await Publisher(pool, [folder]).show(folder, T, restored)

    await log.grow(people=3)
    assert await pool.fetchval("SELECT count(*) FROM cosignatures") == 0
    assert len(list((tmp_path / "one" / "evidence").iterdir())) == 1
    last = tmp_path / "one" / "last"
    status, lines = said(capsys, str(await log.bundle()), "--since", str(next(last.iterdir())))
    assert status == 1
    assert "the first 28 events are not those that were signed" in lines[0]


def test_witnesses_are_named_by_folder_or_by_address_and_key(tmp_path: Path, witness: WitnessFolder) -> None:
    one, two = read_witnesses(f"{tmp_path / 'w'} https://witness.example/#{witness.key}", CLOCK)
    assert isinstance(one, WitnessFolder)
    assert isinstance(two, HttpWitness)
    assert two.name == witness.name
