"""The agencies of a territory, what each is able to act on, and the services they offer."""

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

import msgspec

from domain.agency import AgencyChanged, AgencyClosed, AgencyRegistered, ServiceAdded
from projections.projection import Build, Connection, Page, Pool

TABLES = MappingProxyType(
    {
        "agency_directory": """
CREATE TABLE {agency_directory} (
    territory    text COLLATE "C" NOT NULL,
    agency       text COLLATE "C" NOT NULL,
    name         text NOT NULL,
    network      text,
    capabilities text[] NOT NULL,
    zones        text[] NOT NULL,
    is_closed    boolean NOT NULL DEFAULT false,
    PRIMARY KEY (territory, agency)
)""",
        "agency_services": """
CREATE TABLE {agency_services} (
    territory  text COLLATE "C" NOT NULL,
    agency     text COLLATE "C" NOT NULL,
    service_id uuid NOT NULL,
    name       text NOT NULL,
    type       text,
    themes     text[] NOT NULL,
    PRIMARY KEY (territory, agency, service_id)
)""",
    }
)

DESCRIBE = """
INSERT INTO {agency_directory} (territory, agency, name, network, capabilities, zones) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (territory, agency) DO UPDATE
SET name = excluded.name, network = excluded.network, capabilities = excluded.capabilities, zones = excluded.zones"""

ADD_SERVICE = """
INSERT INTO {agency_services} (territory, agency, service_id, name, type, themes) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (territory, agency, service_id) DO UPDATE
SET name = excluded.name, type = excluded.type, themes = excluded.themes"""

CLOSE = "UPDATE {agency_directory} SET is_closed = true WHERE territory = $1 AND agency = $2"

LIST = """
SELECT agency, name, network, capabilities, zones FROM agency_directory
WHERE territory = $1 AND NOT is_closed ORDER BY agency"""

ABLE_TO = """
SELECT agency FROM agency_directory
WHERE territory = $1 AND NOT is_closed AND $2 = ANY (capabilities) ORDER BY agency"""

SERVICES = """
SELECT agency, service_id, name, type, themes FROM agency_services
WHERE territory = $1 AND ($2::text IS NULL OR agency = $2) ORDER BY agency, service_id"""


class AgencyRow(msgspec.Struct, frozen=True, kw_only=True):
    agency: str
    name: str
    network: str | None
    capabilities: tuple[str, ...]
    zones: tuple[str, ...]
    """Empty: the whole territory."""


class ServiceRow(msgspec.Struct, frozen=True, kw_only=True):
    agency: str
    service_id: UUID
    name: str
    type: str | None
    themes: tuple[str, ...]


class AgencyDirectory:
    """Few rows, changed rarely: one statement per event is enough."""

    name = "agency_directory"
    version = 1
    tables: Mapping[str, str] = TABLES

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        for stored in page.events:
            match stored.event:
                case AgencyRegistered() | AgencyChanged() as event:
                    await db.execute(
                        build.sql(DESCRIBE),
                        page.territory,
                        event.slug,
                        event.name,
                        event.network,
                        event.capabilities,
                        event.zones,
                    )
                case ServiceAdded() as event:
                    await db.execute(
                        build.sql(ADD_SERVICE),
                        page.territory,
                        event.slug,
                        event.service_id,
                        event.name,
                        event.type,
                        event.themes,
                    )
                case AgencyClosed() as event:
                    await db.execute(build.sql(CLOSE), page.territory, event.slug)


async def agencies(db: "Connection | Pool", territory: str) -> list[AgencyRow]:
    """Those that have not left, by short name."""
    return [msgspec.convert(dict(row), AgencyRow) for row in await db.fetch(LIST, territory)]


async def able_to(db: "Connection | Pool", territory: str, kind: str) -> list[str]:
    """Short names of the agencies able to act on a kind of intervention."""
    return [row["agency"] for row in await db.fetch(ABLE_TO, territory, kind)]


async def services(db: "Connection | Pool", territory: str, agency: str | None = None) -> list[ServiceRow]:
    return [msgspec.convert(dict(row), ServiceRow) for row in await db.fetch(SERVICES, territory, agency)]
