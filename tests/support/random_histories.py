"""Random histories for Hypothesis: ties, mixed precisions, intervals, several territories, suspensions and closures."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from domain.facts import Fact, FactState, Precision
from tests.support.rule_histories import THEMES, points, random_clock

AGENCIES = ("ccas", "mission")
TERRITORIES = ("FR-34", "FR-67", "FR-972", "FR-974", "FR-988")
LIFE = ("opened", "closed", "reopened", "suspension")
LASTING = ("training", "relocation")
KINDS = (
    "diagnosis",
    "diagnosis",
    "referral",
    "referral",
    "training",
    "training",
    "relocation",
    "contact",
    "withdrawal",
    *LIFE,
)
LONG_STAYS = (
    *["training"] * 4,
    *["relocation"] * 2,
    *["contact"] * 3,
    "diagnosis",
    "withdrawal",
    "closed",
    "suspension",
)
CONTACTS = ("contact", "contact", "contact", "training", *LIFE)
STATES = ("done", "done", "done", "done", "planned", "cancelled", "no_show")


@st.composite
def histories(draw: st.DrawFn, kinds: Sequence[str] = KINDS, most: int = 12, *, may_move: bool = True) -> list[Fact]:
    """Of one territory mostly; else of a pathway that moves, with facts that do not say where."""
    count = draw(st.integers(1, most) | st.integers(most // 2, most) | st.just(most))
    positions = draw(st.permutations(range(1, count + 1)))
    moves = may_move and draw(st.integers(0, 3)) == 3
    home = draw(st.sampled_from(["FR-34", "FR-34", *TERRITORIES]))
    places = st.sampled_from([*TERRITORIES, None] if moves else [home])
    return [draw(facts(f"f{index:02}", kinds, positions[index], places)) for index in range(count)]


@st.composite
def facts(
    draw: st.DrawFn,
    fact_id: str,
    kinds: Sequence[str] = KINDS,
    position: int = 99,
    places: st.SearchStrategy[str | None] = st.just("FR-34"),  # noqa: B008
) -> Fact:
    kind = draw(st.sampled_from(list(kinds)))
    start = draw(points())
    theme = draw(st.sampled_from([None, *THEMES]))
    about = {"about": f"f{draw(st.integers(0, 5)):02}"} if kind == "contact" else {}
    recorded = timedelta(minutes=30 * draw(st.integers(0, 48 * 20)))
    return Fact(
        pathway="p1",
        fact_id=fact_id,
        type=kind,
        agency=draw(st.sampled_from(AGENCIES)),
        territory=draw(places),
        start=start,
        end=draw(_ends(kind, start)),
        precision=Precision.MINUTE if isinstance(start, datetime) else Precision.DAY,
        state=FactState.DONE if kind in LIFE else FactState(draw(st.sampled_from(STATES))),
        attrs=about | ({} if theme is None else {"theme": theme, "level": draw(st.integers(0, 2))}),
        recorded_at=_noon(start) + recorded,
        position=position,
    )


def _ends(kind: str, start: date | datetime) -> st.SearchStrategy[date | datetime | None]:
    if kind not in ("suspension", *LASTING):
        return st.just(start)
    lengths = [timedelta(days=days) for days in (0, 0, 1, 2, 4, 4, 12, 12, 40)]
    if isinstance(start, datetime):
        lengths += [timedelta(minutes=30), timedelta(hours=5)]
    return st.sampled_from([*(start + length for length in lengths), None])


def _noon(point: date | datetime) -> datetime:
    return point if isinstance(point, datetime) else datetime(point.year, point.month, point.day, 12, tzinfo=UTC)


def clocks() -> st.SearchStrategy[datetime]:
    """In the midst of a history; or long after it, when all is decided."""
    return random_clock() | st.sampled_from([datetime(2026, month, 15, 10, tzinfo=UTC) for month in (5, 6, 7, 11)])


def moved(fact: Fact, by: timedelta) -> Fact:
    end = None if fact.end is None else fact.end + by
    return msgspec.structs.replace(fact, start=fact.start + by, end=end)


class Learnt(msgspec.Struct, frozen=True):
    """One event: a fact as it is now known, or its retraction."""

    fact_id: str
    fact: Fact | None


def known(stream: Sequence[Learnt]) -> list[Fact]:
    """F(k): the facts as they stand after a stream of events, in the order they were first heard of."""
    standing: dict[str, Fact] = {}
    for event in stream:
        if event.fact is None:
            standing.pop(event.fact_id, None)
        else:
            standing[event.fact_id] = event.fact
    return list(standing.values())


@st.composite
def streams(draw: st.DrawFn, kinds: Sequence[str] = KINDS, most: int = 8) -> list[Learnt]:
    """Facts learnt in any order, some of them corrected or retracted afterwards."""
    events = [Learnt(fact.fact_id, fact) for fact in draw(histories(kinds, most))]
    draw_changes: Any = st.lists(
        st.tuples(st.integers(0, len(events) - 1), st.booleans(), st.integers(-20, 20)), max_size=5
    )
    for which, retracted, days in draw(draw_changes):
        fact = events[which].fact
        assert fact is not None
        position = len(events) + 1
        corrected = msgspec.structs.replace(moved(fact, timedelta(days=days)), position=position)
        events.append(Learnt(fact.fact_id, None if retracted else corrected))
        if retracted and draw(st.booleans()):
            events.append(Learnt(fact.fact_id, corrected))
    return events
