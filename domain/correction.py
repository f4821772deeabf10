"""Correcting what was recorded, and taking it back. The log keeps what was said before; facts hold what stands.

Only the agency that recorded an entry, or the referent, may correct or retract it. What others built upon
an entry comes off first: the latest step is the first that can be retracted.
"""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import msgspec

from domain.accompaniment import AccompanimentKind
from domain.aggregate import Event, stored
from domain.closure import ClosureOutcome
from domain.command import Act, Code, Command, Instant, Text
from domain.compartments import Case, Health, Notes
from domain.contact import Channel
from domain.contract import ContractKind
from domain.dates import must_be_plausible, must_have_happened
from domain.errors import DomainError
from domain.facts import FactState
from domain.needs import need_attrs
from domain.pathway import NotYours
from domain.referral import Urgency
from domain.relocation import zone_attrs
from domain.situation import SituationValue, Topic, must_fit
from domain.supersession import supersede_moot_requests
from domain.suspension import SuspensionMotive
from domain.themes import THEME_LIST, Theme, kind_of, must_be_known, public_theme
from domain.training import TrainingKind
from domain.zones import Zone

if TYPE_CHECKING:
    from domain.ledger import Current, Entry, Point
    from domain.pathway import Pathway

CODES: Mapping[str, Mapping[str, type[StrEnum]]] = {
    "accompaniment": {"kind": AccompanimentKind},
    "appointment": {"channel": Channel},
    "closed": {"outcome": ClosureOutcome},
    "contact": {"channel": Channel},
    "engagement_contract": {"kind": ContractKind},
    "referral": {"urgency": Urgency},
    "situation": {"value": SituationValue},
    "suspension": {"motive": SuspensionMotive},
    "training": {"kind": TrainingKind},
}
"""Coded attributes that may be corrected, by fact type. Who was asked, or how it ended, is retracted instead."""
THEMED = frozenset({"diagnosis", "referral", "training"})


@stored
class EntryCorrected(Event, frozen=True, kw_only=True):
    """What was recorded was corrected: only what is given changes."""

    TOPIC: ClassVar[str] = "entry.corrected"

    entry_id: Case[UUID]
    start: Case[date | None] = None
    end: Case[date | None] = None
    start_at: Case[datetime | None] = None
    end_at: Case[datetime | None] = None
    no_end: Case[bool] = False
    codes: Case[dict[str, str]] = msgspec.field(default_factory=dict)
    theme: Case[str | None] = None
    theme_list: Case[str | None] = None
    kind: Case[str | None] = None
    from_zone: Case[str | None] = None
    to_zone: Case[str | None] = None
    health_theme: Health[str] = None
    reason: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        entry = pathway.ledger.entries[self.entry_id]
        dates = corrected_dates(entry, self.start_at or self.start, self.end_at or self.end, no_end=self.no_end)
        pathway.ledger.correct(
            entry, self.originator_version, self.timestamp, self.position, **dates, **self._attrs(entry, pathway)
        )

    def _attrs(self, entry: "Entry", pathway: "Pathway") -> dict[str, Any]:
        attrs: dict[str, Any] = dict(self.codes)
        if self.theme is not None and self.kind is not None:
            themed = need_attrs(self.theme, self.kind)
            attrs |= themed if entry.type == "diagnosis" else {name: themed[name] for name in themed_attrs(entry)}
        if self.from_zone is not None or self.to_zone is not None:
            from_zone = self.from_zone or entry.attrs.get("from_zone")
            attrs |= zone_attrs(from_zone, self.to_zone or entry.attrs["to_zone"], pathway.territory)
        return attrs


def themed_attrs(entry: "Entry") -> tuple[str, ...]:
    """What follows the theme: a training's kind does not."""
    return ("theme", "family", "kind") if entry.type == "referral" else ("theme",)


def corrected_dates(entry: "Entry", start: "Point | None", end: "Point | None", *, no_end: bool) -> dict[str, Any]:
    """The entry's own dates once corrected; a fact of one point stays one."""
    if entry.end == entry.start and end is None and not no_end:
        end = start
    dates: dict[str, Any] = {}
    if start is not None:
        dates["start"] = start
    if end is not None or no_end:
        dates["end"] = end
    return dates


@stored
class EntryRetracted(Event, frozen=True, kw_only=True):
    """What was recorded was taken back, with all that was part of it."""

    TOPIC: ClassVar[str] = "entry.retracted"

    entry_id: Case[UUID]
    reason: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        entry = pathway.ledger.entries[self.entry_id]
        pathway.ledger.retract(entry, self.originator_version, self.timestamp, self.position)


