"""Which acts a rule suggests: what it expects or forbids, what releases or exempts, what may be recorded wrong."""

from collections.abc import Iterator, Sequence

import msgspec

from application.acts.doing import doing
from application.acts.sketch import Situation, Sketch, Way
from application.acts.undoing import changing, correcting, retracting
from application.acts.wanted import wanted
from domain.facts import Fact
from domain.rules.rule import Effect, Forbid, Limit, Require, Selector, Silence


def sketches(situation: Situation) -> list[Sketch]:
    """The better ways first, each in the rule's own order; none twice."""
    found = [*_expected(situation), *_wrong(situation)]
    once = [sketch for place, sketch in enumerate(found) if sketch not in found[:place]]
    return sorted(once, key=lambda sketch: WAYS.index(sketch.way))


WAYS = tuple(Way)


def _expected(situation: Situation) -> Iterator[Sketch]:
    for way, selector in _sought(situation):
        for fact_type in selector.types:
            for sketch in doing(fact_type, wanted(selector, situation)):
                yield msgspec.structs.replace(sketch, way=way)


def _sought(situation: Situation) -> Iterator[tuple[Way, Selector]]:
    """Facts of these kinds would satisfy the rule, exempt from it, or release from it."""
    body = situation.rule.body
    if isinstance(body, Require):
        yield Way.DO, body.expect
    elif isinstance(body, Silence):
        yield Way.DO, body.of
    if not isinstance(body, Silence) and body.unless is not None:
        yield Way.DO, body.unless.selector
    if isinstance(body, Require | Forbid) and body.until is not None and body.until.effect is Effect.RELEASE:
        yield Way.CHANGE, body.until.selector


def _wrong(situation: Situation) -> Iterator[Sketch]:
    """What should not be comes before what made it wrong."""
    for fact in _in_question(situation):
        yield from changing(fact)
        yield from correcting(fact, situation)
        yield from retracting(fact, situation)


def _in_question(situation: Situation) -> Sequence[Fact]:
    """The facts that the finding rests on, the latest recorded first. Of a silence there are none: nobody came."""
    if isinstance(situation.rule.body, Silence):
        return ()
    excess = situation.evidence if isinstance(situation.rule.body, Forbid | Limit) else ()
    target = () if situation.target is None else (situation.target,)
    facts = {fact.fact_id: fact for fact in (*target, situation.activation, *excess)}
    return sorted(facts.values(), key=lambda fact: -fact.position)
