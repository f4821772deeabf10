"""The pages on the command line and on the HMIS mapping say what the code does, all of it and nothing else."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from cyclopts import App

from api.cli.command_line import application
from application.hmis import codes, reasons, tables
from application.importing import Reason
from application.pathway_decision import TOLD_OTHERWISE

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
COMMAND_LINE = (REFERENCE / "command-line.md").read_text("utf-8")
MAPPING = (REFERENCE / "hmis-mapping.md").read_text("utf-8")


def sections() -> dict[str, set[str]]:
    """Options that the page gives for each command."""
    found = {}
    for section in re.split(r"^## ", COMMAND_LINE, flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        if title.startswith("`unisson "):
            found[title.strip("`").removeprefix("unisson ")] = set(
                re.findall(r"^\| `(--[a-z-]+)` \|", text, re.MULTILINE)
            )
    return found


def commands(app: App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, App]]:
    for name in app:
        if not name.startswith("-"):
            command = app[name]
            inner = list(commands(command, (*path, name)))
            yield from inner or [(" ".join((*path, name)), command)]


def options_of(command: App) -> set[str]:
    arguments = (argument for argument in command.assemble_argument_collection() if argument.field_info.is_keyword)
    return {name for argument in arguments for name in argument.names if name.startswith("--")}


def test_the_page_has_every_command_with_every_option() -> None:
    assert {path: options_of(command) for path, command in commands(application())} == sections()


def rows(title: str, page: str = MAPPING) -> dict[str, list[str]]:
    """The table whose header begins with this cell, by first cell."""
    _, _, text = page.partition(f"| {title} |")
    assert text, f"no table begins with {title}"
    table, _, _ = text.partition("\n\n")
    lines = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]]
    return {line[0].rstrip(" |"): line[1:] for line in lines}


def numbers(text: str) -> list[int | None]:
    return [None if part.strip() == "empty" else int(part) for part in text.split(",")]


def meaning(title: str) -> dict[int | None, str]:
    """A table of numbers and what they mean."""
    return {number: cells[0].strip("`") for listed, cells in rows(title).items() for number in numbers(listed)}


def test_the_page_gives_the_kind_of_every_project() -> None:
    assert meaning("`ProjectType`") == {code: kind.value for code, kind in codes.PROJECT_TYPES.items()}


def test_the_page_gives_every_living_situation() -> None:
    by_value: Mapping[str, set[int]] = defaultdict(set)
    for code, value in codes.LIVING_SITUATIONS.items():
        by_value[value.value].add(code)
    assert {name.strip("`"): set(numbers(cells[0])) for name, cells in rows("situation").items()} == by_value


def test_the_page_gives_the_theme_of_every_event() -> None:
    assert meaning("`Event`") == codes.EVENT_THEMES


def test_the_page_gives_every_answer() -> None:
    told = {int(code): re.findall("`([^`]+)`", cells[0]) for code, cells in rows("`ReferralResult`").items()}
    assert told == {
        code: [status.value, *([reason] if reason else [])] for code, (status, reason) in codes.REFERRAL_RESULTS.items()
    }


@pytest.mark.parametrize("provided", [None, *range(1, 31), 200])
def test_the_page_gives_the_kind_of_every_service(provided: int | None) -> None:
    for record, (otherwise, *exceptions) in rows("`RecordType`").items():
        kinds = {number: kind for kind, listed in re.findall("`([a-z_]+)`: ([0-9, ]+)", "".join(exceptions))
                 for number in numbers(listed)}  # fmt: skip
        told = kinds.get(provided, otherwise.strip("`")) if provided is not None else otherwise.strip("`")
        assert told == codes.service_kind(int(record), provided).value
    assert {int(record) for record in rows("`RecordType`")} == codes.SERVICE_RECORDS


def test_the_page_gives_the_outcome_of_every_last_exit() -> None:
    told = rows("destination")
    special = {
        number: cells[0].strip("`")
        for listed, cells in told.items()
        if listed[0].isdigit()
        for number in numbers(listed)
    }
    for code, outcome in codes.OUTCOMES.items():
        permanent = code in codes.PERMANENT_DESTINATIONS
        expected = told["permanent (below)"][0] if permanent else told["any other"][0]
        assert special.get(code, expected.strip("`")) == outcome.value


def test_the_page_gives_every_file() -> None:
    known = {table.file for table in vars(tables).values() if isinstance(table, tables.Table)}
    assert {name.strip("`") for name in rows("file")} == known


def test_the_page_gives_every_reason_to_refuse_a_line() -> None:
    whole_file = {"no_folder", "missing_file", "unreadable_file", "no_header", "missing_column"}
    known = {reason.code for reason in vars(reasons).values() if isinstance(reason, Reason)} - whole_file
    assert {code for listed in rows("code") for code in re.findall("`([a-z_]+)`", listed)} == known | {
        TOLD_OTHERWISE.code
    }
