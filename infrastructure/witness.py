"""Showing each new checkpoint to the witnesses, and keeping what they sign under it."""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urldefrag

import asyncpg
import httpx2
import structlog

from application.checkpoints import Checkpoint, NotANote, Signature, SignedNote, VerifierKey
from application.witnessing import Forked, NotAnExtension, OtherSize, Submission, Witness, WitnessRefusal
from domain.clock import Clock
from infrastructure import tiles
from infrastructure.database import Pool
from infrastructure.witness_folder import WitnessFolder

log = structlog.get_logger()

NOTE = "SELECT note FROM checkpoints WHERE territory = $1 AND size = $2"
KEEP = """
INSERT INTO cosignatures (size, territory, witness, line) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"""
HAS_SIGNED = "SELECT EXISTS (SELECT FROM cosignatures WHERE territory = $1 AND size = $2 AND witness = $3)"
TIMEOUT_S = 10.0
REPLY_BYTES_MAX = 16 * 1024
SIZE = re.compile(r"[0-9]{1,19}\n?", re.ASCII)
UNREACHABLE = (OSError, httpx2.HTTPError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)


class HttpWitness:
    """One that answers C2SP tlog-witness at an address that the operator chose."""

    def __init__(self, address: str, key: VerifierKey) -> None:
        self.name = key.name
        self._address = address.rstrip("/") + "/add-checkpoint"
        self._key = key

    async def add(self, submission: Submission) -> str:
        async with httpx2.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False) as client:
            answer = await client.post(self._address, content=submission.encoded())
        text = answer.text[:REPLY_BYTES_MAX]
        if answer.status_code == 200:
            return self._own_line(submission, text)
        if answer.status_code == 409 and SIZE.fullmatch(text):
            raise OtherSize(int(text))
        raise {409: Forked, 422: NotAnExtension}.get(answer.status_code, WitnessRefusal)(f"HTTP {answer.status_code}")

    def _own_line(self, submission: Submission, lines: str) -> str:
        """The line by the key that this witness is known by; others are passed over."""
        text = SignedNote.parse(submission.note).text
        for line in lines.splitlines():
            try:
                signature = Signature.parse(line)
            except NotANote:
                continue
            if self._key.made(signature) and self._key.verifies(text, signature):
                return signature.line
        raise WitnessRefusal("no valid signature in its answer")


def read_witnesses(text: str, clock: Clock) -> list[Witness]:
    """Separated by spaces: folders, or addresses followed by `#` and the witness's key. Raises NotANote."""
    return [_witness(each, clock) for each in text.split()]


def _witness(text: str, clock: Clock) -> Witness:
    if not text.startswith(("http://", "https://")):
        return WitnessFolder(Path(text).expanduser(), clock)
    address, key = urldefrag(text)
    return HttpWitness(address, VerifierKey.parse(key))


class Publisher:
    """What the sealer calls with each checkpoint."""

    def __init__(self, pool: Pool, witnesses: Sequence[Witness]) -> None:
        self._pool = pool
        self._witnesses = witnesses
        self._sizes: dict[tuple[str, str], int] = {}
        """The last size that each witness is known to have signed, by log."""

    async def __call__(self, territory: str, checkpoint: Checkpoint) -> None:
        """A witness that is out of reach is asked again with the next one; one that refuses is shouted about."""
        for witness in self._witnesses:
            try:
                await self.show(witness, territory, checkpoint)
            except WitnessRefusal as refusal:
                log.critical(
                    "witness.refused",
                    territory=territory,
                    witness=witness.name,
                    size=checkpoint.size,
                    reason=type(refusal).__name__,
                )
            except UNREACHABLE as error:
                log.warning("witness.unreachable", witness=witness.name, error_type=type(error).__name__)

    async def show(self, witness: Witness, territory: str, checkpoint: Checkpoint) -> None:
        """Raises WitnessRefusal, or what says that the witness is out of reach."""
        if await self._pool.fetchval(HAS_SIGNED, territory, checkpoint.size, witness.name):
            return
        known = self._sizes.get((witness.name, territory), 0)
        try:
            line = await witness.add(await self._submission(territory, min(known, checkpoint.size), checkpoint))
        except OtherSize as other:
            if other.size > checkpoint.size:
                raise  # It has seen a longer log than there is: an older copy was restored.
            line = await witness.add(await self._submission(territory, other.size, checkpoint))
        self._sizes[witness.name, territory] = checkpoint.size
        await self._pool.execute(KEEP, checkpoint.size, territory, witness.name, line)

    async def _submission(self, territory: str, old_size: int, checkpoint: Checkpoint) -> Submission:
        async with self._pool.acquire() as db:
            note = await db.fetchval(NOTE, territory, checkpoint.size)
            proof = await tiles.consistency_proof(db, territory, old_size, checkpoint.size)
        return Submission(old_size, tuple(proof), note)