class CorrectEntry(Command, frozen=True, kw_only=True):
    """Correct what was recorded under an id; what is left out stays. Days and instants keep their precision.

    `no_end` says that it has no end after all. The coded attributes that may be given depend on the entry's type.
    """

    entry_id: UUID
    start: date | None = None
    end: date | None = None
    start_at: Instant | None = None
    end_at: Instant | None = None
    no_end: bool = False
    theme: Theme | None = None
    from_zone: Zone | None = None
    to_zone: Zone | None = None
    kind: Code | None = None
    channel: Channel | None = None
    value: SituationValue | None = None
    outcome: ClosureOutcome | None = None
    motive: SuspensionMotive | None = None
    urgency: Urgency | None = None
    reason: Text | None = None

    def decide(self, pathway: "Pathway", act: Act) -> None:
        current = pathway.find(self.entry_id)
        must_be_theirs(current, pathway, act)
        codes = self._codes(current)
        self._check_attributes(current)
        start, end = self._dates(current, pathway, act)
        theme, health_theme = public_theme(self.theme) if self.theme else (None, None)
        if not (codes or theme or start or end or self.no_end or self.from_zone or self.to_zone):
            raise NothingToCorrect
        pathway.record(
            EntryCorrected,
            act,
            entry_id=self.entry_id,
            start=None if isinstance(start, datetime) else start,
            end=None if isinstance(end, datetime) else end,
            start_at=start if isinstance(start, datetime) else None,
            end_at=end if isinstance(end, datetime) else None,
            no_end=self.no_end,
            codes=codes,
            theme=theme,
            theme_list=THEME_LIST if theme else None,
            kind=kind_of(self.theme) if self.theme else None,
            from_zone=self.from_zone,
            to_zone=self.to_zone,
            health_theme=health_theme,
            reason=self.reason,
        )
        supersede_moot_requests(pathway, act)

    def _codes(self, current: "Current") -> dict[str, str]:
        allowed = CODES.get(current.entry.type or "", {})
        codes: dict[str, str] = {}
        for name in ("kind", "channel", "value", "outcome", "motive", "urgency"):
            value = getattr(self, name)
            if value is None:
                continue
            if name not in allowed:
                raise NotCorrectable(field=f"/{name}")
            if value not in set(allowed[name]):
                raise NotCorrectable(f"{name} cannot have this value here.", field=f"/{name}")
            codes[name] = str(value)
        if "value" in codes:
            must_fit(Topic(current.attrs["topic"]), SituationValue(codes["value"]))
        return codes

    def _check_attributes(self, current: "Current") -> None:
        if self.theme is not None:
            must_be_known(self.theme)
            if current.entry.type not in THEMED or "theme" not in current.attrs:
                raise NotCorrectable(field="/theme")
        if (self.from_zone or self.to_zone) and current.entry.type != "relocation":
            raise NotCorrectable(field="/to_zone" if self.to_zone else "/from_zone")

    def _dates(self, current: "Current", pathway: "Pathway", act: Act) -> tuple["Point | None", "Point | None"]:
        """The start and the end given, once they are found plausible and in order with everything else."""
        entry, to_minute = current.entry, isinstance(current.start, datetime)
        for name in ("start", "end") if to_minute else ("start_at", "end_at"):
            if getattr(self, name) is not None:
                raise WrongPrecision(field=f"/{name}")
        suffix = "_at" if to_minute else ""
        start: Point | None = self.start_at or self.start
        end: Point | None = self.end_at or self.end
        if start is None and end is None and not self.no_end:
            return None, None
        if "start" in entry.inherits:
            raise NotCorrectable("Its dates are those of what it is part of: correct that.", field=f"/start{suffix}")
        is_point = entry.end == entry.start
        if (end is not None or self.no_end) and (is_point or (self.no_end and (to_minute or end is not None))):
            raise NotCorrectable(field="/no_end" if self.no_end else f"/end{suffix}")
        if start is not None:
            check = must_have_happened if entry.state in HAPPENED else must_be_plausible
            start = check(start, act, f"/start{suffix}", pathway)
        if end is not None:
            end = must_be_plausible(end, act, f"/end{suffix}", pathway)
        if not pathway.ledger.would_stand(entry, **corrected_dates(entry, start, end, no_end=self.no_end)):
            raise OutOfOrderOnceCorrected(field=f"/start{suffix}" if start else f"/end{suffix}")
        return start, end


HAPPENED = frozenset({FactState.DONE, FactState.NO_SHOW})


class RetractEntry(Command, frozen=True, kw_only=True):
    """Take back what was recorded by mistake, with all that is part of it. The log keeps the trace of both."""

    entry_id: UUID
    reason: Text | None = None

    def decide(self, pathway: "Pathway", act: Act) -> None:
        current = pathway.find(self.entry_id)
        must_be_theirs(current, pathway, act)
        entry = current.entry
        if entry.id == pathway.id or entry.because_of is not None:
            raise NotRetractable
        if pathway.ledger.is_built_upon(entry) or not pathway.ledger.would_stand(entry, retracted=True):
            raise BuiltUpon
        pathway.record(EntryRetracted, act, entry_id=self.entry_id, reason=self.reason)
        supersede_moot_requests(pathway, act)


def must_be_theirs(current: "Current", pathway: "Pathway", act: Act) -> None:
    if act.agency not in {current.entry.recorded_by, pathway.referent}:
        raise NotYours("Only the agency that recorded this, or the referent, may correct or retract it.")


class NothingToCorrect(DomainError):
    """The correction changes nothing."""

    code = "nothing_to_correct"
    status = 422
    title_fr = "La correction ne change rien."


class NotCorrectable(DomainError):
    """This cannot be corrected here: retract the entry and record it again."""

    code = "not_correctable"
    status = 422
    title_fr = "Ceci ne peut pas être corrigé ici : annulez l'enregistrement et refaites-le."


class WrongPrecision(DomainError):
    """A day cannot be corrected into an instant, nor an instant into a day."""

    code = "wrong_precision"
    status = 422
    title_fr = "Un jour ne peut pas devenir un instant, ni un instant un jour."


class OutOfOrderOnceCorrected(DomainError):
    """Once corrected, something would end before it starts, overlap, or come before what it follows."""

    code = "out_of_order_once_corrected"
    status = 422
    title_fr = "Une fois corrigé, quelque chose finirait avant de commencer, se chevaucherait ou précéderait sa cause."


class NotRetractable(DomainError):
    """This follows from something else: retract that instead."""

    code = "not_retractable"
    title_fr = "Ceci découle d'autre chose : annulez plutôt sa cause."


class BuiltUpon(DomainError):
    """Something recorded later builds upon this: retract that first."""

    code = "built_upon"
    title_fr = "Un enregistrement plus récent s'appuie sur celui-ci : annulez d'abord celui-là."
