"""Facts as lines of JSON: read from any source with precise errors, written for any reader."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from application.fact_faults import (
    END_BEFORE_START,
    OUT_OF_CALENDAR,
    Fault,
    fault_of,
    given_twice,
    missing_or_empty,
    not_a_date,
)
from domain.facts import Fact, FactState, Precision
from domain.rules import Calendars
from domain.rules.instants import rfc3339
from domain.rules.vocabulary import SUSPENSION, canonical_type

LINE_MAX = 1024 * 1024
"""Bytes; a longer line is refused before it is parsed."""


class FactLineRefused(Exception):
    """A line of the facts file is not valid."""

    def __init__(self, number: int, fault: Fault) -> None:
        self.number = number
        """From 1."""
        self.fault = fault
        self.detail = f"line {number}: {fault.en}"
        self.detail_fr = f"ligne {number} : {fault.fr}"
        super().__init__(self.detail)


class _Twins(Exception):
    """A key is given twice: readers of JSON differ on which of the two they keep."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names = names


class FactLine(msgspec.Struct, kw_only=True):
    """One line as it is written. Unknown fields are ignored; a null field reads as absent, save for `end`.

    A retraction needs no more than the fact's id.
    """

    pathway: str
    fact_id: str
    type: str = ""
    start: str = ""
    end: str | msgspec.UnsetType | None = msgspec.UNSET
    agency: str | None = None
    actor: str | None = None
    territory: str | None = None
    precision: Precision | None = None
    state: FactState | None = None
    attrs: dict[str, Any] | None = None
    recorded_at: str | None = None
    position: int | None = None
    retracted: bool | None = None


_POINT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?P<time>[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)
_decoder = msgspec.json.Decoder(FactLine)


class Version(NamedTuple):
    """One line read: a fact as it was said to be, or None when it was taken back."""

    pathway: str
    fact_id: str
    position: int
    """Its own, or the number of its line."""
    recorded_at: datetime | None
    """None for a retraction that does not say when it was recorded."""
    fact: Fact | None


def read_facts(lines: Iterable[bytes], calendars: Calendars) -> dict[str, list[Fact]]:
    """The facts of each pathway as last known: the highest position of a fact wins, a retracted one is gone.

    Lines come in any order, pathways mixed. Raises FactLineRefused at the first line that is not valid.
    """
    latest: dict[tuple[str, str], tuple[int, Fact | None]] = {}
    for version in read_versions(lines, calendars):
        key = (version.pathway, version.fact_id)
        known = latest.get(key)
        if known is None or version.position >= known[0]:
            latest[key] = (version.position, version.fact)
    pathways: dict[str, list[Fact]] = {}
    for _, fact in latest.values():
        if fact is not None:
            pathways.setdefault(fact.pathway, []).append(fact)
    return pathways


