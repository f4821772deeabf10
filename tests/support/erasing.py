"""A person of a small territory about to be erased, and all that holds something of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from application.erasure import Erasures, Means
from application.pathways import fold
from domain.appointment import BookAppointment
from domain.clock import SettableClock
from domain.contact import Channel, RecordContact
from domain.diagnosis import FoundNeed, RecordDiagnosis
from domain.ids import uuid7
from domain.opening import OpenPathway
from domain.pathway import Pathway
from domain.person_erasure import Erasure, ErasureGround
from domain.referral import RequestReferral
from infrastructure.database import Pool
from infrastructure.erasure import PostgresTraces
from infrastructure.event_log import PostgresEventLog
from infrastructure.kek_epochs import PostgresKekEpochs
from infrastructure.key_file import KeyFile
from infrastructure.key_vault import PostgresKeyVault
from infrastructure.pruning import PostgresPruning
from infrastructure.snapshots import PostgresSnapshots
from projections.follower import Follower
from projections.forgetting import FollowedReadModels
from tests.support.following import CCAS, MISSION, MONDAY, TERRITORY, TRAINING_NEED, Territory, all_projections

ENDPOINT = """
INSERT INTO webhook_endpoints (territory, endpoint_id, agency, url, secret, status, verified_at, created_at)
VALUES ($1, $2, $3, 'https://partner.example/hook', '\\x00', 'active', now(), now())"""


class Hashes:
    """A blind index that only remembers whom it was told to forget."""

    def __init__(self) -> None:
        self.forgotten: list[UUID] = []

    async def forget(self, territory: str, subject: UUID) -> int:  # noqa: ARG002 (there is one territory)
        self.forgotten.append(subject)
        return 1


class CaughtUp(Follower):
    """Steps forward when somebody waits for it: nobody else follows."""

    async def caught_up(self, *_: object, **__: object) -> bool:
        await self.catch_up()
        return True


class Scene:
    """A territory, and two persons: one to be erased, one who stays."""

    def __init__(self, place: Territory, pool: Pool, vault: PostgresKeyVault, means: Means) -> None:
        self.place = place
        self.pool = pool
        self.vault = vault
        self.means = means
        self.erasures = Erasures(place.log, place.clock, means)

    async def live(self) -> UUID:
        """A pathway with names, notes, a referral, and an alert that somebody is told of."""
        command = OpenPathway(given_name="Ada", family_name="Lovelace", phone="+33 4 00 00 00 00")
        pathway_id = await self.place.open(CCAS, command)
        now = self.place.clock.now()
        await self.place.act(
            pathway_id,
            CCAS,
            RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),), note="A note."),
            RequestReferral(to_agency=MISSION, theme=TRAINING_NEED, note="Another note."),
            RecordContact(channel=Channel.PHONE, note="A third."),
            BookAppointment(start=now, end=now),
        )
        self.place.pass_days(60)
        await self.catch_up()
        return pathway_id

    async def catch_up(self) -> None:
        await Follower(self.pool, self.place.log, all_projections(self.place), self.place.clock).catch_up()

    async def pathway(self, pathway_id: UUID) -> Pathway:
        pathway = fold(None, await self.place.log.read_stream(self.place.name, pathway_id))
        assert pathway is not None
        return pathway

    async def ask(self, pathway_id: UUID) -> Erasure:
        pathway = await self.pathway(pathway_id)
        return await self.erasures.request(pathway, ErasureGround.PERSON_ASKED, agency=CCAS, agent="dpo-1")

    async def erase(self, pathway_id: UUID, *, at_once: bool = False) -> Erasure:
        erasure = await self.ask(pathway_id)
        return await self.erasures.advance(self.place.name, erasure.id, at_once=at_once)

    async def rows_of(self, pathway_id: UUID) -> dict[str, int]:
        """How many rows of each view are about a pathway or its alerts; those without any are left out."""
        rows = await self.pool.fetch(
            "SELECT DISTINCT stream_id FROM events WHERE stream_id = $1 OR causation_id = $1", pathway_id
        )
        ids = [row["stream_id"] for row in rows]
        found = {}
        for table, column in await self.pool.fetch(
            "SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.views USING"
            " (table_schema, table_name) WHERE table_schema = 'public' AND column_name IN ('pathway', 'alert', 'item')"
        ):
            query = f'SELECT count(*) FROM "{table}" WHERE "{column}" = ANY($1::uuid[])'
            if count := await self.pool.fetchval(query, ids):
                found[f"{table}.{column}"] = count
        return found


@asynccontextmanager
async def scene(url: str, pool: Pool, folder: Path) -> AsyncIterator[Scene]:
    clock = SettableClock(MONDAY)
    vault = await PostgresKeyVault.open(pool, folder / "kek")
    keys = KeyFile.load(folder / "kek")
    async with PostgresEventLog(url, pool, vault, clock) as log:
        place = Territory(log, clock, TERRITORY)
        await place.join(MISSION, "training")
        means = Means(
            vault=vault,
            epochs=PostgresKekEpochs(pool, keys, clock),
            snapshots=PostgresSnapshots(pool, vault, folded_max=0),
            read_models=FollowedReadModels(pool, CaughtUp(pool, log, all_projections(place), clock)),
            blind_index=Hashes(),
            traces=PostgresTraces(pool),
            pruning=PostgresPruning(pool),
        )
        yield Scene(place, pool, vault, means)


async def listen_for(pool: Pool, agency: str) -> UUID:
    """An endpoint of the agency, which is never called."""
    endpoint_id = uuid7()
    await pool.execute(ENDPOINT, TERRITORY, endpoint_id, agency)
    return endpoint_id
