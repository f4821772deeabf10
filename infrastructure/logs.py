"""Logs: one JSON object a line on standard error, from our code and from libraries alike; never personal data.

An exception is shown by its type and the places it went through. Its message is left out: a database or a parser quotes
there the very value that it refused.
"""

import logging
import sys
from typing import Any, TextIO

import msgspec
import structlog
from structlog.processors import ExceptionRenderer, JSONRenderer, TimeStamper
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import ExcInfo

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_transform = ExceptionDictTransformer(show_locals=False, max_frames=30)


def configure_logs(level: str = "info", stream: TextIO | None = None) -> None:
    """Called once, by the composition root. Libraries are heard from `warning` up."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            TimeStamper(fmt="iso", utc=True),
            ExceptionRenderer(_exception),
            JSONRenderer(_encode),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_LibraryHandler()], level=max(LEVELS[level], logging.WARNING), force=True)


class _LibraryHandler(logging.Handler):
    """Passes on the first line of a record's template: its arguments, and what follows, may quote values."""

    def emit(self, record: logging.LogRecord) -> None:
        template = str(record.msg).partition("\n")[0]
        structlog.get_logger().log(
            record.levelno, "library.said", library=record.name, message=template, exc_info=record.exc_info or None
        )


def _exception(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """The chain of exceptions, the latest first, with its SQLSTATE when it comes from the database."""
    stacks = [_without_message(stack) for stack in msgspec.to_builtins(_transform(exc_info))]
    sqlstate = getattr(exc_info[1], "sqlstate", None)
    return [stacks[0] | {"sqlstate": sqlstate}, *stacks[1:]] if sqlstate else stacks


def _without_message(stack: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": stack["exc_type"],
        "frames": [f"{frame['filename']}:{frame['lineno']} {frame['name']}" for frame in stack["frames"]],
        "group": [_without_message(inner) for group in stack["exceptions"] for inner in group],
    }


def _encode(event: dict[str, Any], **_options: Any) -> str:
    return msgspec.json.encode(event, enc_hook=_unencodable).decode()


def _unencodable(value: object) -> str:
    """Its type only: a representation could hold anything."""
    return f"<{type(value).__name__}>"
