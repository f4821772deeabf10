"""A log line is one JSON object, and never quotes a value that was refused."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import structlog

from infrastructure.database import Pool
from infrastructure.logs import configure_logs


class Lines(io.StringIO):
    def read_all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = Lines()
    configure_logs("info", stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def test_an_event_and_its_context(lines: Lines) -> None:
    alert = UUID(int=1)
    structlog.get_logger().info("webhook.delivered", alert_id=alert, attempt=2)
    (line,) = lines.read_all()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "webhook.delivered", "level": "info", "alert_id": str(alert), "attempt": 2}


def test_what_is_below_the_level_is_silent(lines: Lines) -> None:
    structlog.get_logger().debug("webhook.tried")
    assert lines.read_all() == []


async def test_an_error_of_the_database_shows_its_code_and_no_value(lines: Lines, pool: Pool) -> None:
    try:
        await pool.fetchval("SELECT 'Marie'::uuid")
    except asyncpg.PostgresError:
        structlog.get_logger().exception("query.failed")
    assert "Marie" not in lines.getvalue()
    (line,) = lines.read_all()
    assert line["exception"][0]["type"] == "InvalidTextRepresentationError"
    assert line["exception"][0]["sqlstate"] == "22P02"
    assert any("test_logs.py" in frame for frame in line["exception"][0]["frames"])


def test_chained_and_grouped_exceptions_show_no_value(lines: Lines) -> None:
    try:
        try:
            raise KeyError("Marie")  # noqa: TRY301 (the chain is the point)
        except KeyError as error:
            raise ExceptionGroup("Marie", [ValueError("Marie")]) from error
    except ExceptionGroup:
        structlog.get_logger().exception("import.failed")
    assert "Marie" not in lines.getvalue()
    outer, inner = lines.read_all()[0]["exception"]
    assert (outer["type"], outer["group"][0]["type"], inner["type"]) == ("ExceptionGroup", "ValueError", "KeyError")


def test_a_librarys_arguments_and_second_lines_are_left_out(lines: Lines) -> None:
    logging.getLogger("asyncio").error("Task %s was never retrieved\nfuture: <Task exception=Marie>", "Marie")
    assert "Marie" not in lines.getvalue()
    assert "Task %s was never retrieved" in [line["message"] for line in lines.read_all() if "message" in line]


def test_an_object_is_shown_by_its_type(lines: Lines) -> None:
    structlog.get_logger().info("thing.seen", thing=object())
    assert lines.read_all()[0]["thing"] == "<object>"
