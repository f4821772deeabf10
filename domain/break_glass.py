"""Breaking the glass: in an emergency an agent reads a pathway that nobody shared, with a motive, for four hours.

The coordinator and the data-protection officer are told at once and say within a week whether it was justified.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar
from uuid import UUID

import msgspec

from domain.aggregate import Event, stored
from domain.command import Act, Command, Text
from domain.compartments import Case, Notes
from domain.errors import DomainError
from domain.pathway import EntryExists, UnknownEntry

if TYPE_CHECKING:
    from domain.pathway import Pathway

OPEN_FOR = timedelta(hours=4)
REVIEWED_WITHIN = timedelta(days=7)
MOTIVE_LENGTH_MIN = 20

Motive = Annotated[str, msgspec.Meta(min_length=MOTIVE_LENGTH_MIN, max_length=4000, pattern="^[^\\u0000-\\u0008]*$")]


class BreakGlass(msgspec.Struct, frozen=True, kw_only=True):
    """One time that somebody broke the glass, as it stands."""

    break_glass_id: UUID
    agency: str
    agent: str
    until: datetime
    """That instant excluded."""
    review_due: datetime
    justified: bool | None = None
    """None: not reviewed yet."""


@stored
class GlassBroken(Event, frozen=True, kw_only=True):
    """An agent opened in an emergency what nobody had shared."""

    TOPIC: ClassVar[str] = "glass.broken"

    break_glass_id: Case[UUID]
    until: Case[datetime]
    review_due: Case[datetime]
    motive: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.break_glass[self.break_glass_id] = BreakGlass(
            break_glass_id=self.break_glass_id,
            agency=self.agency,
            agent=self.actor or "",
            until=self.until,
            review_due=self.review_due,
        )


@stored
class GlassReviewed(Event, frozen=True, kw_only=True):
    """Somebody in charge of it said whether breaking the glass was justified."""

    TOPIC: ClassVar[str] = "glass.reviewed"

    break_glass_id: Case[UUID]
    justified: Case[bool]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        broken = pathway.break_glass[self.break_glass_id]
        pathway.break_glass[self.break_glass_id] = msgspec.structs.replace(broken, justified=self.justified)


def open_glass(pathway: "Pathway", at: datetime) -> Iterator[BreakGlass]:
    """Those still open. A review that finds no justification closes it at once."""
    for broken in pathway.break_glass.values():
        if at < broken.until and broken.justified is not False:
            yield broken


class BreakTheGlass(Command, frozen=True, kw_only=True):
    """Read a pathway for four hours in an emergency. The motive, of at least twenty characters, is for its review."""

    motive: Motive
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        if len(self.motive.strip()) < MOTIVE_LENGTH_MIN:
            raise MotiveTooShort(field="/motive")
        if act.agent is None:
            raise NobodyNamed
        if any((broken.agency, broken.agent) == (act.agency, act.agent) for broken in open_glass(pathway, act.at)):
            raise AlreadyBroken
        break_glass_id = self.id or act.new_id()
        if break_glass_id in pathway.break_glass or break_glass_id in pathway.ledger:
            raise EntryExists(field="/id")
        pathway.record(
            GlassBroken,
            act,
            break_glass_id=break_glass_id,
            until=act.at + OPEN_FOR,
            review_due=act.at + REVIEWED_WITHIN,
            motive=self.motive,
        )
        return break_glass_id


class ReviewBreakGlass(Command, frozen=True, kw_only=True):
    """Say whether breaking the glass was justified: never by whoever broke it."""

    break_glass_id: UUID
    justified: bool
    note: Text | None = None

    def decide(self, pathway: "Pathway", act: Act) -> None:
        broken = pathway.break_glass.get(self.break_glass_id)
        if broken is None:
            raise UnknownEntry
        if (broken.agency, broken.agent) == (act.agency, act.agent):
            raise OwnReview
        if broken.justified is not None:
            raise AlreadyReviewed
        pathway.record(GlassReviewed, act, break_glass_id=self.break_glass_id, justified=self.justified, note=self.note)


class MotiveTooShort(DomainError):
    """The motive has at least twenty characters."""

    code = "motive_too_short"
    status = 422
    title_fr = "Le motif compte au moins vingt caractères."


class NobodyNamed(DomainError):
    """Breaking the glass is the act of a person: nobody is named."""

    code = "nobody_named"
    status = 403
    title_fr = "Le bris de glace est l'acte d'une personne : aucune n'est nommée."


class AlreadyBroken(DomainError):
    """You already broke the glass on this pathway, and it is still open."""

    code = "already_broken"
    title_fr = "Vous avez déjà brisé la glace sur ce parcours, et l'accès est encore ouvert."


class OwnReview(DomainError):
    """Nobody reviews what they did themselves."""

    code = "own_review"
    status = 403
    title_fr = "Nul ne juge ce qu'il a fait lui-même."


class AlreadyReviewed(DomainError):
    """This was already reviewed."""

    code = "already_reviewed"
    title_fr = "Ceci a déjà été examiné."
