"""Opening a pathway, and the identity of the person it is about."""

from datetime import date
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from domain.aggregate import Created, Event, stored
from domain.command import Act, Command, Label
from domain.compartments import Case, Erased, Identity
from domain.dates import must_be_ordered, must_have_happened
from domain.errors import DomainError
from domain.pathway import Pathway

if TYPE_CHECKING:
    from collections.abc import Mapping


@stored
class PathwayOpened(Created, frozen=True, kw_only=True):
    """A service opened a pathway for a person of its territory."""

    TOPIC: ClassVar[str] = "pathway.opened"
    ORIGINATOR: ClassVar[str] = "domain.pathway:Pathway"

    territory: Case[str]
    subject: Case[UUID]
    on: Case[date]
    given_name: Identity[str] = None
    family_name: Identity[str] = None
    birth_date: Identity[date] = None
    phone: Identity[str] = None
    email: Identity[str] = None
    address: Identity[str] = None

    def apply(self, pathway: Pathway) -> None:
        pathway.territory = self.territory
        pathway.subject = self.subject
        pathway.birth_date = _known(self.birth_date)
        pathway.add(self, self.originator_id, type="opened", start=self.on, end=self.on, attrs={}, admits=self.agency)


@stored
class IdentityCorrected(Event, frozen=True, kw_only=True):
    """What is known of the person's identity was replaced as a whole."""

    TOPIC: ClassVar[str] = "pathway.identity-corrected"

    given_name: Identity[str] = None
    family_name: Identity[str] = None
    birth_date: Identity[date] = None
    phone: Identity[str] = None
    email: Identity[str] = None
    address: Identity[str] = None

    def apply(self, pathway: Pathway) -> None:
        pathway.birth_date = _known(self.birth_date)


def _known(birth_date: date | Erased | None) -> date | None:
    return birth_date if isinstance(birth_date, date) else None


class OpenPathway(Command, frozen=True, kw_only=True):
    """Open a pathway for a person. All that names the person is optional, and sealed apart."""

    on: date | None = None
    given_name: Label | None = None
    family_name: Label | None = None
    birth_date: date | None = None
    phone: Label | None = None
    email: Label | None = None
    address: Label | None = None

    def decide(self, pathway: Pathway, act: Act) -> UUID | None:  # noqa: ARG002 -- refuses whatever they are.
        """A pathway is opened once, by `open_pathway`."""
        raise PathwayExists


def open_pathway(command: OpenPathway, territory: str, act: Act, pathway_id: UUID, subject: UUID) -> Pathway:
    """The new pathway, with its first event pending. `subject` is what the person's keys are filed under."""
    on = must_have_happened(command.on or act.today, act, "/on")
    if command.birth_date is not None:
        must_have_happened(command.birth_date, act, "/birth_date")
        must_be_ordered(command.birth_date, on, "/on")
    return Pathway._create(  # noqa: SLF001 -- the library's way to create an aggregate from a given event type.
        PathwayOpened,
        id=pathway_id,
        timestamp=act.at,
        agency=act.agency,
        actor=act.agent,
        territory=territory,
        subject=subject,
        on=on,
        **_identity(command),
    )


class CorrectIdentity(Command, frozen=True, kw_only=True):
    """Replace what is known of the person's identity: a field left out is forgotten from now on."""

    given_name: Label | None = None
    family_name: Label | None = None
    birth_date: date | None = None
    phone: Label | None = None
    email: Label | None = None
    address: Label | None = None

    def decide(self, pathway: Pathway, act: Act) -> None:
        if self.birth_date is not None:
            must_have_happened(self.birth_date, act, "/birth_date")
            if self.birth_date > pathway.ledger.earliest_day():
                raise BornAfterwards(field="/birth_date")
        pathway.record(IdentityCorrected, act, **_identity(self))


def _identity(command: OpenPathway | CorrectIdentity) -> "Mapping[str, str | date | None]":
    names = ("given_name", "family_name", "birth_date", "phone", "email", "address")
    return {name: getattr(command, name) for name in names}


class PathwayExists(DomainError):
    """This pathway is already open."""

    code = "pathway_exists"
    title_fr = "Ce parcours est déjà ouvert."


class BornAfterwards(DomainError):
    """Something is recorded before this birth date: correct that first."""

    code = "born_afterwards"
    status = 422
    title_fr = "Un enregistrement est antérieur à cette date de naissance : corrigez-le d'abord."
