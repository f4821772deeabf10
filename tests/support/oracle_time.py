"""Local time for the oracle, the long way: days walked one by one, hours by steps, holidays written down.

Nothing here comes from `domain.rules`; instants are aware datetimes in UTC.
"""

from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

TICK = timedelta(microseconds=1)
ONE_DAY = timedelta(days=1)
STEP = timedelta(minutes=30)
"""Instants of the histories fall on half hours, so that suspended hours can be counted by steps."""
LONG_AGO = datetime(1900, 1, 1, tzinfo=UTC)
"""Stands for minus infinity."""
NEVER = datetime(2200, 1, 1, tzinfo=UTC)
"""Stands for infinity."""
FAR_DAY = date(2031, 1, 1)
"""Walks stop here: nothing in the histories comes near it, so what gets there has no end."""

EASTERS = {
    2024: date(2024, 3, 31),
    2025: date(2025, 4, 20),
    2026: date(2026, 4, 5),
    2027: date(2027, 3, 28),
    2028: date(2028, 4, 16),
    2029: date(2029, 4, 1),
    2030: date(2030, 4, 21),
    2031: date(2031, 4, 13),
}
FIXED = ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25))
ZONES = {"FR-972": "America/Martinique", "FR-974": "Indian/Reunion", "FR-988": "Pacific/Noumea"}
LOCAL_DAYS = {"FR-67": (12, 26), "FR-972": (5, 22), "FR-974": (12, 20)}


def is_holiday(day: date, territory: str | None) -> bool:
    since_easter = (day - EASTERS[day.year]).days
    movable = (-2, 1, 39, 50) if territory == "FR-67" else (1, 39, 50)
    return (day.month, day.day) in (*FIXED, LOCAL_DAYS.get(territory or "")) or since_easter in movable


class Moment(NamedTuple):
    """When a fact happened: an instant, or any instant of a day."""

    first: datetime
    last: datetime
    day: date
    exact: bool

    @property
    def over(self) -> datetime:
        """When something has taken effect: at its instant, or once its day is over."""
        return self.first if self.exact else self.last + TICK


def tie(a: Moment, b: Moment) -> bool:
    """One instant; or one day, when either is known only to the day."""
    return a.first == b.first if a.exact and b.exact else a.day == b.day


class Clock:
    """The local days of one territory."""

    def __init__(self, territory: str | None, default: str = "Europe/Paris") -> None:
        self.territory = territory
        mainland = territory is not None and territory[:3] == "FR-" and len(territory) == len("FR-34")
        self.zone = ZoneInfo("Europe/Paris" if mainland else ZONES.get(territory or "", default))

    def midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)

    def day_of(self, instant: datetime) -> date:
        return instant.astimezone(self.zone).date()

    def moment(self, value: date | datetime) -> Moment:
        if isinstance(value, datetime):
            instant = value.astimezone(UTC)
            return Moment(instant, instant, self.day_of(instant), exact=True)
        return Moment(self.midnight(value), self.midnight(value + ONE_DAY) - TICK, value, exact=False)

    def is_counted(self, day: date, unit: str) -> bool:
        if unit in ("bd", "wd"):
            return day.weekday() < (5 if unit == "bd" else 6) and not is_holiday(day, self.territory)
        return True

    def walk(self, day: date, count: int, unit: str, frozen: AbstractSet[date]) -> date:
        """Step one day at a time until `count` days that count, and are not suspended, have gone by."""
        step = ONE_DAY if count > 0 else -ONE_DAY
        left = abs(count)
        while left and day < FAR_DAY:
            day += step
            if self.is_counted(day, unit) and (count < 0 or day not in frozen):
                left -= 1
        return day

    def shift(self, day: date, count: int, unit: str, frozen: AbstractSet[date] = frozenset()) -> date:
        if unit == "w":
            return self.walk(day, 7 * count, "d", frozen)
        if unit in ("m", "y"):
            landed = same_number(day, count * (12 if unit == "y" else 1))
            return self.walk(day, (landed - day).days, "d", frozen)
        return self.walk(day, count, unit, frozen)

    def next_working(self, day: date) -> date:
        while not self.is_counted(day, "bd"):
            day += ONE_DAY
        return day


def same_number(day: date, months: int) -> date:
    """The same day of another month, or its last day if it is shorter."""
    year, month = day.year, day.month + months
    while month > 12:
        year, month = year + 1, month - 12
    while month < 1:
        year, month = year - 1, month + 12
    number = day.day
    while True:
        try:
            return date(year, month, number)
        except ValueError:
            number -= 1


def split(duration: str) -> tuple[int, str]:
    """`-30d` is (-30, "d")."""
    unit = duration.lstrip("+-0123456789")
    return int(duration.removesuffix(unit)), unit


def hours(count: int, unit: str) -> timedelta:
    return timedelta(hours=count) if unit == "h" else timedelta(minutes=count)


def is_exact(duration: str) -> bool:
    return duration.endswith(("h", "min"))
