"""Files in, obligation lines out."""

from datetime import UTC, datetime
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import msgspec
import pytest

from application.evaluation import encode_line, evaluate_files, read_now
from application.facts_file import FactLineRefused
from domain.rules import RuleRefused
from domain.rules.calendars import UnknownTimeZone

RULES = """
- {rule: b-silence, kind: silence, of: {on: contact}, gap: 30d}
- rule: a-need
  kind: require
  when: {on: diagnosis}
  expect: {on: referral, match: {theme: theme}}
  within: {from: 0d, to: 30d}
"""
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def line(pathway: str, fact_id: str, kind: str, start: str, **attrs: Any) -> dict[str, Any]:
    return {"pathway": pathway, "fact_id": fact_id, "type": kind, "start": start, "attrs": attrs}


FACTS = [
    line("p2", "d1", "diagnosis", "2026-01-05", theme="it"),
    line("p1", "d1", "diagnosis", "2026-01-05", theme="it"),
    line("p2", "c1", "contact", "2026-01-07"),
    line("p1", "r1", "referral", "2026-02-05", theme="it"),
    line("p1", "d0", "diagnosis", "2026-01-02", theme="wood"),
]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    rules, facts = tmp_path / "rules.yaml", tmp_path / "facts.ndjson"
    rules.write_text(RULES)
    facts.write_bytes(b"\n".join(msgspec.json.encode(fact) for fact in FACTS))
    return rules, facts


def test_lines_come_by_rule_pathway_and_activation(files: tuple[Path, Path]) -> None:
    lines = list(evaluate_files(*files, NOW))
    assert [(found["rule"], found["pathway"], found["activation"], found["status"]) for found in lines] == [
        ("a-need", "p1", "d0", "violated_open"),
        ("a-need", "p1", "d1", "violated_late"),
        ("a-need", "p2", "d1", "violated_open"),
        ("b-silence", "p2", "c1", "violated_open"),
    ]


def test_a_published_line_reads_as_documented(files: tuple[Path, Path]) -> None:
    lines = list(evaluate_files(*files, NOW))
    assert encode_line(lines[1]) == (
        b'{"rule":"a-need","version":1,"pathway":"p1","activation":"d1","target":"r1","status":"violated_late",'
        b'"open":"2026-01-04T23:00:00Z","close":"2026-02-04T23:00:00Z","at":"2026-02-04T23:00:00Z",'
        b'"late_by":"P1D","evidence":["r1"],"near_misses":[]}\n'
    )


def test_any_order_of_lines_gives_the_same_bytes(files: tuple[Path, Path]) -> None:
    rules, facts = files
    numbered = [fact | {"position": number} for number, fact in enumerate(FACTS)]
    facts.write_bytes(b"\n".join(msgspec.json.encode(fact) for fact in numbered))
    first = [encode_line(found) for found in evaluate_files(rules, facts, NOW)]
    facts.write_bytes(b"\n".join(msgspec.json.encode(fact) for fact in reversed(numbered)))
    assert [encode_line(found) for found in evaluate_files(rules, facts, NOW)] == first


def test_the_time_zone_is_that_of_the_option(files: tuple[Path, Path]) -> None:
    found = next(evaluate_files(*files, NOW, "Indian/Reunion"))
    assert found["open"] == "2026-01-01T20:00:00Z"


def test_without_rules_those_of_the_product_are_used(files: tuple[Path, Path]) -> None:
    assert {found["rule"] for found in evaluate_files(None, files[1], NOW)} >= {"referral-acknowledged", "silence-90"}


def test_facts_may_come_from_standard_input(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    rules, facts = files
    expected = list(evaluate_files(rules, facts, NOW))
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(facts.read_bytes())))
    assert list(evaluate_files(rules, Path("-"), NOW)) == expected


def test_the_time_zone_given_moves_no_departement(files: tuple[Path, Path]) -> None:
    rules, facts = files
    facts.write_bytes(msgspec.json.encode(FACTS[1] | {"territory": "FR-34"}))
    assert next(evaluate_files(rules, facts, NOW, "Indian/Reunion"))["open"] == "2026-01-04T23:00:00Z"


def test_faults_are_told_before_the_first_line(files: tuple[Path, Path]) -> None:
    rules, facts = files
    with pytest.raises(UnknownTimeZone):
        evaluate_files(rules, facts, NOW, "Europe/Nowhere")
    with pytest.raises(FileNotFoundError):
        evaluate_files(rules, facts.with_name("absent"), NOW)
    facts.write_bytes(b"{}")
    with pytest.raises(FactLineRefused, match="line 1"):
        evaluate_files(rules, facts, NOW)
    rules.write_text("rule: x")
    with pytest.raises(RuleRefused):
        evaluate_files(rules, facts, NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-06-01", datetime(2026, 5, 31, 22, tzinfo=UTC)),
        ("2026-06-01T12:00", datetime(2026, 6, 1, 10, tzinfo=UTC)),
        ("2026-06-01T12:00:00Z", datetime(2026, 6, 1, 12, tzinfo=UTC)),
        ("2026-06-01T12:00:00+04:00", datetime(2026, 6, 1, 8, tzinfo=UTC)),
    ],
)
def test_now_is_an_instant_local_when_it_has_no_offset(text: str, expected: datetime) -> None:
    assert read_now(text) == expected


def test_a_now_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        read_now("soon")


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31T23:59:59Z", "1733011200", "20250210", "2025-W07-1", ""])
def test_a_now_outside_the_calendar_or_in_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|years 1900 to 2200"):
        read_now(text)
