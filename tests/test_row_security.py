"""Row-level security: what the reader's role may touch, what it sees, and that it is what the application allows."""

from datetime import datetime, timedelta

import asyncpg
import pytest

from application.access import Caller, Means
from application.decision_table import EVERYBODY, Action, Relation, lines_for
from application.sight import READER, BeingRebuilt, Sight, sight_of
from domain.referral import RequestReferral
from domain.roles import Role
from domain.shares import AccessPurpose, Basis, GrantShare
from infrastructure.database import Pool
from infrastructure.row_security import reading
from projections.builds import install
from tests.support.access_compared import compare
from tests.support.following import (
    CCAS,
    HOUSING,
    MISSION,
    MONDAY,
    TERRITORY,
    TRAINING_NEED,
    all_projections,
    catch_up,
    territory,
)

ABOUT_SOMEBODY = ("pathway", "subject", "stream_id", "subject_id", "member_id", "person", "alert", "item")
"""Columns that lead to a person."""
WALLED = {
    "pathway_timeline",
    "pathway_summaries",
    "pathway_participants",
    "pathway_viewers",
    "agency_inbox",
    "appointments",
    "alerts",
    "alert_recipients",
    "quiet_alerts",
    "sleeping_alerts",
}
"""What the API reads behind the walls, by the names of the views."""
ELSEWHERE = {"pathway_viewers", "agency_inbox", "appointments", "quiet_alerts", "sleeping_alerts"}
"""Of which not every agency has rows in a small territory."""

READABLE = """
SELECT c.oid::regclass::text AS name, c.relkind::text AS kind, c.relrowsecurity AND c.relforcerowsecurity AS forced,
    coalesce(c.reloptions, '{}') @> ARRAY['security_invoker=true'] AS as_reader,
    EXISTS (
        SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polroles @> ARRAY[$1::text::regrole::oid]) AS policed,
    pg_get_userbyid(c.relowner) = $1::text AS owned
FROM pg_class c
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relnamespace NOT IN ('pg_catalog'::regnamespace,
        'information_schema'::regnamespace)
    AND (has_table_privilege($1::text, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
        OR has_any_column_privilege($1::text, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))
ORDER BY 1"""
CALLABLE = """
SELECT p.oid::regprocedure::text FROM pg_proc p
WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    AND has_function_privilege($1, p.oid, 'EXECUTE')"""
LEADING_TO_SOMEBODY = """
SELECT DISTINCT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'v') AND a.attname = ANY($1) AND NOT a.attisdropped"""


async def test_the_reader_is_nobody_special(pool: Pool) -> None:
    role = await pool.fetchrow(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin FROM pg_roles WHERE rolname = $1",
        READER,
    )
    assert role is not None
    assert not any(role.values())


