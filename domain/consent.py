"""Consent: the person agrees that an agency may be told, per purpose and scope; it can be withdrawn at any time."""

from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar
from uuid import UUID

import msgspec

from domain import themes_v1
from domain.aggregate import Event, stored
from domain.command import Act, AgencyId, Command, Text
from domain.compartments import Case, Health, Notes
from domain.dates import must_have_happened
from domain.errors import DomainError
from domain.moves import step_from
from domain.themes import THEME_LIST, UnknownTheme, public_theme

if TYPE_CHECKING:
    from domain.pathway import Pathway

EVERYTHING = "all"
Scope = Annotated[
    str,
    msgspec.Meta(
        max_length=120,
        pattern="^[a-z0-9-]+$(?!\\n)",
        description="`all`, a family of needs (sante) or one need (logement-hebergement--louer-un-logement).",
    ),
]


class Purpose(StrEnum):
    SHARING = "sharing"
    REFERRAL = "referral"
    CONTACT = "contact"
    STATISTICS = "statistics"


@stored
class ConsentGiven(Event, frozen=True, kw_only=True):
    """The person agreed that an agency may be told what concerns a scope, for a purpose."""

    TOPIC: ClassVar[str] = "consent.given"

    consent_id: Case[UUID]
    purpose: Case[Purpose]
    scope: Case[str]
    theme_list: Case[str]
    to_agency: Case[str]
    on: Case[date]
    health_scope: Health[str] = None
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.consent_id,
            type="consent",
            start=self.on,
            end=None,
            attrs={
                "purpose": self.purpose.value,
                "scope": self.scope,
                "to_agency": self.to_agency,
                "status": "given",
            },
            exclusive=_key(self.to_agency, self.purpose, self.scope),
            admits=self.to_agency,
        )


@stored
class ConsentWithdrawn(Event, frozen=True, kw_only=True):
    """The person no longer agrees."""

    TOPIC: ClassVar[str] = "consent.withdrawn"

    consent_id: Case[UUID]
    step_id: Case[UUID]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.step_id,
            type=None,
            start=self.on,
            end=self.on,
            attrs={},
            part_of=self.consent_id,
            moves="end",
            sets={"status": "withdrawn"},
            dismisses=True,
        )


def _key(to_agency: str, purpose: Purpose, scope: str) -> tuple[str, ...]:
    return ("consent", to_agency, purpose.value, scope)


class GiveConsent(Command, frozen=True, kw_only=True):
    """Record that the person agrees. It lets the agency take part in the pathway until it is withdrawn."""

    purpose: Purpose
    scope: Scope = EVERYTHING
    to_agency: AgencyId
    on: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        if self.scope not in {EVERYTHING, *themes_v1.FAMILIES} and self.scope not in themes_v1.NEEDS:
            raise UnknownTheme(field="/scope")
        scope, health_scope = public_theme(self.scope)
        if pathway.lasting(*_key(self.to_agency, self.purpose, scope)):
            raise AlreadyGiven
        on = must_have_happened(self.on or act.today, act, "/on", pathway)
        pathway.must_not_overlap(_key(self.to_agency, self.purpose, scope), on, "/on")
        consent_id = pathway.new_entry_id(self.id, act)
        pathway.record(
            ConsentGiven,
            act,
            consent_id=consent_id,
            purpose=self.purpose,
            scope=scope,
            theme_list=THEME_LIST,
            to_agency=self.to_agency,
            on=on,
            health_scope=health_scope,
            note=self.note,
        )
        return consent_id


class WithdrawConsent(Command, frozen=True, kw_only=True):
    """Record that the person no longer agrees: at any time, even when the pathway is closed."""

    consent_id: UUID
    on: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        consent = pathway.find(self.consent_id, "consent")
        if consent.end is not None:
            raise AlreadyWithdrawn
        step_id, on = step_from(consent, self, act, pathway)
        pathway.record(ConsentWithdrawn, act, consent_id=self.consent_id, step_id=step_id, on=on, note=self.note)
        return step_id


class AlreadyGiven(DomainError):
    """The person already agreed to this."""

    code = "already_given"
    title_fr = "La personne a déjà donné cet accord."


class AlreadyWithdrawn(DomainError):
    """This consent was already withdrawn."""

    code = "already_withdrawn"
    title_fr = "Cet accord a déjà été retiré."
