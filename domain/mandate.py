"""An auditor's mandate: what may be looked at, until when. One person proposes it, the data-protection officer signs.

All mandates of a territory stand in one register. No person is named in it: pseudonyms, and ids of pathways.
"""

from copy import copy
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

import msgspec
from eventsourcing.domain import Aggregate

from domain.aggregate import Created, Event, stored
from domain.command import Act, AgencyId, Instant
from domain.errors import DomainError
from domain.ids import uuid8_of
from domain.rulebook import Author

PATHWAYS_MAX = 50
"""What one case mandate may name: an audit looks at a sample, never at everybody."""
MANDATES_MAX = 10_000
"""Of one territory, over time."""
REFERENCE = "^[A-Za-z0-9][A-Za-z0-9./_-]{0,63}$(?!\\n)"


class MandateKind(StrEnum):
    INTEGRITY = "integrity"  # Proofs and sealed bytes; nothing is opened.
    STATISTICS = "statistics"  # Published figures only.
    CASE = "case"  # Named pathways, opened and replayed.


LASTS_MAX = {
    MandateKind.INTEGRITY: timedelta(days=366),
    MandateKind.STATISTICS: timedelta(days=366),
    MandateKind.CASE: timedelta(days=92),
}


class MandateState(StrEnum):
    PROPOSED = "proposed"  # Opens nothing.
    SIGNED = "signed"  # Not begun.
    OPEN = "open"
    ENDED = "ended"
    REVOKED = "revoked"


class Mandate(msgspec.Struct, frozen=True, kw_only=True):
    """One mandate, as it stands."""

    id: UUID
    kind: MandateKind
    auditor: Author
    pathways: tuple[UUID, ...]
    begins_at: datetime
    ends_at: datetime
    """The first instant at which it opens nothing any more."""
    reference: str
    """Of the paper that orders the audit."""
    proposed_by: Author
    proposed_at: datetime
    signed_by: Author | None = None
    signed_at: datetime | None = None
    revoked_by: Author | None = None
    revoked_at: datetime | None = None

    def state(self, at: datetime) -> MandateState:
        if self.revoked_at is not None:
            return MandateState.REVOKED
        if at >= self.ends_at:
            return MandateState.ENDED
        if self.signed_by is None:
            return MandateState.PROPOSED
        return MandateState.OPEN if at >= self.begins_at else MandateState.SIGNED

    def is_open_to(self, who: Author, kind: MandateKind, at: datetime) -> bool:
        """Nobody without a name of their own is an auditor."""
        return (
            who.agent is not None and (self.auditor, self.kind) == (who, kind) and self.state(at) is MandateState.OPEN
        )


class MandateEvent(Event, frozen=True, kw_only=True):
    """Something that happened to one mandate."""

    OF_PERSON: ClassVar[bool] = False

    mandate_id: UUID

    @property
    def author(self) -> Author:
        return Author(self.agency, self.actor)

    def change(self, register: "MandateRegister", **fields: Any) -> None:
        was = register.mandates[self.mandate_id]
        register.mandates[self.mandate_id] = msgspec.structs.replace(was, **fields)


@stored
class MandateRegisterOpened(Created, frozen=True, kw_only=True):
    """A territory began to mandate auditors."""

    TOPIC: ClassVar[str] = "mandate-register.opened"
    ORIGINATOR: ClassVar[str] = "domain.mandate:MandateRegister"
    OF_PERSON: ClassVar[bool] = False

    territory: str

    def apply(self, register: "MandateRegister") -> None:
        register.territory = self.territory


@stored
class MandateProposed(MandateEvent, frozen=True, kw_only=True):
    """Somebody asked that an auditor be let in. Nothing is open yet."""

    TOPIC: ClassVar[str] = "mandate.proposed"

    kind: MandateKind
    auditor_agency: str
    auditor: str
    begins_at: datetime
    ends_at: datetime
    reference: str
    pathways: tuple[UUID, ...] = ()

    def apply(self, register: "MandateRegister") -> None:
        register.mandates[self.mandate_id] = Mandate(
            id=self.mandate_id,
            kind=self.kind,
            auditor=Author(self.auditor_agency, self.auditor),
            pathways=self.pathways,
            begins_at=self.begins_at,
            ends_at=self.ends_at,
            reference=self.reference,
            proposed_by=self.author,
            proposed_at=self.timestamp,
        )


