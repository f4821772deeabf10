"""The key vault in a process of its own, started by its command: what users of it see, and what it keeps to itself."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.composition import compose
from application.access import Caller
from application.pathways import Order
from domain.clock import SettableClock
from domain.compartments import Compartment
from domain.erasure import ErasedCreation
from domain.ids import uuid7
from domain.opening import OpenPathway, PathwayOpened
from infrastructure.database import Pool, create_pool
from infrastructure.key_file import KeyFile, KeyFileUnusable
from infrastructure.key_vault import KeyStore
from infrastructure.settings import Settings
from infrastructure.vault import open_vault, server_keys
from infrastructure.vault_calls import PATH
from infrastructure.vault_client import RemoteBlindKeys, RemoteKeys, VaultLine, VaultUnreachable
from infrastructure.vault_token import make_token, read_token
from infrastructure.webhook_secret import SecretBox, reseal
from tests.support.command_line import start, unisson
from tests.support.logs import KEYS, START
from tests.support.service import running
from tests.support.vaults import TOKEN, served, vault_of

T = "FR-34"


class Vault:
    """Where one is, and what its users set."""

    def __init__(self, folder: Path, database: str) -> None:
        self.socket = folder / "vault.sock"
        self.variables = {
            "UNISSON_DATA_DIR": str(folder / "vault"),
            "UNISSON_DATABASE_URL": "postgresql://nobody@nowhere.invalid/none",
            "UNISSON_VAULT_DATABASE_URL": database,
            "UNISSON_VAULT_URL": f"unix://{self.socket}",
        }
        self.token = folder / "vault" / "keys" / "vault-token"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await start("vault", "serve", **self.variables)
        try:
            assert process.stdout is not None
            assert b"unix://" in await asyncio.wait_for(process.stdout.readline(), 30)
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            _, said = await process.communicate()
            assert b"Traceback" not in said


@pytest.fixture
def vault(tmp_path: Path, empty_database_url: str) -> Vault:
    return Vault(tmp_path, empty_database_url)


async def test_a_service_whose_keys_are_elsewhere(vault: Vault, database_url: str, pool: Pool, tmp_path: Path) -> None:
    """It records, reads and erases; neither its database nor its folder ever holds a wrapped key or a key file."""
    settings = Settings(
        data_dir=tmp_path / "service",
        database_url=database_url,
        vault_url=f"unix://{vault.socket}",
        vault_token_file=vault.token,
    )
    caller = Caller(territory=T, agency="ccas-montpellier")
    async with vault.running(), compose(settings, roles=frozenset(), clock=SettableClock(START)) as runtime:
        order = Order(caller=caller, command=OpenPathway(family_name="Durand"), idempotency_key="1", fingerprint=b"1")
        pathway_id = (await runtime.pathways.open(order)).pathway_id
        (opened,) = await runtime.log.read_stream(T, pathway_id)
        assert isinstance(opened.event, PathwayOpened)
        assert opened.event.family_name == "Durand"
        assert opened.subject is not None
        await runtime.vault.keys.destroy(T, opened.subject, Compartment)
        (erased,) = await runtime.log.read_stream(T, pathway_id)
        assert isinstance(erased.event, ErasedCreation)
    assert await pool.fetchval("SELECT count(*) FROM vault.keys") == 0
    assert await pool.fetchval("SELECT count(*) FROM vault.keks") == 0
    assert not (tmp_path / "service" / "keys").exists()


async def test_the_vaults_own_database_holds_the_vault_and_nothing_else(vault: Vault) -> None:
    async with vault.running():
        pass
    async with create_pool(vault.variables["UNISSON_VAULT_DATABASE_URL"]) as pool:
        rows = await pool.fetch(
            "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename <> 'schema_migrations'"
            " AND schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
    assert [row["schemaname"] for row in rows] == ["vault"]


async def test_a_killed_vault_is_missed_and_found_again(vault: Vault) -> None:
    subject = uuid7()
    async with vault.running() as process, VaultLine(f"unix://{vault.socket}", read_token(vault.token)) as line:
        ring = await RemoteKeys(line).ensure(T, subject, [Compartment.CASE])
        process.kill()
        await process.wait()
        with pytest.raises(VaultUnreachable):
            await RemoteKeys(line).keyrings(T, [subject])
        async with vault.running():
            assert await RemoteKeys(line).keyrings(T, [subject]) == {subject: ring}


async def test_only_its_owner_and_its_group_reach_the_socket(vault: Vault) -> None:
    async with vault.running():
        assert vault.socket.stat().st_mode & 0o777 == 0o660
        assert vault.token.stat().st_mode & 0o777 == 0o600


async def test_the_key_is_turned_over_from_the_command_line(database_url: str, pool: Pool, tmp_path: Path) -> None:
    here = {"UNISSON_DATABASE_URL": database_url, "UNISSON_DATA_DIR": str(tmp_path), "UNISSON_LANG": "en"}

    async def told(*arguments: str) -> Any:
        ran = await unisson("vault", *arguments, "--json", **here)
        assert (ran.status, ran.err) == (0, "")
        return json.loads(ran.out)

    store = await KeyStore.open(pool, tmp_path / "keys" / "kek")
    subjects = [uuid7() for _ in range(3)]
    rings = {subject: await store.ensure(T, subject, Compartment) for subject in subjects}
    assert (await told("rotate"))["number"] == 2
    assert (await told("rewrap"))["keys"] == 12
    refused = await unisson("vault", "destroy-epoch", "1", **here)
    assert (refused.status, refused.out) == (1, "")
    assert "retired too short a time ago" in refused.err
    assert (await unisson("vault", "destroy-epoch", "1", "--now", **here)).status == 0
    first, second = (await told("status"))["epochs"]
    assert (first["keys"], second["keys"]) == (0, 12)
    assert first["destroyed_at"] is not None
    assert await store.keyrings(T, subjects) == rings


async def test_a_vault_that_does_not_answer_is_named_by_the_command(database_url: str, tmp_path: Path) -> None:
    make_token(tmp_path / "keys" / "vault-token")
    variables = {"UNISSON_DATABASE_URL": database_url, "UNISSON_DATA_DIR": str(tmp_path), "UNISSON_LANG": "en"}
    ran = await unisson("vault", "status", UNISSON_VAULT_URL=f"unix://{tmp_path}/vault.sock", **variables)
    assert ran.status == 1
    assert ran.err.startswith("unisson: the vault does not answer")


async def test_secrets_that_an_epoch_sealed_are_sealed_anew(database_url: str, pool: Pool, tmp_path: Path) -> None:
    """As earlier releases did: they must outlive the epochs."""
    settings = Settings(data_dir=tmp_path, database_url=database_url)
    keys, endpoint = KeyFile.load_or_create(settings.key_encryption_key), uuid7()
    old = SecretBox(keys).seal("whsec_secret", T, endpoint)
    await pool.execute(ENDPOINT, T, endpoint, old)
    async with open_vault(settings, pool) as vault:
        box = SecretBox(await server_keys(vault, settings))
        await reseal(pool, box)
        await reseal(pool, box)
        await vault.epochs.rotate()
        await vault.epochs.rewrap(10)
        await vault.epochs.destroy(1, at_once=True)
        ((sealed, previous),) = await pool.fetch("SELECT secret, previous_secret FROM webhook_endpoints")
        after = SecretBox(await server_keys(vault, settings))
    assert sealed != old
    assert after.open(sealed, T, endpoint) == "whsec_secret"
    assert previous is None


ENDPOINT = """
INSERT INTO webhook_endpoints (territory, endpoint_id, agency, url, event_types, secret, created_at)
VALUES ($1, $2, 'ccas-montpellier', 'https://example.org', '{}', $3, now())"""


async def test_the_longest_names_of_many_persons_are_hashed(pool: Pool) -> None:
    """More than one call may say: a view that is built anew hashes thousands together."""
    vault, terms = vault_of(pool, KEYS), [f"{number} {'é' * 7_200}" for number in range(120)]
    async with served(vault) as address, VaultLine(address, TOKEN) as line:
        remote = RemoteBlindKeys(line)
        assert await remote.hashes(T, terms) == await vault.blind.hashes(T, terms)
        assert await remote.hashes(T, []) == {1: []}


# What may be said to it.


@pytest.fixture
async def client(pool: Pool) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(vault_of(pool, KEYS)) as address:
        transport = httpx2.AsyncHTTPTransport(uds=address.removeprefix("unix://"))
        async with httpx2.AsyncClient(transport=transport, base_url="http://vault") as opened:
            yield opened


@pytest.mark.parametrize("shown", [None, "Bearer", "Bearer another", f"Basic {TOKEN}", f"Bearer {TOKEN}x"])
async def test_nobody_is_answered_without_the_token(client: httpx2.AsyncClient, shown: str | None) -> None:
    headers = {} if shown is None else {"Authorization": shown}
    assert (await client.post(PATH, content=b"", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/", b"", 404),
        (PATH, b"", 400),
        (PATH, b"\xff", 400),
        (PATH, b"\x81\xa4type\xa7Unknown", 400),
        (PATH, b"\x81\xa4type\xa8Keyrings", 400),
        (PATH, b"x" * (1024 * 1024 + 1), 413),
    ],
)
async def test_what_is_no_call_is_refused(client: httpx2.AsyncClient, path: str, body: bytes, status: int) -> None:
    response = await client.post(path, content=body, headers={"Authorization": f"Bearer {TOKEN}"})
    assert (response.status_code, response.content) == (status, b"")


async def test_a_vault_without_its_database_says_so(pool: Pool) -> None:
    async with served(vault_of(pool, KEYS)) as address, VaultLine(address, TOKEN) as line:
        await pool.close()
        with pytest.raises(VaultUnreachable, match="HTTP 503"):
            await RemoteKeys(line).keyrings(T, [uuid7()])


async def test_a_wrong_token_is_told_from_a_vault_that_is_down(pool: Pool) -> None:
    async with served(vault_of(pool, KEYS)) as address, VaultLine(address, "another") as line:
        with pytest.raises(VaultUnreachable, match="HTTP 401"):
            await RemoteKeys(line).keyrings(T, [uuid7()])


def test_the_token_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "vault-token"
    assert make_token(path) == make_token(path) == read_token(path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("text", "mode"), [("", 0o600), ("secret", 0o604), ("é", 0o600), (None, 0)])
def test_a_token_that_cannot_be_used_says_why(tmp_path: Path, text: str | None, mode: int) -> None:
    if text is not None:
        (tmp_path / "token").write_text(text)
        (tmp_path / "token").chmod(mode)
    with pytest.raises(KeyFileUnusable):
        read_token(tmp_path / "token")


async def test_over_http_a_vault_that_is_down_is_asked_again(database_url: str, pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    async with served(vault_of(pool, KEYS)) as address:
        chosen = {"vault_url": address, "vault_token_file": tmp_path / "token"}
        async with running(database_url, tmp_path / "service", chosen=chosen) as service:
            ccas = await service.agency()
            await ccas.opened()
            await pool.close()
            refused = await ccas.command("/v1/pathways", {"family_name": "Durand"})
            assert (refused.status_code, refused.json()["code"]) == (503, "keys_unreachable")
            assert int(refused.headers["retry-after"]) > 0
