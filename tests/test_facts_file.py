import re
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from application.facts_file import FactLineRefused, read_facts, write_facts
from domain.facts import Fact, FactState, Precision
from domain.rules import Calendars
from tests.support.rule_histories import local

LEAST: dict[str, Any] = {"pathway": "p1", "fact_id": "f1", "type": "diagnosis", "start": "2026-01-05"}


def read(*lines: dict[str, Any], tz: str = "Europe/Paris") -> list[Fact]:
    return read_facts((msgspec.json.encode(line) + b"\n" for line in lines), Calendars(tz)).get("p1", [])


def one(line: dict[str, Any], tz: str = "Europe/Paris") -> Fact:
    (fact,) = read(line, tz=tz)
    return fact


def test_the_least_line_is_a_done_point_of_a_day() -> None:
    fact = one(LEAST)
    assert (fact.start, fact.end, fact.precision, fact.state) == (
        date(2026, 1, 5),
        date(2026, 1, 5),
        Precision.DAY,
        FactState.DONE,
    )
    assert (fact.agency, fact.attrs, fact.position, fact.territory) == ("", {}, 1, None)
    assert fact.recorded_at == local("2026-01-05 00:00")


def test_precision_follows_the_start_unless_it_is_said() -> None:
    assert one(LEAST | {"start": "2026-01-05T10:00:00Z"}).precision is Precision.MINUTE
    day = one(LEAST | {"start": "2026-01-05T23:30:00Z", "precision": "day"})
    assert day.start == date(2026, 1, 6)  # Past midnight in Paris.
    minute = one(LEAST | {"precision": "minute"})
    assert minute.start == local("2026-01-05 00:00")


def test_instants_without_offset_are_local_to_the_territory() -> None:
    written = LEAST | {"start": "2026-01-05T10:00"}
    assert one(written).start == datetime(2026, 1, 5, 9, tzinfo=UTC)
    assert one(written, tz="UTC").start == datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert one(written | {"territory": "FR-974"}).start == datetime(2026, 1, 5, 6, tzinfo=UTC)


def test_an_absent_end_is_a_point_a_null_one_lasts_and_so_does_a_suspension() -> None:
    assert one(LEAST | {"end": None}).end is None
    assert one(LEAST | {"end": "2026-02-01"}).end == date(2026, 2, 1)
    assert one(LEAST | {"type": "suspension"}).end is None


def test_the_highest_position_wins_whatever_the_order_of_lines() -> None:
    old, new = LEAST | {"position": 2}, LEAST | {"position": 7, "start": "2026-01-09"}
    for lines in ((old, new), (new, old)):
        assert [fact.start for fact in read(*lines)] == [date(2026, 1, 9)]


def test_a_retraction_removes_and_needs_no_more_than_the_id() -> None:
    gone = {"pathway": "p1", "fact_id": "f1", "retracted": True, "position": 3}
    assert read(LEAST | {"position": 2}, gone) == []
    assert len(read(LEAST | {"position": 4}, gone)) == 1


