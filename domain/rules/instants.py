"""Instants as whole microseconds of UTC since 1970: exact, ordered and cheap. No float ever stands for a time."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

MICROSECOND = 1
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = date(1970, 1, 1).toordinal()
LAST_DAY = date.max.toordinal()

FOREVER = 1 << 62
NEVER_BEGAN = -FOREVER
ENDLESS_DAY = 1 << 40
"""Day number that stands for "no last day"; its negative for "no first day"."""


def instant_of(moment: datetime) -> int:
    """`moment` must be aware."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds


_FIRST = instant_of(datetime.min.replace(tzinfo=UTC))
_LAST = instant_of(datetime.max.replace(tzinfo=UTC))


@lru_cache(maxsize=16_384)
def moment_of(instant: int) -> datetime | None:
    """The aware UTC datetime, or None for an instant that no calendar holds (no beginning, no end)."""
    if not _FIRST <= instant <= _LAST:
        return None
    return EPOCH + timedelta(microseconds=instant)


def rfc3339(moment: datetime | None) -> str | None:
    """UTC with a Z; microseconds only when there are any."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def iso_duration(span: int) -> str:
    """An exact span of microseconds as ISO 8601 hours, minutes and seconds: `PT25H`, `PT1H30M`, `PT0.000001S`."""
    hours, rest = divmod(span, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds, fraction = divmod(rest, SECOND)
    text = "PT"
    if hours:
        text += f"{hours}H"
    if minutes:
        text += f"{minutes}M"
    if seconds or fraction or text == "PT":
        text += f"{seconds}" + (f".{fraction:06d}".rstrip("0") if fraction else "") + "S"
    return text
