"""Is this installation fit to run? Each check says what it saw and, if it fails, what to do, in French and English."""

import contextlib
import shutil
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import asyncpg
import msgspec

from domain.clock import Clock
from infrastructure.database import Connection, connect
from infrastructure.embedded_postgres import open_database
from infrastructure.key_file import KeyFileUnusable
from infrastructure.migrate import MigrationRefused, pending_migrations, read_migrations
from infrastructure.open_files import FILES_MIN, attainable
from infrastructure.postgres_binaries import OLDEST_MAJOR, PostgresError
from infrastructure.settings import Settings, SettingsError
from infrastructure.vault_client import RemoteKekEpochs, VaultLine, VaultUnreachable
from infrastructure.vault_token import read_token

# Before these, planner statistics showed rows that row-level security hides (CVE-2025-8713).
SAFE_RELEASES = {15: 150014, 16: 160010, 17: 170006}
CLOCK_SECONDS_MAX = 2.0
FREE_SHARE_MIN = 0.20
FREE_BYTES_MIN = 1_000_000_000


class Text(msgspec.Struct, frozen=True):
    fr: str
    en: str


class Check(msgspec.Struct, frozen=True):
    """`remedy` is there exactly when the check failed."""

    name: str
    ok: bool
    detail: Text
    remedy: Text | None = None


