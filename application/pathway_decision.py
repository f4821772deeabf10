"""What a telling changes in a pathway: what is new is recorded, what is told otherwise is corrected. Pure.

What people corrected, took back or closed here is left as they left it: they know better than an old file.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, cast
from uuid import UUID

import msgspec

from application.event_log import Stored
from application.importing import IMPORTER, Reason, Refusal
from application.pathway_telling import Step, Telling
from application.pathways import fold
from domain.aggregate import Event
from domain.command import Act, Command
from domain.compartments import Erased
from domain.correction import CorrectEntry, EntryCorrected, RetractEntry
from domain.errors import DomainError
from domain.ledger import Entry
from domain.opening import CorrectIdentity, IdentityCorrected, PathwayOpened, open_pathway
from domain.pathway import Pathway

Acting: TypeAlias = Callable[[str], Act]
"""How an agency acts now."""

CORRECTABLE = frozenset({"kind", "value", "urgency", "channel", "outcome", "motive"})
FOLLOWS_THEME = frozenset({"needs", "family", "kind"})
TOLD_OTHERWISE = Reason(
    "told_otherwise",
    "La ligne dit autre chose que lors du dernier import, et cela ne se corrige pas tout seul.",
    "The line says something else than at the last import, and this cannot be corrected by itself.",
)


class Decided(msgspec.Struct, kw_only=True):
    """What one telling comes to."""

    events: list[Event] = []
    refusals: list[Refusal] = []
    facts: int = 0
    kept: int = 0
    """Entries told otherwise, that people corrected here."""


def decide(telling: Telling, history: Sequence[Stored], territory: str, acting: Acting) -> Decided:
    """All that can be told of the pathway, and nothing when it cannot be opened or was erased."""
    recorded = fold(None, list(history))
    if recorded is not None and recorded.erased:
        return Decided()
    try:
        act = acting(telling.opening.agency)
        told = open_pathway(telling.opening.command, territory, act, telling.pathway_id, telling.subject)
    except DomainError as error:
        return Decided(refusals=[telling.opening.refused(error)])
    decision = _Decision(told, acting)
    for step in telling.steps:
        decision.carry_out(step)
    if recorded is not None:
        decision = _Revision(recorded, acting, told, decision.decided.refusals, telling, history)
        decision.revise()
    decision.close(telling)
    return decision.decided


class _Decision:
    """Commands carried out on one pathway."""

    def __init__(self, pathway: Pathway, acting: Acting) -> None:
        self._pathway = pathway
        self._acting = acting
        self._decided = Decided()

    @property
    def decided(self) -> Decided:
        self._decided.events += cast("list[Event]", self._pathway.collect_events())
        self._decided.facts = len(self._pathway.facts())
        return self._decided

    def carry_out(self, step: Step, command: Command | None = None, *, agency: str | None = None) -> bool:
        """False when the domain refused it, which is reported on the step's line."""
        try:
            (command or step.command).decide(self._pathway, self._acting(agency or step.agency))
        except DomainError as error:
            self._decided.refusals.append(step.refused(error))
            return False
        return True

    def close(self, telling: Telling) -> None:
        """In the name of who may. Left open when nothing was recorded: then people reopened it."""
        if telling.closing is not None and not self._pathway.is_closed and self._pathway.pending_events:
            opener = self._pathway.ledger.entries[self._pathway.id].recorded_by
            self.carry_out(telling.closing, agency=self._pathway.referent or opener)


