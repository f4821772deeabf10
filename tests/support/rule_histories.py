"""Facts and rules made up for tests: short builders for examples, Hypothesis strategies for random histories."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from domain.facts import Fact, FactState, Precision
from domain.rules import Calendars, Evaluation, Obligation, compile_rules, evaluate, parse_rules

PARIS = ZoneInfo("Europe/Paris")
FIRST_DAY = date(2026, 3, 20)
DAYS = 50
"""Short, so that ties are frequent; a change of clocks, Easter Monday and two holidays of May are in it."""
BUSY_DAYS = 6
"""The first days, and two of them most: what opens, closes, reopens and answers often falls on one day."""
THEMES = ("it", "wood")


def local(text: str, tz: str = "Europe/Paris") -> datetime:
    """An instant from local wall time: `local("2026-03-29 10:00")`."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz)).astimezone(UTC)


def fact(fact_id: str, fact_type: str, start: str, end: str | None = "same", /, **attrs: Any) -> Fact:
    """A done fact: of a day (`2026-01-05`) or of a Paris instant (`2026-01-05 10:00`)."""
    state = FactState(attrs.pop("state", "done"))
    position = attrs.pop("position", 1)
    territory = attrs.pop("territory", "FR-34")
    agency = attrs.pop("agency", "ccas")
    recorded = attrs.pop("recorded_at", None)
    zone = attrs.pop("tz", "Europe/Paris")
    begins = _point(start, zone)
    return Fact(
        pathway="p1",
        fact_id=fact_id,
        type=fact_type,
        agency=agency,
        territory=territory,
        start=begins,
        end=begins if end == "same" else (None if end is None else _point(end, zone)),
        precision=Precision.MINUTE if isinstance(begins, datetime) else Precision.DAY,
        state=state,
        attrs=attrs,
        recorded_at=recorded or local("2026-01-01 00:00"),
        position=position,
    )


def _point(text: str, zone: str) -> date | datetime:
    return local(text, zone) if " " in text else date.fromisoformat(text)


def judged(facts: Sequence[Fact], now: str | datetime, *rules: dict[str, Any], tz: str = "Europe/Paris") -> Evaluation:
    """Evaluate documents on facts at a Paris wall time."""
    instant = local(now if " " in now else f"{now} 00:00") if isinstance(now, str) else now
    return evaluate(facts, compile_rules(parse_rules([list(rules)])), Calendars(tz), instant)


def only(evaluation: Evaluation) -> Obligation:
    (obligation,) = evaluation.obligations
    return obligation


def statuses(evaluation: Evaluation) -> dict[str, str]:
    """By activation."""
    return {obligation.activation: obligation.status.value for obligation in evaluation.obligations}


def require(**changes: Any) -> dict[str, Any]:
    """A diagnosis calls for a referral of the same theme within 30 days, or what `changes` say instead."""
    rule = {
        "rule": "need-to-referral",
        "kind": "require",
        "when": {"on": "diagnosis"},
        "expect": {"on": "referral", "match": {"theme": "theme"}},
        "within": {"from": "0d", "to": "30d"},
    }
    return {name: value for name, value in (rule | changes).items() if value is not None}


def forbid(**changes: Any) -> dict[str, Any]:
    """No training starts within the week after a relocation, or what `changes` say instead."""
    rule = {
        "rule": "no-training-after-move",
        "kind": "forbid",
        "when": {"on": "relocation"},
        "forbid": {"on": "training"},
        "within": {"from": "0d", "to": "7d"},
    }
    return {name: value for name, value in (rule | changes).items() if value is not None}


def limit(**changes: Any) -> dict[str, Any]:
    """Two missed appointments are enough, or what `changes` say instead."""
    rule = {
        "rule": "repeated-no-show",
        "kind": "limit",
        "count": {"on": "appointment", "where": {"state": "no_show"}},
        "max": 2,
        "in_last": "60d",
    }
    return {name: value for name, value in (rule | changes).items() if value is not None}


def silence(**changes: Any) -> dict[str, Any]:
    return {"rule": "silence", "kind": "silence", "of": {"on": "contact"}, "gap": "30d"} | changes


