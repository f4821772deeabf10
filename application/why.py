"""Why an alert was raised, worked out again: the same events, the rules and the calendar of then, and nothing else."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from application.event_log import EventLog, Stored
from application.pathways import fold
from application.rulebooks import Rulebooks
from domain.alert import AlertRaised, AlertReopened, Finding, NearMiss
from domain.errors import DomainError
from domain.facts import Fact
from domain.pathway import Pathway
from domain.rules import Calendars, Obligation, Rule, Status, evaluate
from domain.rules.explain import Explanation, explain
from domain.rules.rule import Forbid


class CannotBeJudgedAgain(DomainError):
    """What this alert rests on can no longer be read, or its rule or calendar is no longer held."""

    code = "cannot_be_judged_again"
    status = 410
    title_fr = (
        "Ce sur quoi repose cette alerte ne peut plus être lu, ou sa règle ou son calendrier ne sont plus connus."
    )


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """What was recorded of an alert, and what the same question gives when it is asked again."""

    alert: UUID
    raised_at: datetime
    """When the rule was asked: that of the deadline or of the event that changed the situation."""
    recorded_at: datetime
    known_at: int
    """How much of the log was known then."""
    recorded: Finding
    rule: Rule
    digest: str | None
    """SHA-256 of the rule's document; None for one that came with the product."""
    rulebook_version: int
    """Of the territory's rulebook then; 0: it had none of its own."""
    explanation: Explanation
    events: Sequence[Stored]
    """What was recorded of the facts it rests on, in order."""
    differs_in: tuple[str, ...]
    """Where the verdict given again is not the one recorded; empty: it is the same."""


class Whys:
    """Judges again."""

    def __init__(self, log: EventLog, rulebooks: Rulebooks, calendars: Calendars) -> None:
        self._log = log
        self._rulebooks = rulebooks
        self._calendars = calendars

    async def why(self, territory: str, history: Sequence[Stored]) -> Why:
        """Of an alert's events up to a moment: why it was last raised by then. Raises CannotBeJudgedAgain."""
        raised = next((found for each in reversed(history) if (found := _raising(each)) is not None), None)
        if raised is None:
            raise CannotBeJudgedAgain
        finding, known_at = raised.finding, raised.known_at
        events = await self._log.read_stream(territory, finding.pathway, until_position=known_at)
        pathway = fold(None, events)
        rulebook = await self._rulebooks.read(territory, until_position=known_at)
        rules = self._rulebooks.rules.of(rulebook.versions.values())
        key = (finding.rule, finding.version)
        rule = next((each for each in rules.ruleset if (each.slug, each.version) == key), None)
        if pathway is None or pathway.erased or rule is None:
            raise CannotBeJudgedAgain
        facts = pathway.facts()
        calendars = self._calendars_of(facts, finding)
        judged = evaluate(facts, rules.only(finding.rule), calendars, raised.on).obligations
        obligation = next((each for each in judged if _is_about(each, finding, rule)), None)
        if obligation is None:
            raise CannotBeJudgedAgain
        explanation = explain(obligation, facts, rule, calendars.of(obligation.territory))
        own = rulebook.versions.get(key)
        return Why(
            alert=raised.originator_id,
            raised_at=raised.on,
            recorded_at=raised.timestamp,
            known_at=known_at,
            recorded=finding,
            rule=rule,
            digest=None if own is None else own.digest or None,
            rulebook_version=rulebook.version if rulebook.territory else 0,
            explanation=msgspec.structs.replace(explanation, known_at=known_at),
            events=_events_of(pathway, events, obligation),
            differs_in=tuple(_differences(obligation, finding)),
        )

    def _calendars_of(self, facts: Sequence[Fact], finding: Finding) -> Calendars:
        """As they were when the verdict was recorded."""
        territory = next((fact.territory for fact in facts if fact.fact_id == finding.activation), None)
        try:
            return self._calendars.as_of(territory, finding.calendar)
        except LookupError:
            raise CannotBeJudgedAgain from None


def _raising(stored: Stored) -> AlertRaised | AlertReopened | None:
    return stored.event if isinstance(stored.event, AlertRaised | AlertReopened) else None


def _is_about(obligation: Obligation, finding: Finding, rule: Rule) -> bool:
    """The target counts only where each pair of facts is a situation of its own."""
    situation = (obligation.rule, obligation.version, obligation.activation)
    same_pair = not isinstance(rule.body, Forbid) or obligation.target == finding.target
    return same_pair and situation == (finding.rule, finding.version, finding.activation)


def _differences(obligation: Obligation, finding: Finding) -> Iterator[str]:
    """What of the recorded finding would be otherwise now. A verdict that no longer raises differs in its status."""
    if obligation.status is not Status.VIOLATED_OPEN:
        yield "status"
    again = {
        "target": obligation.target,
        "opens": obligation.open,
        "closes": obligation.close,
        "at": obligation.at,
        "calendar": obligation.calendar,
        "evidence": obligation.evidence,
        "near_misses": tuple(NearMiss(each.fact_id, each.failed, each.detail) for each in obligation.near_misses),
    }
    yield from (name for name, value in again.items() if getattr(finding, name) != value)


def _events_of(pathway: Pathway, events: Sequence[Stored], obligation: Obligation) -> list[Stored]:
    """Those that made the facts what they were: first said, corrected, moved on."""
    near = (miss.fact_id for miss in obligation.near_misses)
    positions: set[int] = set()
    for fact_id in {obligation.activation, *obligation.evidence, *near}:
        entry = pathway.ledger.entries[UUID(fact_id)]
        positions |= {entry.first_position, entry.position}
        positions |= {step.position for step in pathway.ledger.live_steps(entry)}
    return [stored for stored in events if stored.position in positions]
