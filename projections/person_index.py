"""The person index: keyed hashes of identities, by which a person is found again without being named anywhere."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from application.blind_index import BlindKeys, Found
from application.identity_terms import Identity, Kind, terms_of
from domain.compartments import Erased
from domain.opening import IdentityCorrected, PathwayOpened
from projections.projection import Build, Connection, Page, Pool

INDEX = """
CREATE TABLE {person_index} (
    pathway     uuid NOT NULL,
    subject     uuid NOT NULL,
    key_version integer NOT NULL,
    territory   text COLLATE "C" NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    hash        bytea NOT NULL,
    PRIMARY KEY (territory, pathway, key_version, kind)
);
CREATE INDEX ON {person_index} (territory, hash)"""

CLEAR = "DELETE FROM {person_index} WHERE territory = $1 AND pathway = ANY($2::uuid[])"
COLUMNS = ("territory", "pathway", "subject", "key_version", "kind", "hash")

FIND = """
SELECT DISTINCT pathway, kind FROM person_index
WHERE territory = $1 AND (kind, hash) IN (SELECT * FROM unnest($2::text[], $3::bytea[])) ORDER BY pathway, kind"""
# Pathways of one agency's own; whoever does not take part in both is not told.
TWINS = """
SELECT DISTINCT a.pathway, b.pathway, a.kind
FROM pathway_participants pa
JOIN person_index a ON (a.territory, a.pathway) = (pa.territory, pa.pathway)
JOIN person_index b ON (b.territory, b.hash, b.kind, b.key_version) = (a.territory, a.hash, a.kind, a.key_version)
JOIN pathway_participants pb ON (pb.territory, pb.pathway, pb.agency) = (b.territory, b.pathway, pa.agency)
WHERE pa.territory = $1 AND pa.agency = $2 AND a.pathway < b.pathway ORDER BY 1, 2, 3 LIMIT $3"""
FORGET_SEARCHES = """
DELETE FROM person_searches WHERE territory = $1
    AND found && ARRAY(SELECT pathway FROM person_index WHERE territory = $1 AND subject = $2)"""
BUILDS = """
SELECT t.name FROM projection_builds b, unnest(b.tables) AS t (name)
WHERE b.name = 'person_index' AND to_regclass(t.name) IS NOT NULL ORDER BY t.name"""


class PersonIndex:
    """Holds nothing of whom no birth date is known. Rebuilt, it has hashes of every key version in use."""

    name = "person_index"
    version = 1
    tables: Mapping[str, str] = {"person_index": INDEX}

    def __init__(self, keys: BlindKeys) -> None:
        self._keys = keys

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        changed: dict[UUID, tuple[UUID, Mapping[Kind, str]]] = {}
        for stored in page.events:
            if isinstance(stored.event, PathwayOpened | IdentityCorrected) and stored.subject is not None:
                changed[stored.event.originator_id] = (stored.subject, terms_of(_identity(stored.event)))
        gone = [pathway.id for pathway in page.pathways.values() if pathway.erased]
        if changed or gone:
            await db.execute(build.sql(CLEAR), page.territory, [*changed, *gone])
        rows = await self._rows(page.territory, {key: told for key, told in changed.items() if key not in gone})
        if rows:
            await build.copy(db, "person_index", COLUMNS, rows)

    async def _rows(self, territory: str, changed: Mapping[UUID, tuple[UUID, Mapping[Kind, str]]]) -> list[Any]:
        places = [(pathway, subject, kind) for pathway, (subject, terms) in changed.items() for kind in terms]
        if not places:
            return []
        hashes = await self._keys.hashes(territory, [term for _, terms in changed.values() for term in terms.values()])
        return [
            (territory, pathway, subject, version, kind.value, each)
            for version, some in hashes.items()
            for (pathway, subject, kind), each in zip(places, some, strict=True)
        ]


def _identity(event: PathwayOpened | IdentityCorrected) -> Identity:
    names = Identity.__struct_fields__
    return Identity(**{name: _told(getattr(event, name)) for name in names})


def _told(value: "str | date | Erased | None") -> Any:
    return None if isinstance(value, Erased) else value


class PersonRows:
    """See `BlindIndex`."""

    def __init__(self, pool: Pool, keys: BlindKeys) -> None:
        self._pool = pool
        self._keys = keys

    async def find(self, territory: str, identity: Identity) -> list[Found]:
        terms = terms_of(identity)
        hashes = await self._keys.hashes(territory, list(terms.values()))
        kinds = [kind.value for kind in terms] * len(hashes)
        rows = await self._pool.fetch(FIND, territory, kinds, [each for some in hashes.values() for each in some])
        return [Found(pathway=pathway, kind=Kind(kind)) for pathway, kind in rows]

    async def twins(self, territory: str, agency: str, limit: int) -> list[tuple[UUID, UUID, Kind]]:
        rows: Sequence[Any] = await self._pool.fetch(TWINS, territory, agency, limit)
        return [(one, other, Kind(kind)) for one, other, kind in rows]

    async def forget(self, territory: str, subject: UUID) -> int:
        count = 0
        async with self._pool.acquire() as db, db.transaction():
            await db.execute(FORGET_SEARCHES, territory, subject)
            for (table,) in await db.fetch(BUILDS):
                deleted = await db.execute(
                    f'DELETE FROM "{table}" WHERE territory = $1 AND subject = $2', territory, subject
                )
                count += int(deleted.rpartition(" ")[2])
        return count
