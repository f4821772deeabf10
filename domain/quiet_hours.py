"""When an agency wants to be written to: the hour of its digest, the days it works, the hours it sleeps.

Times of the clock are the territory's; its public holidays are worked by nobody.
"""

from datetime import UTC, date, datetime, time, timedelta

import msgspec

from domain.errors import DomainError
from domain.rules.calendars import Calendar

MONDAY_TO_FRIDAY = (1, 2, 3, 4, 5)
DAYS_LOOKED_AT_MAX = 400
"""A year without one day worked is no calendar that anybody keeps."""


class DigestInQuietHours(DomainError):
    """The hour of the digest lies in the quiet hours: nothing would ever be written then."""

    code = "digest_in_quiet_hours"
    status = 422
    title_fr = "L'heure du récapitulatif tombe dans les heures calmes : rien ne serait écrit à ce moment."


class WritingHours(msgspec.Struct, frozen=True, kw_only=True):
    digest_hour: int = 8
    quiet_from: int = 19
    quiet_until: int = 8
    """The same hour as `quiet_from`: no quiet hours."""
    days: tuple[int, ...] = MONDAY_TO_FRIDAY
    """1 is Monday, as ISO 8601 counts."""

    def check(self) -> None:
        """Raises DigestInQuietHours."""
        if self.is_quiet(self.digest_hour):
            raise DigestInQuietHours(field="/digest_hour")

    def is_quiet(self, hour: int) -> bool:
        if self.quiet_from <= self.quiet_until:
            return self.quiet_from <= hour < self.quiet_until
        return hour >= self.quiet_from or hour < self.quiet_until


def works(hours: WritingHours, calendar: Calendar, day: date) -> bool:
    return day.isoweekday() in hours.days and not calendar.is_holiday(day.toordinal())


def next_digest(hours: WritingHours, calendar: Calendar, after: datetime) -> datetime:
    """The first hour of a digest later than `after`: one a day, whatever the night of a change of time does."""
    day = after.astimezone(calendar.tz).date()
    for _ in range(DAYS_LOOKED_AT_MAX):
        at = _at(day, hours.digest_hour, calendar)
        if at > after and works(hours, calendar, day):
            return at
        day += timedelta(days=1)
    raise AssertionError("no day is worked")


def may_write(hours: WritingHours, calendar: Calendar, at: datetime) -> bool:
    """Whether what is not urgent may go now."""
    local = at.astimezone(calendar.tz)
    return works(hours, calendar, local.date()) and not hours.is_quiet(local.hour)


def not_before(hours: WritingHours, calendar: Calendar, at: datetime) -> datetime:
    """`at`, or the end of the quiet hours or days that it falls into."""
    while not may_write(hours, calendar, at):
        local = at.astimezone(calendar.tz)
        if not works(hours, calendar, local.date()):
            at = _at(local.date() + timedelta(days=1), 0, calendar)
        elif local.hour < hours.quiet_until:
            at = _at(local.date(), hours.quiet_until, calendar)
        else:
            at = _at(local.date() + timedelta(days=1), 0, calendar)
    return at


def _at(day: date, hour: int, calendar: Calendar) -> datetime:
    """An hour that a change of time leaves out is the one after; of two, it is the first."""
    return datetime.combine(day, time(hour), calendar.tz).astimezone(UTC)
