"""Calendars: a territory's time zone and working days. Versioned: obligations keep the version they were judged by."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache, partial
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from domain.errors import DomainError
from domain.rules import holidays
from domain.rules.instants import DAY, EPOCH_DAY, FOREVER, LAST_DAY, NEVER_BEGAN
from domain.rules.working_days import DaysOff, WorkingDays

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
"""The one calendar of the country's départements without holidays of their own."""
_CODE = re.compile(r"[A-Z]{2}-[0-9A-Z]{1,3}")
_LABEL = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,39}")
_DEPARTEMENT = re.compile(r"FR-(?:[0-8][0-9]|9[0-5]|2[AB])[A-Z]?")
CACHED_DAYS_MAX = 50_000


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

    def __init__(self, version: str, tz: ZoneInfo, days_off: DaysOff) -> None:
        self.version = version
        """`territory@version`: no two calendars of one `Calendars` share it. The same text means the same days."""
        self.tz = tz
        self.midnights = Midnights(tz)
        self.days_off = days_off
        self._business = WorkingDays(5, days_off)
        self._working = WorkingDays(6, days_off)

    def day_of(self, instant: int) -> int:
        """The local day that holds an instant."""
        day = EPOCH_DAY + instant // DAY
        if instant < self.midnights[day]:
            return day - 1
        return day + 1 if instant >= self.midnights[day + 1] else day

    def is_holiday(self, day: int) -> bool:
        return 1 <= day <= LAST_DAY and day in self.days_off(date.fromordinal(day).year)

    def is_working(self, day: int, *, saturdays: bool = False) -> bool:
        """Monday to Friday (jours ouvrés), or to Saturday (jours ouvrables), public holidays excepted."""
        return (self._working if saturdays else self._business).has(day)

    def next_working(self, day: int) -> int:
        """This day if it is worked, else the first one that is (CPC art. 642)."""
        return day if self._business.has(day) else self._business.shift(day, 1)

    def shift_working(self, day: int, count: int, *, saturdays: bool = False) -> int:
        """The `count`-th working day after `day` (before it when negative); `day` itself for 0."""
        return (self._working if saturdays else self._business).shift(day, count)

    def count_working(self, first: int, last: int, *, saturdays: bool = False) -> int:
        """How many working days from `first` to `last`, both included."""
        return (self._working if saturdays else self._business).count(first, last)


class DaysChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A territory decreed days off, or gave some up: from then on its calendar is another version."""

    territory: str
    version: str
    """A name of the territory's own, such as `2026-2`, used once."""
    added: tuple[date, ...] = ()
    removed: tuple[date, ...] = ()


