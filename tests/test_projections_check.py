"""Whoever edits a row of a read model is noticed, whichever row it is; nobody else is ever suspected."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from application.agencies import Agencies
from application.event_log import Commit
from domain.agency import AddService
from domain.aggregate import Event
from domain.appointment import BookAppointment
from domain.contact import Channel, RecordContact
from domain.diagnosis import FoundNeed, RecordDiagnosis
from domain.ids import uuid7
from domain.membership import Member, WhoAnswers, introduce, member_id_of
from domain.opening import OpenPathway
from domain.pathway import Pathway
from domain.person_erasure import Erasure, ErasureGround, request_erasure
from domain.referral import RequestReferral
from domain.roles import Role
from domain.shares import AccessPurpose, Basis, GrantShare
from domain.suspension import SuspendPathway, SuspensionMotive
from infrastructure.database import Pool, create_pool
from projections.builds import add_build, live_builds
from projections.check import Checked, Outdated, check
from projections.desynchronisation import Desynchronisation
from projections.rebuild import NotSettled, Progress, rebuild
from tests.support.command_line import unisson
from tests.support.following import (
    CCAS,
    HOUSING,
    MISSION,
    TERRITORY,
    TRAINING_NEED,
    Territory,
    all_projections,
    catch_up,
    follower_of,
    territory,
)
from tests.support.rulebooks import document
from tests.support.service import running
from tests.support.steering import Steering

CHANGES = {
    "text": "coalesce({0}, '') || 'x'",
    "uuid": "gen_random_uuid()",
    "boolean": "NOT {0}",
    "timestamp with time zone": "coalesce({0}, now()) + interval '1 microsecond'",
    "date": "coalesce({0}, '2026-01-01') + 1",
    "integer": "coalesce({0}, 0) + 1",
    "bigint": "coalesce({0}, 0) + 1",
    "text[]": "array_append({0}, 'x')",
    "jsonb": """'{{"edited": true}}'""",
    "bytea": "{0} || '\\x01'",
}
"""By type, another value of a column."""
COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type,
    coalesce(a.attnum = ANY (i.indkey::smallint[]), false) AS is_key
FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND a.attname <> 'territory' ORDER BY a.attnum"""
COPIES = """
SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '_b[0-9]+$'
    AND relname <> ALL (SELECT unnest(tables) FROM projection_builds WHERE status = 'live')"""


@pytest.fixture
async def place(database_url: str, pool: Pool) -> AsyncIterator[Territory]:
    """A territory where every table of every projection has rows."""
    async with territory(database_url, pool) as place:
        await every_kind_of_fact(place)
        await catch_up(pool, place)
        yield place


async def every_kind_of_fact(place: Territory) -> None:
    agencies = Agencies(place.log, place.clock)
    await place.join(MISSION, "training")
    await agencies.carry_out(TERRITORY, MISSION, AddService(id=uuid7(), name="Atelier"))
    steering = Steering(place)
    await steering.publish(document("silence-20-days", gap="20d", effective={"from": "2026-01-13"}))
    for number in range(6):
        command = OpenPathway(given_name="Ada", family_name=f"Number {number}", birth_date=date(1990, 1, 1))
        pathway = await place.open(CCAS, command)
        until = place.clock.now() + timedelta(days=300)
        share = GrantShare(to_agency=HOUSING, purpose=AccessPurpose.REFERRAL, basis=Basis.COORDINATED_CARE, until=until)
        await place.act(pathway, CCAS, RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),)), share)
        await place.act(pathway, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        start = place.clock.now() + timedelta(days=60)
        await place.act(pathway, CCAS, BookAppointment(start=start, end=start + timedelta(minutes=45)))
    place.pass_days(40)
    await place.act(pathway, CCAS, SuspendPathway(motive=SuspensionMotive.HOSPITAL_STAY))
    long_ago = place.clock.now().date() - timedelta(days=300)
    late = RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),), on=long_ago)
    await place.act(await place.open(), CCAS, late)
    await one_officer(place)
    await one_erasure_asked_for(place, await place.pathway(pathway))


async def one_officer(place: Territory) -> None:
    act, who = place.act_of(CCAS), WhoAnswers(agency=MISSION, roles=frozenset({Role.OPERATOR}))
    identity = {"issuer": "https://identity.example", "sub": "ada", "name": None, "email": None}
    member = introduce(TERRITORY, member_id_of("https://identity.example", "ada"), identity, act)
    member.request(CCAS, Role.DPO, act)
    member.approve(CCAS, Role.DPO, who, act)
    await append(place, member, member.id)


