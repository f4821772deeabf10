"""Calendars: a territory's time zone and working days. Versioned: obligations keep the version they were judged by."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.errors import DomainError
from domain.rules import holidays
from domain.rules.instants import DAY, EPOCH_DAY, FOREVER, LAST_DAY, MICROSECOND, NEVER_BEGAN

MAINLAND_ZONE = "Europe/Paris"
OVERSEAS_ZONES: Mapping[str, str] = {
    "FR-971": "America/Guadeloupe",
    "FR-972": "America/Martinique",
    "FR-973": "America/Cayenne",
    "FR-974": "Indian/Reunion",
    "FR-975": "America/Miquelon",
    "FR-976": "Indian/Mayotte",
    "FR-977": "America/St_Barthelemy",
    "FR-978": "America/Marigot",
    "FR-986": "Pacific/Wallis",
    "FR-987": "Pacific/Tahiti",
    "FR-988": "Pacific/Noumea",
}
MAINLAND = "FR"
"""The one calendar of metropolitan départements without holidays of their own, when others live in another zone."""
_DEPARTEMENT = re.compile(r"FR-(?:[0-8][0-9]|9[0-5]|2[AB])[A-Z]?")
CACHED_DAYS_MAX = 50_000
SATURDAY, SUNDAY = 5, 6


class UnknownTimeZone(DomainError):
    """This time zone is not known."""

    code = "unknown_time_zone"
    status = 422
    title_fr = "Ce fuseau horaire n'est pas connu."


class Midnights(dict[int, int]):
    """First instant of each local day, by day number, worked out when first asked for."""

    def __init__(self, tz: ZoneInfo) -> None:
        super().__init__()
        self._tz = tz

    def __missing__(self, day: int) -> int:
        if day > LAST_DAY:
            return FOREVER
        if day < 1:
            return NEVER_BEGAN
        if len(self) >= CACHED_DAYS_MAX:
            self.clear()
        offset = self._tz.utcoffset(datetime.fromordinal(day))
        self[day] = instant = (day - EPOCH_DAY) * DAY - (offset // _MICROSECOND if offset is not None else 0)
        return instant


_MICROSECOND = datetime.resolution


class Calendar:
    """Days are proleptic ordinals (`date.toordinal`), instants microseconds of UTC."""

    def __init__(self, version: str, tz: ZoneInfo, extra: holidays.ExtraDays = holidays.NONE, name: str = "") -> None:
        self.version = version
        self.name = name
        self.tz = tz
        self.midnights = Midnights(tz)
        self._extra = extra
        self._shifted: dict[tuple[int, int, bool], int] = {}

    def day_of(self, instant: int) -> int:
        """The local day that holds an instant."""
        day = EPOCH_DAY + instant // DAY
        if instant < self.midnights[day]:
            return day - 1
        return day + 1 if instant >= self.midnights[day + 1] else day

    def last_instant(self, day: int) -> int:
        return self.midnights[day + 1] - MICROSECOND

    def is_holiday(self, day: int) -> bool:
        return 1 <= day <= LAST_DAY and day in holidays.holidays_of(date.fromordinal(day).year, self._extra)

    def is_working(self, day: int, *, saturdays: bool = False) -> bool:
        """Monday to Friday (jours ouvrés), or to Saturday (jours ouvrables), public holidays excepted."""
        weekday = (day - 1) % 7
        return weekday < (SUNDAY if saturdays else SATURDAY) and not self.is_holiday(day)

    def next_working(self, day: int) -> int:
        """This day if it is worked, else the first one that is (CPC art. 642)."""
        while day <= LAST_DAY and not self.is_working(day):
            day += 1
        return day

    def shift_working(self, day: int, count: int, *, saturdays: bool = False) -> int:
        """The `count`-th working day after `day` (before it when negative); `day` itself for 0."""
        key = (day, count, saturdays)
        shifted = self._shifted.get(key)
        if shifted is None:
            if len(self._shifted) >= CACHED_DAYS_MAX:
                self._shifted.clear()
            shifted = self._shifted[key] = self._walk(day, count, saturdays=saturdays)
        return shifted

    def _walk(self, day: int, count: int, *, saturdays: bool) -> int:
        step = 1 if count > 0 else -1
        left = abs(count)
        while left and 0 < day <= LAST_DAY:
            day += step
            left -= self.is_working(day, saturdays=saturdays)
        return day

    def count_working(self, first: int, last: int, *, saturdays: bool = False) -> int:
        """How many working days from `first` to `last`, both included."""
        return sum(self.is_working(day, saturdays=saturdays) for day in range(first, last + 1))


class Calendars:
    """The calendar of each territory. Départements have their own zone; `tz` is for everything else."""

    VERSION: ClassVar[str] = holidays.VERSION

    def __init__(self, tz: str = MAINLAND_ZONE) -> None:
        self._tz = tz
        self._by_code: dict[str, Calendar] = {}
        self._by_territory: dict[str | None, Calendar] = {}
        self.default = self.of(None)

    def of(self, territory: str | None) -> Calendar:
        calendar = self._by_territory.get(territory)
        if calendar is None:
            calendar = self._calendar_of_code("-".join((territory or "").split("-")[:2]))
            if len(self._by_territory) < CACHED_DAYS_MAX:
                self._by_territory[territory] = calendar
        return calendar

    def _calendar_of_code(self, code: str) -> Calendar:
        """One calendar object for all territories that share zone and holidays."""
        is_mainland = _DEPARTEMENT.fullmatch(code) is not None
        own = code if code in OVERSEAS_ZONES or code in holidays.EXTRA_DAYS else MAINLAND if is_mainland else ""
        if own == MAINLAND and self._tz == MAINLAND_ZONE:
            own = ""
        calendar = self._by_code.get(own)
        if calendar is None:
            zone = zone_named(OVERSEAS_ZONES.get(own, MAINLAND_ZONE if is_mainland else self._tz))
            calendar = Calendar(self.VERSION, zone, holidays.EXTRA_DAYS.get(own, holidays.NONE), own)
            self._by_code[own] = calendar
        return calendar


def zone_named(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownTimeZone(f"{name!r} is not a time zone of the IANA database.") from error
