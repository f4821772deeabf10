"""Contacts: an agency reached the person, or tried to."""

from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.command import Act, Command, Instant, Text
from domain.compartments import Case, Notes
from domain.dates import must_have_happened
from domain.errors import DomainError
from domain.facts import FactState

if TYPE_CHECKING:
    from domain.pathway import Pathway


class Channel(StrEnum):
    IN_PERSON = "in_person"
    HOME_VISIT = "home_visit"
    PHONE = "phone"
    VIDEO = "video"
    MESSAGE = "message"
    EMAIL = "email"
    LETTER = "letter"
    OTHER = "other"


@stored
class ContactRecorded(Event, frozen=True, kw_only=True):
    """An agency was in contact with the person; `at` when the minute is known, else `on`."""

    TOPIC: ClassVar[str] = "contact.recorded"

    contact_id: Case[UUID]
    channel: Case[Channel]
    reached: Case[bool] = True
    on: Case[date | None] = None
    at: Case[datetime | None] = None
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        point = self.at or self.on
        pathway.add(
            self,
            self.contact_id,
            type="contact",
            start=point,
            end=point,
            state=FactState.DONE if self.reached else FactState.NO_SHOW,
            attrs={"channel": self.channel.value, "reached": self.reached},
        )


class RecordContact(Command, frozen=True, kw_only=True):
    """Record a contact with the person, to the day (`on`) or to the minute (`at`); today when neither is given."""

    channel: Channel
    reached: bool = True
    on: date | None = None
    at: Instant | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        if self.on is not None and self.at is not None:
            raise OneDateOnly(field="/at")
        at = None if self.at is None else must_have_happened(self.at, act, "/at", pathway)
        on = None if at else must_have_happened(self.on or act.today, act, "/on", pathway)
        contact_id = pathway.new_entry_id(self.id, act)
        pathway.record(
            ContactRecorded,
            act,
            contact_id=contact_id,
            channel=self.channel,
            reached=self.reached,
            on=on,
            at=at,
            note=self.note,
        )
        return contact_id


class OneDateOnly(DomainError):
    """Give the day or the instant, not both."""

    code = "one_date_only"
    status = 422
    title_fr = "Donnez le jour ou l'instant, pas les deux."