def read_versions(lines: Iterable[bytes], calendars: Calendars) -> Iterator[Version]:
    """Every line in its order. Raises FactLineRefused at the first one that is not valid."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        raw = _read_line(line, number)
        position = number if raw.position is None else raw.position
        tz = calendars.of(raw.territory).tz
        try:
            if raw.retracted:
                recorded = None
                if raw.recorded_at:
                    recorded = _instant(_point(raw.recorded_at, "recorded_at", number, tz), tz)
                yield Version(raw.pathway, raw.fact_id, position, recorded, None)
                continue
            fact = _fact(raw, number, position, tz)
        except OverflowError:
            raise FactLineRefused(number, OUT_OF_CALENDAR) from None
        yield Version(raw.pathway, raw.fact_id, position, fact.recorded_at, fact)


def write_facts(facts: Iterable[Fact]) -> Iterator[bytes]:
    """One JSON object a line, in the order given."""
    for fact in facts:
        line = {
            "pathway": fact.pathway,
            "fact_id": fact.fact_id,
            "type": fact.type,
            "agency": fact.agency,
            "start": _written(fact.start),
            "end": None if fact.end is None else _written(fact.end),
            "precision": fact.precision.value,
            "state": fact.state.value,
            "attrs": fact.attrs,
            "recorded_at": _written(fact.recorded_at),
            "position": fact.position,
            "actor": fact.actor,
            "territory": fact.territory,
        }
        yield msgspec.json.encode(line) + b"\n"


def parse_point(text: str, tz: ZoneInfo) -> date | datetime:
    """A date, or an aware instant as RFC 3339 writes it; seconds may be left out. Without offset it is local.

    Raises ValueError.
    """
    spelling = _POINT.fullmatch(text)
    if spelling is None:
        raise ValueError("This is neither YYYY-MM-DD nor an RFC 3339 date and time.")
    if spelling["time"] is None:
        return date.fromisoformat(text)
    moment = datetime.fromisoformat(text.upper())
    return moment.replace(tzinfo=tz) if moment.tzinfo is None else moment


def _written(point: date | datetime) -> str:
    return str(rfc3339(point.astimezone(UTC))) if isinstance(point, datetime) else point.isoformat()


def _read_line(line: bytes, number: int) -> FactLine:
    if len(line) > LINE_MAX:
        kilobytes = LINE_MAX // 1024
        raise FactLineRefused(number, Fault(f"longer than {kilobytes} kB.", f"plus longue que {kilobytes} ko."))
    text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
    try:
        raw = _decoder.decode(text)
        json.loads(text, object_pairs_hook=_without_twins)
    except _Twins as twins:
        raise FactLineRefused(number, given_twice(twins.names)) from None
    except (ValueError, RecursionError) as error:
        raise FactLineRefused(number, fault_of(error)) from None
    for name in ("pathway", "fact_id") if raw.retracted else ("pathway", "fact_id", "type", "start"):
        if not getattr(raw, name):
            raise FactLineRefused(number, missing_or_empty(name))
    return raw


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        raise _Twins([name for name, _ in pairs])
    return read


def _fact(raw: FactLine, number: int, position: int, tz: ZoneInfo) -> Fact:
    start = _point(raw.start, "start", number, tz)
    precision = raw.precision or (Precision.MINUTE if isinstance(start, datetime) else Precision.DAY)
    start = _as_precise(start, precision, tz)
    end = _end(raw, start, precision, number, tz)
    recorded = _point(raw.recorded_at, "recorded_at", number, tz) if raw.recorded_at else start
    return Fact(
        pathway=raw.pathway,
        fact_id=raw.fact_id,
        type=raw.type,
        agency=raw.agency or "",
        actor=raw.actor,
        territory=raw.territory,
        start=start,
        end=end,
        precision=precision,
        state=raw.state or FactState.DONE,
        attrs=raw.attrs or {},
        recorded_at=_instant(recorded, tz),
        position=position,
    )


def _end(raw: FactLine, start: date, precision: Precision, number: int, tz: ZoneInfo) -> date | None:
    """An absent end makes a point, save for a suspension: it still lasts. A null end always means that."""
    if raw.end is None:
        return None
    if raw.end is msgspec.UNSET:
        return None if canonical_type(raw.type) == SUSPENSION else start
    end = _as_precise(_point(raw.end, "end", number, tz), precision, tz)
    if end < start:
        raise FactLineRefused(number, END_BEFORE_START)
    return end


def _point(text: str, name: str, number: int, tz: ZoneInfo) -> date | datetime:
    try:
        return parse_point(text, tz)
    except ValueError:
        raise FactLineRefused(number, not_a_date(name)) from None


def _as_precise(point: date | datetime, precision: Precision, tz: ZoneInfo) -> date | datetime:
    """A day fact given by an instant stands on the local day; a minute fact given by a day, at its midnight."""
    if precision is Precision.DAY:
        return point.astimezone(tz).date() if isinstance(point, datetime) else point
    return _instant(point, tz)


def _instant(point: date | datetime, tz: ZoneInfo) -> datetime:
    moment = point if isinstance(point, datetime) else datetime(point.year, point.month, point.day, tzinfo=tz)
    return moment.astimezone(UTC)