async def one_erasure_asked_for(place: Territory, pathway: Pathway) -> None:
    assert pathway.subject is not None
    now, ground = place.clock.now(), ErasureGround.PERSON_ASKED
    await append(place, request_erasure(TERRITORY, pathway.id, pathway.subject, ground, CCAS, None, now))


async def append(place: Territory, new: Member | Erasure, subject: UUID | None = None) -> None:
    events = [event for event in new.collect_events() if isinstance(event, Event)]
    await place.log.append(TERRITORY, Commit(stream_id=new.id, expected_version=0, events=events, subject=subject))


async def tables(pool: Pool, place: Territory, helps: bool | None = None) -> dict[str, str]:
    """By the name of the view, the table behind it; of those that help to fold others, of the rest, or of all."""
    async with pool.acquire() as db:
        builds = await live_builds(db, all_projections(place))
    some = [build for build in builds.values() if helps in (None, build.name in Desynchronisation.reads)]
    return {name: build.table(name) for build in some for name in build.tables}


async def check_all(pool: Pool, place: Territory, names: tuple[str, ...] = ()) -> Checked:
    return await check(pool, place.log, all_projections(place), place.clock, names)


async def change(pool: Pool, table: str, dice: random.Random) -> str:
    """Change, delete or add one row of a table, as somebody at the database would."""
    columns = await pool.fetch(COLUMNS, table)
    row = dice.choice([each["ctid"] for each in await pool.fetch(f"SELECT ctid FROM {table} ORDER BY ctid")])
    how = dice.choice(("change", "change", "delete", "add"))
    if how == "delete":
        await pool.execute(f"DELETE FROM {table} WHERE ctid = $1", row)
    elif how == "add":
        names = ", ".join(column["name"] for column in columns)
        values = ", ".join(other(column) if column["is_key"] else column["name"] for column in columns)
        insert = f"INSERT INTO {table} (territory, {names}) SELECT territory, {values} FROM {table} WHERE ctid = $1"
        await pool.execute(insert, row)
    else:
        column = dice.choice(columns)
        how = column["name"]
        await pool.execute(f"UPDATE {table} SET {how} = {other(column)} WHERE ctid = $1", row)
    return f"{table}: {how}"


def other(column: asyncpg.Record) -> str:
    return CHANGES[column["type"]].format(column["name"])


async def test_what_nobody_touched_is_found_equal(pool: Pool, place: Territory) -> None:
    for table in (await tables(pool, place)).values():
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") > 0, table
    assert await check_all(pool, place) == Checked()
    assert await pool.fetchval(COPIES) == 0


@pytest.mark.parametrize(("helps", "rows"), [(True, 20), (False, 80)])
async def test_each_of_a_hundred_changed_rows_is_noticed(pool: Pool, place: Territory, helps: bool, rows: int) -> None:
    """One in each table at a time: values, rows deleted and rows added; all of them are told."""
    dice, noticed = random.Random(13), 0  # noqa: S311 - a plausible intruder, not a secret
    while noticed < rows:
        done = {name: await change(pool, table, dice) for name, table in (await tables(pool, place, helps)).items()}
        found = await check_all(pool, place)
        assert {one.table for one in found.differences} == set(done), done
        assert found.not_compared == (("alert_timers", "desynchronisation") if helps else ())
        noticed += len(done)
        wrong = sorted({one.projection for one in found.differences})
        await rebuild(pool, place.log, all_projections(place), place.clock, wrong)
    assert await check_all(pool, place) == Checked()


async def test_what_differs_is_named_by_ids_only(pool: Pool, place: Territory) -> None:
    pathway = await pool.fetchval("SELECT pathway FROM pathway_summaries LIMIT 1")
    await pool.execute("UPDATE pathway_summaries SET referent = 'Ada Lovelace' WHERE pathway = $1", pathway)
    [one] = (await check_all(pool, place, ("pathway_timeline",))).differences
    assert (one.projection, one.table, one.territory) == ("pathway_timeline", "pathway_summaries", TERRITORY)
    assert (one.rows, one.keys) == (1, (json.dumps({"pathway": str(pathway)}),))
    assert "Ada" not in str(one)


async def test_rows_of_a_territory_that_has_no_log_are_noticed(pool: Pool, place: Territory) -> None:
    elsewhere = "SELECT 'FR-99', role, agency, member_id FROM officers"
    await pool.execute(f"INSERT INTO officers (territory, role, agency, member_id) {elsewhere}")
    [one] = (await check_all(pool, place)).differences
    assert (one.territory, one.table, one.rows) == ("FR-99", "officers", 1)


