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


class BruteForce:
    def __init__(self, facts: Sequence[Fact], now: datetime, tz: str) -> None:
        self.tz = ZoneInfo(tz)
        self.now = now
        self.facts = sorted(facts, key=lambda fact: (*self.moment(fact)[:2], fact.position, fact.fact_id))

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
            until = rule.get("until")
            shut: list[tuple[datetime, datetime]] = []
            for other in self.facts:
                o = self.moment(other)
                if until is None or o.first > self.now or o.last < a.first:
                    continue
                if not self.chosen(other, until, ["done"]) or not self.correlated(other, activation, until):
                    continue
                if rule.get("strict") and self.tie(o, a):
                    continue
                if until["effect"] == "release":
                    shut.append((o.first, o.last))
                    continue
                cut = o.first if rule.get("strict") else o.last + TICK
                if cut < close:
                    close = cut
                    said = o.day - ONE_DAY if rule.get("strict") else o.day
                    last_day = None if o.exact else said
                    deadline = o.first if o.exact else close - TICK
                break
            shut.extend(self.ends(rule, a))
            close, last_day, deadline = self.forced(rule, a, close, last_day, deadline)
            targets, late = [], []
            for target in self.facts:
                t = self.moment(target, rule["expect"].get("at", "start"))
                if not self.chosen(target, rule["expect"], accept):
                    continue
                if not self.correlated(target, activation, rule["expect"]):
                    continue
                is_tie = self.tie(t, a) if hours else t.day == a.day
                inside = t.last >= first and t.first < close
                spans_now = start[0] in "-0" and end[0] != "-"
                if hours and spans_now and not (t.exact and a.exact) and t.day == a.day:
                    inside = True
                if rule.get("strict") and is_tie:
                    inside = False
                known = target.state == "planned" or t.first <= self.now
                if inside and known:
                    targets.append((t.first, t.last, target.position, target))
                elif not inside and t.first >= close and t.first <= self.now:
                    late.append((t.first, t.last, target.position, target))
            yield (
                activation.fact_id,
                self.verdict(rule, first, close, last_day, deadline, sorted(targets), sorted(late), shut),
            )

    def forced(
        self, rule: Mapping[str, Any], a: Moment, close: datetime, last_day: date | None, deadline: datetime
    ) -> tuple[datetime, date | None, datetime]:
        """The first closure from the activation on takes the deadline with it."""
        if rule.get("on_close") == "force":
            for other in self.done("closed"):
                o = self.moment(other)
                if a.first <= o.last:
                    if o.first <= self.now and o.last + TICK < close:
                        return o.last + TICK, None if o.exact else o.day, o.last
                    break
        return close, last_day, deadline

    def ends(self, rule: Mapping[str, Any], a: Moment) -> Iterator[tuple[datetime, datetime]]:
        kinds = []
        if rule.get("on_suspend") == "cancel":
            kinds.append("suspension")
        if rule.get("on_close", "cancel") == "cancel":
            kinds.append("closed")
        for kind in kinds:
            for fact in self.done(kind):
                moment = self.moment(fact)
                if moment.last >= a.first and moment.first <= self.now:
                    yield moment.first, moment.last

    def verdict(
        self,
        rule: Mapping[str, Any],
        first: datetime,
        close: datetime,
        last_day: date | None,
        deadline: datetime,
        targets: list[tuple[datetime, datetime, int, Fact]],
        late: list[tuple[datetime, datetime, int, Fact]],
        shut: list[tuple[datetime, datetime]],
    ) -> Verdict:
        needed = rule.get("min", 1)
        ended = min(shut, default=None)
        if ended is not None:
            targets = [item for item in targets if item[3].state == "planned" or item[0] <= ended[1]]
        opens = None if first == FAR_PAST else first
        closes = None if close == FAR_FUTURE else close
        if len(targets) >= needed:
            at, _, _, fact = targets[needed - 1]
            return Verdict("satisfied", opens, closes, at, fact.fact_id, None, raised=False)
        if ended is not None and ended[0] < close:
            return Verdict("cancelled", opens, closes, ended[0], None, None, raised=False)
        if self.now < close:
            return Verdict("pending", opens, closes, None, None, None, raised=False)
        if len(targets) + len(late) >= needed:
            _, _, _, fact = (targets + late)[needed - 1]
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
        starts = [
            fact for fact in [*self.done("opened")[:1], *self.done("reopened")] if self.moment(fact).first <= self.now
        ]
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
        close, last_day, deadline = self.forced(rule, a, close, last_day, deadline)
        shut = list(self.ends(rule, a))
        targets, late = [], []
        for contact in following[:1]:
            moment = self.moment(contact)
            if moment.first < close:
                targets.append((moment.first, moment.last, contact.position, contact))
            elif moment.first <= self.now:
                late.append((moment.first, moment.last, contact.position, contact))
        return self.verdict({**rule, "min": 1}, first, close, last_day, deadline, targets, late, shut)

    def is_active(self, contact: Fact) -> bool:
        """Follow the pathway's life up to the contact's own day or instant, openings and closings included."""
        moment = self.moment(contact)
        opened = self.done("opened")[:1]
        since: datetime | None = self.moment(opened[0]).first if opened else FAR_PAST
        for closing in self.done("closed"):
            c = self.moment(closing)
            if since is None or c.last < since:
                continue
            if since <= moment.last and moment.first <= c.last:
                return True
            again = [self.moment(r).first for r in self.done("reopened") if self.moment(r).last >= c.first]
            since = min(again) if again else None
        return since is not None and moment.last >= since
