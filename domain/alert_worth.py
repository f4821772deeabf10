"""What an obligation's state means for its alert: why it is over, and whether it came too late to be told."""

from collections.abc import Mapping

from domain.alert import ClearedBecause
from domain.rules import Obligation, Status
from domain.rules.calendars import Calendar
from domain.rules.obligation import Reason
from domain.rules.rule import Rule
from domain.rules.windows import shift_day

CANCELLED_BECAUSE: Mapping[Reason | None, ClearedBecause] = {
    None: ClearedBecause.RELEASED,
    Reason.RELEASED: ClearedBecause.RELEASED,
    Reason.SUSPENDED: ClearedBecause.SUSPENDED,
    Reason.CLOSED: ClearedBecause.CLOSED,
}


def cleared_because(now: Obligation | None) -> ClearedBecause:
    """Why an obligation is out of step no more, from how it stands; None: it is no longer expected."""
    if now is None:
        return ClearedBecause.RELEASED
    match now.status:
        case Status.VIOLATED_LATE:
            return ClearedBecause.DONE_LATE
        case Status.SATISFIED:
            return ClearedBecause.LATE_EVIDENCE
        case Status.CANCELLED:
            return CANCELLED_BECAUSE[now.reason]
    return ClearedBecause.SUSPENDED


def is_stale(rule: Rule, at: int, found: int, calendar: Calendar) -> bool:
    """Fell out of step (`at`) so long before it was found that telling anybody would only be noise.

    Instants are microseconds of UTC; an age in days is counted in whole local days.
    """
    age = rule.stale_after
    if age is None:
        return False
    if age.is_exact:
        return found > at + age.exact
    return calendar.day_of(found) > shift_day(calendar.day_of(at), age, calendar)
