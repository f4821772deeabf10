"""Reading one HMIS file: whatever bytes it holds, each line is a row or a refusal, and none is lost."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.hmis.reader import Row, encoding_of, read
from application.hmis.tables import CLIENT
from application.importing import ImportImpossible, Refusal

HEADER = b"PersonalID,FirstName,LastName,DOB,DateDeleted\r\n"


def lines_of(content: bytes) -> list[Row | Refusal]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "Client.csv"
        path.write_bytes(content)
        return list(read(path, CLIENT))


def told(content: bytes) -> list[tuple[int, str]]:
    """(line, identifier or reason) of each line."""
    return [(line.line, line.id if isinstance(line, Row) else line.reason.code) for line in lines_of(HEADER + content)]


def test_lines_are_numbered_as_an_editor_numbers_them() -> None:
    assert told(b"1,a,b,,\r\n\r\n2,a,b,,\r\n") == [(2, "1"), (4, "2")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_any_end_of_line_is_read(end: bytes) -> None:
    assert told(b"1,a,b,," + end + b"2,a,b,," + end) == [(2, "1"), (3, "2")]


def test_the_last_line_may_lack_its_end() -> None:
    assert told(b"1,a,b,,") == [(2, "1")]


def test_a_quote_that_is_never_closed_costs_its_own_line_only() -> None:
    lines = b"".join(b"%d,a,b,,\r\n" % number for number in range(2, 40))
    found = told(b'1,"a,b,,\r\n' + lines)
    assert found[0] == (2, "bad_csv")
    assert found[1:] == [(number + 1, str(number)) for number in range(2, 40)]


def test_two_lines_with_a_stray_quote_do_not_hide_those_between() -> None:
    found = told(b'1,5" a,b,,\r\n2,a,b,,\r\n3,6" a,b,,\r\n4,a,b,,\r\n')
    assert found == [(2, "1"), (3, "2"), (4, "3"), (5, "4")]


def test_one_broken_byte_does_not_change_how_the_others_are_read() -> None:
    found = lines_of(HEADER + "1,Zoé,b,,\r\n".encode() + b"2,Zo\xe9,b,,\r\n")
    assert isinstance(found[0], Row)
    assert found[0]["FirstName"] == "Zoé"
    assert isinstance(found[1], Refusal)
    assert found[1].reason.code == "bad_encoding"


def test_a_file_with_no_right_accent_is_from_windows() -> None:
    assert encoding_of(b"1,Zo\xe9\r\n2,Ren\xe9\r\n") == "windows-1252"


@pytest.mark.parametrize(
    "day", ["2024-02-30", "24-01-01", "2024-1-1", "20240101", "٢٠٢٤-٠١-٠١", "2024-01-01T00", "demain"]
)
def test_a_date_is_written_in_one_way(day: str) -> None:
    assert told(f"1,a,b,{day},\r\n".encode()) == [(2, "bad_date")]


def test_a_date_may_carry_a_time_of_day() -> None:
    (row,) = lines_of(HEADER + b"1,a,b,1990-05-17 00:00:00,\r\n")
    assert isinstance(row, Row)
    assert str(row["DOB"]) == "1990-05-17"


@given(st.lists(st.binary(max_size=60).filter(lambda line: not set(line) & set(b'\r\n"')), max_size=8))
def test_every_line_that_is_not_blank_is_a_row_or_a_refusal(lines: list[bytes]) -> None:
    found = told(b"\r\n".join(lines))
    assert [line for line, _ in found] == [number for number, line in enumerate(lines, start=2) if line.strip()]


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    found = [line for line, _ in told(content)]
    assert found == sorted(set(found))


@given(st.binary(max_size=100))
def test_a_file_without_the_header_it_needs_is_refused_as_a_whole(content: bytes) -> None:
    with pytest.raises(ImportImpossible) as refused:
        lines_of(content)
    assert refused.value.reason.code in {"no_header", "missing_column"}
