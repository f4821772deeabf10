"""Keys: wrapping them anew beside the ciphers alone, a vault in another process beside one in this process, and
whether the time a search for a person takes tells that somebody was found."""

import os
import secrets
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path
from statistics import median

import uvloop
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from application.access import Caller, Means, Scope
from application.event_log import Commit
from application.identity_terms import Identity
from application.key_vault import KeyVault
from application.matching import Matching
from benchmarks.measure import Measure, at_most, report
from domain.aggregate import Event
from domain.clock import SystemClock
from domain.command import Act
from domain.compartments import Compartment
from domain.ids import uuid7
from domain.opening import OpenPathway, open_pathway
from infrastructure.database import Pool, connect, create_pool
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.kek_epochs import PostgresKekEpochs
from infrastructure.key_vault import KeyStore
from infrastructure.key_wrap import key_place, unwrap_with, wrap, wrap_again
from infrastructure.memory_event_log import MemoryEventLog
from infrastructure.migrate import migrate
from infrastructure.person_searches import PostgresSearches
from infrastructure.vault_client import RemoteKeys
from projections.builds import add_build, show
from projections.person_index import PersonIndex, PersonRows
from projections.projection import Page
from tests.support.vaults import asked, vault_of

RUNS = 3
KEYS = 100_000
BATCH = 10_000
CALLS = 300
SEARCHES = 100
TERRITORY = "FR-34"
COLUMNS = ["territory", "subject", "compartment", "generation", "kek_epoch", "wrapped", "commitment"]


async def _fill(pool: Pool, store: KeyStore) -> None:
    key, rows = store.key_file.key(1), []
    for _ in range(KEYS):
        subject = uuid7()
        place = key_place(TERRITORY, subject, Compartment.CASE, 1)
        wrapped, commitment = wrap(key, secrets.token_bytes(32), place)
        rows.append((TERRITORY, subject, "case", 1, 1, wrapped, commitment))
    async with pool.acquire() as db:
        await db.copy_records_to_table("keys", schema_name="vault", columns=COLUMNS, records=rows)
        await db.execute("VACUUM ANALYZE vault.keys")


async def _rewrapped_per_s(pool: Pool, store: KeyStore) -> float:
    epochs = PostgresKekEpochs(pool, store.key_file, SystemClock())
    await epochs.rotate()
    began_s = time.perf_counter()
    while await epochs.rewrap(BATCH):
        pass
    return KEYS / (time.perf_counter() - began_s)


def _ciphers_per_s() -> float:
    """The same opening and wrapping, in memory."""
    new, place = AESGCM(os.urandom(32)), key_place(TERRITORY, uuid7(), Compartment.CASE, 1)
    key = os.urandom(32)
    wrapped, commitment = wrap(key, os.urandom(32), place)
    old = AESGCM(key)
    began_s = time.perf_counter()
    for _ in range(BATCH):
        wrap_again(new, unwrap_with(old, wrapped, commitment, place), place)
    return BATCH / (time.perf_counter() - began_s)


async def _us_a_call(vault: KeyVault) -> float:
    subject = uuid7()
    await vault.ensure(TERRITORY, subject, Compartment)
    began_s = time.perf_counter()
    for _ in range(CALLS):
        await vault.keyrings(TERRITORY, [subject])
    return (time.perf_counter() - began_s) / CALLS * 1e6


async def _search_times(pool: Pool, store: KeyStore) -> tuple[float, float]:
    """Median microseconds of searches that find somebody and of those that do not, made in turn."""
    clock, keys = SystemClock(), vault_of(pool, store.key_file).blind
    index, log = PersonIndex(keys), MemoryEventLog()
    known = Identity(given_name="Ada", family_name="Lefèvre", birth_date=date(1987, 3, 14), phone="0612345678")
    async with pool.acquire() as db, db.transaction():
        build = await add_build(db, index, "live")
        await show(db, build, index)
        await index.fold(db, build, await _opened(log, known))
    matching = Matching(PersonRows(pool, keys), PostgresSearches(pool), log, clock, per_user=10**6, per_agency=10**6)
    caller = Caller(
        territory=TERRITORY, agency="ccas", means=Means.SERVICE, key_id="client", scopes=frozenset({Scope.MATCH})
    )
    unknown = Identity(given_name="Ada", family_name="Lefèvre", birth_date=date(1987, 3, 15), phone="0612345678")
    times: dict[bool, list[float]] = {True: [], False: []}
    for number in range(2 * SEARCHES):
        began_s = time.perf_counter()
        await matching.search(caller, unknown if number % 2 else known)
        times[number % 2 == 0].append((time.perf_counter() - began_s) * 1e6)
    return median(times[True]), median(times[False])


async def _opened(log: MemoryEventLog, identity: Identity) -> Page:
    now = SystemClock().now()
    act = Act(agency="ccas", agent=None, at=now, today=now.date())
    command = OpenPathway(**{name: getattr(identity, name) for name in Identity.__struct_fields__})
    pathway = open_pathway(command, TERRITORY, act, uuid7(), uuid7())
    events = [event for event in pathway.collect_events() if isinstance(event, Event)]
    await log.append(
        TERRITORY, Commit(stream_id=pathway.id, expected_version=0, events=events, subject=pathway.subject)
    )
    stored = await log.page(TERRITORY, after=0)
    return Page(territory=TERRITORY, events=stored, pathways={}, steps={}, before={}, replay=True)


def _folder(stack: AsyncExitStack) -> Path:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="unisson-bench-")))
    folder.chmod(0o711)
    return folder


async def _measure() -> None:
    async with AsyncExitStack() as stack:
        folder = _folder(stack)
        server = await stack.enter_async_context(EmbeddedPostgres(folder))
        connection = await connect(server.url)
        await migrate(connection)
        await connection.close()
        pool = await stack.enter_async_context(create_pool(server.url))
        store = await KeyStore.open(pool, folder / "kek")
        await _fill(pool, store)
        rewrapped = median([await _rewrapped_per_s(pool, store) for _ in range(RUNS)])
        ciphers = median([_ciphers_per_s() for _ in range(RUNS)])
        report(_ratio("keys.rewrap", rewrapped, "keys/s", ciphers))
        line = await stack.enter_async_context(asked(vault_of(pool, store.key_file)))
        here = median([await _us_a_call(store) for _ in range(RUNS)])
        elsewhere = median([await _us_a_call(RemoteKeys(line)) for _ in range(RUNS)])
        report(_ratio("keys.vault_elsewhere", elsewhere, "us", here))
        found, unfound = await _search_times(pool, store)
        report(_ratio("keys.search_found", found, "us", unfound))
        report(at_most("keys.search_tells", abs(found / unfound - 1) * 100, "%", 5))


def _ratio(name: str, value: float, unit: str, baseline: float) -> Measure:
    return Measure(
        name=name, value=round(value, 1), unit=unit, baseline=round(baseline, 1), ratio=round(value / baseline, 3)
    )


def main() -> None:
    uvloop.run(_measure())


if __name__ == "__main__":
    main()
