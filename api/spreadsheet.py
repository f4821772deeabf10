"""CSV that people open in a spreadsheet: no cell is ever a formula, whatever text it holds."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

CSV = "text/csv"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes spreadsheets calculate instead of show, also in full width."""


def write_rows(file: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """RFC 4180, with a heading. The file must be opened with `newline=""`."""
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    writer.writerows({name: as_text(value) for name, value in row.items()} for row in rows)


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> bytes:
    file = io.StringIO(newline="")
    write_rows(file, columns, rows)
    return file.getvalue().encode()


def as_text(value: object) -> object:
    """An apostrophe before what would be a formula: spreadsheets take the rest as it stands. Numbers stay numbers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
