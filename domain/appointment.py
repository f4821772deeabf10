"""Appointments, to the minute: booked, then present, excused, absent or cancelled."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.command import Act, Command, Instant, Text
from domain.compartments import Case, Notes
from domain.contact import Channel
from domain.dates import must_be_ordered, must_be_plausible, must_have_happened
from domain.errors import DomainError
from domain.facts import FactState
from domain.pathway import ImpossibleTransition, NotYours, OutOfOrder

if TYPE_CHECKING:
    from domain.pathway import Pathway


class AppointmentOutcome(StrEnum):
    PRESENT = "present"
    EXCUSED = "excused"
    ABSENT = "absent"
    CANCELLED = "cancelled"


STATES: Mapping[AppointmentOutcome, FactState] = {
    AppointmentOutcome.PRESENT: FactState.DONE,
    AppointmentOutcome.EXCUSED: FactState.CANCELLED,
    AppointmentOutcome.ABSENT: FactState.NO_SHOW,
    AppointmentOutcome.CANCELLED: FactState.CANCELLED,
}
BOOKED = "booked"


@stored
class AppointmentBooked(Event, frozen=True, kw_only=True):
    """An agency and the person are to meet."""

    TOPIC: ClassVar[str] = "appointment.booked"

    appointment_id: Case[UUID]
    start: Case[datetime]
    end: Case[datetime]
    channel: Case[Channel]
    referral_id: Case[UUID | None] = None
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        attrs: dict[str, Any] = {"status": BOOKED, "channel": self.channel.value}
        if self.referral_id is not None:
            attrs["referral_id"] = str(self.referral_id)
        pathway.add(
            self,
            self.appointment_id,
            type="appointment",
            start=self.start,
            end=self.end,
            state=FactState.PLANNED,
            attrs=attrs,
        )


@stored
class AppointmentConcluded(Event, frozen=True, kw_only=True):
    """It is known whether the person came, or the appointment was cancelled."""

    TOPIC: ClassVar[str] = "appointment.concluded"

    appointment_id: Case[UUID]
    step_id: Case[UUID]
    outcome: Case[AppointmentOutcome]
    at: Case[datetime]
    reason: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.step_id,
            type=None if self.outcome is AppointmentOutcome.CANCELLED else "appointment_outcome",
            start=self.at,
            end=self.at,
            attrs={"appointment_id": str(self.appointment_id), "outcome": self.outcome.value},
            part_of=self.appointment_id,
            sets={"status": self.outcome.value, "state": STATES[self.outcome].value},
        )


class BookAppointment(Command, frozen=True, kw_only=True):
    """Book an appointment. It may lie in the past: then say next how it went."""

    start: Instant
    end: Instant
    channel: Channel = Channel.IN_PERSON
    referral_id: UUID | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        start = must_be_plausible(self.start, act, "/start", pathway)
        end = must_be_plausible(self.end, act, "/end", pathway)
        must_be_ordered(start, end, "/end")
        if (end - start).days >= 1:
            raise TooLong(field="/end")
        if self.referral_id is not None:
            pathway.find(self.referral_id, "referral")
        appointment_id = pathway.new_entry_id(self.id, act)
        pathway.record(
            AppointmentBooked,
            act,
            appointment_id=appointment_id,
            start=start,
            end=end,
            channel=self.channel,
            referral_id=self.referral_id,
            note=self.note,
        )
        return appointment_id


class ConcludeAppointment(Command, frozen=True, kw_only=True):
    """Say whether the person came (present, excused, absent), or cancel. Only the agency that booked it may."""

    appointment_id: UUID
    outcome: AppointmentOutcome
    at: Instant | None = None
    reason: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        appointment = pathway.find(self.appointment_id, "appointment")
        if act.agency != appointment.entry.agency:
            raise NotYours
        if appointment.attrs["status"] != BOOKED:
            raise ImpossibleTransition("The outcome of this appointment is already recorded.", field="/outcome")
        at = must_have_happened(self.at or act.at, act, "/at", pathway)
        if self.outcome in {AppointmentOutcome.PRESENT, AppointmentOutcome.ABSENT} and isinstance(
            appointment.start, datetime
        ):
            _must_have_begun(appointment.start, at)
        step_id = pathway.new_entry_id(self.id, act)
        pathway.record(
            AppointmentConcluded,
            act,
            appointment_id=self.appointment_id,
            step_id=step_id,
            outcome=self.outcome,
            at=at,
            reason=self.reason,
        )
        return step_id


def _must_have_begun(start: datetime, at: datetime) -> None:
    if at < start:
        raise OutOfOrder(field="/at")


class TooLong(DomainError):
    """An appointment lasts less than a day."""

    code = "too_long"
    status = 422
    title_fr = "Un rendez-vous dure moins d'un jour."