class _Revision(_Decision):
    """The commands that bring a pathway recorded before to what is told now."""

    def __init__(
        self,
        recorded: Pathway,
        acting: Acting,
        told: Pathway,
        refusals: list[Refusal],
        telling: Telling,
        history: Sequence[Stored],
    ) -> None:
        super().__init__(recorded, acting)
        self._decided.refusals = list(refusals)
        self._told = told
        self._telling = telling
        self._history = history
        self._steps = {step.id: step for step in (telling.opening, *telling.steps)}

    def revise(self) -> None:
        ledger, telling = self._pathway.ledger, self._telling
        news = [step for step in telling.steps if step.id not in ledger and step.id in self._told.ledger]
        deleted = [entry_id for entry_id in telling.deleted if ledger.current(entry_id) is not None]
        if news or deleted or telling.closing is None:
            self._take_back_closure()
        for entry_id in deleted:
            self._retract(entry_id)
        self._correct_identity()
        self._correct(list(self._corrections()))
        for step in news:
            self.carry_out(step)

    def _take_back_closure(self) -> None:
        """The source had more to say, so the pathway was not over. A closure that people recorded stays."""
        closure = self._pathway.closure
        if closure is not None and closure.entry.actor == IMPORTER:
            self._retract(closure.id)

    def _retract(self, entry_id: UUID) -> None:
        entry = self._pathway.ledger.entries[entry_id]
        step = self._step_of(entry) or self._telling.opening
        self.carry_out(step, RetractEntry(entry_id=entry_id), agency=entry.recorded_by)

    def _correct_identity(self) -> None:
        opening = self._telling.opening
        last = next(stored.event for stored in reversed(self._history) if isinstance(stored.event, WITH_IDENTITY))
        told, known = _identity(opening.command), _identity(last)
        if last.actor == IMPORTER and told != known and not any(isinstance(value, Erased) for value in known.values()):
            kept = {name: getattr(last, name) for name in ("phone", "email", "address")}
            opener = self._pathway.ledger.entries[self._pathway.id].recorded_by
            self.carry_out(opening, CorrectIdentity(**told, **kept), agency=opener)

    def _corrections(self) -> Iterator[tuple[Step, CorrectEntry]]:
        by_people = {
            stored.event.entry_id
            for stored in self._history
            if isinstance(stored.event, EntryCorrected) and stored.event.actor != IMPORTER
        }
        for entry in self._told.ledger.entries.values():
            known = self._pathway.ledger.entries.get(entry.id)
            step = self._step_of(entry)
            if known is None or step is None or not self._pathway.ledger.is_live(known):
                continue
            changes = _changes(known, entry)
            if changes is None:
                self._decided.refusals.append(Refusal(step.file, step.line, None, TOLD_OTHERWISE))
            elif changes and entry.id in by_people:
                self._decided.kept += 1
            elif changes:
                yield step, CorrectEntry(entry_id=entry.id, **changes)
        yield from self._closure_correction()

    def _closure_correction(self) -> Iterator[tuple[Step, CorrectEntry]]:
        closure, closing = self._pathway.closure, self._telling.closing
        if closure is None or closing is None or closure.entry.actor != IMPORTER:
            return
        command = cast("Any", closing.command)
        changes = {} if command.on == closure.start else {"start": command.on}
        if command.outcome != closure.attrs["outcome"]:
            changes["outcome"] = command.outcome
        if changes:
            yield closing, CorrectEntry(entry_id=closure.id, **changes)

    def _correct(self, corrections: list[tuple[Step, CorrectEntry]]) -> None:
        """Dates that move together may only fit in one order: what is refused is tried again after the others."""
        for last_chance in (False, True):
            waiting = []
            for step, command in corrections:
                entry = self._pathway.ledger.entries[command.entry_id]
                refused = len(self._decided.refusals)
                if not self.carry_out(step, command, agency=entry.recorded_by) and not last_chance:
                    del self._decided.refusals[refused:]
                    waiting.append((step, command))
            corrections = waiting

    def _step_of(self, entry: Entry) -> Step | None:
        """The step that recorded an entry, or what the entry is part of."""
        step = self._steps.get(entry.id)
        return step if step is not None or entry.part_of is None else self._steps.get(entry.part_of)


WITH_IDENTITY = (PathwayOpened, IdentityCorrected)


def _identity(told: Any) -> dict[str, Any]:
    return {name: getattr(told, name) for name in ("given_name", "family_name", "birth_date")}


def _changes(known: Entry, told: Entry) -> dict[str, Any] | None:
    """Fields of the correction that makes the first say what the second says; None when there is no such correction."""
    changes: dict[str, Any] = {}
    if known.start != told.start and "start" not in known.inherits:
        changes["start"] = told.start
    differing = {name for name, value in told.attrs.items() if known.attrs.get(name) != value}
    if "theme" in differing:
        changes["theme"] = told.attrs["theme"]
        differing -= FOLLOWS_THEME | {"theme"}
    if differing - CORRECTABLE or known.sets != told.sets:
        return None
    return changes | {name: told.attrs[name] for name in differing}
