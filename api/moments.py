"""Dates in answers: a civil date where only the day is known, else an instant. No type of msgspec says that."""

from typing import Annotated, Any

import msgspec

DAY = {"type": "string", "format": "date"}
INSTANT = {"type": "string", "format": "date-time"}

DayOrInstant = Annotated[
    Any,
    msgspec.Meta(description="A civil date, or an instant.", extra_json_schema={"anyOf": [DAY, INSTANT]}),
]
DayOrInstantOrNull = Annotated[
    Any,
    msgspec.Meta(
        description="A civil date, an instant, or null.", extra_json_schema={"anyOf": [DAY, INSTANT, {"type": "null"}]}
    ),
]
