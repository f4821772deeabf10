"""An evaluator of another design, to check the real one against: slow, literal, written from the specification alone.

It reads rule documents as plain mappings, tries every fact against every activation, and counts days one at a time.
It knows the kinds require and silence in one time zone, and shares no code with `domain.rules`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from domain.facts import Fact

HOLIDAYS = {
    date(2025, 12, 25),
    date(2026, 1, 1),
    date(2026, 4, 6),
    date(2026, 5, 1),
    date(2026, 5, 8),
    date(2026, 5, 14),
    date(2026, 5, 25),
    date(2026, 7, 14),
    date(2026, 8, 15),
    date(2026, 11, 1),
    date(2026, 11, 11),
    date(2026, 12, 25),
}
TICK = timedelta(microseconds=1)
ONE_DAY = timedelta(days=1)
FAR_PAST = datetime(1900, 1, 1, tzinfo=UTC)
FAR_FUTURE = datetime(2200, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=30)
"""Instants of the histories fall on half hours, so that suspended hours can be counted by steps."""


class Verdict(NamedTuple):
    """What both evaluators must agree on."""

    status: str
    open: datetime | None
    close: datetime | None
    at: datetime | None
    target: str | None
    late_by: str | None
    raised: bool


class Moment(NamedTuple):
    """When a fact happened: an instant, or any instant of a day."""

    first: datetime
    last: datetime
    day: date
    exact: bool


Closing = tuple[datetime, date | None, datetime]
"""First instant out of the window, last day in it, last instant as people say it."""


class BruteForce:
    def __init__(self, facts: Sequence[Fact], now: datetime, tz: str) -> None:
        self.tz = ZoneInfo(tz)
        self.now = now
        self.facts = sorted(facts, key=lambda fact: (self.moment(fact).first, fact.position, fact.fact_id))

    # Time, the long way.

    def midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self.tz).astimezone(UTC)

    def point(self, value: date | datetime) -> Moment:
        if isinstance(value, datetime):
            instant = value.astimezone(UTC)
            return Moment(instant, instant, value.astimezone(self.tz).date(), exact=True)
        return Moment(self.midnight(value), self.midnight(value + ONE_DAY) - TICK, value, exact=False)

    def moment(self, fact: Fact, at: str = "start") -> Moment:
        return self.point(fact.recorded_at if at == "recorded" else fact.start)

    def over(self, moment: Moment) -> datetime:
        """When something has taken effect: at its instant, or once its day is over."""
        return moment.first if moment.exact else moment.last + TICK

    def tie(self, a: Moment, b: Moment) -> bool:
        return a.first == b.first if a.exact and b.exact else a.day == b.day

    def counts_as(self, unit: str, day: date) -> bool:
        if unit == "bd":
            return day.weekday() < 5 and day not in HOLIDAYS
        if unit == "wd":
            return day.weekday() < 6 and day not in HOLIDAYS
        return True

    def walk(self, day: date, count: int, unit: str, frozen: set[date]) -> date:
        """Step one day at a time until `count` days that count, and are not suspended, have gone by."""
        step = ONE_DAY if count > 0 else -ONE_DAY
        left = abs(count)
        while left:
            day += step
            if self.counts_as(unit, day) and (count < 0 or day not in frozen):
                left -= 1
            if day > date(2190, 1, 1):
                break
        return day

    def shift(self, day: date, count: int, unit: str, frozen: set[date]) -> date:
        if unit == "w":
            return self.walk(day, 7 * count, "d", frozen)
        if unit in ("m", "y"):
            months = count * (12 if unit == "y" else 1)
            year, month = day.year, day.month + months
            while month > 12:
                year, month = year + 1, month - 12
            while month < 1:
                year, month = year - 1, month + 12
            number = day.day
            while True:
                try:
                    landed = date(year, month, number)
                    break
                except ValueError:
                    number -= 1
            return self.walk(day, (landed - day).days, "d", frozen)
        return self.walk(day, count, unit, frozen)

    # Suspensions and closures.

    def done(self, kind: str) -> list[Fact]:
        return [fact for fact in self.facts if fact.type == kind and fact.state == "done"]

    def frozen_days(self) -> set[date]:
        days = set()
        for fact in self.done("suspension"):
            day = self.moment(fact).day
            end = self.point(fact.end).day if fact.end is not None else date(2195, 1, 1)
            while day <= end:
                days.add(day)
                day += ONE_DAY
        return days

    def is_frozen(self, instant: datetime) -> bool:
        for fact in self.done("suspension"):
            start = self.moment(fact).first
            if fact.end is None:
                if instant >= start:
                    return True
                continue
            end = self.point(fact.end)
            if start <= instant and (instant < end.first if end.exact else instant <= end.last):
                return True
        return False

    # Fields and conditions.

    def field(self, fact: Fact, name: str) -> Any:
        if name == "id":
            return fact.fact_id
        if name in ("type", "agency", "actor", "territory", "precision", "state"):
            return getattr(fact, name)
        return fact.attrs.get(name)

    def holds(self, fact: Fact, where: Mapping[str, Any]) -> bool:
        for name, wanted in where.items():
            value = self.field(fact, name)
            if isinstance(wanted, dict):
                if "has" in wanted and wanted["has"] not in (value or []):
                    return False
                if "ne" in wanted and value == wanted["ne"]:
                    return False
            elif isinstance(wanted, list):
                if value not in wanted:
                    return False
            elif value != wanted:
                return False
        return True

    def chosen(self, fact: Fact, selector: Mapping[str, Any], accept: Sequence[str] | None) -> bool:
        types = selector["on"] if isinstance(selector["on"], list) else [selector["on"]]
        where = selector.get("where", {})
        state_is_free = accept is None or "state" in where
        return fact.type in types and self.holds(fact, where) and (state_is_free or fact.state in (accept or ()))

    def correlated(self, target: Fact, activation: Fact, selector: Mapping[str, Any]) -> bool:
        if target.fact_id == activation.fact_id:
            return False
        for own, other in selector.get("match", {}).items():
            left, right = self.field(target, own), self.field(activation, other)
            if left is None or right is None or left != right:
                return False
        for own, other in selector.get("differ", {}).items():
            left, right = self.field(target, own), self.field(activation, other)
            if left is None or right is None or left == right:
                return False
        return True

    # Windows.

    def side(self, text: str) -> tuple[int, str]:
        unit = text.lstrip("-0123456789")
        return int(text.removesuffix(unit)), unit

    def window(
        self, rule: Mapping[str, Any], start: str, end: str, a: Moment
    ) -> tuple[datetime, datetime, date | None, datetime]:
        """First instant, first instant after, last day if counted in days, last instant as people say it."""
        freeze = rule.get("on_suspend", "freeze") == "freeze"
        if start == "-inf":
            first = FAR_PAST
        else:
            count, unit = self.side(start)
            if unit in ("h", "min"):
                first = a.first + count * (timedelta(hours=1) if unit == "h" else timedelta(minutes=1))
            else:
                first = self.midnight(self.shift(a.day, count, unit, set()))
        if end == "inf":
            return first, FAR_FUTURE, None, FAR_FUTURE
        count, unit = self.side(end)
        if unit in ("h", "min"):
            deadline = a.first
            left = count * (timedelta(hours=1) if unit == "h" else timedelta(minutes=1))
            if left <= timedelta(0) or not freeze:
                deadline += left
                left = timedelta(0)
            while left > timedelta(0):
                if not self.is_frozen(deadline):
                    left -= STEP
                deadline += STEP
                if deadline > FAR_FUTURE - timedelta(days=300) or deadline > a.first + timedelta(days=900):
                    return first, FAR_FUTURE, None, FAR_FUTURE
            return first, deadline + TICK, None, deadline
        frozen = self.frozen_days() if freeze and count > 0 else set()
        last = self.shift(a.day, count, unit, frozen)
        if last > date(2150, 1, 1):
            return first, FAR_FUTURE, None, FAR_FUTURE
        if rule.get("roll") == "next_working" and (count > 0 or (count == 0 and not start.startswith("-"))):
            while not self.counts_as("bd", last):
                last += ONE_DAY
        return first, self.midnight(last + ONE_DAY), last, self.midnight(last + ONE_DAY) - TICK

    # Verdicts.

    def judge(self, rule: Mapping[str, Any]) -> dict[str, Verdict]:
        """By activation fact."""
        return dict(self.silence(rule) if rule["kind"] == "silence" else self.require(rule))

    def require(self, rule: Mapping[str, Any]) -> Iterator[tuple[str, Verdict]]:
        accept = rule.get("accept", ["done"])
        start, end = rule["within"]["from"], rule["within"]["to"]
        hours = start[-1] == "h" and end[-1] == "h"
        for activation in self.facts:
            if not self.chosen(activation, rule["when"], None):
                continue
            a = self.moment(activation)
            first, close, last_day, deadline = self.window(rule, start, end, a)
            shut, (close, last_day, deadline), booked_before = self.until(rule, activation, (close, last_day, deadline))
            shut.extend(self.ends(rule, activation))
            closing = self.forcing(rule, activation)
            close, last_day, deadline, forced = self.forced(closing, close, last_day, deadline)
            booked_before = min(booked_before, forced)
            targets, late = [], []
            for target in self.facts:
                t = self.moment(target, rule["expect"].get("at", "start"))
                if not self.chosen(target, rule["expect"], accept):
                    continue
                if not self.correlated(target, activation, rule["expect"]):
                    continue
                inside = t.last >= first and t.first < close
                spans_now = start[0] in "-0" and end[0] != "-"
                if hours and spans_now and not t.exact and t.day == a.day:
                    inside = True
                if rule.get("strict") and self.strictly_out(a, t, start, end, hours=hours):
                    inside = False
                booked = target.state == "planned" and t.first < booked_before
                if inside and (booked or t.first <= self.now):
                    targets.append((t.first, target.position, target))
                elif not inside and t.first >= close and t.first <= self.now:
                    late.append((t.first, target.position, target))
            yield (
                activation.fact_id,
                self.verdict(rule, first, close, last_day, deadline, sorted(targets), sorted(late), shut),
            )

    def until(
        self, rule: Mapping[str, Any], activation: Fact, closing: Closing
    ) -> tuple[list[Moment], Closing, datetime]:
        """What releases, the close as it is cut by now, and the instant from which no booking counts."""
        until, a = rule.get("until"), self.moment(activation)
        shut: list[Moment] = []
        for other in sorted(self.facts, key=self.instant_first):
            o = self.moment(other)
            if until is None or o.last < a.first:
                continue
            if not self.chosen(other, until, ["done"]) or not self.correlated(other, activation, until):
                continue
            if rule.get("strict") and self.tie(o, a):
                continue
            if until["effect"] == "release":
                shut.append(o)
                continue
            cut = o.first if rule.get("strict") else o.last + TICK
            if o.first > self.now:
                return shut, closing, cut
            if cut < closing[0]:
                said = o.day - ONE_DAY if rule.get("strict") else o.day
                return shut, (cut, None if o.exact else said, o.first if o.exact else cut - TICK), FAR_FUTURE
            break
        return shut, closing, FAR_FUTURE

    def strictly_out(self, a: Moment, t: Moment, start: str, end: str, *, hours: bool) -> bool:
        """The same instant; the same day when either is a day; and that day's other side of the activation."""
        if self.tie(a, t):
            return True
        if hours or a.day != t.day:
            return False
        looks_back = start.startswith("-") and (end.startswith("-") or int(end.rstrip("bdwmyinf") or 1) == 0)
        responds = not start.startswith("-")
        return (t.first < a.first and responds) or (t.first > a.first and looks_back)

    def forcing(self, rule: Mapping[str, Any], activation: Fact) -> Moment | None:
        if rule.get("on_close") != "force":
            return None
        return min(map(self.moment, self.closings(activation)), key=lambda closing: closing.last, default=None)

    def forced(
        self, closing: Moment | None, close: datetime, last_day: date | None, deadline: datetime
    ) -> tuple[datetime, date | None, datetime, datetime]:
        """A closure takes the deadline with it. Last comes the instant from which no booking counts."""
        if closing is None:
            return close, last_day, deadline, FAR_FUTURE
        if closing.first > self.now:
            return close, last_day, deadline, closing.last + TICK
        if closing.last + TICK < close:
            return closing.last + TICK, None if closing.exact else closing.day, closing.last, FAR_FUTURE
        return close, last_day, deadline, FAR_FUTURE

    def ends(self, rule: Mapping[str, Any], activation: Fact) -> Iterator[Moment]:
        """What cancels the obligation, come or not."""
        a = self.moment(activation)
        if rule.get("on_suspend") == "cancel":
            for fact in self.done("suspension"):
                if self.moment(fact).last >= a.first:
                    yield self.moment(fact)
        if rule.get("on_close", "cancel") == "cancel":
            yield from map(self.moment, self.closings(activation))

    def closings(self, activation: Fact) -> list[Fact]:
        """Closures at the activation or later, save those that came before the last time it was active."""
        a = self.moment(activation)
        behind: list[Fact] = []
        for start, _, before in self.lives():
            if start is activation or (start is not None and start.fact_id == activation.fact_id):
                behind = before
                break
        else:
            for start, end, before in self.lives():
                begins = FAR_PAST if start is None else self.moment(start).first
                if a.last >= begins and (end is None or a.first <= self.moment(end).last):
                    behind = before
        return [c for c in self.done("closed") if self.moment(c).last >= a.first and c not in behind]

    def instant_first(self, fact: Fact) -> tuple[datetime, datetime, int, str]:
        """At one point, an instant stands before the day it begins."""
        return *self.moment(fact)[:2], fact.position, fact.fact_id

    def opening(self) -> list[Fact]:
        return sorted(self.done("opened"), key=self.instant_first)[:1]

    def lives(self) -> list[tuple[Fact | None, Fact | None, list[Fact]]]:
        """Each stretch of activity: what starts it, what closes it, and the closures that came before it."""
        start = next(iter(self.opening()), None)
        is_open, seen, unused = True, list[Fact](), list[Fact]()
        lives: list[tuple[Fact | None, Fact | None, list[Fact]]] = []
        behind: list[Fact] = []
        for fact in sorted(self.facts, key=self.instant_first):
            if fact.state != "done":
                continue
            if fact.type == "reopened":
                if is_open:
                    unused.append(fact)
                else:
                    start, behind, is_open = fact, list(seen), True
            if fact.type == "closed":
                seen.append(fact)
                begins = FAR_PAST if start is None else self.moment(start).first
                if is_open and self.moment(fact).last >= begins:
                    lives.append((start, fact, behind))
                    is_open = False
                    again = [one for one in unused if self.tie(self.moment(one), self.moment(fact))]
                    unused = []
                    if again:
                        start, behind, is_open = again[0], list(seen), True
        if is_open:
            lives.append((start, None, behind))
        return lives

    def verdict(
        self,
        rule: Mapping[str, Any],
        first: datetime,
        close: datetime,
        last_day: date | None,
        deadline: datetime,
        targets: list[tuple[datetime, int, Fact]],
        late: list[tuple[datetime, int, Fact]],
        shut: list[Moment],
    ) -> Verdict:
        needed = rule.get("min", 1)
        ended = min((end for end in shut if self.over(end) <= self.now), key=self.over, default=None)
        if ended is not None:
            targets = [item for item in targets if item[2].state == "planned" or item[0] <= ended.last]
        opens = None if first == FAR_PAST else first
        closes = None if close == FAR_FUTURE else close
        if len(targets) >= needed:
            at, _, fact = targets[needed - 1]
            return Verdict("satisfied", opens, closes, at, fact.fact_id, None, raised=False)
        if ended is not None and ended.last < close:
            return Verdict("cancelled", opens, closes, ended.first, None, None, raised=False)
        if self.now < close:
            return Verdict("pending", opens, closes, None, None, None, raised=False)
        if len(targets) + len(late) >= needed:
            _, _, fact = (targets + late)[needed - 1]
            return Verdict(
                "violated_late", opens, closes, close, fact.fact_id, self.late(fact, last_day, deadline), False
            )
        raised = self.now >= self.raise_at(rule, close, last_day, deadline)
        return Verdict("violated_open", opens, closes, close, None, None, raised)

    def late(self, target: Fact, last_day: date | None, deadline: datetime) -> str:
        moment = self.moment(target)
        if last_day is not None:
            return f"P{(moment.day - last_day).days}D"
        minutes = int((moment.first - deadline).total_seconds() // 60)
        hours, minutes = divmod(minutes, 60)
        return (
            "PT"
            + (f"{hours}H" if hours else "")
            + (f"{minutes}M" if minutes else "")
            + ("" if hours or minutes else "0S")
        )

    def raise_at(self, rule: Mapping[str, Any], close: datetime, last_day: date | None, deadline: datetime) -> datetime:
        if "grace" not in rule:
            return close
        count, unit = self.side(rule["grace"])
        if unit == "h":
            return close + timedelta(hours=count)
        last = last_day if last_day is not None else deadline.astimezone(self.tz).date()
        return self.midnight(self.shift(last, count, unit, set()) + ONE_DAY)

    def silence(self, rule: Mapping[str, Any]) -> Iterator[tuple[str, Verdict]]:
        accept = rule.get("accept", ["done"])
        contacts = [
            fact
            for fact in self.facts
            if self.chosen(fact, rule["of"], accept)
            and (fact.state == "planned" or self.moment(fact).first <= self.now)
        ]
        starts = [fact for fact in [*self.opening(), *self.done("reopened")] if self.moment(fact).first <= self.now]
        for activation in starts:
            after = [c for c in contacts if self.moment(c).last >= self.moment(activation).first]
            yield activation.fact_id, self.quiet(rule, activation, after)
        for number, activation in enumerate(contacts):
            if self.is_active(activation):
                yield activation.fact_id, self.quiet(rule, activation, contacts[number + 1 :])

    def quiet(self, rule: Mapping[str, Any], activation: Fact, following: list[Fact]) -> Verdict:
        a = self.moment(activation)
        unit = self.side(rule["gap"])[1]
        first, close, last_day, deadline = self.window(rule, "0h" if unit == "h" else "0d", rule["gap"], a)
        close, last_day, deadline, booked = self.forced(self.forcing(rule, activation), close, last_day, deadline)
        shut = list(self.ends(rule, activation))
        targets, late = [], []
        if rule.get("strict"):
            following = [
                contact
                for contact in following
                if not self.strictly_out(a, self.moment(contact), "0d", "1d", hours=unit == "h")
            ]
        for contact in following[:1]:
            moment = self.moment(contact)
            if moment.first < close:
                if contact.state != "planned" or moment.first < booked:
                    targets.append((moment.first, contact.position, contact))
            elif moment.first <= self.now:
                late.append((moment.first, contact.position, contact))
        return self.verdict({**rule, "min": 1}, first, close, last_day, deadline, targets, late, shut)

    def is_active(self, contact: Fact) -> bool:
        """In one of the stretches of activity, the days of opening and closing included."""
        moment = self.moment(contact)
        for start, end, _ in self.lives():
            begins = FAR_PAST if start is None else self.moment(start).first
            if moment.last >= begins and (end is None or moment.first <= self.moment(end).last):
                return True
        return False
