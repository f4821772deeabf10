"""Each check of an installation, when it passes and when it fails."""

import resource
import shutil
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from api.limits import Limits
from domain.clock import SettableClock, SystemClock
from infrastructure import open_files
from infrastructure.database import Pool
from infrastructure.doctor import Check, examine
from infrastructure.settings import Settings, SettingsError
from infrastructure.vault_token import make_token
from tests.support.logs import KEYS
from tests.support.vaults import TOKEN, served, vault_of


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


@pytest.fixture
def settings(database_url: str, data_dir: Path) -> Settings:
    return Settings(data_dir=data_dir, database_url=database_url)


async def test_a_new_installation_is_fit_to_run(data_dir: Path) -> None:
    checks = await examine(Settings(data_dir=data_dir), SystemClock())
    assert {check.name: check.ok for check in checks} == dict.fromkeys(
        (
            "configuration",
            "time_zones",
            "key",
            "database",
            "version",
            "durability",
            "migrations",
            "clock",
            "disk",
            "open_files",
        ),
        True,
    )


async def test_a_failed_check_says_what_to_do_in_both_languages(settings: Settings, pool: Pool) -> None:
    await pool.execute("UPDATE schema_migrations SET checksum = 'other'")
    failed = [check for check in await examine(settings, SystemClock()) if not check.ok]
    assert "migrations" in by_name(failed)
    for check in failed:
        assert check.remedy is not None
        assert check.remedy.fr
        assert check.remedy.en


async def test_a_refused_setting_is_reported_alone(data_dir: Path) -> None:
    (check,) = await examine(SettingsError("UNISSON_PORT", "expected `int`"), SystemClock())
    assert (check.name, check.ok) == ("configuration", False)
    assert "UNISSON_PORT" in check.detail.fr


async def test_an_unreachable_database_is_reported_without_its_password(data_dir: Path) -> None:
    url = f"postgresql://unisson:secret@/unisson?host={data_dir}"
    checks = by_name(await examine(Settings(data_dir=data_dir, database_url=url), SystemClock()))
    assert not checks["database"].ok
    assert "migrations" not in checks
    assert "secret" not in repr(checks)


async def test_the_reason_why_the_embedded_server_does_not_start_is_given(data_dir: Path) -> None:
    settings = Settings(data_dir=data_dir, pg_bin=data_dir)
    assert "UNISSON_PG_BIN" in by_name(await examine(settings, SystemClock()))["database"].detail.en


async def test_pending_migrations_fail(settings: Settings, pool: Pool) -> None:
    await pool.execute("DELETE FROM schema_migrations WHERE name = (SELECT max(name) FROM schema_migrations)")
    assert not by_name(await examine(settings, SystemClock()))["migrations"].ok


async def test_a_server_that_may_lose_writes_fails(settings: Settings, pool: Pool) -> None:
    name = await pool.fetchval("SELECT current_database()")
    await pool.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    check = by_name(await examine(settings, SystemClock()))["durability"]
    assert not check.ok
    assert "synchronous_commit" in check.detail.en


async def test_a_clock_that_is_wrong_fails(settings: Settings) -> None:
    clock = SettableClock(SystemClock().now() - timedelta(minutes=3))
    check = by_name(await examine(settings, clock))["clock"]
    assert not check.ok
    assert "180 s" in check.detail.en


@pytest.mark.parametrize(("mode", "ok"), [(0o600, True), (0o400, True), (0o640, False), (0o604, False)])
async def test_a_key_that_others_may_read_fails(settings: Settings, mode: int, ok: bool) -> None:
    settings.key_encryption_key.parent.mkdir()
    settings.key_encryption_key.write_bytes(bytes(32))
    settings.key_encryption_key.chmod(mode)
    assert by_name(await examine(settings, SystemClock()))["key"].ok is ok


async def test_a_vault_elsewhere_is_asked(settings: Settings, pool: Pool) -> None:
    token = make_token(settings.vault_token)
    async with served(vault_of(pool, KEYS)) as address:
        elsewhere = msgspec.structs.replace(settings, vault_url=address)
        refused = by_name(await examine(elsewhere, SystemClock()))["key"]
        assert not refused.ok
        assert token not in repr(refused)
        settings.vault_token.write_text(TOKEN)
        assert by_name(await examine(elsewhere, SystemClock()))["key"].ok
    assert not by_name(await examine(elsewhere, SystemClock()))["key"].ok


class Usage(NamedTuple):
    total: int
    free: int


@pytest.mark.parametrize(
    ("total", "free", "ok"), [(10**12, 2 * 10**9, True), (10**12, 9 * 10**8, False), (10**9, 3 * 10**8, True)]
)
async def test_a_full_disk_fails(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, total: int, free: int, ok: bool
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(total, free))
    assert by_name(await examine(settings, SystemClock()))["disk"].ok is ok


@pytest.mark.parametrize(
    ("soft", "hard", "ok", "asked"),
    [
        (1_024, 4_095, False, [4_095]),
        (1_024, 4_096, True, [4_096]),
        (4_096, 4_096, True, []),
        (1_024, resource.RLIM_INFINITY, True, [4_096]),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, True, []),
    ],
)
async def test_too_few_open_files_fail_unless_the_server_may_ask_for_more(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, ok: bool, asked: list[int]
) -> None:
    limits = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: limits.append(wanted))
    assert by_name(await examine(settings, SystemClock()))["open_files"].ok is ok
    open_files.allow()
    assert limits == [(files, hard) for files in asked]


def test_the_open_files_asked_for_are_enough_for_every_client_and_their_webhooks() -> None:
    assert 1.5 * Limits().connections < open_files.FILES_MIN
