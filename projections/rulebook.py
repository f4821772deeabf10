"""The rules of each territory: every version with its state, and each change of what is judged, by position."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from application.event_log import Stored
from domain.rulebook import (
    DraftWithdrawn,
    RuleActivated,
    RuleDrafted,
    RulePutInShadow,
    RuleRedrafted,
    RuleRetired,
    RuleVersion,
)
from domain.rules.rule import RuleState
from projections.projection import Build, Connection, Page, Pool

TABLES = MappingProxyType(
    {
        "rulebook_versions": """
CREATE TABLE {rulebook_versions} (
    position   bigint NOT NULL,      -- Of the last event of the version.
    changed_at timestamptz NOT NULL,
    version    integer NOT NULL,
    territory  text COLLATE "C" NOT NULL,
    slug       text COLLATE "C" NOT NULL,
    state      text COLLATE "C" NOT NULL,
    digest     text COLLATE "C",     -- Null: a version that came with the product.
    document   text,
    PRIMARY KEY (territory, slug, version)
)""",
        "rulebook_changes": """
CREATE TABLE {rulebook_changes} (
    position  bigint NOT NULL,
    at        timestamptz NOT NULL,
    version   integer NOT NULL,
    territory text COLLATE "C" NOT NULL,
    slug      text COLLATE "C" NOT NULL,
    state     text COLLATE "C" NOT NULL,
    digest    text COLLATE "C",
    document  text,
    PRIMARY KEY (territory, position)
)""",
    }
)
PUT_VERSION = """
INSERT INTO {rulebook_versions} (territory, slug, version, state, digest, document, position, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (territory, slug, version) DO UPDATE SET state = excluded.state, position = excluded.position,
    changed_at = excluded.changed_at, digest = coalesce(excluded.digest, {rulebook_versions}.digest),
    document = coalesce(excluded.document, {rulebook_versions}.document)"""
DROP_VERSION = "DELETE FROM {rulebook_versions} WHERE territory = $1 AND slug = $2 AND version = $3"
ADD_CHANGE = """
INSERT INTO {rulebook_changes} (territory, slug, version, state, digest, document, position, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"""

VERSIONS = """
(SELECT slug, version, state, digest, document, changed_at FROM rulebook_versions
WHERE territory = $1 AND slug = ANY ($2))
UNION ALL
(SELECT slug, version, state, digest, document, changed_at FROM rulebook_versions
WHERE territory = $1 AND slug <> ALL ($2) AND (slug, version) > ($3, $4) AND ($5::text IS NULL OR state = $5)
ORDER BY slug, version LIMIT $6)
ORDER BY slug, version"""
CHANGES = """
SELECT position, at, slug, version, state, digest, document FROM rulebook_changes
WHERE territory = $1 AND position <= $2 ORDER BY position"""


class RuleChange(NamedTuple):
    """From this position on, one version is judged otherwise."""

    position: int
    at: datetime
    published: tuple[RuleVersion, ...]
    """All that the territory has published or retired, this change included."""


class Rulebook:
    """Few rows, changed rarely: one statement per event is enough."""

    name = "rulebook"
    version = 1
    tables: Mapping[str, str] = TABLES

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        for stored in page.events:
            match stored.event:
                case RuleDrafted() | RuleRedrafted() as event:
                    await _put(db, build, stored, RuleState.DRAFT, event.digest, event.document)
                case RulePutInShadow() as event:
                    await _change(db, build, stored, RuleState.SHADOW, event.digest, event.document)
                case RuleActivated() as event:
                    await _change(db, build, stored, RuleState.ACTIVE, event.digest, event.document)
                case RuleRetired():
                    await _change(db, build, stored, RuleState.RETIRED, None, None)
                case DraftWithdrawn() as event:
                    await db.execute(build.sql(DROP_VERSION), page.territory, event.slug, event.version)


async def _put(
    db: Connection, build: Build, stored: Stored, state: RuleState, digest: str | None, document: str | None
) -> None:
    await db.execute(build.sql(PUT_VERSION), *_row(stored, state, digest, document))


async def _change(
    db: Connection, build: Build, stored: Stored, state: RuleState, digest: str | None, document: str | None
) -> None:
    await db.execute(build.sql(ADD_CHANGE), *_row(stored, state, digest, document))
    await _put(db, build, stored, state, digest, document)


def _row(stored: Stored, state: RuleState, digest: str | None, document: str | None) -> tuple[object, ...]:
    event = stored.event
    assert isinstance(event, RuleDrafted | RuleRedrafted | RulePutInShadow | RuleActivated | RuleRetired)
    return (
        stored.territory,
        event.slug,
        event.version,
        state.value,
        digest,
        document,
        stored.position,
        event.timestamp,
    )


async def versions(
    db: "Connection | Pool",
    territory: str,
    slugs: Collection[str],
    *,
    after: tuple[str, int] = ("", 0),
    state: RuleState | None = None,
    limit: int = 0,
) -> list[RuleVersion]:
    """Of the rules that are named, every version; of the others, the first after a place. By rule and version.

    The territory's own, and those of the product that it retired.
    """
    return [
        RuleVersion(
            slug=slug,
            version=version,
            state=RuleState(state),
            digest=digest or "",
            document=document or "",
            changed_at=changed_at,
        )
        for slug, version, state, digest, document, changed_at in await db.fetch(
            VERSIONS, territory, [slug for slug in slugs if "\0" not in slug], *after, state, limit
        )
    ]


async def changes(db: "Connection | Pool", territory: str, until_position: int) -> Sequence[RuleChange]:
    """Every change of what is judged in a territory, in order."""
    published: dict[tuple[str, int], RuleVersion] = {}
    found = []
    for position, at, slug, version, state, digest, document in await db.fetch(CHANGES, territory, until_position):
        was = published.get((slug, version), RuleVersion(slug=slug, version=version, state=RuleState.RETIRED))
        published[slug, version] = msgspec.structs.replace(
            was, state=RuleState(state), digest=digest or was.digest, document=document or was.document, changed_at=at
        )
        found.append(RuleChange(position, at, tuple(published.values())))
    return found
