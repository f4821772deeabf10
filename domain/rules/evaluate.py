"""The evaluator: facts of one pathway, rules, calendars and a clock value in, obligations out. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from domain.facts import Fact, FactState
from domain.rules.calendars import Calendars
from domain.rules.forbid import judge_forbid, without_mirrors
from domain.rules.instants import FOREVER, instant_of, moment_of
from domain.rules.limit import judge_limit
from domain.rules.obligation import Evaluation, Obligation
from domain.rules.plan import CompiledRules, Plan
from domain.rules.require import judge_require
from domain.rules.rule import Forbid, Limit, Require
from domain.rules.scene import Scene
from domain.rules.silence import judge_silence
from domain.rules.territories import territories_of
from domain.rules.timeline import PlacedFacts
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
    stage = Stage(facts, rules, calendars, now, pathway, explained=explained)
    verdicts = [stage.judge(plan) for plan in rules.plans]
    next_due = min((verdict.next_due for verdict in verdicts), default=FOREVER)
    return Evaluation(tuple(one for verdict in verdicts for one in verdict.obligations), moment_of(next_due))


NOTHING_SETTLED: Mapping[str, Obligation] = MappingProxyType({})


class Verdicts(NamedTuple):
    """What one rule says of a pathway, and the instant at which to ask it again if nothing new is learnt."""

    obligations: tuple[Obligation, ...]
    next_due: int


NOTHING_SAID = Verdicts((), FOREVER)


class Stage:
    """A pathway's facts laid out at one instant, for any of the rules. Several scenes only when it crossed zones."""

    def __init__(
        self,
        facts: Sequence[Fact],
        rules: CompiledRules,
        calendars: Calendars,
        now: datetime,
        pathway: Mapping[str, Any] | None = None,
        placed: PlacedFacts | None = None,
        *,
        explained: bool,
    ) -> None:
        self._scenes: list[Scene] = []
        self._types: Collection[str] = ()
        if not facts:
            return
        self._territories = territories_of(facts, calendars)
        if pathway is None:
            pathway = _pathway_of(facts) if rules.reads_pathway else {}
        calendars_used = self._territories.calendars
        self._scenes = [
            Scene(
                facts,
                calendar,
                instant_of(now),
                pathway,
                self._territories,
                placed if len(calendars_used) == 1 else None,
                explained=explained,
            )
            for calendar in calendars_used
        ]
        self._types = self._scenes[0].timeline.by_type

    @property
    def is_quiet(self) -> bool:
        """The pathway is neither closed nor suspended at any time: nothing but facts of its rules moves a window."""
        return all(scene.life.is_quiet for scene in self._scenes)

    def judge(self, plan: Plan, settled: Mapping[str, Obligation] = NOTHING_SETTLED) -> Verdicts:
        """Obligations in the order of their activations; those known to be `settled`, by activation, as they are."""
        if plan.starters is not None and plan.starters.isdisjoint(self._types):
            return NOTHING_SAID
        for scene in self._scenes:
            scene.next_due, scene.settled = FOREVER, settled
        obligations = [obligation for scene in self._scenes for obligation in _judge_in(scene, plan)]
        if len(self._scenes) > 1:
            obligations.sort(key=self._order)
        if isinstance(plan.rule.body, Forbid):
            obligations = list(without_mirrors(obligations))
        return Verdicts(tuple(obligations), min((scene.next_due for scene in self._scenes), default=FOREVER))

    def _order(self, obligation: Obligation) -> tuple[datetime | None, int, str]:
        return obligation.occurred, self._territories.positions[obligation.activation], obligation.activation


def _judge_in(scene: Scene, plan: Plan) -> Iterator[Obligation]:
    body = plan.rule.body
    if isinstance(body, Require):
        return judge_require(scene, plan, body)
    if isinstance(body, Forbid):
        return judge_forbid(scene, plan, body)
    if isinstance(body, Limit):
        return judge_limit(scene, plan, body)
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