@stored
class MandateSigned(MandateEvent, frozen=True, kw_only=True):
    """The data-protection officer, who is neither its author nor its auditor, signed it."""

    TOPIC: ClassVar[str] = "mandate.signed"

    def apply(self, register: "MandateRegister") -> None:
        self.change(register, signed_by=self.author, signed_at=self.timestamp)


@stored
class MandateRevoked(MandateEvent, frozen=True, kw_only=True):
    """It opens nothing from now on."""

    TOPIC: ClassVar[str] = "mandate.revoked"

    def apply(self, register: "MandateRegister") -> None:
        self.change(register, revoked_by=self.author, revoked_at=self.timestamp)


@stored
class MandateUsed(Created, frozen=True, kw_only=True):
    """Under this mandate an auditor opened a pathway, that day. One stream per mandate, pathway and day."""

    TOPIC: ClassVar[str] = "mandate.used"
    ORIGINATOR: ClassVar[str] = "domain.mandate:MandateUse"
    OF_PERSON: ClassVar[bool] = False

    mandate_id: UUID
    pathway_id: UUID
    day: str

    def apply(self, use: "MandateUse") -> None:
        use.mandate_id, use.pathway_id, use.day = self.mandate_id, self.pathway_id, self.day


class MandateUse(Aggregate):
    """That a pathway was opened to an auditor on one day; said once, however often it was."""

    mandate_id: UUID
    pathway_id: UUID
    day: str

    def __init__(self) -> None:
        """Filled by its only event."""


class MandateRegister(Aggregate):
    """Every mandate that was ever proposed in a territory."""

    def __init__(self) -> None:
        self.territory = ""
        self.mandates: dict[UUID, Mandate] = {}

    def copy(self) -> "MandateRegister":
        """The same, to be changed apart from this one. Of a register with nothing pending."""
        twin = copy(self)
        twin.mandates = dict(self.mandates)
        twin._pending_events = []  # noqa: SLF001 (the library keeps them in a list, which would be shared)
        return twin

    def find(self, mandate_id: UUID) -> Mandate:
        """Raises UnknownMandate."""
        found = self.mandates.get(mandate_id)
        if found is None:
            raise UnknownMandate
        return found

    def record(self, event_type: type[MandateEvent], act: Act, mandate_id: UUID, **fields: Any) -> None:
        self.trigger_event(
            event_type, agency=act.agency, actor=act.agent, timestamp=act.at, mandate_id=mandate_id, **fields
        )


def register_id_of(territory: str) -> UUID:
    """The stream of a territory's register: a UUIDv8, so that there is one only."""
    return uuid8_of("mandates", territory)


def use_id_of(mandate_id: UUID, pathway_id: UUID, day: str) -> UUID:
    """The stream that says a pathway was opened under a mandate on a day: a UUIDv8, so that it is said once."""
    return uuid8_of("mandate-use", str(mandate_id), str(pathway_id), day)


def open_register(territory: str, act: Act) -> MandateRegister:
    """The register of a territory that has none yet, with its first event pending."""
    return MandateRegister._create(  # noqa: SLF001 (the library's way to create an aggregate from an event type)
        MandateRegisterOpened,
        id=register_id_of(territory),
        timestamp=act.at,
        agency=act.agency,
        actor=act.agent,
        territory=territory,
    )


class MandateCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request to change a territory's mandates."""

    def decide(self, register: MandateRegister, act: Act) -> UUID:
        """Trigger events or raise a DomainError, never both; the mandate that it is about."""
        raise NotImplementedError  # pragma: no cover


Agent = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$(?!\n)", description="Pseudonym of the auditor; never a name."
    ),
]
Reference = Annotated[
    str, msgspec.Meta(pattern=REFERENCE, description="Of the paper that orders the audit, such as DPO-2026-014.")
]
Named = Annotated[tuple[UUID, ...], msgspec.Meta(max_length=PATHWAYS_MAX)]


