"""Public holidays of France: the table of 2015 to 2035, and the texts it was written from, for the years around it.

`holidays.csv` beside this file decides for the years it holds. It is written by `python -m tests.support.holiday_table`
from the texts below, then read over: what changes a judgement is a line that somebody can see.
"""

import csv
from collections.abc import Iterator, Mapping
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import msgspec

NATIONAL = "FR"
"""Holidays of the whole country; every territory has them besides its own."""
YEARS = range(2015, 2036)
"""What the table holds. Before and after, the texts in force in its first and last year are taken to apply."""

MonthDay = tuple[int, int]


class Holiday(NamedTuple):
    """One line of the table."""

    date: date
    territory: str
    fr: str
    en: str


class Yearly(msgspec.Struct, frozen=True):
    """A day that comes back each year: on a date, or so many days after Easter Sunday."""

    on: MonthDay | int
    fr: str
    en: str
    first: int = YEARS[0]
    last: int = YEARS[-1]
    """Years in which the text says so, within the table's."""

    def in_year(self, year: int) -> date:
        if isinstance(self.on, int):
            return date.fromordinal(easter_sunday(year).toordinal() + self.on)
        return date(year, *self.on)


class Text(msgspec.Struct, frozen=True):
    """A legal text, where it applies, and the holidays it makes there."""

    reference: str
    territories: tuple[str, ...]
    days: tuple[Yearly, ...]


def _abolition(month: int, day: int, first: int = YEARS[0], last: int = YEARS[-1]) -> Yearly:
    return Yearly((month, day), "Abolition de l'esclavage", "Abolition of Slavery", first, last)


GOOD_FRIDAY = Yearly(-2, "Vendredi saint", "Good Friday")
OVERSEAS_TEXT = "Code du travail, L3422-2 (loi n° 83-550 et décret n° 83-1003 avant 2016)"

TEXTS: tuple[Text, ...] = (
    Text(
        "Code du travail, L3133-1",
        (NATIONAL,),
        (
            Yearly((1, 1), "Jour de l'an", "New Year's Day"),
            Yearly(1, "Lundi de Pâques", "Easter Monday"),
            Yearly((5, 1), "Fête du Travail", "Labour Day"),
            Yearly((5, 8), "Victoire de 1945", "Victory in Europe Day"),
            Yearly(39, "Ascension", "Ascension Day"),
            Yearly(50, "Lundi de Pentecôte", "Whit Monday"),
            Yearly((7, 14), "Fête nationale", "National Day"),
            Yearly((8, 15), "Assomption", "Assumption Day"),
            Yearly((11, 1), "Toussaint", "All Saints' Day"),
            Yearly((11, 11), "Armistice de 1918", "Armistice Day"),
            Yearly((12, 25), "Noël", "Christmas Day"),
        ),
    ),
    Text(
        # Good Friday is one only in communes with a Protestant or a shared church; a territory is a whole département,
        # and there everybody's offices are closed.
        "Code du travail, L3134-13 (ordonnance du 16 août 1892)",
        ("FR-57", "FR-67", "FR-68"),
        (GOOD_FRIDAY, Yearly((12, 26), "Saint-Étienne", "Saint Stephen's Day")),
    ),
    Text(OVERSEAS_TEXT, ("FR-971",), (_abolition(5, 27),)),
    Text(OVERSEAS_TEXT, ("FR-972",), (_abolition(5, 22),)),
    Text(OVERSEAS_TEXT, ("FR-973",), (_abolition(6, 10),)),
    Text(OVERSEAS_TEXT, ("FR-974",), (_abolition(12, 20),)),
    Text(
        "Code du travail, L3422-2 (Code du travail applicable à Mayotte, L222-1, avant 2018)",
        ("FR-976",),
        (_abolition(4, 27),),
    ),
    Text("Code du travail, L3422-2 (décret n° 2012-553 avant 2016)", ("FR-977",), (_abolition(10, 9),)),
    Text(
        # The law of 2016 misspelt the date and was not corrected; since 2018 circulars name the 28th, and it is kept.
        "Code du travail, L3422-2 (décret n° 2012-553), puis les circulaires interministérielles de 2018 et 2019",
        ("FR-978",),
        (_abolition(5, 27, last=2017), _abolition(5, 28, first=2018)),
    ),
    Text(
        "Code du travail de Wallis-et-Futuna (loi n° 52-1322) et arrêté annuel de l'administrateur supérieur",
        ("FR-986",),
        (
            Yearly((4, 28), "Saint Pierre Chanel", "Saint Peter Chanel's Day"),
            Yearly((6, 29), "Saints Pierre et Paul", "Saints Peter and Paul's Day"),
            Yearly((7, 29), "Fête du Territoire", "Territory Day"),
        ),
    ),
    Text(
        "Code du travail de la Polynésie française (loi du pays n° 2025-12 à partir de 2026)",
        ("FR-987",),
        (
            Yearly((3, 5), "Arrivée de l'Évangile", "Arrival of the Gospel"),
            GOOD_FRIDAY,
            Yearly((6, 29), "Fête de l'autonomie", "Autonomy Day", last=2025),
            Yearly((11, 20), "Matari'i", "Matari'i", first=2026),
        ),
    ),
    Text(
        "Nouvelle-Calédonie, accord interprofessionnel territorial, article 74",
        ("FR-988",),
        (Yearly((9, 24), "Fête de la citoyenneté", "Citizenship Day"),),
    ),
)
"""Custom is left out: Mi-Carême and Good Friday in the Antilles, 21 July, the Muslim feasts of Mayotte."""

TERRITORIES = tuple(sorted({code for text in TEXTS for code in text.territories} - {NATIONAL}))
"""Those with holidays of their own."""


@lru_cache(maxsize=8_192)
def days_off(territory: str, year: int) -> frozenset[int]:
    """Day numbers (proleptic ordinals) of a territory's public holidays in one year."""
    of_year = _table().get(year)
    if of_year is None:
        of_year = tuple(holidays_by_text(year))
    return frozenset(each.date.toordinal() for each in of_year if each.territory in (NATIONAL, territory))


def holidays_by_text(year: int) -> Iterator[Holiday]:
    """Every territory's holidays as the texts have them, in the order of the texts."""
    known = min(max(year, YEARS[0]), YEARS[-1])
    for text in TEXTS:
        for territory in text.territories:
            for day in text.days:
                if day.first <= known <= day.last:
                    yield Holiday(day.in_year(year), territory, day.fr, day.en)


@lru_cache(maxsize=1)
def _table() -> Mapping[int, tuple[Holiday, ...]]:
    """By year. Read when a calendar is first asked for, not on import."""
    by_year: dict[int, list[Holiday]] = {year: [] for year in YEARS}
    for row in csv.DictReader((files("domain.rules") / "holidays.csv").read_text("utf-8").splitlines()):
        day = date.fromisoformat(row["date"])
        by_year[day.year].append(Holiday(day, row["territory"], row["fr"], row["en"]))
    return {year: tuple(rows) for year, rows in by_year.items()}


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
