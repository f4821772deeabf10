"""`evaluate` for millions of facts at once: plain rules judged column by column, to the same obligations.

What is not plain here is left to the evaluator: `is_vectorised` tells which rules, `ColumnsBuilder` which pathways.
"""

from typing import NamedTuple

import numpy as np

from application.backtest.columns import NO_ROW, STATE_CODES, Bools, Columns, Ints
from application.backtest.masks import Masks
from application.backtest.unmet import are_apart
from domain.facts import FactState
from domain.rules import Status
from domain.rules.instants import FOREVER
from domain.rules.plan import Plan, Sought
from domain.rules.rule import SELF, At, Forbid, OnClose, Require, Use
from domain.rules.suspensions import NOT_SUSPENDED
from domain.rules.values import Of
from domain.rules.where import fields_of, is_fixed, references_of

DAY_BITS = 22
LAST = (1 << DAY_BITS) - 1
"""A day after all days that calendars know."""
STATUSES = tuple(Status)
PLANNED = STATE_CODES[FactState.PLANNED]
CODES = {status: code for code, status in enumerate(STATUSES)}
UNTESTED = frozenset(("id", "start", "end", "territory", "precision"))
"""Fields of a fact itself that no column holds."""


class Verdicts(NamedTuple):
    """Obligations of one plan, a position each. Rows are those of the columns."""

    activation: Ints
    status: Ints
    """A position in STATUSES."""
    target: Ints
    """NO_ROW for none."""
    at: Ints
    """FOREVER for none, as below."""
    open: Ints
    close: Ints
    raise_at: Ints
    raised: Bools


def is_vectorised(plan: Plan) -> bool:
    """Whole days, the starts of facts, no condition that needs two facts but equality."""
    rule, body = plan.rule, plan.rule.body
    if not plan.is_plain or any(not _is_columnar(plan, name) for name in plan.sought):
        return False
    if isinstance(body, Require):
        return body.use is Use.SHARED and plan.sought.keys() == {"when", "expect"}
    if isinstance(body, Forbid):
        is_simple = plan.sought.keys() == {"when", "forbid"} and rule.grace is None
        return is_simple and are_apart(body.when, body.forbid)
    return rule.kind == "silence" and plan.sought.keys() == {"of"} and plan.sought["of"].key is None


def _is_columnar(plan: Plan, name: str) -> bool:
    sought = plan.sought[name]
    selector = sought.selector
    reads_pathway = any(link.value.of is Of.PATHWAY for link in selector.match)
    tested = set(fields_of(selector.where))
    return (
        selector.at is At.START
        and sought.depends is None
        and sought.relation is None
        and is_fixed(selector.where)
        and not any(True for _ in references_of(selector.where))
        and not reads_pathway
        and tested.isdisjoint(UNTESTED)
        and selector.types != (SELF,)
    )


