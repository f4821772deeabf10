"""What is written from the texts of `domain.rules.holidays`: the table the rules go by, and the page that shows it.

`python -m tests.support.holiday_table` writes both anew. Read the difference over before committing it: a date that
changes here changes deadlines, and with them alerts.
"""

import csv
import io
from calendar import month_name
from collections.abc import Iterable, Iterator
from itertools import dropwhile
from pathlib import Path

from domain.rules.calendars import MAINLAND_ZONE, OVERSEAS_ZONES, Calendars
from domain.rules.holidays import NATIONAL, TEXTS, YEARS, Yearly, holidays_by_text

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "domain" / "rules" / "holidays.csv"
PAGE = ROOT / "docs" / "reference" / "calendars.md"
NAMES = {
    "FR-57": "Moselle",
    "FR-67": "Bas-Rhin",
    "FR-68": "Haut-Rhin",
    "FR-971": "Guadeloupe",
    "FR-972": "Martinique",
    "FR-973": "Guyane",
    "FR-974": "La Réunion",
    "FR-975": "Saint-Pierre-et-Miquelon",
    "FR-976": "Mayotte",
    "FR-977": "Saint-Barthélemy",
    "FR-978": "Saint-Martin",
    "FR-986": "Wallis-et-Futuna",
    "FR-987": "Polynésie française",
    "FR-988": "Nouvelle-Calédonie",
}
AROUND_EASTER = {
    -2: "two days before Easter Sunday",
    1: "the day after Easter Sunday",
    39: "39 days after Easter Sunday",
    50: "50 days after Easter Sunday",
}


def write() -> None:
    TABLE.write_text(table(), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text("utf-8")), encoding="utf-8")


def table() -> str:
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(("date", "territory", "fr", "en"))
    lines.writerows(sorted(each for year in YEARS for each in holidays_by_text(year)))
    return out.getvalue()


def page(known: str) -> str:
    """The page with its tables written anew, and its prose as it was."""
    known = _with_rows(known, "| territory | | zone | calendar |", territories())
    return _with_rows(known, "| territory | holiday | on | source |", holidays())


def _with_rows(page: str, header: str, rows: Iterable[str]) -> str:
    before, _, after = page.partition(f"{header}\n")
    separator, *rest = after.splitlines(keepends=True)
    kept = dropwhile(lambda line: line.startswith("|"), rest)
    return "".join((before, header, "\n", separator, *rows, *kept))


def territories() -> Iterator[str]:
    calendars = Calendars()
    yield f"| every other `FR-…` | mainland and Corsica | {MAINLAND_ZONE} | `{calendars.default.version}` |\n"
    for territory, name in sorted(NAMES.items()):
        zone = OVERSEAS_ZONES.get(territory, MAINLAND_ZONE)
        yield f"| `{territory}` | {name} | {zone} | `{calendars.of(territory).version}` |\n"


def holidays() -> Iterator[str]:
    for text in TEXTS:
        where = "all" if text.territories == (NATIONAL,) else " ".join(f"`{each}`" for each in text.territories)
        for day in text.days:
            yield f"| {where} | {day.fr} · {day.en} | {_when(day)} | {text.reference} |\n"


def _when(day: Yearly) -> str:
    on = AROUND_EASTER[day.on] if isinstance(day.on, int) else f"{day.on[1]} {month_name[day.on[0]]}"
    since = f", from {day.first}" if day.first > YEARS[0] else ""
    return on + since + (f", until {day.last}" if day.last < YEARS[-1] else "")


if __name__ == "__main__":
    write()
