"""The command: reads a bundle, says in one line what was changed and where, or that all of it holds."""

import argparse
import json
import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from api.verify.faults import Fault, fault
from api.verify.files import LIST, Files
from api.verify.log import LogCheck, Summary, territory_of
from api.verify.notes import Damaged, Note, read_note
from api.verify.segments import Report, check_segment

MANY_FILES = 4
"""From so many files of events on, several processes share them."""


class Verdict(NamedTuple):
    faults: list[Fault]
    logs: list[Summary]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 only if all holds, 1 otherwise, 2 when the command line is wrong."""
    asked = _parser().parse_args(arguments)
    verdict = verify(asked.folder, asked.since, asked.key)
    language = asked.lang
    if asked.json:
        _say(json.dumps(_as_json(verdict, language), ensure_ascii=False))
    elif verdict.faults:
        _say(one_line(verdict.faults, language))
    else:
        for log in verdict.logs:
            _say(_told(log, language))
    return 1 if verdict.faults else 0


def verify(folder: Path, since: Sequence[Path] = (), keys: Sequence[str] = ()) -> Verdict:
    """Everything that is wrong with a bundle, what matters most first. Raises nothing, whatever the bundle holds."""
    files = Files(folder)
    faults: list[Fault] = []
    notes = []
    for path in since:
        try:
            notes.append((str(path), read_note(path.read_bytes())))
        except (OSError, Damaged):
            faults.append(fault("note-damaged", str(path)))
    logs = []
    for log in files.folders():
        check = LogCheck(files, log, notes, frozenset(keys))
        check.run(_reports(files, log, faults))
        faults += sorted(check.faults, key=lambda each: (each.position is None, each.position or 0))
        logs.append(check)
    faults += _strangers(notes, {check.origin for check in logs})
    files.close()
    if not logs and not files.faults:
        faults.append(fault("not-a-bundle", LIST, why="0 log"))
    return Verdict(list(dict.fromkeys([*faults, *files.faults])), [check.summary() for check in logs])


def one_line(faults: Sequence[Fault], language: str) -> str:
    """The first thing found in the content, and the first file that is not the one that was written."""
    about_files = [fault for fault in faults if fault.code.startswith(("file-", "list-"))]
    content = [fault for fault in faults if fault not in about_files]
    shown = [*content[:1], *about_files[:1]]
    line = " ; ".join(fault.text(language) for fault in shown)
    rest = len(faults) - len(shown)
    if rest:
        line += f" (+{rest})"
    return " ".join(line.split())


def _strangers(notes: Iterable[tuple[str, Note]], origins: set[str]) -> list[Fault]:
    return [fault("since-unknown", path, origin=note.origin) for path, note in notes if note.origin not in origins]


def _reports(files: Files, log: str, faults: list[Fault]) -> Iterator[tuple[str, Report]]:
    """Each file of events, in order, checked by as many processes as there are processors."""
    paths = files.under(f"{log}/events/")
    jobs = ((files.folder, path, log, territory_of(log)) for path in paths)
    with ExitStack() as stack:
        results: Iterable[Report | OSError]
        if len(paths) < MANY_FILES:
            results = (_checked(*job) for job in jobs)
        else:
            workers = os.cpu_count() or 1
            spawn = multiprocessing.get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(workers, mp_context=spawn))
            results = _a_few_at_a_time(pool, jobs, 2 * workers)
        for path, result in zip(paths, results, strict=True):
            if isinstance(result, OSError):
                faults.append(fault("file-unreadable", path, why=result.strerror or type(result).__name__))
            else:
                yield path, result


def _checked(folder: Path, path: str, log: str, territory: bytes) -> Report | OSError:
    try:
        return check_segment(folder, path, log, territory)
    except OSError as error:
        return error


def _a_few_at_a_time(
    pool: ProcessPoolExecutor, jobs: Iterable[tuple[Path, str, str, bytes]], most: int
) -> Iterator[Report | OSError]:
    """In order, without holding the reports of a whole log at once."""
    waiting: deque[Future[Report | OSError]] = deque()
    for job in jobs:
        waiting.append(pool.submit(_checked, *job))
        if len(waiting) == most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _told(log: Summary, language: str) -> str:
    if language == "fr":
        return f"{log.log} : {log.events} événements intacts, racine {log.root}, clé {log.key}"
    return f"{log.log}: {log.events} events intact, root {log.root}, key {log.key}"


def _as_json(verdict: Verdict, language: str) -> dict[str, object]:
    return {
        "ok": not verdict.faults,
        "summary": one_line(verdict.faults, language) if verdict.faults else "",
        "faults": [
            {
                "code": fault.code,
                "where": fault.where,
                "position": fault.position,
                "text": fault.text(language),
            }
            for fault in verdict.faults
        ],
        "logs": [
            log._asdict()
            | {
                name: None if time is None else time.isoformat()
                for name, time in (
                    ("first_recorded_at", log.first_recorded_at),
                    ("last_recorded_at", log.last_recorded_at),
                )
            }
            for log in verdict.logs
        ],
    }


def _say(text: str) -> None:
    """Whatever a file's name is made of."""
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")


def _parser() -> argparse.ArgumentParser:
    language = "en" if os.environ.get("UNISSON_LANG") == "en" else "fr"
    fr = language == "fr"
    parser = argparse.ArgumentParser(
        prog="unisson-verify",
        description="Vérifie un dossier de preuves écrit par « unisson log bundle », sans base ni clé secrète."
        if fr
        else 'Check a bundle written by "unisson log bundle", without a database or a secret key.',
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="le dossier" if fr else "the bundle")
    parser.add_argument(
        "--since",
        type=Path,
        action="append",
        default=[],
        metavar="CHECKPOINT",
        help="un point de contrôle gardé d'une fois précédente : l'histoire d'alors doit être intacte"
        if fr
        else "a checkpoint kept from an earlier time: the history of then must be intact",
    )
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="KEY",
        help="la clé de vérification obtenue autrement (« unisson log key »)"
        if fr
        else 'the verification key, obtained by another way ("unisson log key")',
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="du JSON, avec tout ce qui a été trouvé" if fr else "JSON, with all that was found",
    )
    parser.add_argument("--lang", choices=("fr", "en"), default=language, help="langue" if fr else "language")
    return parser
