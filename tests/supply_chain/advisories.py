"""Known vulnerabilities of what is locked, as `pip-audit` finds them in the OSV database.

A service that does not answer is not a clean bill: it is said as such, and is no failure, since advice about today must
not keep anyone without a network from working.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

TIMEOUT_SECONDS = 10
SILENT = ("ConnectionError", "ServiceError", "ReadTimeout", "ConnectTimeout", "SSLError", "ProxyError")
"""What the library raises when the service does not answer, or answers something else."""


class Audit(NamedTuple):
    asked: bool
    """Whether the service answered for every package."""
    audited: int
    known: tuple[str, ...]
    """Each vulnerability: the package, its version, the identifier."""
    unaudited: tuple[str, ...] = ()
    """Packages that the service knows nothing of: neither good nor bad."""


class AuditFailed(Exception):
    """For another reason than a silent service: a lock without hashes, an option that is gone."""


def audit(locks: Sequence[Path], service: str | None = None) -> Audit:
    """Every package of the locks. `service` is the address of another OSV service. Raises AuditFailed."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format", "json"]
    command += ["--progress-spinner", "off", "--desc", "off", "--timeout", str(TIMEOUT_SECONDS)]
    command += ["--vulnerability-service", "osv", *(("--osv-url", service) if service else ())]
    for lock in locks:
        command += ["--requirement", str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.stdout.lstrip().startswith("{"):
        return _read(json.loads(done.stdout)["dependencies"])
    last = done.stderr.strip().rpartition("\n")[2]
    if any(sign in last for sign in SILENT):
        return Audit(asked=False, audited=0, known=())
    raise AuditFailed(last)


def _read(dependencies: list[dict[str, object]]) -> Audit:
    known, unaudited = [], []
    for each in dependencies:
        if "skip_reason" in each:
            unaudited.append(str(each["name"]))
            continue
        found = each["vulns"]
        assert isinstance(found, list)
        known += [f"{each['name']} {each['version']}: {vulnerability['id']}" for vulnerability in found]
    return Audit(not unaudited, len(dependencies) - len(unaudited), tuple(known), tuple(unaudited))
