"""Transactions in which the API reads what is about persons, as the role that row-level security holds for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import structlog

from application.sight import READER, BeingRebuilt, Sight
from infrastructure.database import Database, Pool

log = structlog.get_logger()

# One round trip. Local to the transaction: a pooled connection forgets them, behind pgbouncer too.
BEGIN = """
BEGIN READ ONLY;
SET LOCAL ROLE {reader};
SELECT set_config('unisson.territory', {territory}, true), set_config('unisson.agency', {agency}, true),
    set_config('unisson.agent', {agent}, true), set_config('unisson.at', {at}, true),
    set_config('unisson.reach', {reach}, true)"""


@asynccontextmanager
async def reading(pool: Pool, sight: Sight) -> AsyncIterator[Database]:
    """A connection that shows what `sight` says, and nothing else.

    Raises BeingRebuilt where nothing was granted to the reader yet: tables that an earlier release made have no walls.
    """
    values = {
        "reader": READER,
        "territory": _literal(sight.territory),
        "agency": _literal(sight.agency or ""),
        "agent": _literal(sight.agent or ""),
        "at": _literal(sight.at.isoformat()),
        "reach": _literal("territory" if sight.whole_territory else ""),
    }
    async with pool.acquire() as db:
        await db.execute(BEGIN.format_map(values))
        try:
            yield db
        except asyncpg.InsufficientPrivilegeError:
            log.warning("reading.refused")
            raise BeingRebuilt from None
        finally:
            await db.execute("ROLLBACK")  # Nothing was written.


def _literal(text: str) -> str:
    """Several statements at once take no parameters. Quotes are doubled; a backslash has no meaning by itself."""
    assert "\0" not in text
    return "'" + text.replace("'", "''") + "'"
