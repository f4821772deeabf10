"""The figures of rules as a table for people, and the days that they are of: over HTTP and at the command line."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from domain.alert import ClearedBecause
from domain.alert_pause import WaiverCode
from domain.alert_response import Wrong
from projections.rule_figures import Figures

USUAL_DAYS = 90
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2200, 12, 31)

BY_REASON = frozenset({"waived_for", "disputed_for", "cleared_because"})
PLAIN = tuple(field for field in Figures.__struct_fields__ if field not in BY_REASON)
COLUMNS = (
    *PLAIN,
    *(f"waived_{each}" for each in WaiverCode),
    *(f"disputed_{each}" for each in Wrong),
    *(f"cleared_{each}" for each in ClearedBecause),
)


def period(first: date | None, last: date | None, today: date) -> tuple[date, date] | None:
    """First and last day to count; None when there are no such days."""
    last = last or today
    first = first or date.fromordinal(max(1, last.toordinal() - USUAL_DAYS + 1))
    return (first, last) if FIRST_DAY <= first <= last <= LAST_DAY else None


def instants(days: tuple[date, date], zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From midnight to the midnight after."""
    first, last = days
    return datetime.combine(first, time.min, zone), datetime.combine(last + timedelta(days=1), time.min, zone)


def flat(line: Figures) -> dict[str, object]:
    """A cell for each reason."""
    cells: dict[str, object] = {name: getattr(line, name) for name in PLAIN}
    cells |= {f"waived_{each}": line.waived_for.get(each, 0) for each in WaiverCode}
    cells |= {f"disputed_{each}": line.disputed_for.get(each, 0) for each in Wrong}
    return cells | {f"cleared_{each}": line.cleared_because.get(each, 0) for each in ClearedBecause}
