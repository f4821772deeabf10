"""What anyone can check of the log over HTTP, without trusting who answers."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from application.checkpoints import Checkpoint, SignedNote, VerifierKey
from application.merkle import includes, is_consistent, tree_hash
from domain.roles import Role
from infrastructure.event_header import leaf_hash, parse_header
from infrastructure.sealer import Sealer
from tests.support.service import CCAS, MISSION_LOCALE, TERRITORY, Agency, Service, running


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
async def ccas(service: Service) -> Agency:
    return await service.agency(CCAS)


@pytest.fixture
async def auditor(service: Service) -> Agency:
    """The data-protection officer, who needs no mandate."""
    return await service.person(Role.DPO)


async def recorded(agency: Agency) -> int:
    """The position of an event that this agency just recorded."""
    response = await agency.command("/v1/pathways", {})
    return int(response.headers["x-position"])


def decoded(hashes: list[str]) -> list[bytes]:
    return [base64.b64decode(each) for each in hashes]


def checkpoint_of(note: str) -> Checkpoint:
    return Checkpoint.parse(SignedNote.parse(note).text)


async def test_a_writer_can_prove_that_its_event_is_in_the_log(service: Service, ccas: Agency) -> None:
    """Asked at once, so that the log is sealed for it."""
    position = await recorded(ccas)
    response = await ccas.get(f"/v1/log/receipts/{position}")
    assert response.status_code == 200, response.text
    receipt = response.json()

    key = Sealer.of(service.runtime.settings, service.runtime.pool).key.of_log(TERRITORY).verifier
    assert SignedNote.parse(receipt["checkpoint"]).signed_by(key)
    header, digest = (base64.b64decode(receipt[name]) for name in ("header", "payload_sha256"))
    assert parse_header(header).agency == CCAS
    leaf = leaf_hash(header, digest)
    assert leaf == base64.b64decode(receipt["leaf_hash"])
    checkpoint = checkpoint_of(receipt["checkpoint"])
    assert receipt["leaf_index"] == position - 1
    assert includes(leaf, position - 1, checkpoint.size, decoded(receipt["inclusion_proof"]), checkpoint.root)


async def test_there_are_no_receipts_of_what_others_recorded(service: Service, ccas: Agency) -> None:
    """The same answer as for what nobody recorded."""
    position = await recorded(ccas)
    other = await service.agency(MISSION_LOCALE)
    answers = [await other.get(f"/v1/log/receipts/{place}") for place in (position, 10_000, 0, 2**63)]
    assert [each.status_code for each in answers] == [404] * 4
    assert len({each.json()["code"] for each in answers}) == 1


async def test_what_nobody_seals_is_told_to_be_waited_for(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, roles=frozenset({"api"})) as service:
        agency = await service.agency(CCAS)
        position = await recorded(agency)
        response = await agency.get(f"/v1/log/receipts/{position}")
        assert (response.status_code, response.json()["code"]) == (409, "not_sealed_yet")
        assert response.headers["retry-after"] == "60"
        assert (await agency.get("/v1/log/checkpoint")).json()["code"] == "nothing_sealed"


async def test_two_checkpoints_are_proved_to_be_of_one_log(ccas: Agency, auditor: Agency) -> None:
    notes = []
    for _ in range(2):
        await ccas.get(f"/v1/log/receipts/{await recorded(ccas)}")
        response = await ccas.get("/v1/log/checkpoint")
        assert response.headers["content-type"].startswith("text/plain")
        notes.append(checkpoint_of(response.text))
    old, new = notes
    assert old.size < new.size
    response = await auditor.get("/v1/log/proofs/consistency", params={"old_size": old.size, "size": new.size})
    assert is_consistent(old.size, old.root, new.size, new.root, decoded(response.json()["hashes"]))


async def test_tiles_and_entries_hold_the_whole_tree(service: Service, ccas: Agency, auditor: Agency) -> None:
    for _ in range(3):
        position = await recorded(ccas)
    await ccas.get(f"/v1/log/receipts/{position}")
    checkpoint = checkpoint_of((await auditor.get("/v1/log/checkpoint")).text)
    tile = (await auditor.get(f"/v1/log/tile/0/000.p/{checkpoint.size}")).content
    leaves = [tile[at : at + 32] for at in range(0, len(tile), 32)]
    assert tree_hash(leaves) == checkpoint.root

    raw = (await auditor.get(f"/v1/log/tile/entries/000.p/{checkpoint.size}")).content
    entries = []
    while raw:
        length = int.from_bytes(raw[:2], "big")
        entries.append(raw[2 : 2 + length])
        raw = raw[2 + length :]
    assert [leaf_hash(entry[:-32], entry[-32:]) for entry in entries] == leaves

    response = await auditor.get("/v1/log/proofs/inclusion", params={"position": 2, "size": checkpoint.size})
    assert includes(leaves[1], 1, checkpoint.size, decoded(response.json()["hashes"]), checkpoint.root)


ABSENT = (
    "tile/0/001",
    "tile/0/000",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/255",
    "tile/9/000",
    "tile/0/x000/000",
    "tile/entries/000",
    "tile/entries/x999/x999/x999/x999/999",
    "tile/0/x999/x999/x999/x999/x999/999",
    "tile/0/٠٠٠",
)
NEVER_WERE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("inclusion", {"position": 1, "size": 10**6}),
    ("inclusion", {"position": 0, "size": 1}),
    ("inclusion", {"position": 2, "size": 1}),
    ("consistency", {"old_size": 2, "size": 1}),
    ("consistency", {"old_size": 0, "size": 0}),
)


async def test_there_is_no_proof_of_what_never_was(ccas: Agency, auditor: Agency) -> None:
    await ccas.get(f"/v1/log/receipts/{await recorded(ccas)}")
    for place in ABSENT:
        assert (await auditor.get(f"/v1/log/{place}")).status_code == 404, place
    for path, asked in NEVER_WERE:
        response = await auditor.get(f"/v1/log/proofs/{path}", params=asked)
        assert (response.status_code, response.json()["code"]) == (404, "no_such_tree"), asked


async def test_an_integrity_auditor_needs_a_mandate(service: Service, ccas: Agency) -> None:
    await ccas.get(f"/v1/log/receipts/{await recorded(ccas)}")
    response = await (await service.person(Role.INTEGRITY_AUDITOR)).get("/v1/log/tile/0/000")
    assert (response.status_code, response.json()["code"]) == (403, "mandate_required")


async def test_only_those_who_audit_read_the_tree(service: Service, ccas: Agency) -> None:
    worker = await service.person(Role.WORKER)
    for path in ("tile/0/000", "proofs/inclusion?position=1&size=1", "proofs/consistency?old_size=1&size=1"):
        for caller in (ccas, worker):
            assert (await caller.get(f"/v1/log/{path}")).status_code == 403
    assert (await (await service.client()).get("/v1/log/checkpoint")).status_code == 401


async def test_a_key_of_the_log_is_a_c2sp_key(service: Service) -> None:
    key = Sealer.of(service.runtime.settings, service.runtime.pool).key.of_log(TERRITORY).verifier
    assert VerifierKey.parse(str(key)) == key