async def examine(settings: Settings | SettingsError, clock: Clock) -> list[Check]:
    """Every check that can be made; those that need what has already failed are left out. Changes nothing that exists.

    Takes what reading the settings gave, a refusal included. Starts the embedded database if none is running.
    """
    if isinstance(settings, SettingsError):
        return [_refused_configuration(settings)]
    checks = [_configuration(settings), _time_zones(), await _keys(settings)]
    try:
        async with _connected(settings) as connection:
            checks += [
                _passed("database", "La base répond.", "The database answers."),
                await _version(connection),
                await _durability(connection),
                await _migrations(connection),
                await _clock(connection, clock),
            ]
    except (PostgresError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        checks.append(_unreachable(settings, error))
    return [*checks, _disk(settings.data_dir), _open_files()]


@contextlib.asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[Connection]:
    async with open_database(settings) as url:
        connection = await connect(url, application_name="unisson doctor", pgbouncer=settings.pgbouncer)
        try:
            yield connection
        finally:
            await connection.close()


def _refused_configuration(error: SettingsError) -> Check:
    return _failed(
        "configuration",
        f"La variable {error.variable} ne convient pas : {error.problem}.",
        f"The variable {error.variable} cannot be used: {error.problem}.",
        f"Corrigez ou retirez {error.variable} de l'environnement.",
        f"Correct {error.variable}, or remove it from the environment.",
    )


def _configuration(settings: Settings) -> Check:
    if settings.database_url is not None:
        return _passed("configuration", "Base PostgreSQL externe.", "External PostgreSQL.")
    return _passed(
        "configuration",
        f"PostgreSQL embarqué, données dans {settings.data_dir}.",
        f"Embedded PostgreSQL, data in {settings.data_dir}.",
    )


def _time_zones() -> Check:
    try:
        ZoneInfo("Europe/Paris")
    except ZoneInfoNotFoundError:
        return _failed(
            "time_zones",
            "Les fuseaux horaires manquent.",
            "Time zone data are missing.",
            "Installez le paquet Python tzdata, ou tzdata du système.",
            "Install the Python package tzdata, or the system's tzdata.",
        )
    return _passed("time_zones", "Fuseaux horaires présents.", "Time zone data are present.")


async def _keys(settings: Settings) -> Check:
    """The key file, or the vault that keeps it elsewhere."""
    if settings.vault_url is None:
        return _key(settings.key_encryption_key)
    try:
        async with VaultLine(settings.vault_url, read_token(settings.vault_token)) as line:
            await RemoteKekEpochs(line).epochs()
    except (KeyFileUnusable, VaultUnreachable) as error:
        return _failed(
            "key",
            f"Le coffre ne répond pas : {error}",
            f"The vault does not answer: {error}",
            "Lancez « unisson vault serve », et vérifiez UNISSON_VAULT_URL et UNISSON_VAULT_TOKEN_FILE.",
            'Start "unisson vault serve", and check UNISSON_VAULT_URL and UNISSON_VAULT_TOKEN_FILE.',
        )
    return _passed("key", "Le coffre répond.", "The vault answers.")


def _key(file: Path) -> Check:
    """A missing key is no fault here: it is made with the first secret; the vault refuses a key that does not fit."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        return _passed("key", f"Pas encore de clé ({file}).", f"No key yet ({file}).")
    except PermissionError:
        mode = None
    if mode is None or not stat.S_ISREG(mode) or stat.S_IMODE(mode) & 0o177:
        return _failed(
            "key",
            f"{file} doit être un fichier que son seul propriétaire lit et écrit.",
            f"{file} must be a file that only its owner reads and writes.",
            f"chown $(id -un) {file} && chmod 600 {file}",
            f"chown $(id -un) {file} && chmod 600 {file}",
        )
    return _passed("key", f"Clé présente et privée ({file}).", f"The key is present and private ({file}).")


async def _version(connection: Connection) -> Check:
    number = int(await connection.fetchval("SHOW server_version_num"))
    release = f"{number // 10000}.{number % 10000}"
    if number >= SAFE_RELEASES.get(number // 10000, OLDEST_MAJOR * 10000):
        return _passed("version", f"PostgreSQL {release}.", f"PostgreSQL {release}.")
    return _failed(
        "version",
        f"PostgreSQL {release} est trop ancien.",
        f"PostgreSQL {release} is too old.",
        f"Passez à la dernière version corrective de PostgreSQL {max(number // 10000, OLDEST_MAJOR)}.",
        f"Upgrade to the latest minor release of PostgreSQL {max(number // 10000, OLDEST_MAJOR)}.",
    )


async def _durability(connection: Connection) -> Check:
    """What was acknowledged must survive a power cut."""
    off = [
        name
        for name in ("fsync", "full_page_writes", "synchronous_commit")
        if await connection.fetchval("SELECT current_setting($1)", name) == "off"
    ]
    if not off:
        return _passed("durability", "Les écritures sont durables.", "Writes are durable.")
    return _failed(
        "durability",
        f"Désactivé : {', '.join(off)} ; une coupure de courant perdrait des événements.",
        f"Turned off: {', '.join(off)}; a power cut would lose events.",
        "Remettez ces réglages de PostgreSQL à « on ».",
        'Set these PostgreSQL settings back to "on".',
    )


async def _migrations(connection: Connection) -> Check:
    try:
        pending = await pending_migrations(connection)
    except MigrationRefused as error:
        return _failed(
            "migrations",
            f"Le schéma ne correspond pas à cette version : {error}",
            f"The schema does not fit this release: {error}",
            "Installez la version d'Unisson qui a écrit cette base, ou une plus récente.",
            "Install the release of Unisson that wrote this database, or a later one.",
        )
    total = len(read_migrations())
    if len(pending) in (0, total):
        state = ("à jour", "up to date") if not pending else ("à créer au premier démarrage", "made at the first start")
        return _passed("migrations", f"Schéma : {state[0]} ({total}).", f"Schema: {state[1]} ({total}).")
    return _failed(
        "migrations",
        f"{len(pending)} migrations à appliquer, à partir de {pending[0].name}.",
        f"{len(pending)} migrations to apply, from {pending[0].name} on.",
        "Redémarrez « unisson serve » : il les applique.",
        'Restart "unisson serve": it applies them.',
    )


async def _clock(connection: Connection, clock: Clock) -> Check:
    """Against the database's, less the time the question took to travel."""
    before = clock.now()
    there = await connection.fetchval("SELECT clock_timestamp()")
    apart_seconds = max((before - there).total_seconds(), (there - clock.now()).total_seconds(), 0.0)
    if apart_seconds <= CLOCK_SECONDS_MAX:
        return _passed("clock", "Les horloges concordent.", "The clocks agree.")
    return _failed(
        "clock",
        f"L'horloge s'écarte de {apart_seconds:.0f} s de celle de la base.",
        f"The clock is {apart_seconds:.0f} s away from the database's.",
        "Synchronisez les deux machines (NTP).",
        "Synchronise both machines (NTP).",
    )


def _disk(data_dir: Path) -> Check:
    existing = next(place for place in (data_dir, *data_dir.parents) if place.exists())
    usage = shutil.disk_usage(existing)
    free = f"{usage.free / 1e9:.1f}", f"{100 * usage.free / usage.total:.0f}"
    said = f"{free[0]} Go libres ({free[1]} %) pour {data_dir}.", f"{free[0]} GB free ({free[1]} %) for {data_dir}."
    if usage.free >= FREE_BYTES_MIN or usage.free >= FREE_SHARE_MIN * usage.total:
        return _passed("disk", *said)
    return _failed(
        "disk",
        *said,
        "Libérez de la place, ou agrandissez le volume, avant que les écritures ne soient refusées.",
        "Free some space, or enlarge the volume, before writes are refused.",
    )


def _open_files() -> Check:
    """The limit of this shell, which that of the service may not be: it is read from where the command is run."""
    files = attainable()
    said = f"Fichiers ouverts à la fois : {files} au plus.", f"Open files: at most {files} at once."
    if files >= FILES_MIN:
        return _passed("open_files", *said)
    return _failed(
        "open_files",
        *said,
        f"Portez la limite à {FILES_MIN} : « ulimit -n {FILES_MIN} », ou LimitNOFILE={FILES_MIN} pour systemd.",
        f'Raise the limit to {FILES_MIN}: "ulimit -n {FILES_MIN}", or LimitNOFILE={FILES_MIN} for systemd.',
    )


def _unreachable(settings: Settings, error: Exception) -> Check:
    reason = str(error) or type(error).__name__
    external = settings.database_url is not None
    return _failed(
        "database",
        f"La base ne répond pas : {reason}",
        f"The database does not answer: {reason}",
        "Vérifiez UNISSON_DATABASE_URL, le réseau et les droits."
        if external
        else f"Lisez {settings.data_dir / 'postgres' / 'server.log'}.",
        "Check UNISSON_DATABASE_URL, the network and the rights."
        if external
        else f"Read {settings.data_dir / 'postgres' / 'server.log'}.",
    )


def _passed(name: str, fr: str, en: str) -> Check:
    return Check(name, ok=True, detail=Text(fr, en))


def _failed(name: str, fr: str, en: str, remedy_fr: str, remedy_en: str) -> Check:
    return Check(name, ok=False, detail=Text(fr, en), remedy=Text(remedy_fr, remedy_en))