class Vectors:
    """Columns judged at one instant. What rules have in common is worked out once."""

    def __init__(self, columns: Columns, now: int) -> None:
        self._columns = columns
        self._now = now
        self._has_come = columns.point <= now
        self._masks = Masks(columns)
        closing = columns.closing
        has_closing = closing != NO_ROW
        self._closing_day = np.where(has_closing, columns.day[np.maximum(closing, 0)], LAST).astype(np.int64)
        self._closing_point = np.where(has_closing, columns.point[np.maximum(closing, 0)], FOREVER)
        self._shuts = np.zeros(len(closing), dtype=np.bool_)
        for number in np.flatnonzero(has_closing):
            calendar = columns.calendars[columns.calendar_of[number]]
            self._shuts[number] = calendar.midnights[int(self._closing_day[number]) + 1] <= now

    def judge(self, plan: Plan) -> Verdicts:
        if isinstance(plan.rule.body, Require):
            return self._judge_require(plan, plan.rule.body.min)
        if isinstance(plan.rule.body, Forbid):
            return self._judge_forbid(plan, plan.rule.body)
        return self._judge_silence(plan)

    def _judge_require(self, plan: Plan, needed: int) -> Verdicts:
        activation = self._activations(plan, self._masks.of(plan, "when"))
        window = self._window(plan, activation)
        targets, keys, base, is_wanted = self._offered(plan, plan.sought["expect"], activation)
        first = np.searchsorted(keys, base | window.first_day)
        end = np.searchsorted(keys, base | window.end_day)
        in_time = np.where(
            window.is_shut, np.searchsorted(keys, base | np.minimum(window.end_day, window.shut_day + 1)), end
        )
        own = np.full(len(self._columns), NO_ROW, dtype=np.int64)
        own[targets] = np.arange(len(targets))
        own = own[activation]
        pick = _skipping(first, needed - 1, own)
        within = _rows(targets, pick, in_time, is_wanted)
        counted = in_time - first - ((own >= first) & (own < in_time))
        counted = np.where(is_wanted, np.maximum(counted, 0), 0)
        after = np.searchsorted(keys, base | LAST)
        late = _rows(targets, _skipping(end, needed - counted - 1, own), after, is_wanted & (within == NO_ROW))
        return self._settled(activation, window, within, late)

    def _judge_forbid(self, plan: Plan, body: Forbid) -> Verdicts:
        """A row for each pair, and one for each activation that is in none."""
        columns = self._columns
        activation = self._activations(plan, self._masks.of(plan, "when"))
        window = self._window(plan, activation)
        targets, keys, base, is_wanted = self._offered(plan, plan.sought["forbid"], activation)
        first = np.searchsorted(keys, base | window.first_day)
        end_day = np.where(window.closes, np.minimum(window.end_day, window.shut_day + 1), window.end_day)
        count = np.maximum(np.searchsorted(keys, base | end_day) - first, 0)
        is_booked = (columns.state[activation] == PLANNED) & body.accepts_planned
        count[~(is_wanted & (is_booked | self._has_come[activation]))] = 0
        place = np.repeat(np.arange(len(activation)), count)
        nth = np.arange(len(place)) - np.repeat(np.cumsum(count) - count, count)
        pairs = self._paired(window, place, activation[place], targets[first[place] + nth])
        alone = np.flatnonzero(count == 0)
        return _joined(pairs, self._spared(activation[alone], window.of(alone)))

    def _paired(self, window: "_Window", place: Ints, activation: Ints, target: Ints) -> Verdicts:
        columns = self._columns
        at = np.maximum(columns.point[activation], columns.point[target])
        is_planned = (columns.state[activation] == PLANNED) | (columns.state[target] == PLANNED)
        learnt = np.maximum(columns.recorded[activation], columns.recorded[target])
        raise_at = np.where(is_planned, np.minimum(at, learnt), at)
        status = np.full(len(place), CODES[Status.VIOLATED_OPEN])
        opens, closes = window.open[place], window.close[place]
        return Verdicts(activation, status, target, at, opens, closes, raise_at, self._now >= raise_at)

    def _spared(self, activation: Ints, window: "_Window") -> Verdicts:
        is_cancelled = window.is_shut & (window.shut_day < window.end_day)
        is_pending = self._now < np.maximum(window.close, self._columns.point[activation])
        codes = [CODES[each] for each in (Status.CANCELLED, Status.PENDING)]
        status = np.select([is_cancelled, is_pending], codes, CODES[Status.SATISFIED])
        at = np.select([is_cancelled, is_pending], [window.shut_point, np.int64(FOREVER)], window.close)
        never = np.full(len(activation), FOREVER, dtype=np.int64)
        none = np.full(len(activation), NO_ROW, dtype=np.int64)
        return Verdicts(activation, status, none, at, window.open, window.close, never, never < 0)

    def _offered(self, plan: Plan, sought: Sought, activation: Ints) -> tuple[Ints, Ints, Ints, Bools]:
        """Rows that may be targets, by group then day, with their keys; each activation's group, and if it has one."""
        columns, links = self._columns, sought.selector.match
        targets = np.flatnonzero(self._masks.of(plan, plan.target) & self._counts())
        wanted, is_wanted = self._groups(activation, [link.value.field for link in links])
        offered, is_offered = self._groups(targets, [link.field for link in links])
        targets, offered = targets[is_offered], offered[is_offered]
        if links:
            order = np.argsort(offered, kind="stable")
            targets, offered = targets[order], offered[order]
        return targets, (offered << DAY_BITS) | columns.day[targets], wanted << DAY_BITS, is_wanted

    def _judge_silence(self, plan: Plan) -> Verdicts:
        columns = self._columns
        opened = columns.opening[columns.opening != NO_ROW]
        is_contact = self._masks.of(plan, "of") & self._counts()
        is_contact[opened] = False
        contacts = np.flatnonzero(is_contact)
        pathway = columns.pathway[contacts].astype(np.int64)
        keys = (pathway << DAY_BITS) | columns.day[contacts]
        following = np.arange(1, len(contacts) + 1)
        last_of_pathway = np.searchsorted(pathway, pathway, side="right")
        active = self._is_active(contacts, pathway)
        first, end = self._first_contacts(opened, contacts, keys)
        rows = np.concatenate((contacts[active], opened))
        following = np.concatenate((following[active], first))
        end = np.concatenate((last_of_pathway[active], end))
        kept = self._governed(plan, rows)
        rows, following, end = rows[kept], following[kept], end[kept]
        window = self._window(plan, rows)
        contact = _rows(contacts, following, end, np.ones(len(rows), dtype=np.bool_))
        known = np.maximum(contact, 0)
        day = columns.day[known]
        is_within = (contact != NO_ROW) & (day < window.end_day) & ~(window.is_shut & (day > window.shut_day))
        is_late = (contact != NO_ROW) & (day >= window.end_day)
        return self._settled(rows, window, np.where(is_within, contact, NO_ROW), np.where(is_late, contact, NO_ROW))

    def _is_active(self, contacts: Ints, pathway: Ints) -> Bools:
        """Not before the opening nor after the closing, whose days count."""
        columns = self._columns
        opening = columns.opening[pathway]
        start = np.maximum(opening, 0)
        same_day = columns.day[contacts] >= columns.day[start]
        begun = np.where(columns.exact[contacts], columns.point[contacts] >= columns.point[start], same_day)
        active: Bools = ((opening == NO_ROW) | begun) & (columns.day[contacts] <= self._closing_day[pathway])
        return active

    def _first_contacts(self, opened: Ints, contacts: Ints, keys: Ints) -> tuple[Ints, Ints]:
        """For each opening, the position of the first contact at it or after it, and the end of its pathway's."""
        columns = self._columns
        if not len(contacts):
            nothing = np.zeros(len(opened), dtype=np.int64)
            return nothing, nothing
        base = columns.pathway[opened].astype(np.int64) << DAY_BITS
        first = np.searchsorted(keys, base | columns.day[opened])
        end = np.searchsorted(keys, base | LAST)
        while True:
            row = contacts[np.minimum(first, len(contacts) - 1)]
            is_before = (first < end) & columns.exact[row] & (columns.point[row] < columns.point[opened])
            if not is_before.any():
                return first, end
            first = first + is_before

    def _settled(self, activation: Ints, window: "_Window", within: Ints, late: Ints) -> Verdicts:
        """As `domain.rules.verdict` does, in the same order."""
        columns, now = self._columns, self._now
        late = np.where(columns.point[np.maximum(late, 0)] <= now, late, NO_ROW)
        is_satisfied = within != NO_ROW
        is_cancelled = ~is_satisfied & window.is_shut & (window.shut_day < window.end_day)
        is_pending = ~is_satisfied & ~is_cancelled & (now < window.close)
        is_violated = ~(is_satisfied | is_cancelled | is_pending)
        is_late = is_violated & (late != NO_ROW)
        status = np.select(
            [is_satisfied, is_cancelled, is_pending, is_late],
            [CODES[each] for each in (Status.SATISFIED, Status.CANCELLED, Status.PENDING, Status.VIOLATED_LATE)],
            CODES[Status.VIOLATED_OPEN],
        )
        at = np.select(
            [is_satisfied, is_cancelled, is_pending],
            [columns.point[np.maximum(within, 0)], window.shut_point, np.int64(FOREVER)],
            window.close,
        )
        target = np.where(is_satisfied, within, np.where(is_late, late, NO_ROW))
        raised = is_violated & ~is_late & (now >= window.raise_at)
        return Verdicts(activation, status, target, at, window.open, window.close, window.raise_at, raised)

    def _activations(self, plan: Plan, mask: Bools) -> Ints:
        rows = np.flatnonzero(mask)
        return rows[self._governed(plan, rows)]

    def _governed(self, plan: Plan, rows: Ints) -> Bools:
        """In effect on that day, and in a territory of the rule."""
        governed = np.ones(len(rows), dtype=np.bool_)
        if plan.takes_all:
            return governed
        columns = self._columns
        days, place = np.unique(columns.day[rows], return_inverse=True)
        governed &= np.array([plan.takes(int(day)) for day in days], dtype=np.bool_)[place]
        wanted = plan.rule.territories
        if wanted is not None:
            allowed = np.array([name in wanted for name in columns.territories.values], dtype=np.bool_)
            governed &= allowed[columns.territory_of[columns.pathway[rows]]]
        return governed

    def _window(self, plan: Plan, rows: Ints) -> "_Window":
        """Each local day's window is laid down once, by the rule's own plan."""
        columns = self._columns
        pathway = columns.pathway[rows]
        coded = (columns.calendar_of[pathway].astype(np.int64) << DAY_BITS) | columns.day[rows]
        known, place = np.unique(coded, return_inverse=True)
        table = np.array([self._stretch(plan, int(each)) for each in known], dtype=np.int64).reshape(-1, 5)[place]
        closes = np.zeros(len(rows), dtype=np.bool_)
        if plan.rule.on_close is not OnClose.KEEP:
            closes = (columns.closing[pathway] != NO_ROW) & (self._closing_day[pathway] >= columns.day[rows])
        days, instants = table.T[:2], table.T[2:]
        closing = (self._closing_day[pathway], self._closing_point[pathway])
        return _Window(
            days[0], days[1], instants[0], instants[1], instants[2], closes, closes & self._shuts[pathway], *closing
        )

    def _stretch(self, plan: Plan, coded: int) -> tuple[int, int, int, int, int]:
        calendar, day = self._columns.calendars[coded >> DAY_BITS], coded & LAST
        stretch = plan.stretch(calendar.midnights[day], day, calendar, NOT_SUSPENDED)
        opens, close = stretch.open, stretch.close
        first_day = LAST if opens >= FOREVER else max(0, calendar.day_of(max(opens, calendar.midnights[1])))
        last_day = LAST if close.last_day is None else min(close.last_day, LAST - 1)
        return first_day, max(0, last_day + 1), opens, close.instant, stretch.raise_at

    def _counts(self) -> Bools:
        counts: Bools = self._has_come | (self._columns.state == PLANNED)
        return counts

    def _groups(self, rows: Ints, names: list[str]) -> tuple[Ints, Bools]:
        """One number for each pathway and values of these fields; and whether all of them are known."""
        columns = self._columns
        group = columns.pathway[rows].astype(np.int64)
        is_known = np.ones(len(rows), dtype=np.bool_)
        width = 1 + max((int(each.max(initial=0)) for each in columns.links.values()), default=0)
        assert len(columns.pathways) * width ** len(names) < 1 << (62 - DAY_BITS), "too many values to correlate"
        for name in names:
            codes = columns.links[name][rows]
            is_known &= codes > 0
            group = group * width + codes
        return group, is_known


class _Window(NamedTuple):
    """Of each activation: days [first_day, end_day), the same as instants, and the closing of the pathway."""

    first_day: Ints
    end_day: Ints
    open: Ints
    close: Ints
    raise_at: Ints
    closes: Bools
    """The closing ends what waits, or will."""
    is_shut: Bools
    """It has."""
    shut_day: Ints
    shut_point: Ints

    def of(self, rows: Ints) -> "_Window":
        return _Window._make(column[rows] for column in self)


def _joined(one: Verdicts, other: Verdicts) -> Verdicts:
    return Verdicts(*(np.concatenate(columns) for columns in zip(one, other, strict=True)))


def _skipping(first: Ints, count: Ints | int, own: Ints) -> Ints:
    """`count` positions after `first`, an activation's own left out."""
    pick = first + count
    return pick + ((own >= first) & (own <= pick))


def _rows(targets: Ints, pick: Ints, end: Ints, allowed: Bools) -> Ints:
    """The rows picked, NO_ROW from `end` on."""
    if not len(targets):
        return np.full(len(pick), NO_ROW, dtype=np.int64)
    is_there = allowed & (pick < end)
    return np.where(is_there, targets[np.minimum(pick, len(targets) - 1)], NO_ROW)
