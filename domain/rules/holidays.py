"""French public holidays, by rule: eleven national days, two more in Alsace-Moselle, the day of abolition overseas.

Sources: Code du travail L.3133-1 (national), L.3134-13 (Alsace-Moselle), L.3422-2 and decree 83-1003 (abolition).
Mi-Carême, which some tables list for the Antilles, is custom and no legal holiday: it is left out.
"""

from collections.abc import Mapping
from datetime import date
from functools import lru_cache

import msgspec

VERSION = "fr-1"
"""Raise it with any change below: obligations keep the version under which they were judged."""

MonthDay = tuple[int, int]

NATIONAL_DAYS: tuple[MonthDay, ...] = ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25))
NATIONAL_FROM_EASTER = (1, 39, 50)
"""Easter Monday, Ascension, Whit Monday, in days after Easter Sunday."""


class ExtraDays(msgspec.Struct, frozen=True):
    """What one part of the country adds to the national days."""

    fixed: tuple[MonthDay, ...] = ()
    from_easter: tuple[int, ...] = ()


NONE = ExtraDays()
ALSACE_MOSELLE = ExtraDays(fixed=((12, 26),), from_easter=(-2,))

EXTRA_DAYS: Mapping[str, ExtraDays] = {
    "FR-57": ALSACE_MOSELLE,
    "FR-67": ALSACE_MOSELLE,
    "FR-68": ALSACE_MOSELLE,
    "FR-971": ExtraDays(fixed=((5, 27),)),
    "FR-972": ExtraDays(fixed=((5, 22),)),
    "FR-973": ExtraDays(fixed=((6, 10),)),
    "FR-974": ExtraDays(fixed=((12, 20),)),
    "FR-976": ExtraDays(fixed=((4, 27),)),
}


@lru_cache(maxsize=2_048)
def holidays_of(year: int, extra: ExtraDays = NONE) -> frozenset[int]:
    """Day numbers (proleptic ordinals) of a year's public holidays."""
    easter = easter_sunday(year).toordinal()
    fixed = (date(year, month, day).toordinal() for month, day in NATIONAL_DAYS + extra.fixed)
    return frozenset((*fixed, *(easter + offset for offset in NATIONAL_FROM_EASTER + extra.from_easter)))


def easter_sunday(year: int) -> date:
    """The Gregorian computus (Meeus, Jones and Butcher)."""
    century, of_century = divmod(year, 100)
    golden = year % 19
    leap_centuries, century_rest = divmod(century, 4)
    moon_shift = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap_centuries - moon_shift + 15) % 30
    leaps, of_leap = divmod(of_century, 4)
    to_sunday = (32 + 2 * century_rest + 2 * leaps - epact - of_leap) % 7
    late = (golden + 11 * epact + 22 * to_sunday) // 451
    month, day = divmod(epact + to_sunday - 7 * late + 114, 31)
    return date(year, month, day + 1)
