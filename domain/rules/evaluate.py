"""The evaluator: facts of one pathway, rules, calendars and a clock value in, obligations out. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.facts import Fact, FactState
from domain.rules.calendars import Calendars
from domain.rules.case import Scene
from domain.rules.instants import FOREVER, instant_of, moment_of
from domain.rules.obligation import Evaluation, Obligation
from domain.rules.plan import CompiledRules, Plan
from domain.rules.require import judge_require
from domain.rules.rule import Require
from domain.rules.silence import judge_silence
from domain.rules.territories import Territories, territories_of
from domain.rules.vocabulary import OPENED, REOPENED, canonical_type


def evaluate(
    facts: Sequence[Fact],
    rules: CompiledRules,
    calendars: Calendars,
    now: datetime,
    *,
    pathway: Mapping[str, Any] | None = None,
    explained: bool = True,
) -> Evaluation:
    """Judge one pathway at `now`. The order in which facts come changes nothing.

    `pathway` is what `$pathway.x` reads; by default its id and the attributes of its opening.
    Without `explained`, near misses are left out: they cost more than the verdicts.
    """
    if not facts:
        return Evaluation((), None)
    territories = territories_of(facts, calendars)
    if pathway is None:
        pathway = _pathway_of(facts) if rules.reads_pathway else {}
    scenes = [
        Scene(facts, calendar, instant_of(now), pathway, territories, explained=explained)
        for calendar in territories.calendars
    ]
    obligations = [obligation for plan in rules.plans for obligation in _judge(plan, scenes, territories)]
    next_due = min((scene.next_due for scene in scenes), default=FOREVER)
    return Evaluation(tuple(obligations), moment_of(next_due))


def _judge(plan: Plan, scenes: Sequence[Scene], territories: Territories) -> Iterator[Obligation]:
    """In the order of activations. Several scenes exist only for a pathway that crossed time zones."""
    if len(scenes) == 1:
        yield from _judge_in(scenes[0], plan)
        return
    judged = [obligation for scene in scenes for obligation in _judge_in(scene, plan)]
    yield from sorted(judged, key=lambda one: (one.occurred, territories.positions[one.activation], one.activation))


def _judge_in(scene: Scene, plan: Plan) -> Iterator[Obligation]:
    body = plan.rule.body
    if isinstance(body, Require):
        return judge_require(scene, plan, body)
    return judge_silence(scene, plan, body)


def _pathway_of(facts: Sequence[Fact]) -> Mapping[str, Any]:
    """What is known of the pathway itself: the latest opening wins."""
    known: dict[str, Any] = {"id": facts[0].pathway}
    openings = [
        fact for fact in facts if fact.state is FactState.DONE and canonical_type(fact.type) in (OPENED, REOPENED)
    ]
    for fact in sorted(openings, key=lambda fact: (fact.position, fact.fact_id)):
        known.update(fact.attrs)
    return known
