"""Reads one CSV file of an HMIS export, line by line: typed rows, and a refusal for each line that cannot be used."""

import csv
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from application.hmis import reasons
from application.hmis.tables import Column, Kind, Table
from application.importing import ImportImpossible, Reason, Refusal

RECORD_BYTES_MAX = 100_000
QUOTED_LINES_MAX = 20
"""A value quoted over more lines than this is a quote that was never closed."""
WINDOWS_ENCODING = "windows-1252"

Value: TypeAlias = str | date | int | None


class Row(msgspec.Struct, frozen=True):
    """One usable line. `id` is its identifier in its file; a column that the file lacks is None."""

    file: str
    line: int
    values: dict[str, Any]

    @property
    def id(self) -> str:
        return str(next(iter(self.values.values())))

    def __getitem__(self, column: str) -> Any:
        return self.values[column]

    def refused(self, reason: Reason, column: str | None = None) -> Refusal:
        return Refusal(self.file, self.line, column, reason)


class Unusable(Exception):
    """One value cannot be used."""

    def __init__(self, reason: Reason, column: str | None = None) -> None:
        super().__init__(reason.code)
        self.reason = reason
        self.column = column


def find(folder: Path, table: Table) -> Path | None:
    """The table's file, whatever the case of its name. Raises ImportImpossible when a required one is absent."""
    if not folder.is_dir():
        raise ImportImpossible(folder, reasons.NO_FOLDER)
    found = next((path for path in sorted(folder.iterdir()) if path.name.lower() == table.file.lower()), None)
    if found is None and table.required:
        raise ImportImpossible(folder / table.file, reasons.MISSING_FILE)
    return found


def read(path: Path, table: Table) -> Iterator[Row | Refusal]:
    """The file's lines in order. Raises ImportImpossible when its header cannot be used."""
    try:
        content = path.read_bytes()
    except OSError:
        raise ImportImpossible(path, reasons.UNREADABLE_FILE) from None
    encoding = encoding_of(content)
    records = _records(content)
    header = next(records, None)
    names = _names(path, header[1] if header else [], encoding)
    places = _places(path, table, names)
    for first, lines in records:
        for line, cells in _parsed(first, lines, encoding, len(names)):
            try:
                if isinstance(cells, Unusable):
                    raise cells
                yield Row(table.file, line, {column.name: _value(column, cells, place) for column, place in places})
            except Unusable as error:
                yield Refusal(table.file, line, error.column, error.reason)


def encoding_of(content: bytes) -> str:
    """UTF-8 as soon as some accented character is right in it, else what Windows exports by default.

    So one line broken in a UTF-8 file is that line's fault, not a reason to misread all the others.
    """
    try:
        content.decode()
    except UnicodeDecodeError:
        lines = [line for line in content.splitlines() if not line.isascii()]
        return "utf-8-sig" if any(_is_utf8(line) for line in lines) else WINDOWS_ENCODING
    return "utf-8-sig"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _records(content: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """(number of the first line, lines) of each record: a quoted value may go over several lines."""
    held: list[bytes] = []
    for number, line in enumerate(content.splitlines(), start=1):
        held.append(line)
        if sum(part.count(b'"') for part in held) % 2 == 0 or len(held) >= QUOTED_LINES_MAX:
            yield number - len(held) + 1, held
            held = []
    if held:
        yield number - len(held) + 1, held


def _names(path: Path, lines: list[bytes], encoding: str) -> list[str]:
    text = [line.decode(encoding, errors="replace") + "\n" for line in lines]
    try:
        return next(csv.reader(text, strict=True))
    except (csv.Error, StopIteration):
        raise ImportImpossible(path, reasons.NO_HEADER) from None


def _places(path: Path, table: Table, names: list[str]) -> list[tuple[Column, int | None]]:
    """Where each column stands in the file; None for an optional one that this version does not have."""
    by_name: dict[str, int] = {}
    for number, name in enumerate(names):
        by_name.setdefault(name.strip().lower(), number)
    places = []
    for column in table.columns:
        place = next(
            (by_name[name.lower()] for name in (column.name, *column.aliases) if name.lower() in by_name), None
        )
        if place is None and column.required:
            raise ImportImpossible(f"{path}: {column.name}", reasons.MISSING_COLUMN)
        places.append((column, place))
    return places


def _parsed(first: int, lines: list[bytes], encoding: str, count: int) -> Iterator[tuple[int, "list[str] | Unusable"]]:
    """One record; or, when several lines do not make one together (a quote never closed), each line for itself."""
    if not any(line.strip() for line in lines):
        return
    try:
        yield first, _cells(lines, encoding, count)
    except Unusable as error:
        if len(lines) == 1:
            yield first, error
            return
        for number, line in enumerate(lines, start=first):
            yield from _parsed(number, [line], encoding, count)


def _cells(lines: list[bytes], encoding: str, count: int) -> list[str]:
    if sum(map(len, lines)) > RECORD_BYTES_MAX:
        raise Unusable(reasons.LINE_TOO_LONG)
    if any(b"\0" in line for line in lines):
        raise Unusable(reasons.NUL)
    try:
        text = [line.decode("utf-8" if encoding == "utf-8-sig" else encoding) + "\n" for line in lines]
        records = list(csv.reader(text, strict=True))
    except UnicodeDecodeError:
        raise Unusable(reasons.ENCODING) from None
    except csv.Error:
        raise Unusable(reasons.CSV) from None
    if len(records) != 1 or len(records[0]) != count:
        raise Unusable(reasons.COLUMN_COUNT)
    return records[0]


def _value(column: Column, cells: list[str], place: int | None) -> Value:
    text = cells[place].strip() if place is not None else ""
    if not text:
        if column.required:
            raise Unusable(reasons.MISSING_VALUE, column.name)
        return None
    match column.kind:
        case Kind.DATE:
            return _date(text, column)
        case Kind.CODE:
            return _code(text, column)
        case Kind.ID | Kind.TEXT:
            return text


def _date(text: str, column: Column) -> date:
    """`YYYY-MM-DD`, possibly followed by a time of day, which is left out."""
    day, _, time = text.partition(" ")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", day, re.ASCII) or not re.fullmatch(r"[\d:.]*", time, re.ASCII):
        raise Unusable(reasons.BAD_DATE, column.name)
    try:
        return date.fromisoformat(day)
    except ValueError:
        raise Unusable(reasons.BAD_DATE, column.name) from None


def _code(text: str, column: Column) -> int:
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII):
        raise Unusable(reasons.UNKNOWN_CODE, column.name)
    code = int(text)
    if column.known is not None and code not in column.known:
        raise Unusable(reasons.UNKNOWN_CODE, column.name)
    return code