class Calendars:
    """The calendars of each territory, the last of which is in force. `tz` is for what is not a French département.

    A calendar never changes: a change gives its territory another one, and those before it can still be asked.
    ValueError, with a sentence for the author, when a change repeats a version or changes nothing.
    """

    def __init__(self, tz: str = MAINLAND_ZONE, changes: Sequence[DaysChanged] = ()) -> None:
        self._tz = tz
        self._changes = tuple(changes)
        self._by_code: dict[str, tuple[Calendar, ...]] = {}
        self._by_territory: dict[str | None, Calendar] = {}
        for change in changes:
            code, known = _code_of(change.territory), self.versions(change.territory)
            self._by_code[code] = (*known, _changed(known, code, change))
        self.default = self.of(None)

    def of(self, territory: str | None) -> Calendar:
        """The calendar in force."""
        calendar = self._by_territory.get(territory)
        if calendar is None:
            calendar = self.versions(territory)[-1]
            if len(self._by_territory) < CACHED_DAYS_MAX:
                self._by_territory[territory] = calendar
        return calendar

    def versions(self, territory: str | None) -> tuple[Calendar, ...]:
        """Every calendar the territory has had here, oldest first."""
        code = _code_of(territory)
        changed = self._by_code.get(code)
        if changed is not None:
            return changed
        own = self._shared_code(code)
        shared = self._by_code.get(own)
        if shared is None:
            shared = self._by_code[own] = (self._shipped(own),)
        return shared

    def judged_by(self, version: str) -> Calendar:
        """The calendar of a version that an obligation names. LookupError when it is not held here."""
        code = version.partition("@")[0]
        for calendar in (*self.versions(code), *self.versions(MAINLAND), *self.versions(None)):
            if calendar.version == version:
                return calendar
        raise LookupError(f"No calendar {version!r} is held.")

    def as_of(self, territory: str | None, version: str) -> "Calendars":
        """These calendars as they were while a version was in force in a territory. LookupError when it never was."""
        names = [calendar.version for calendar in self.versions(territory)]
        if version not in names:
            raise LookupError(f"No calendar {version!r} was ever in force in {territory}.")
        later = [change for change in self._changes if _code_of(change.territory) == _code_of(territory)]
        gone = later[names.index(version) :]
        return Calendars(self._tz, [change for change in self._changes if change not in gone]) if gone else self

    def with_days_off(
        self, territory: str, version: str, *, added: Iterable[date] = (), removed: Iterable[date] = ()
    ) -> "Calendars":
        """These calendars, and a new one in force for one territory."""
        change = DaysChanged(territory=territory, version=version, added=tuple(added), removed=tuple(removed))
        return Calendars(self._tz, (*self._changes, change))

    @property
    def digest(self) -> str:
        """Of all that these calendars say: while it is the same, no judgement changes for their sake."""
        codes = sorted({MAINLAND, *OVERSEAS_ZONES, *holidays.TERRITORIES})
        shipped = [f"{code}@{_fingerprint(code, _zone_of(code, self._tz))}" for code in codes]
        changes = [msgspec.json.encode(change).decode() for change in self._changes]
        return hashlib.sha256("\n".join([self._tz, *shipped, *changes]).encode()).hexdigest()

    def _shared_code(self, code: str) -> str:
        """Which calendar a territory shares, its own name when it has one: "" for those of the zone given."""
        if code in OVERSEAS_ZONES or code in holidays.TERRITORIES:
            return code
        is_mainland = code == MAINLAND or _DEPARTEMENT.fullmatch(code)
        return MAINLAND if is_mainland and self._tz != MAINLAND_ZONE else ""

    def _shipped(self, own: str) -> Calendar:
        zone = _zone_of(own, self._tz)
        version = f"{own or MAINLAND}@{_fingerprint(own, zone)}"
        return Calendar(version, zone_named(zone), partial(holidays.days_off, own))


def _code_of(territory: str | None) -> str:
    """Country and département: what a longer name adds (`FR-34-ccas`) is a part of it."""
    return "-".join((territory or "").split("-")[:2])


def _zone_of(own: str, otherwise: str) -> str:
    return OVERSEAS_ZONES.get(own, MAINLAND_ZONE if own else otherwise)


@lru_cache(maxsize=256)
def _fingerprint(own: str, zone: str) -> str:
    """Of the zone and every day off in the table's years, and in one on either side for the years beyond."""
    years = range(holidays.YEARS.start - 1, holidays.YEARS.stop + 1)
    days = sorted(day for year in years for day in holidays.days_off(own, year))
    return hashlib.sha256(f"{zone} {days}".encode()).hexdigest()[:12]


def _changed(known: Sequence[Calendar], code: str, change: DaysChanged) -> Calendar:
    """What follows the last of the known calendars."""
    before, version = known[-1], f"{code}@{change.version}"
    if not _CODE.fullmatch(code):
        raise ValueError(f"{change.territory!r} is not a territory: FR-75, FR-974.")
    if not _LABEL.fullmatch(change.version):
        raise ValueError(f"{change.version!r} does not name a version: letters, digits, dots and dashes, at most 40.")
    if version in [each.version for each in known]:
        raise ValueError(f"{version} exists: a calendar that was in force never changes.")
    more, less = ({day.toordinal() for day in days} for days in (change.added, change.removed))
    if idle := sorted(day for day in more if before.is_holiday(day)):
        raise ValueError(f"{date.fromordinal(idle[0])} is a day off already.")
    if idle := sorted(day for day in less if not before.is_holiday(day)):
        raise ValueError(f"{date.fromordinal(idle[0])} is not a day off.")
    if not (more or less):
        raise ValueError(f"{version} would be the same calendar as the one before it.")

    def days_off(year: int) -> frozenset[int]:
        first, last = date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal()
        return (before.days_off(year) - less) | {day for day in more if first <= day <= last}

    return Calendar(version, before.tz, days_off)


def zone_named(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownTimeZone(f"{name!r} is not a time zone of the IANA database.") from error
