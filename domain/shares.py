"""Shares: an agency lets another read what is known of a person, for a purpose, on a legal basis, until a date.

A share never makes an agency take part in the pathway: it reads, and records nothing.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar
from uuid import UUID

import msgspec

from domain.aggregate import Event, stored
from domain.command import Act, AgencyId, Command, Instant, Text
from domain.compartments import Case, Notes
from domain.errors import DomainError
from domain.pathway import EntryExists, NotYours, UnknownEntry

if TYPE_CHECKING:
    from domain.ledger import Current
    from domain.pathway import Pathway

SHARED_FOR_MOST = timedelta(days=366)
EVERYTHING, HEALTH_FAMILY = "all", "sante"


class AccessPurpose(StrEnum):
    """What somebody opens a person's content for."""

    ACCOMPANIMENT = "accompaniment"
    REFERRAL = "referral"
    CONTACT = "contact"
    COORDINATION = "coordination"
    EMERGENCY = "emergency"
    RIGHTS = "rights"  # Answering the person, who asks what is known, or asks for it to be put right or erased.
    AUDIT = "audit"


class Basis(StrEnum):
    """What allows a share."""

    CONSENT = "consent"
    COORDINATED_CARE = "casf-l121-6-2"  # Professionals who act for the same person or family.
    INSERTION = "casf-l263-4-1"  # Those who accompany the person into work.


class SharedContent(StrEnum):
    """What a share opens beside the coded facts."""

    IDENTITY = "identity"
    HEALTH = "health"
    NOTES = "notes"  # Those of the agency that shares.


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A share as it stands, its consent apart."""

    share_id: UUID
    by_agency: str
    to_agency: str
    contents: tuple[SharedContent, ...]
    purpose: AccessPurpose
    basis: Basis
    consent_id: UUID | None
    until: datetime
    """That instant excluded."""
    revoked: bool = False


@stored
class ShareGranted(Event, frozen=True, kw_only=True):
    """An agency let another read what is known of the person."""

    TOPIC: ClassVar[str] = "share.granted"

    share_id: Case[UUID]
    to_agency: Case[str]
    contents: Case[tuple[SharedContent, ...]]
    purpose: Case[AccessPurpose]
    basis: Case[Basis]
    until: Case[datetime]
    consent_id: Case[UUID | None] = None
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.shares[self.share_id] = Share(
            share_id=self.share_id,
            by_agency=self.agency,
            to_agency=self.to_agency,
            contents=self.contents,
            purpose=self.purpose,
            basis=self.basis,
            consent_id=self.consent_id,
            until=self.until,
        )


@stored
class ShareRevoked(Event, frozen=True, kw_only=True):
    """A share ended before its date."""

    TOPIC: ClassVar[str] = "share.revoked"

    share_id: Case[UUID]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        share = pathway.shares[self.share_id]
        pathway.shares[self.share_id] = msgspec.structs.replace(share, revoked=True)


def standing_shares(pathway: "Pathway") -> Iterator[Share]:
    """Shares neither revoked nor without the consent that they rest on; some are past their date."""
    for share in pathway.shares.values():
        if not share.revoked and _stands(share.consent_id, pathway):
            yield share


def live_shares(pathway: "Pathway", at: datetime) -> Iterator[Share]:
    """Shares that open something at that time."""
    return (share for share in standing_shares(pathway) if at < share.until)


def _stands(consent_id: UUID | None, pathway: "Pathway") -> bool:
    if consent_id is None:
        return True
    consent = pathway.ledger.current(consent_id)
    return consent is not None and consent.end is None


Contents = Annotated[tuple[SharedContent, ...], msgspec.Meta(max_length=len(SharedContent))]


class GrantShare(Command, frozen=True, kw_only=True):
    """Let another agency read the coded facts and what `contents` names, until an instant at most a year ahead.

    Health is only ever shared because the person agreed: with a consent to that agency that covers health.
    """

    to_agency: AgencyId
    purpose: AccessPurpose
    basis: Basis
    until: Instant
    contents: Contents = ()
    consent_id: UUID | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        if self.to_agency == act.agency:
            raise SharedWithOneself(field="/to_agency")
        if not act.at < self.until <= act.at + SHARED_FOR_MOST:
            raise ShareTooLong(field="/until")
        self._check_basis(pathway)
        share_id = self.id or act.new_id()
        if share_id in pathway.shares or share_id in pathway.ledger:
            raise EntryExists(field="/id")
        pathway.record(
            ShareGranted,
            act,
            share_id=share_id,
            to_agency=self.to_agency,
            contents=tuple(sorted(set(self.contents))),
            purpose=self.purpose,
            basis=self.basis,
            until=self.until.astimezone(UTC),
            consent_id=self.consent_id,
            note=self.note,
        )
        return share_id

    def _check_basis(self, pathway: "Pathway") -> None:
        if (self.basis is Basis.CONSENT) != (self.consent_id is not None):
            raise ConsentMissing(field="/consent_id")
        if self.consent_id is None:
            if SharedContent.HEALTH in self.contents:
                raise ConsentMissing("Health is shared with the person's consent only.", field="/contents")
            return
        consent = pathway.ledger.current(self.consent_id)
        if consent is None or not self._covers(consent):
            raise ConsentMissing("No such consent to that agency stands.", field="/consent_id")

    def _covers(self, consent: "Current") -> bool:
        if consent.entry.type != "consent" or consent.end is not None:
            return False
        attrs = consent.attrs
        health = attrs["scope"] == EVERYTHING or attrs["scope"].split("--")[0] == HEALTH_FAMILY
        return (
            attrs["to_agency"] == self.to_agency
            and attrs["purpose"] == "sharing"
            and (health or SharedContent.HEALTH not in self.contents)
        )


class RevokeShare(Command, frozen=True, kw_only=True):
    """End a share at once: by the agency that granted it, by the referent, or by the one it was granted to."""

    share_id: UUID
    note: Text | None = None

    def decide(self, pathway: "Pathway", act: Act) -> None:
        share = pathway.shares.get(self.share_id)
        if share is None:
            raise UnknownEntry
        if act.agency not in {share.by_agency, share.to_agency, pathway.referent}:
            raise NotYours
        if share.revoked:
            raise AlreadyRevoked
        pathway.record(ShareRevoked, act, share_id=self.share_id, note=self.note)


class SharedWithOneself(DomainError):
    """An agency does not share with itself."""

    code = "shared_with_oneself"
    status = 422
    title_fr = "Un service ne partage pas avec lui-même."


class ShareTooLong(DomainError):
    """A share ends at an instant to come, at most a year ahead."""

    code = "share_too_long"
    status = 422
    title_fr = "Un partage prend fin à un instant à venir, dans un an au plus."


class ConsentMissing(DomainError):
    """A share by consent names the consent it rests on; no other share does."""

    code = "consent_missing"
    status = 422
    title_fr = "Un partage consenti nomme l'accord sur lequel il repose ; aucun autre n'en nomme."


class AlreadyRevoked(DomainError):
    """This share was already revoked."""

    code = "already_revoked"
    title_fr = "Ce partage a déjà été révoqué."
