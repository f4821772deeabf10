"""Rules of kind `silence`: no gap without a contact while the pathway, or an interval of it, is active."""

from collections.abc import Iterator, Sequence

from domain.facts import Fact
from domain.rules.case import Case
from domain.rules.instants import FOREVER
from domain.rules.obligation import Obligation, Reason
from domain.rules.plan import Plan
from domain.rules.rule import At, Silence
from domain.rules.scene import Scene
from domain.rules.timeline import EMPTY_POOL, Placed, order_of
from domain.rules.values import Scope
from domain.rules.verdict import settle

Contacts = Sequence[Placed]


class Span:
    """A stretch during which silence is judged, and the contacts that break it."""

    __slots__ = ("contacts", "end", "fact", "last", "start")

    def __init__(self, start: Placed, last: int, end: Placed | None, contacts: Contacts) -> None:
        self.start = start
        self.last = last
        self.end = end
        self.contacts = contacts
        self.fact = start.fact


def judge_silence(scene: Scene, plan: Plan, body: Silence) -> Iterator[Obligation]:
    """One obligation per start and per contact while active: the next contact must come within the gap."""
    if body.span is None:
        yield from _judge_pathway(scene, plan)
        return
    for span in _spans(scene, plan):
        yield from _judge_span(scene, plan, span)


def _judge_pathway(scene: Scene, plan: Plan) -> Iterator[Obligation]:
    starts = [start for start in scene.life.starts if scene.has_come(start)]
    begun = {start.fact.fact_id for start in starts}
    contacts = [contact for contact in _contacts(scene, plan, None) if contact.fact.fact_id not in begun]
    following = [(start, _first_index(contacts, start)) for start in starts]
    following += [(contact, index + 1) for index, contact in enumerate(contacts) if scene.life.is_active(contact)]
    for activation, index in sorted(following, key=lambda pair: order_of(pair[0])):
        if scene.governs(plan, activation):
            known = scene.settled.get(activation.fact.fact_id)
            yield known or _judge_one(scene, Case(scene, plan, activation), contacts, index)


def _judge_span(scene: Scene, plan: Plan, span: Span) -> Iterator[Obligation]:
    first = _first_index(span.contacts, span.start)
    following = [(span.start, first)]
    following += [
        (span.contacts[index], index + 1)
        for index in range(first, len(span.contacts))
        if span.contacts[index].point <= span.last
    ]
    for activation, index in following:
        if scene.governs(plan, activation) and not scene.life.is_over(activation):
            case = Case(scene, plan, activation, span.fact)
            if span.end is not None:
                case.shut_by(scene, span.end, Reason.CLOSED)
            yield _judge_one(scene, case, span.contacts, index)


def _judge_one(scene: Scene, case: Case, contacts: Contacts, index: int) -> Obligation:
    """The contact at `index` decides, or under `strict` the first from there that is no tie."""
    if not scene.life.is_quiet:
        case.live_through(scene)
    if case.plan.rule.strict:
        while index < len(contacts) and not _comes_strictly_after(contacts[index], case):
            index += 1
    contact = contacts[index] if index < len(contacts) else None
    within = [contact] if contact and contact.point < case.close.instant and case.is_in_time(contact) else []
    late = [contact] if contact and contact.point >= case.close.instant and scene.has_come(contact) else []
    return settle(scene, case, within, late, 1)


def _comes_strictly_after(contact: Placed, case: Case) -> bool:
    return contact.is_after_or_ties(case.activation) and not case.is_excluded_tie(contact)


def _first_index(contacts: Contacts, start: Placed) -> int:
    """The first contact at a start or after it: the day of opening counts."""
    for index, contact in enumerate(contacts):
        if contact.is_after_or_ties(start):
            return index
    return len(contacts)


def _contacts(scene: Scene, plan: Plan, interval: Fact | None) -> list[Placed]:
    """The contacts that count at this clock, in order; of one interval when they are tied to it."""
    of = plan.sought["of"]
    key = None
    if of.key is not None and interval is not None:
        key = of.key(interval, scene.pathway)
        if key is None:
            return []
    scope = Scope(scene.calendar, scene.pathway, span=interval)
    return [
        contact
        for contact in scene.timeline.pools(of.filter).get(key, EMPTY_POOL).items
        if contact.fact is not interval
        and (of.depends is None or of.depends(contact.fact, scope))
        and scene.counts(contact)
    ]


def _spans(scene: Scene, plan: Plan) -> list[Span]:
    """The intervals of `while`; those that overlap are one when contacts are not tied to one of them."""
    of = plan.sought["of"]
    tied = of.key is not None or of.depends is not None
    spans: list[Span] = []
    for start in scene.timeline.pools(plan.sought["while"].filter).get(None, EMPTY_POOL).items:
        if not scene.has_come(start):
            continue
        end = scene.timeline.place(start.fact, At.END)
        last = FOREVER if end is None else end.last
        if not tied and spans and start.point <= spans[-1].last:
            if last > spans[-1].last:
                spans[-1].last, spans[-1].end = last, end
            continue
        spans.append(Span(start, last, end, _contacts(scene, plan, start.fact)))
    return spans
