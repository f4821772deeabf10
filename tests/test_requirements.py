"""What is installed is exactly what was reviewed: every package pinned and hashed, wherever it comes from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def pinned(lock: Path) -> dict[str, str]:
    """The text of each requirement, hashes included, by normalised name."""
    blocks = re.split(r"\n(?=\S)", lock.read_text().strip())
    return {block.partition("==")[0].lower().replace("_", "-"): block for block in blocks}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_is_pinned_and_hashed(lock: Path) -> None:
    for block in pinned(lock).values():
        assert re.match(r"[\w.-]+==[\w.!+-]+ ", block)
        assert "--hash=sha256:" in block


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_lock_names_a_host(lock: Path) -> None:
    assert "://" not in lock.read_text()
    assert "index" not in re.sub(r"^\S+==.*$", "", lock.read_text(), flags=re.MULTILINE)


def test_whatever_is_declared_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    run = project["project"]["dependencies"]
    develop = [*run, *project["dependency-groups"]["dev"], *project["dependency-groups"]["bench"]]
    for declared, lock in (
        (run, "run.lock"),
        (develop, "dev.lock"),
        (project["build-system"]["requires"], "build.lock"),
    ):
        names = {re.match(r"[\w.-]+", line)[0].lower().replace("_", "-") for line in declared}  # type: ignore[index]
        assert names <= pinned(ROOT / "requirements" / lock).keys()


def test_what_runs_is_what_was_tested() -> None:
    """The development lock holds the running one, release for release, so one environment can serve both."""
    develop = pinned(ROOT / "requirements" / "dev.lock")
    for name, block in pinned(ROOT / "requirements" / "run.lock").items():
        assert develop[name].split()[0] == block.split()[0]
