"""Durations and windows, as a rules document writes them."""

from typing import Any

from domain.rules.complaints import Complaint, shown
from domain.rules.empty_windows import is_always_empty
from domain.rules.reading import Fields
from domain.rules.refusal import RuleRefused
from domain.rules.windows import COUNT_MAX, EVER, Bounds, Duration, Unit, Window, parse_duration


def read_window(fields: Fields) -> Window:
    """`within`, with `bounds` and `roll` inside it or beside it."""
    within = Fields(fields.take("within"), fields.at("within"))
    window = read_sides(within, beside=fields)
    within.finish()
    return window


def read_window_or_ever(fields: Fields) -> Window:
    """Without `within` there is no limit of time, and nothing for `bounds` and `roll` to say."""
    if "within" in fields:
        return read_window(fields)
    for key in ("bounds", "roll"):
        fields.refuse(key, Complaint.NO_WINDOW_TO_CHANGE, key=key)
    return EVER


def read_sides(within: Fields, beside: Fields) -> Window:
    start = read_duration(within.take("from"), within.at("from"))
    end = read_duration(within.take("to"), within.at("to"))
    bounds = (within if "bounds" in within else beside).choice("bounds", Bounds, "[]")
    window = Window(start=start, end=end, bounds=bounds, roll=read_roll(within if "roll" in within else beside, end))
    if bounds is not Bounds.BOTH and not window.is_exact:
        raise RuleRefused(within.path, Complaint.BOUNDS_WITHOUT_HOURS)
    if is_always_empty(window):
        raise RuleRefused(within.path, Complaint.WINDOW_EMPTY, start=str(start), end=str(end))
    return window


def read_gap(fields: Fields) -> Window:
    """The `gap` of a silence: a window that starts at the contact."""
    gap = read_duration(fields.take("gap"), fields.at("gap"))
    if gap.count <= 0 or gap.unit is None:
        raise RuleRefused(fields.at("gap"), Complaint.GAP_NOT_POSITIVE)
    return Window(start=_now(gap), end=gap, roll=read_roll(fields, gap))


def read_in_last(fields: Fields) -> Window:
    """The `in_last` of a limit: a window that looks back from the fact that is counted last."""
    span = read_duration(fields.take("in_last"), fields.at("in_last"))
    if span.count <= 0:
        raise RuleRefused(fields.at("in_last"), Complaint.IN_LAST_NOT_POSITIVE)
    return Window(start=Duration(-span.count, span.unit), end=_now(span))


def read_roll(owner: Fields, end: Duration) -> bool:
    raw = owner.take("roll", "none")
    if raw not in ("none", "next_working"):
        raise RuleRefused(owner.at("roll"), Complaint.NOT_ONE_OF, given=shown(raw), known="none, next_working")
    if raw == "next_working" and end.is_exact:
        raise RuleRefused(owner.at("roll"), Complaint.ROLL_WITHOUT_DAY)
    return bool(raw == "next_working")


def read_span(fields: Fields, name: str) -> Duration | None:
    """A finite duration, zero or more; None when it is not given."""
    if name not in fields:
        return None
    duration = read_duration(fields.take(name), fields.at(name))
    if duration.count < 0 or duration.unit is None:
        raise RuleRefused(fields.at(name), Complaint.SPAN_EXPECTED)
    return duration


def read_duration(raw: Any, path: str) -> Duration:
    try:
        return parse_duration(raw)
    except ValueError:
        raise RuleRefused(path, Complaint.NOT_A_DURATION, given=shown(raw), most=COUNT_MAX) from None


def _now(span: Duration) -> Duration:
    return Duration(0, span.unit if span.is_exact else Unit.DAYS)
