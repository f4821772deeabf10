"""What a build holds, as one number: a projection and the same one replayed from the first event must agree."""

from projections.projection import Build, Connection

HASH = """
SELECT count(*) AS rows, coalesce(sum(hashtextextended(to_jsonb(t)::text, 0)::numeric), 0)::text AS total
FROM {table} AS t WHERE t.territory = $1"""


async def content_hash(db: Connection, build: Build, territory: str) -> str:
    """Equal for the same rows in any order. Tells differences by accident apart, not those made on purpose."""
    parts = []
    for name in build.tables:
        row = await db.fetchrow(HASH.format(table=build.table(name)), territory)
        assert row is not None
        parts.append(f"{name}:{row['rows']}:{row['total']}")
    return " ".join(parts)
