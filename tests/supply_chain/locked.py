"""The packages of a lock, as they are pinned there."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "requirements"
RUN, DEVELOP, BUILD, INSTALLER = (LOCKS / f"{name}.lock" for name in ("run", "dev", "build", "installer"))
REQUIREMENT = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[\w.!+-]+)(?: *;[^\\\n]*)?(?: \\)?$", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})\b")


class Unpinned(Exception):
    """A line of a lock names a package without its one version or without a hash."""


class Package(NamedTuple):
    name: str
    version: str
    hashes: tuple[str, ...]
    """SHA-256 of each file that may be installed."""

    @property
    def installed(self) -> Distribution | None:
        """None where another platform needs it."""
        try:
            return distribution(self.name)
        except PackageNotFoundError:
            return None


def packages(lock: Path) -> list[Package]:
    """Raises Unpinned."""
    found = []
    for block in re.split(r"\n(?=[^\s#])", lock.read_text().strip()):
        head, hashes = REQUIREMENT.match(block), HASH.findall(block)
        if head is None or not hashes:
            raise Unpinned(f"{lock.name}: {block.splitlines()[0]}")
        found.append(Package(head["name"].lower().replace("_", "-"), head["version"], tuple(hashes)))
    return found
