"""The oracle's windows: where an activation's targets count, which of them tie, and how late what came after is."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from tests.support.oracle_life import Pathway
from tests.support.oracle_time import FAR_DAY, LONG_AGO, NEVER, ONE_DAY, STEP, TICK, Moment, hours, is_exact, split, tie

ENDLESS = {"from": "-inf", "to": "inf"}


class Frame(NamedTuple):
    """[first, close), the last day in it if counted in days, the last instant as people say it."""

    first: datetime
    close: datetime
    last_day: date | None
    deadline: datetime

    @property
    def opens(self) -> datetime | None:
        return None if self.first <= LONG_AGO else self.first

    @property
    def closes(self) -> datetime | None:
        return None if self.close >= NEVER else self.close

    def cut(self, close: datetime, last_day: date | None, deadline: datetime) -> "Frame":
        return self._replace(close=close, last_day=last_day, deadline=deadline) if close < self.close else self

    def cut_after(self, moment: Moment) -> "Frame":
        """It ends with this instant, or with this day."""
        return self.cut(moment.last + TICK, None if moment.exact else moment.day, moment.last)


ENDLESS_FRAME = Frame(LONG_AGO, NEVER, None, NEVER)


class Windows:
    """The windows of one rule on one pathway."""

    def __init__(self, rule: Mapping[str, Any], within: Mapping[str, Any], pathway: Pathway, on_suspend: str) -> None:
        self.pathway = pathway
        self.start, self.end = within["from"], within["to"]
        self.bounds = within.get("bounds", rule.get("bounds", "[]"))
        self.rolls = "next_working" in (within.get("roll"), rule.get("roll"))
        self.freezes = on_suspend == "freeze"
        self.strict = rule.get("strict", False)

    def of(self, a: Moment) -> Frame:
        return Frame(self._first(a), *self._close(a))

    def _first(self, a: Moment) -> datetime:
        if self.start == "-inf":
            return LONG_AGO
        count, unit = split(self.start)
        if is_exact(self.start):
            return a.first + hours(count, unit) + (TICK if self.bounds[0] == "(" else timedelta())
        return self.pathway.clock.midnight(self.pathway.clock.shift(a.day, count, unit))

    def _close(self, a: Moment) -> tuple[datetime, date | None, datetime]:
        if self.end == "inf":
            return NEVER, None, NEVER
        count, unit = split(self.end)
        if is_exact(self.end):
            deadline = self._push(a.first, hours(count, unit))
            if deadline >= NEVER:
                return NEVER, None, NEVER
            return deadline + (TICK if self.bounds[1] == "]" else timedelta()), None, deadline
        clock = self.pathway.clock
        frozen = self.pathway.frozen_days() if self.freezes and count > 0 else set()
        last = clock.shift(a.day, count, unit, frozen)
        if last >= FAR_DAY:
            return NEVER, None, NEVER
        if self.rolls and not self.looks_back:
            last = clock.next_working(last)
        close = clock.midnight(last + ONE_DAY)
        return close, last, close - TICK

    def _push(self, start: datetime, left: timedelta) -> datetime:
        """By half hours that are not suspended."""
        if left <= timedelta() or not self.freezes:
            return start + left
        instant = start
        while left > timedelta():
            if not self.pathway.is_frozen(instant):
                left -= STEP
            instant += STEP
            if instant > start + timedelta(days=900):
                return NEVER
        return instant

    @property
    def looks_back(self) -> bool:
        """It ends at the activation or before it."""
        if self.end == "inf":
            return False
        count = split(self.end)[0]
        return count < 0 or (count == 0 and self.start.startswith("-"))

    def holds(self, frame: Frame, a: Moment, t: Moment) -> bool:
        """A target known to the day ties with any instant of it, in a window of hours too."""
        inside = t.last >= frame.first and t.first < frame.close
        if not t.exact and t.day == a.day and self._spans_now() and (is_exact(self.start) or is_exact(self.end)):
            inside = True
        return inside and not (self.strict and self.is_strictly_out(a, t))

    def _spans_now(self) -> bool:
        return (self.start == "-inf" or split(self.start)[0] <= 0) and (self.end == "inf" or split(self.end)[0] >= 0)

    def is_strictly_out(self, a: Moment, t: Moment) -> bool:
        """A tie; and, in days, what lies on the activation's day but on the other side of it."""
        if tie(a, t):
            return True
        in_hours = all(side.endswith("inf") or is_exact(side) for side in (self.start, self.end))
        if (in_hours and self.start + self.end != "-infinf") or a.day != t.day:
            return False
        responds = not self.start.startswith("-")
        return (t.first < a.first and responds) or (t.first > a.first and self.looks_back)


def raise_at(rule: Mapping[str, Any], pathway: Pathway, close: datetime, last_day: date) -> datetime:
    """The close and its grace, which prolongs the last day."""
    if "grace" not in rule:
        return close
    count, unit = split(rule["grace"])
    if is_exact(rule["grace"]):
        return close + hours(count, unit)
    return pathway.clock.midnight(pathway.clock.shift(last_day, count, unit) + ONE_DAY)


def lateness(t: Moment, frame: Frame) -> str:
    """Whole days after the last day, or the exact time after the last instant."""
    if frame.last_day is not None:
        return f"P{(t.day - frame.last_day).days}D"
    seconds = (t.first - frame.deadline).total_seconds()
    assert seconds % 60 == 0
    whole, minutes = divmod(int(seconds // 60), 60)
    return (
        "PT" + (f"{whole}H" if whole else "") + (f"{minutes}M" if minutes else "") + ("" if whole or minutes else "0S")
    )
