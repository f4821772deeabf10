"""Snapshots of pathways on PostgreSQL, sealed with the person's keys."""

import asyncio
import hashlib
from functools import cache
from importlib.resources import files
from uuid import UUID

import asyncpg
import msgspec
import structlog

from application.event_log import UnreadableEvent
from application.key_vault import KeyDestroyed, KeyRestricted, KeyVault
from application.snapshots import FOLDED_MAX
from domain.compartments import Compartment
from domain.pathway import Pathway
from domain.pathway_state import CodedState, IdentityState, pathway_from, state_of
from infrastructure.database import Pool
from infrastructure.event_shape import CODES
from infrastructure.sealed_payload import PayloadOpener, Place, seal_bodies

TOPIC = "pathway.snapshot"
PENDING_MAX = 16
CASE_CODE, IDENTITY_CODE = CODES[Compartment.CASE], CODES[Compartment.IDENTITY]

LATEST = """
SELECT version, subject, payload FROM snapshots WHERE territory = $1 AND stream_id = $2 AND schema_hash = $3"""
KEEP = """
INSERT INTO snapshots (territory, stream_id, schema_hash, version, subject, payload) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (territory, stream_id, schema_hash) DO UPDATE
SET taken_at = clock_timestamp(), version = excluded.version, payload = excluded.payload
WHERE snapshots.version < excluded.version"""
FORGET = "DELETE FROM snapshots WHERE territory = $1 AND stream_id = $2"
DROP_OLD = "DELETE FROM snapshots WHERE schema_hash <> $1 AND taken_at < clock_timestamp() - interval '7 days'"

_coded = msgspec.json.Decoder(CodedState)
_identity = msgspec.json.Decoder(IdentityState)
log = structlog.get_logger()


@cache
def schema_hash() -> str:
    """Of the whole domain: any change of it may change what events fold into, so older snapshots are not found."""
    sources = sorted((file.name, file.read_bytes()) for file in files("domain").iterdir() if file.name.endswith(".py"))
    return hashlib.sha256(b"\0".join(name.encode() + b"\0" + source for name, source in sources)).hexdigest()[:16]


class PostgresSnapshots:
    """See `Snapshots`. Close it to wait for what is being kept."""

    def __init__(self, pool: Pool, vault: KeyVault, *, folded_max: int = FOLDED_MAX) -> None:
        self._pool = pool
        self._vault = vault
        self._folded_max = folded_max
        self._pending: set[asyncio.Task[None]] = set()

    async def latest(self, territory: str, pathway_id: UUID) -> Pathway | None:
        row = await self._pool.fetchrow(LATEST, territory, pathway_id, schema_hash())
        if row is None:
            return None
        version, subject, payload = row
        place = Place(territory, pathway_id, version, TOPIC, subject)
        opener = PayloadOpener(territory, await self._vault.keyrings(territory, [subject]))
        try:
            bodies = dict(opener.open_bodies(0, place, payload))
        except UnreadableEvent:
            log.warning("snapshot.unreadable", territory=territory, pathway_id=str(pathway_id))
            return None
        coded, identity = bodies.get(CASE_CODE), bodies.get(IDENTITY_CODE)
        if coded is None:
            return None
        return pathway_from(_coded.decode(coded), _identity.decode(identity) if identity else IdentityState())

    def offer(self, territory: str, pathway: Pathway, folded: int) -> None:
        if folded <= self._folded_max or pathway.erased or pathway.subject is None:
            return
        if len(self._pending) >= PENDING_MAX:
            return  # Whoever loads it next offers it again.
        coded, identity = state_of(pathway)
        bodies = [(CASE_CODE, msgspec.json.encode(coded))]
        if identity != IdentityState():  # Else no key is needed, and there may be none any more.
            bodies.append((IDENTITY_CODE, msgspec.json.encode(identity)))
        task = asyncio.create_task(self._keep(territory, coded, pathway.subject, bodies), name="snapshot")
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def forget(self, territory: str, pathway_id: UUID) -> None:
        await self._pool.execute(FORGET, territory, pathway_id)

    async def drop_old(self) -> None:
        """Drop what earlier releases took; to be called now and then."""
        await self._pool.execute(DROP_OLD, schema_hash())

    async def close(self) -> None:
        await asyncio.gather(*self._pending, return_exceptions=True)

    async def _keep(self, territory: str, coded: CodedState, subject: UUID, bodies: list[tuple[int, bytes]]) -> None:
        place = Place(territory, coded.id, coded.version, TOPIC, subject)
        try:
            needed = [Compartment.CASE, Compartment.IDENTITY][: len(bodies)]
            keyring = await self._vault.ensure(territory, subject, needed)
            payload = seal_bodies(place, bodies, keyring)
            await self._pool.execute(KEEP, territory, coded.id, schema_hash(), coded.version, subject, payload)
        except (KeyDestroyed, KeyRestricted):
            return  # Being erased, or what it needs is withheld.
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("snapshot.not_kept", territory=territory, error=type(error).__name__)