class ProposeMandate(MandateCommand, frozen=True, kw_only=True):
    """Propose to let an auditor in. Somebody else has to sign."""

    kind: MandateKind
    auditor_agency: AgencyId
    auditor: Agent
    begins_at: Instant
    ends_at: Instant
    reference: Reference
    pathways: Named = ()
    """Of a case mandate; the other kinds name none."""

    def decide(self, register: MandateRegister, act: Act) -> UUID:
        if len(register.mandates) >= MANDATES_MAX:
            raise MandateRegisterFull
        if not act.at < self.ends_at or not self.begins_at < self.ends_at:
            raise MandateDates(field="/ends_at")
        if self.ends_at - self.begins_at > LASTS_MAX[self.kind]:
            raise MandateTooLong(field="/ends_at", days_max=LASTS_MAX[self.kind].days)
        if (self.kind is MandateKind.CASE) != bool(self.pathways):
            raise MandateNamesPathways(field="/pathways")
        mandate_id = act.new_id()
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        register.record(MandateProposed, act, mandate_id, **fields | {"pathways": tuple(sorted(set(self.pathways)))})
        return mandate_id


class SignMandate(MandateCommand, frozen=True, kw_only=True):
    """Let the auditor in, from the date on which the mandate begins. Again is a no-op."""

    mandate_id: UUID

    def decide(self, register: MandateRegister, act: Act) -> UUID:
        mandate, signer = register.find(self.mandate_id), Author(act.agency, act.agent)
        if mandate.state(act.at) in (MandateState.ENDED, MandateState.REVOKED):
            raise MandateOver
        if mandate.signed_by is None:
            if not _are_two(signer, mandate.proposed_by) or not _are_two(signer, mandate.auditor):
                raise MandateNeedsAnother
            register.record(MandateSigned, act, self.mandate_id)
        return self.mandate_id


class RevokeMandate(MandateCommand, frozen=True, kw_only=True):
    """Take a mandate back: it opens nothing from now on. Again is a no-op."""

    mandate_id: UUID

    def decide(self, register: MandateRegister, act: Act) -> UUID:
        if register.find(self.mandate_id).revoked_at is None:
            register.record(MandateRevoked, act, self.mandate_id)
        return self.mandate_id


def _are_two(one: Author, other: Author) -> bool:
    """Two persons who both said who they are: another agency alone is not enough to open a pathway."""
    return None not in (one.agent, other.agent) and one.agent != other.agent


class UnknownMandate(DomainError):
    """There is no such mandate."""

    code = "unknown_mandate"
    status = 404
    title_fr = "Ce mandat n'existe pas."


class MandateDates(DomainError):
    """A mandate ends after it begins, and in the future."""

    code = "mandate_dates"
    status = 422
    title_fr = "Un mandat finit après avoir commencé, et dans l'avenir."


class MandateTooLong(DomainError):
    """A mandate of this kind may not last so long."""

    code = "mandate_too_long"
    status = 422
    title_fr = "Un mandat de cette nature ne peut durer aussi longtemps."


class MandateNamesPathways(DomainError):
    """A case mandate names the pathways that it opens; the other kinds name none."""

    code = "mandate_names_pathways"
    status = 422
    title_fr = "Un mandat sur dossiers nomme les parcours qu'il ouvre ; les autres n'en nomment aucun."


class MandateNeedsAnother(DomainError):
    """Whoever signs a mandate is neither who proposed it nor the auditor."""

    code = "mandate_needs_another"
    status = 403
    title_fr = "Qui signe un mandat n'est ni qui l'a proposé, ni l'auditeur."


class MandateOver(DomainError):
    """This mandate is over: it has ended or was revoked."""

    code = "mandate_over"
    title_fr = "Ce mandat n'a plus cours : il a pris fin ou a été révoqué."


class MandateRegisterFull(DomainError):
    """The territory has as many mandates as it may ever have."""

    code = "mandate_register_full"
    status = 422
    title_fr = "Le territoire compte autant de mandats qu'il peut jamais en avoir."
