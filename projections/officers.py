"""Who must hear of what concerns a whole territory: the agencies of its coordinators and data-protection officers."""

from collections.abc import Mapping
from types import MappingProxyType

from domain.membership import RoleEnded, RoleGiven
from domain.roles import Role
from projections.projection import Build, Connection, Page

TABLES = MappingProxyType(
    {
        "officers": """
CREATE TABLE {officers} (
    member_id uuid NOT NULL,
    territory text COLLATE "C" NOT NULL,
    agency    text COLLATE "C" NOT NULL,
    role      text COLLATE "C" NOT NULL,
    PRIMARY KEY (territory, role, agency, member_id)
)"""
    }
)
GIVE = """
INSERT INTO {officers} (territory, role, agency, member_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"""
END = "DELETE FROM {officers} WHERE territory = $1 AND role = $2 AND agency = $3 AND member_id = $4"
AGENCIES = "SELECT DISTINCT agency FROM officers WHERE territory = $1 ORDER BY agency"
AGENCIES_OF_ROLE = "SELECT DISTINCT agency FROM officers WHERE territory = $1 AND role = $2 ORDER BY agency"

TOLD = frozenset({Role.COORDINATOR, Role.DPO})


async def agencies_of_officers(db: Connection, territory: str) -> list[str]:
    return [row["agency"] for row in await db.fetch(AGENCIES, territory)]


async def agencies_of_coordinators(db: Connection, territory: str) -> list[str]:
    rows = await db.fetch(AGENCIES_OF_ROLE, territory, Role.COORDINATOR.value)
    return [row["agency"] for row in rows]


class Officers:
    name = "officers"
    version = 1
    tables: Mapping[str, str] = TABLES

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        for stored in page.events:
            match stored.event:
                case RoleGiven() as event if event.role in TOLD:
                    statement = GIVE
                case RoleEnded() as event if event.role in TOLD:
                    statement = END
                case _:
                    continue
            await db.execute(
                build.sql(statement), page.territory, event.role.value, event.of_agency, event.originator_id
            )
