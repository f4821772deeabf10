"""An auditor of integrity checks the whole log with nothing that could open any of it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.verify.command import verify
from domain.clock import SettableClock
from domain.roles import Role
from infrastructure.database import Pool
from infrastructure.log_bundle import write_bundle
from infrastructure.note_folder import NoteFolder
from infrastructure.sealer import Sealer
from infrastructure.signing_key import LogKey
from tests.support.alerted import alerts_of, unanswered
from tests.support.service import CCAS, NOW, TERRITORY, running
from tests.test_http_replays import Audit, audited, code, mandate, somebody

CANARY = "Zénobie Quetzalcoatl"


class Asked:
    """Whose keys were asked for."""

    def __init__(self, keys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.subjects: list[UUID] = []
        self._keyrings = keys.keyrings
        monkeypatch.setattr(keys, "keyrings", self._answer)

    async def _answer(self, territory: str, subjects: Iterable[UUID], **options: Any) -> Any:
        wanted = list(subjects)
        self.subjects += wanted
        return await self._keyrings(territory, wanted, **options)


async def persons(pool: Pool) -> set[UUID]:
    """Everybody whom a pathway is about."""
    rows = await pool.fetch("SELECT DISTINCT subject FROM events WHERE topic = 'pathway.opened'")
    return {row["subject"] for row in rows}


async def test_a_whole_verification_asks_for_no_key_at_all(
    database_url: str, pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SettableClock(NOW)
    async with running(database_url, tmp_path, clock=clock) as service:
        ccas = await service.agency(CCAS)
        await ccas.opened(given_name="Zénobie", family_name="Quetzalcoatl")
        await unanswered(ccas, clock)
        await alerts_of(ccas)
        asked = Asked(service.runtime.vault.keys, monkeypatch)
        head = await service.runtime.log.head(TERRITORY)
        sealer = Sealer(pool, LogKey.load_or_create(tmp_path / "key"), NoteFolder(tmp_path / "memory"))
        assert await write_bundle(pool, sealer, [TERRITORY], tmp_path / "bundle") == []
    assert asked.subjects == []
    verdict = verify(tmp_path / "bundle")
    assert (verdict.faults, [log.events for log in verdict.logs]) == ([], [head])
    written = b"".join(file.read_bytes() for file in (tmp_path / "bundle").rglob("*") if file.is_file())
    assert len(await persons(pool)) == 2
    assert not [word for word in CANARY.split() if word.encode() in written]


async def test_it_succeeds_where_no_key_is_left_to_open_anything_with(
    database_url: str, pool: Pool, tmp_path: Path
) -> None:
    """Every person's key destroyed, and the key that wrapped them gone: the proof needs neither."""
    async with running(database_url, tmp_path, clock=SettableClock(NOW)) as service:
        ccas = await service.agency(CCAS)
        for _ in range(3):
            await ccas.opened(given_name="Zénobie")
    await pool.execute("TRUNCATE vault.keys, vault.keks")
    (tmp_path / "keys" / "kek").unlink()
    sealer = Sealer(pool, LogKey.load_or_create(tmp_path / "key"), NoteFolder(tmp_path / "memory"))
    assert await write_bundle(pool, sealer, [TERRITORY], tmp_path / "bundle") == []
    assert verify(tmp_path / "bundle").faults == []


async def test_over_http_it_takes_a_mandate_and_opens_proofs_alone(
    database_url: str, pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SettableClock(NOW)
    async with running(database_url, tmp_path, clock=clock) as service:
        ccas = await service.agency(CCAS)
        pathway = await ccas.opened(given_name="Zénobie", family_name="Quetzalcoatl")
        officer, proposer = await somebody(service, Role.DPO), await somebody(service, Role.LEAD)
        audit = Audit(officer, proposer, await somebody(service, Role.INTEGRITY_AUDITOR))
        proofs = ["/v1/log/checkpoint", "/v1/log/tile/0/000.p/3", "/v1/log/tile/entries/000.p/3"]
        proofs += ["/v1/log/proofs/inclusion?position=1&size=3", "/v1/log/proofs/consistency?old_size=1&size=3"]
        for address in proofs:
            assert await code(audit.auditor, address) == "mandate_required"
        await mandate(audit, clock, kind="integrity")
        sealer = Sealer(pool, LogKey.load_or_create(tmp_path / "key"), NoteFolder(tmp_path / "memory"))
        await sealer.seal(TERRITORY)
        asked = Asked(service.runtime.vault.keys, monkeypatch)
        for address in proofs:
            answer = await audit.auditor.get(address)
            assert (answer.status_code, address) == (200, address), answer.text
            assert not [word for word in CANARY.split() if word.encode() in answer.content]
        for address in (pathway, f"{pathway}/contents?compartments=identity&purpose=audit", audited(pathway)):
            assert await code(audit.auditor, address) in ("scope_required", "forbidden")
        in_the_files = await persons(pool)
        assert in_the_files
        assert not in_the_files.intersection(asked.subjects), "none but the auditor's own roles were opened"
