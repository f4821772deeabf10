"""Tells every process to forget a person's clear keys: they were destroyed, or are withheld from now on."""

from uuid import UUID

from infrastructure.database import Database

CHANNEL = "unisson_keys"


async def notify_all(db: Database, territory: str, subject: UUID) -> None:
    """Heard once the caller's transaction commits. Whoever does not hear forgets by itself within `CACHE_SECONDS`."""
    await db.execute("SELECT pg_notify($1, $2)", CHANNEL, f"{territory} {subject}")


def place_told(payload: str) -> tuple[str, UUID]:
    territory, _, subject = payload.rpartition(" ")
    return territory, UUID(subject)
