"""Walls around what the API reads: row-level security, so that a forgotten condition in a query shows nothing.

The reader's transaction says for whom it reads, in settings (see infrastructure/row_security.py). Unset: no row.
"""

from collections.abc import Mapping

from application.sight import READER
from projections.projection import Build, Connection, Projection

# In scalar subqueries: asked once for each statement, not once for each row. Once a transaction with a local setting is
# over, the setting is not unset but empty.
TERRITORY = "(SELECT nullif(current_setting('unisson.territory', true), ''))"
AGENCY = "(SELECT nullif(current_setting('unisson.agency', true), ''))"
AGENT = "(SELECT nullif(current_setting('unisson.agent', true), ''))"
AT = "(SELECT nullif(current_setting('unisson.at', true), '')::timestamptz)"
EVERYWHERE = "(SELECT current_setting('unisson.reach', true) = 'territory')"

OF_AGENCY = f"territory = {TERRITORY} AND agency = {AGENCY}"
"""Rows about one agency, for that agency."""

OF_PATHWAY = f"""
territory = {TERRITORY} AND (
    {EVERYWHERE}
    OR EXISTS (
        SELECT FROM {{pathway_participants}} p
        WHERE p.territory = {{table}}.territory AND p.agency = {AGENCY} AND p.pathway = {{table}}.pathway)
    OR EXISTS (
        SELECT FROM {{pathway_viewers}} v
        WHERE v.territory = {{table}}.territory AND v.agency = {AGENCY} AND v.pathway = {{table}}.pathway
            AND v.until > {AT} AND (v.agent IS NULL OR v.agent = {AGENT})))"""
"""Rows about one pathway, for who may read its coded facts. Of a build that holds participants and viewers."""

OF_ALERT = f"""
territory = {TERRITORY} AND (
    EXISTS (
        SELECT FROM {{alert_recipients}} r
        WHERE r.territory = {{table}}.territory AND r.agency = {AGENCY} AND r.alert = {{table}}.alert)
    OR ({EVERYWHERE} AND level = 'coordinator'))"""
"""Alerts, for the agencies that are told of them, and those that came so high for who coordinates the territory."""

PROTECT = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY kept ON {table} USING ((
    SELECT pg_has_role(current_user, relowner, 'USAGE') FROM pg_class WHERE oid = '{table}'::regclass));
CREATE POLICY read ON {table} FOR SELECT TO {reader} USING ({visible});
GRANT SELECT ON {table} TO {reader}"""
"""Forced, so that it holds for the owner of the table too; `kept` lets that owner fold, under whatever name."""

IS_PROTECTED = "SELECT relforcerowsecurity FROM pg_class WHERE oid = $1::regclass"


def walls_of(projection: Projection) -> Mapping[str, str]:
    """By table, which of its rows the reader sees. A table without a wall cannot be read by the reader at all."""
    walls: Mapping[str, str] = getattr(projection, "walls", {})
    return {table: walls[table] for table in projection.tables if table in walls}


async def protect(db: Connection, build: Build, walls: Mapping[str, str]) -> None:
    """Raise the walls around the tables of a build. Those that stand are left alone."""
    for name, visible in walls.items():
        table = build.table(name)
        if not await db.fetchval(IS_PROTECTED, table):
            tables = {each: build.table(each) for each in build.tables}
            condition = visible.format_map(tables | {"table": table})
            await db.execute(PROTECT.format(table=table, reader=READER, visible=condition))


async def are_up(db: Connection, build: Build, walls: Mapping[str, str]) -> bool:
    return all([await db.fetchval(IS_PROTECTED, build.table(name)) for name in walls])


async def let_read(db: Connection, view: str) -> None:
    """The reader sees through a view with its own rights, and so do the walls."""
    await db.execute(f"GRANT SELECT ON {view} TO {READER}")
