"""A person asks what is known of them (GDPR art. 15): prepared by a machine, checked by somebody, then handed over.

What it says is made from the log each time: only up to where, and what is withheld, is stored; it goes with the person.
"""

from typing import ClassVar
from uuid import UUID

import msgspec
from eventsourcing.domain import Aggregate

from domain.aggregate import Created, Event, stored
from domain.command import Act
from domain.compartments import Case
from domain.errors import DomainError


class Withheld(msgspec.Struct, frozen=True):
    """What is not handed over because it is about somebody else: one field of one event."""

    version: int
    field: str


@stored
class SubjectAccessPrepared(Created, frozen=True, kw_only=True):
    """All that is known of the person at that moment was put together, to be checked."""

    TOPIC: ClassVar[str] = "subject-access.prepared"
    ORIGINATOR: ClassVar[str] = "domain.subject_access:SubjectAccess"

    pathway_id: Case[UUID]
    version_known: Case[int]
    """The pathway's last version that is in it."""

    def apply(self, access: "SubjectAccess") -> None:
        access.pathway_id, access.version_known = self.pathway_id, self.version_known


@stored
class SubjectAccessReleased(Event, frozen=True, kw_only=True):
    """Somebody read it, withheld what is about others, and let it be handed over."""

    TOPIC: ClassVar[str] = "subject-access.released"

    withheld: Case[tuple[Withheld, ...]] = ()

    def apply(self, access: "SubjectAccess") -> None:
        access.released, access.withheld = True, self.withheld


class SubjectAccess(Aggregate):
    """One answer to one person."""

    def __init__(self) -> None:
        self.pathway_id = UUID(int=0)
        self.version_known = 0
        self.released = False
        self.withheld: tuple[Withheld, ...] = ()
        self.erased = False

    def release(self, withheld: tuple[Withheld, ...], act: Act) -> None:
        """Raises AlreadyReleased."""
        if self.released:
            raise AlreadyReleased
        self.trigger_event(
            SubjectAccessReleased, agency=act.agency, actor=act.agent, timestamp=act.at, withheld=withheld
        )


def prepare(access_id: UUID, pathway_id: UUID, version_known: int, act: Act) -> SubjectAccess:
    """The new answer, its first event pending."""
    return SubjectAccess._create(  # noqa: SLF001 -- the library's way to create an aggregate from a given event type.
        SubjectAccessPrepared,
        id=access_id,
        timestamp=act.at,
        agency=act.agency,
        actor=act.agent,
        pathway_id=pathway_id,
        version_known=version_known,
    )


class AlreadyReleased(DomainError):
    """This answer was released already: prepare another one."""

    code = "already_released"
    title_fr = "Cette réponse a déjà été validée : préparez-en une autre."
