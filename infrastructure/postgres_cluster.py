"""The files of an embedded PostgreSQL: where they are, how a cluster is made, what configures it.

postgres/           ours to enter only; beside the keys, under UNISSON_DATA_DIR
  server.lock       locked for as long as any process of the server lives
  server.log        what the server says; never a statement or a value
  conf/             written again at each start; local.conf is the operator's and is left alone
  data/  run/       the cluster and its socket, owned by the account that runs the server
  reader-made       says that the cluster has the role that the API reads in
  binaries/         a copy of the programs, only where the account cannot read the installed ones
"""

import hashlib
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from application.sight import READER
from infrastructure.postgres_binaries import Account, PostgresError

ROLE = "unisson"
SUPERUSER = "postgres"
SOCKET_NAME = ".s.PGSQL.5432"
LOG_BYTES_MAX = 10_000_000
SOCKET_PATH_MAX = 103  # sun_path holds 108 bytes on Linux, 104 elsewhere, with the final NUL.

READER_ROLE = f"""\
CREATE ROLE {READER} NOLOGIN;
GRANT {READER} TO {ROLE};
"""
BOOTSTRAP = f"""\
CREATE ROLE {ROLE} LOGIN CREATEDB;
CREATE DATABASE {ROLE} OWNER {ROLE} STRATEGY file_copy;
{READER_ROLE}"""

CONFIGURATION = """\
# Written by Unisson at each start. Put your own settings in local.conf.
data_directory = '{data}'
hba_file = '{conf}/pg_hba.conf'
ident_file = '{conf}/pg_ident.conf'
listen_addresses = ''
unix_socket_directories = '{run}'
max_connections = 100
shared_buffers = 128MB
wal_compression = on
min_wal_size = 80MB
max_wal_size = 1GB
checkpoint_timeout = 15min
random_page_cost = 1.1
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %a '
# Errors quote the values that caused them, and go to the client anyway.
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_checkpoints = off
{durability}include = 'local.conf'
"""

NOT_DURABLE = "fsync = off\nfull_page_writes = off\n"

HBA = "local all all peer map=unisson\n"


class Cluster:
    """The places of one cluster, and the account that owns its data."""

    def __init__(self, data_dir: Path, account: Account, *, durable: bool = True) -> None:
        """Without `durable` a power cut may lose everything, though a killed server loses nothing: for tests only."""
        self.account = account
        self.durable = durable
        self.root = data_dir / "postgres"
        self.lock = self.root / "server.lock"
        self.log = self.root / "server.log"
        self.conf = self.root / "conf"
        self.data = self.root / "data"
        self.binaries = self.root / "binaries"
        self.reader_made = self.root / "reader-made"
        self.run = _socket_folder(self.root / "run")

    @property
    def url(self) -> str:
        """Understood by asyncpg, psycopg, psql and anything else built on libpq."""
        return self.url_as(ROLE)

    def url_as(self, role: str, database: str = ROLE) -> str:
        return f"postgresql://{role}@/{database}?host={quote(str(self.run))}"

    def major(self) -> int | None:
        """The version of PostgreSQL that made the data; None before there are any."""
        try:
            return int((self.data / "PG_VERSION").read_text())
        except FileNotFoundError:
            return None

    def prepare_root(self) -> None:
        """Makes the folder that holds the rest: ours, with passage for the account that runs the server."""
        missing = [place for place in (self.root, *self.root.parents) if not place.exists()]
        for place in reversed(missing):
            place.mkdir(exist_ok=True)
            place.chmod(0o711 if self.account.drop else 0o700)
        if self.root.lstat().st_uid != os.geteuid():
            raise PostgresError(
                f"{self.root} belongs to another account: run as that one, or choose another UNISSON_DATA_DIR."
            )
        if not self.account.can_enter(self.root):
            raise PostgresError(
                f"PostgreSQL runs as {self.account.name}, which may not enter {self.root}: "
                "choose another UNISSON_DATA_DIR, or let others pass (chmod o+x) through its parents."
            )

    def configure(self) -> None:
        self.conf.mkdir(exist_ok=True)
        self.conf.chmod(0o755)
        text = CONFIGURATION.format(
            data=_quoted(self.data),
            conf=_quoted(self.conf),
            run=_quoted(self.run),
            durability="" if self.durable else NOT_DURABLE,
        )
        self._write("postgresql.conf", text)
        self._write("pg_hba.conf", HBA)
        (self.conf / "local.conf").touch(mode=0o644)
        peers = {"root"} if self.account.drop else {"root", self.account.name}
        lines = [f'unisson "{peer}" {role}\n' for peer in sorted(peers) for role in (ROLE, SUPERUSER)]
        self._write("pg_ident.conf", "".join(lines))

    def own_folder(self, folder: Path) -> None:
        """Makes `folder` private to the account; refuses one that somebody else put there first."""
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (os.geteuid(), self.account.uid):
            raise PostgresError(f"{folder} belongs to somebody else: remove it.")
        folder.chmod(0o700)
        if self.account.drop:
            os.chown(folder, self.account.uid, self.account.gid)

    def fresh_folder(self) -> Path:
        """An empty folder for `initdb`. It takes its name only when complete, so a crash leaves nothing half-done."""
        for left_over in self.root.glob("initdb-*"):
            shutil.rmtree(left_over)
        folder = Path(tempfile.mkdtemp(prefix="initdb-", dir=self.root))
        self.own_folder(folder)
        return folder

    def adopt(self, folder: Path) -> None:
        """Gives the finished cluster its name, for good: what is committed in it must not vanish with a power cut."""
        folder.rename(self.data)
        root = os.open(self.root, os.O_RDONLY)
        try:
            os.fsync(root)
        finally:
            os.close(root)

    def forget_dead_server(self) -> None:
        """Removes what a killed server left. Only under the lock: its pid may since have become somebody else's."""
        for left_over in (self.data / "postmaster.pid", self.run / SOCKET_NAME, self.run / f"{SOCKET_NAME}.lock"):
            left_over.unlink(missing_ok=True)

    def status(self) -> tuple[int, str] | None:
        """The server's pid and what it says of itself ("starting", "ready", "stopping"), by its pid file."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        return (int(lines[0]), lines[7].strip()) if len(lines) >= 8 else None

    def open_log(self) -> BinaryIO:
        """To append to; a long one is first set aside, in the place of the one set aside before."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.rename(self.log.with_suffix(".old"))
        return open(self.log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600))

    def log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])

    def _write(self, name: str, text: str) -> None:
        file = self.conf / name
        file.write_text(text)
        file.chmod(0o644)


def _socket_folder(wanted: Path) -> Path:
    """`wanted`, or a short private folder where its path is too long for a socket or awkward in an address."""
    if len(os.fsencode(wanted / SOCKET_NAME)) <= SOCKET_PATH_MAX and re.fullmatch(r"[\w./-]+", str(wanted), re.ASCII):
        return wanted
    # Not TMPDIR nor XDG_RUNTIME_DIR: every process of the installation must find it. `own_folder` checks its owner.
    return Path("/tmp") / f"unisson-{hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]}"  # noqa: S108


def _quoted(path: Path) -> str:
    """Inside the single quotes of a configuration file."""
    return str(path).replace("\\", "\\\\").replace("'", "''")