async def test_a_view_that_shows_something_else_is_noticed(pool: Pool, place: Territory) -> None:
    """Whoever puts another table behind a view need not touch a row."""
    await pool.execute("CREATE TABLE elsewhere AS SELECT * FROM retention_clocks LIMIT 1")
    await pool.execute("CREATE OR REPLACE VIEW retention_clocks AS SELECT * FROM elsewhere")
    assert {one.table for one in (await check_all(pool, place)).differences} == {"retention_clocks"}


async def test_nobody_is_suspected_while_events_are_followed(database_url: str, pool: Pool) -> None:
    """Events come, deadlines pass and alerts are raised all the while."""
    async with (
        territory(database_url, pool) as place,
        create_pool(database_url, application_name="check") as ours,
        follower_of(pool, place, all_projections(place), poll_s=0.02),
    ):
        writing = asyncio.create_task(keep_recording(place))
        for _ in range(3):
            assert await check_all(ours, place) == Checked()
        writing.cancel()
    assert await pool.fetchval("SELECT count(*) FROM alerts") > 0


async def keep_recording(place: Territory) -> None:
    pathways = []
    while True:
        pathways.append(await place.open(CCAS, OpenPathway(given_name="Ada", family_name="Lovelace")))
        await place.act(pathways[-1], CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        await place.act(pathways[len(pathways) // 2], CCAS, RecordContact(channel=Channel.PHONE))
        place.clock.advance(timedelta(hours=30))
        await asyncio.sleep(0.01)


async def test_an_interrupted_check_leaves_nothing_behind(pool: Pool, place: Territory) -> None:
    def stop(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await check(pool, place.log, all_projections(place), place.clock, (), stop)
    assert await pool.fetchval(COPIES) == 0
    assert await pool.fetchval("SELECT count(*) FROM projection_builds WHERE status <> 'live'") == 0


async def test_what_a_killed_check_left_goes_with_the_next(pool: Pool, place: Territory) -> None:
    everything = all_projections(place)
    async with pool.acquire() as db:
        await add_build(db, everything[0], "retired")
    assert await pool.fetchval(COPIES) > 0
    assert await check_all(pool, place) == Checked()
    assert await pool.fetchval(COPIES) == 0


async def test_a_rebuild_that_was_begun_is_left_as_it_is(pool: Pool, place: Territory) -> None:
    async with pool.acquire() as db:
        begun = await add_build(db, all_projections(place)[0], "building")
    assert await check_all(pool, place) == Checked()
    status = "SELECT status FROM projection_builds WHERE name = $1 AND build = $2"
    assert await pool.fetchval(status, begun.name, begun.number) == "building"


async def test_under_other_rules_there_is_nothing_to_compare(pool: Pool, place: Territory) -> None:
    await pool.execute("UPDATE projection_builds SET meaning = 'other' WHERE name = 'desynchronisation'")
    with pytest.raises(Outdated, match=r"^desynchronisation$"):
        await check_all(pool, place)


async def test_what_is_overdue_is_not_called_equal(
    pool: Pool, place: Territory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody follows, and a deadline from before the last event waits to be processed."""
    monkeypatch.setattr("projections.rebuild.SETTLED_WITHIN_S", 0.0)
    await pool.execute("UPDATE pathway_deadlines SET next_due = '2026-01-05'")
    with pytest.raises(NotSettled, match=r"^desynchronisation$"):
        await check_all(pool, place)
    assert await pool.fetchval(COPIES) == 0


async def test_the_command_says_what_differs_and_what_to_do(database_url: str, tmp_path: Path, pool: Pool) -> None:
    async with running(database_url, tmp_path) as service, asyncio.timeout(10):
        await (await service.agency(CCAS)).opened()
        while not await pool.fetchval("SELECT count(*) FROM retention_clocks"):
            await asyncio.sleep(0.02)
    here = {"UNISSON_DATABASE_URL": database_url, "UNISSON_DATA_DIR": str(tmp_path), "UNISSON_LANG": "en"}
    ran = await unisson("projections", "check", **here)
    assert (ran.status, ran.out, ran.err) == (0, "every row is what the log says\n", "")
    await pool.execute("DELETE FROM retention_clocks")
    ran = await unisson("projections", "check", "--json", **here)
    [found] = json.loads(ran.out)["differences"]
    assert (ran.status, found["table"], found["rows"]) == (1, "retention_clocks", 1)
    assert "unisson projections rebuild retention_clocks" in ran.err
