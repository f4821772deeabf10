"""Dates in answers: a civil date where only the day is known, else an instant. Instants in bodies: within YEARS."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from api.bodies import InvalidBody
from application.evaluation import YEARS

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


def moment(pointer: str, given: datetime) -> datetime:
    """In UTC. Raises InvalidBody for one of a year that is not in YEARS, as at the command line."""
    if given.year not in YEARS:
        least, most = YEARS.start, YEARS.stop - 1
        english = f"An instant of the years {least} to {most} is expected."
        french = f"Un instant des années {least} à {most} est attendu."
        raise InvalidBody(faults=[(pointer, "out_of_range", english, french)])
    return given.astimezone(UTC)