@st.composite
def points(draw: st.DrawFn) -> date | datetime:
    day = FIRST_DAY + timedelta(days=draw(st.integers(0, DAYS) | st.integers(0, BUSY_DAYS) | st.sampled_from([2, 4])))
    if draw(st.booleans()):
        return day
    half_hours = draw(st.integers(0, 47))
    return datetime(day.year, day.month, day.day, half_hours // 2, half_hours % 2 * 30, tzinfo=PARIS).astimezone(UTC)


@st.composite
def random_facts(draw: st.DrawFn, kinds: Sequence[str], most: int = 12) -> list[Fact]:
    """A history with ties, mixed precisions, planned and cancelled facts."""
    count = draw(st.integers(1, most))
    positions = draw(st.permutations(range(1, count + 1)))
    return [_random_fact(draw, f"f{index:02}", kinds, positions[index]) for index in range(count)]


def _random_fact(draw: st.DrawFn, fact_id: str, kinds: Sequence[str], position: int) -> Fact:
    kind = draw(st.sampled_from(list(kinds)))
    start = draw(points())
    end: date | datetime | None = start
    if kind == "suspension":
        end = draw(st.sampled_from([None, *(start + timedelta(days=days) for days in (0, 1, 4, 12, 40))]))
    lively = kind in ("opened", "closed", "reopened", "suspension")
    state = "done" if lively else draw(st.sampled_from(["done", "done", "done", "planned", "cancelled", "no_show"]))
    attrs = {}
    theme = draw(st.sampled_from([*THEMES, None]))
    if theme is not None:
        attrs["theme"] = theme
    return Fact(
        pathway="p1",
        fact_id=fact_id,
        type=kind,
        agency=draw(st.sampled_from(["ccas", "mission"])),
        territory="FR-34",
        start=start,
        end=end,
        precision=Precision.MINUTE if isinstance(start, datetime) else Precision.DAY,
        state=FactState(state),
        attrs=attrs,
        recorded_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=position),
        position=position,
    )


WINDOWS = (
    ("0d", "30d"),
    ("-30d", "15d"),
    ("-30d", "0d"),
    ("-20d", "-5d"),
    ("0bd", "5bd"),
    ("-3bd", "2bd"),
    ("1wd", "4wd"),
    ("0d", "1m"),
    ("-2m", "1w"),
    ("0h", "48h"),
    ("-24h", "0h"),
    ("-12h", "36h"),
    ("0h", "2h"),
    ("-2h", "3h"),
    ("0d", "inf"),
    ("-inf", "0d"),
)


@st.composite
def random_require(draw: st.DrawFn) -> dict[str, Any]:
    start, end = draw(st.sampled_from(WINDOWS))
    rule = require(within={"from": start, "to": end}, min=draw(st.sampled_from([1, 1, 1, 2])))
    rule["when"] = draw(st.sampled_from([{"on": "diagnosis"}, {"on": "referral"}]))
    expect: dict[str, Any] = {"on": draw(st.sampled_from(["referral", ["referral", "contact"]]))}
    if draw(st.booleans()):
        expect["match"] = {"theme": "theme"}
    if draw(st.integers(0, 2)) == 0:
        expect["differ"] = {"agency": "agency"}
    if draw(st.integers(0, 5)) == 0:
        expect["where"] = {"state": ["done", "no_show"]}
    rule["expect"] = expect
    rule |= draw(_options(end))
    if draw(st.integers(0, 2)) == 0:
        rule["until"] = {
            "on": draw(st.sampled_from(["withdrawal", "diagnosis"])),
            "effect": draw(st.sampled_from(["release", "deadline"])),
        }
    if draw(st.integers(0, 2)) == 0:
        rule["accept"] = ["done", "planned"]
    return rule


@st.composite
def random_silence(draw: st.DrawFn) -> dict[str, Any]:
    gap = draw(st.sampled_from(["10d", "30d", "1m", "8bd", "36h"]))
    options = draw(_options(gap))
    return silence(gap=gap) | {name: value for name, value in options.items() if name != "roll"}


@st.composite
def _options(draw: st.DrawFn, end: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if draw(st.integers(0, 3)) == 0:
        options["strict"] = True
    if draw(st.integers(0, 3)) == 0 and not end.endswith("h"):
        options["roll"] = "next_working"
    if draw(st.integers(0, 2)) == 0:
        options["grace"] = draw(st.sampled_from(["3bd", "2d", "12h"]))
    options["on_suspend"] = draw(st.sampled_from(["freeze", "run", "cancel"]))
    options["on_close"] = draw(st.sampled_from(["cancel", "keep", "force"]))
    return options


@st.composite
def random_clock(draw: st.DrawFn) -> datetime:
    """Often within the busy days, and then on any half hour of them."""
    busy = st.integers(0, 48 * (BUSY_DAYS + 1)).map(lambda halves: timedelta(days=2, minutes=30 * halves))
    hours = (st.integers(0, 24 * 70) | st.integers(24 * 70, 24 * 200)).map(lambda hours: timedelta(hours=hours))
    return datetime(2026, 3, 18, tzinfo=UTC) + draw(busy | hours)


KINDS = (
    "diagnosis",
    "diagnosis",
    "referral",
    "referral",
    "contact",
    "withdrawal",
    "opened",
    "closed",
    "reopened",
    "suspension",
)