async def test_the_reader_reads_what_is_walled_and_nothing_else(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await install(pool, all_projections(place))
    rows = await pool.fetch(READABLE, READER)
    views = {row["name"] for row in rows if row["kind"] == "v"}
    assert views == WALLED
    for row in rows:
        assert not row["owned"]
        if row["kind"] == "v":
            assert row["as_reader"], f"{row['name']} is read with the rights of its owner"
        else:
            assert row["forced"], f"{row['name']} is read without a wall"
            assert row["policed"], row["name"]
    leading = {name for (name,) in await pool.fetch(LEADING_TO_SOMEBODY, list(ABOUT_SOMEBODY))}
    assert leading > WALLED
    assert {"events", "snapshots", "vault.keys", "outbox"} <= leading - {row["name"] for row in rows}


async def test_the_reader_calls_no_function_of_ours(pool: Pool) -> None:
    """One that runs with its owner's rights would be a door in the wall."""
    assert await pool.fetch(CALLABLE, READER) == []


async def test_each_agency_sees_its_own_rows_whatever_is_asked(database_url: str, pool: Pool) -> None:
    """Queries without any condition: another agency, a setting left out or one of another territory show nothing."""
    async with territory(database_url, pool) as place:
        pathway = await place.open()
        await place.act(pathway, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        await place.act(pathway, CCAS, _share(place.clock.now()))
        place.pass_days(20)  # Nobody answered: an alert.
        await catch_up(pool, place)
        at = place.clock.now()
    for agency in (CCAS, MISSION):
        shown = await _counts(pool, Sight(territory=TERRITORY, at=at, agency=agency))
        assert {table for table, count in shown.items() if count} >= WALLED - ELSEWHERE
    assert (await _counts(pool, Sight(territory=TERRITORY, at=at, agency=MISSION)))["agency_inbox"] > 0
    shown = await _counts(pool, Sight(territory=TERRITORY, at=at, agency=HOUSING))
    assert {table for table, count in shown.items() if count} == {
        "pathway_timeline",
        "pathway_summaries",
        "pathway_viewers",
    }
    for blind in (
        Sight(territory=TERRITORY, at=at),
        Sight(territory=TERRITORY, at=at, agency="caf-75"),
        Sight(territory="FR-30", at=at, agency=CCAS, whole_territory=True),
        Sight(territory="", at=at, agency="", whole_territory=False),
        Sight(territory=TERRITORY, at=at + timedelta(days=400), agency=HOUSING),
    ):
        counts = await _counts(pool, blind)
        if blind.agency == HOUSING:
            counts.pop("pathway_viewers")  # Its own past shares are an agency's to see.
        assert not any(counts.values()), blind


async def test_without_any_setting_there_is_no_row(database_url: str, pool: Pool) -> None:
    """Never set, and set in a transaction that is over, which leaves an empty text behind."""
    async with territory(database_url, pool) as place:
        await place.open()
        await catch_up(pool, place)
    async with pool.acquire() as db:
        for _ in range(2):
            async with db.transaction():
                await db.execute(f"SET LOCAL ROLE {READER}")
                for table in sorted(WALLED):
                    assert await db.fetchval(f"SELECT count(*) FROM {table}") == 0
            async with db.transaction():
                await db.execute("SELECT set_config('unisson.agency', $1, true)", CCAS)
    assert await pool.fetchval("SELECT count(*) FROM pathway_summaries") == 1, "those who fold see all"


async def test_the_reader_writes_nothing_and_climbs_nowhere(pool: Pool, database_url: str) -> None:
    async with territory(database_url, pool) as place:
        await install(pool, all_projections(place))
    async with reading(pool, Sight(territory=TERRITORY, at=MONDAY, agency=CCAS)) as db:
        assert await db.fetchval("SELECT current_user") == READER
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
            await db.execute("DELETE FROM pathway_summaries")
    with pytest.raises(BeingRebuilt):
        async with reading(pool, Sight(territory=TERRITORY, at=MONDAY, agency=CCAS)) as db:
            await db.fetch("SELECT * FROM events")
    assert await pool.fetchval("SELECT current_user") != READER, "a connection given back is as it was"


async def test_what_a_setting_holds_is_a_value_and_no_statement(pool: Pool, database_url: str) -> None:
    async with territory(database_url, pool) as place:
        await install(pool, all_projections(place))
    hostile = "x', true); RESET ROLE; SELECT set_config('unisson.reach', 'territory', true); --"
    async with reading(pool, Sight(territory=hostile, at=MONDAY, agency="\\'; RESET ROLE; --")) as db:
        assert await db.fetchval("SELECT current_user") == READER
        assert await db.fetchval("SELECT current_setting('unisson.territory')") == hostile


async def test_builds_made_before_there_were_walls_get_them(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        every = all_projections(place)
        await install(pool, every)
        build = await pool.fetchval("SELECT tables[1] FROM projection_builds WHERE name = 'agency_inbox'")
        await pool.execute(
            f"ALTER TABLE {build} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;"
            f"DROP POLICY kept ON {build}; DROP POLICY read ON {build}"
        )
        await install(pool, every)
        assert await pool.fetchval("SELECT relforcerowsecurity FROM pg_class WHERE relname = $1", build)


def test_sight_is_what_the_decision_table_gives() -> None:
    """The same relations for reading a share as for taking part, or the settings could not say it."""
    for capacity in sorted(EVERYBODY):
        relations = {line.relation for line in lines_for(Action.READ_CASE, capacity)}
        assert (Relation.OWNER in relations) == (Relation.PARTICIPANT in relations) == (Relation.SHARE in relations)
    caller = Caller(territory=TERRITORY, agency=CCAS, agent="ada", roles=frozenset({Role.STEERING}), means=Means.PERSON)
    assert sight_of(caller, MONDAY) == Sight(territory=TERRITORY, at=MONDAY)


async def test_the_table_the_walls_and_the_model_agree(pool: Pool) -> None:
    """The campaign `python -m tests.campaigns.access` compares many more."""
    compared = await compare(pool, seed=20260302, pathways=20, callers=20)
    assert compared.disagreements == []
    assert compared.cases == 400
    assert 50 < compared.visible < 300


def _share(at: datetime) -> GrantShare:
    return GrantShare(
        to_agency=HOUSING,
        purpose=AccessPurpose.REFERRAL,
        basis=Basis.COORDINATED_CARE,
        until=at + timedelta(days=300),
    )


async def _counts(pool: Pool, sight: Sight) -> dict[str, int]:
    async with reading(pool, sight) as db:
        return {table: await db.fetchval(f"SELECT count(*) FROM {table}") for table in sorted(WALLED)}