def test_pathways_may_be_mixed_and_blank_lines_and_unknown_fields_are_skipped() -> None:
    lines = [
        b"\xef\xbb\xbf" + msgspec.json.encode(LEAST | {"extra": [1]}),
        b"\n",
        msgspec.json.encode(LEAST | {"pathway": "p2"}),
        b"  \r\n",
        msgspec.json.encode(LEAST | {"fact_id": "f2"}),
    ]
    found = read_facts(lines, Calendars())
    assert {pathway: [fact.fact_id for fact in facts] for pathway, facts in found.items()} == {
        "p1": ["f1", "f2"],
        "p2": ["f1"],
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "this is not JSON"),
        (b"[]", "an object is expected"),
        (b'{"pathway": "p1"}', "`fact_id` is missing"),
        (msgspec.json.encode(LEAST | {"fact_id": ""}), "`fact_id` is missing or empty"),
        (msgspec.json.encode(LEAST | {"start": "soon"}), "`start` is neither"),
        (msgspec.json.encode(LEAST | {"start": "2026-02-30"}), "`start`"),
        (msgspec.json.encode(LEAST | {"start": "20260105"}), "`start`"),
        (msgspec.json.encode(LEAST | {"start": "2026-W02-1"}), "`start`"),
        (msgspec.json.encode(LEAST | {"start": "1767571200"}), "`start`"),
        (msgspec.json.encode(LEAST | {"start": "2026-01-05 10"}), "`start`"),
        (
            b'{"pathway": "p1", "fact_id": "f1", "type": "a", "type": "b", "start": "2026-01-05"}',
            "`type` is given twice",
        ),
        (b'{"pathway": "p1", "fact_id": "f1", "attrs": {"x": 1, "x": 1}}', "a key is given twice"),
        (msgspec.json.encode(LEAST | {"end": "2026-01-04"}), "`end` is before `start`"),
        (msgspec.json.encode(LEAST | {"state": "finished"}), "`state` is not one of planned, done, cancelled, no_show"),
        (msgspec.json.encode(LEAST | {"precision": "second"}), "`precision` is not one of day, minute"),
        (msgspec.json.encode(LEAST | {"attrs": []}), "`attrs` is not an object"),
        (msgspec.json.encode(LEAST | {"position": "1"}), "`position` is not a whole number"),
        (msgspec.json.encode(LEAST | {"recorded_at": "x"}), "`recorded_at`"),
        (b'{"pathway": "\xff"}', "line 2"),
        (b"[" * 5000, "line 2"),
        (b'{"a": "' + b"x" * 2_000_000 + b'"}', "longer than"),
    ],
)
def test_a_bad_line_is_refused_with_its_number_and_why(line: bytes, said: str) -> None:
    with pytest.raises(FactLineRefused, match=said) as refusal:
        read_facts([msgspec.json.encode(LEAST), line], Calendars())
    assert refusal.value.detail.startswith("line 2: ")
    assert refusal.value.detail_fr.startswith("ligne 2 : ")


NAME = "Jean Dupont"


@pytest.mark.parametrize(
    "change",
    [
        *({field: NAME} for field in ("start", "end", "recorded_at", "state", "precision", "position", "attrs")),
        {"retracted": NAME},
        {"type": [NAME]},
    ],
    ids=str,
)
def test_what_was_written_is_never_repeated(change: dict[str, Any]) -> None:
    line = msgspec.json.encode(LEAST | change)
    with pytest.raises(FactLineRefused) as refused:
        read_facts([line], Calendars())
    refusal = refused.value
    assert refusal.fault.name == next(iter(change))
    assert "Dupont" not in refusal.detail + refusal.detail_fr
    assert not re.search(r"expected|invalid|value|of type", refusal.detail_fr, re.IGNORECASE)


def test_a_key_of_somebody_else_given_twice_is_not_named() -> None:
    line = b'{"pathway": "p1", "fact_id": "f1", "attrs": {"Jean Dupont": 1, "Jean Dupont": 2}}'
    with pytest.raises(FactLineRefused) as refused:
        read_facts([line], Calendars())
    assert "Dupont" not in refused.value.detail + refused.value.detail_fr


def test_a_null_field_reads_as_an_absent_one() -> None:
    absent = ("agency", "actor", "territory", "precision", "state", "attrs", "recorded_at", "position", "retracted")
    assert one(LEAST | dict.fromkeys(absent)) == one(LEAST)


def test_what_is_written_reads_back_the_same() -> None:
    facts = read(
        LEAST | {"attrs": {"needs": ["training"]}, "agency": "ccas", "territory": "FR-34", "actor": "a1"},
        LEAST | {"fact_id": "f2", "start": "2026-01-05T10:00:00Z", "end": None, "state": "planned", "position": 5},
    )
    lines = list(write_facts(facts))
    assert read_facts(lines, Calendars())["p1"] == facts
    assert " ".join(msgspec.json.decode(lines[0])) == (
        "pathway fact_id type agency start end precision state attrs recorded_at position actor territory"
    )


def test_extreme_dates_are_read() -> None:
    assert one(LEAST | {"start": "9999-12-31"}).start == date(9999, 12, 31)
    with pytest.raises(FactLineRefused):
        one(LEAST | {"start": "0001-01-01T00:00:00+05:00"})
