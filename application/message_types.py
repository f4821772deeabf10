"""Everything that agencies are told, type by type: what each means, what it carries, who hears of it, until when.

A published type never changes its meaning: a new version stands beside it, and both are told until the first one's
sunset. Schemas, the AsyncAPI document and the bodies of messages are made from this list.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from enum import StrEnum
from typing import Annotated, Protocol, Self, TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from application.messages import Audience, Message
from domain.errors import DomainError

PREFIX = "unisson"
TYPE = re.compile(r"unisson\.(?P<name>[a-z0-9.-]+)\.v(?P<version>[1-9][0-9]*)")


class Subject(StrEnum):
    """What the `subject` of a message identifies."""

    ALERT = "alert"
    SUMMARY = "summary"
    PATHWAY = "pathway"
    BREAK_GLASS = "break_glass"
    MEMBER = "member"
    ENDPOINT = "endpoint"
    MAILBOX = "mailbox"


class Data(Protocol):
    """What a message carries: ids, to be followed with the API by whoever has the right."""

    @classmethod
    def of(cls, message: Message) -> Self: ...


Position: TypeAlias = Annotated[int, Meta(ge=0, description="Of the event, in the territory's log.")]
FirstPosition: TypeAlias = Annotated[
    int, Meta(ge=0, description="Of the first event that it sums up, in the territory's log.")
]
NoPosition: TypeAlias = Annotated[int, Meta(ge=0, description="0: it is of no event.")]
PathwayOfParticipant: TypeAlias = Annotated[UUID, Meta(description="Only for an agency that takes part in it.")]
PathwayInCharge: TypeAlias = Annotated[UUID, Meta(description="Only for an agency in charge of it.")]


class AboutAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert of your concern changed."""

    position: Position
    alert_id: UUID
    pathway_id: PathwayOfParticipant | UnsetType = UNSET

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(position=message.position, alert_id=message.subject_id, pathway_id=_pathway(message))


class AboutEscalation(msgspec.Struct, frozen=True, kw_only=True):
    """An alert of your concern waits too long."""

    position: Position
    alert_id: UUID
    level: Annotated[
        str, Meta(description="How high it went: `lead`, `coordinator`, or `rule` where the rule itself says to whom.")
    ]
    pathway_id: PathwayOfParticipant | UnsetType = UNSET

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(
            position=message.position,
            alert_id=message.subject_id,
            level=message.level or "",
            pathway_id=_pathway(message),
        )


class AboutSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts were recorded of which nobody was told one by one."""

    position: FirstPosition
    summary_id: UUID

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(position=message.position, summary_id=message.subject_id)


class AboutPathway(msgspec.Struct, frozen=True, kw_only=True):
    """A pathway of your concern is no more."""

    position: Position
    pathway_id: UUID

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(position=message.position, pathway_id=message.subject_id)


class AboutBrokenGlass(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody broke the glass."""

    position: Position
    break_glass_id: UUID
    pathway_id: PathwayInCharge | UnsetType = UNSET

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(position=message.position, break_glass_id=message.subject_id, pathway_id=_pathway(message))


class AboutAccesses(msgspec.Struct, frozen=True, kw_only=True):
    """Something is to be read in the accesses of your agency or territory."""

    position: Position

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(position=message.position)


class AboutTest(msgspec.Struct, frozen=True, kw_only=True):
    """You asked for it. Nothing happened."""

    position: NoPosition

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(position=message.position)


class AboutChallenge(msgspec.Struct, frozen=True, kw_only=True):
    """Give the challenge back, and this endpoint is told what happens from then on."""

    position: NoPosition
    endpoint_id: UUID
    challenge: str

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(position=message.position, endpoint_id=message.subject_id, challenge=message.challenge or "")


class AboutEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook endpoint of yours changed by itself."""

    position: NoPosition
    endpoint_id: UUID

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(position=message.position, endpoint_id=message.subject_id)


class AboutMailbox(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox of yours changed by itself."""

    position: NoPosition
    mailbox_id: UUID

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(position=message.position, mailbox_id=message.subject_id)


def _pathway(message: Message) -> UUID | UnsetType:
    return UNSET if message.pathway is None else message.pathway


class MessageType(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one type."""

    name: str
    version: int = 1
    subject: Subject
    data: type[Data]
    when: str
    """What makes it be told: the end of "It is told when …"."""
    to: str
    """Who hears of it."""
    audience: Audience = Audience.TEAM
    """Who of an agency is meant, unless the message says otherwise."""
    of_event: bool = True
    """Told with an event of the log, at whose place it stands in the stream. Others do not come by the stream."""
    asks_to_act: bool = False
    """Somebody is waited for: of a critical alert it is urgent."""
    since: str = "0.1.0"
    """The release that first told it."""
    sunset: date | None = None
    """The first day on which it is told no more; None while nothing replaces it."""

    @property
    def type(self) -> str:
        return f"{PREFIX}.{self.name}.v{self.version}"

    @property
    def key(self) -> str:
        """As the address of its schema says it: `alert.raised/1`."""
        return f"{self.name}/{self.version}"

    def is_told_on(self, day: date) -> bool:
        return self.sunset is None or day < self.sunset


class UnknownMessageType(DomainError):
    """No message has this type."""

    code = "unknown_message_type"
    status = 422
    title_fr = "Aucun message n'est de ce type."


class MessageTypes:
    """All versions of all types, retired ones included: what was queued before a sunset is still to be sent."""

    def __init__(self, types: Iterable[MessageType]) -> None:
        self._by_type: dict[str, MessageType] = {}
        for each in types:
            assert each.type not in self._by_type, each.type
            assert TYPE.fullmatch(each.type), each.type
            self._by_type[each.type] = each

    def __iter__(self) -> Iterator[MessageType]:
        return iter(self._by_type.values())

    def __getitem__(self, type_: str) -> MessageType:
        return self._by_type[type_]

    def __contains__(self, type_: str) -> bool:
        return type_ in self._by_type

    def told(self, name: str, day: date) -> tuple[MessageType, ...]:
        """The versions of a type that are told that day, the oldest first: two during a notice period."""
        return tuple(each for each in self if each.name == name and each.is_told_on(day))

    def data_of(self, message: Message) -> Data:
        """What the message carries. Whatever the channel, nothing else is said."""
        return self[message.type].data.of(message)


CONCERNED = "every agency that the alert concerns"
OTHERS = f"{CONCERNED}, but not the one that did it"
ENTITLED = "the agencies that see what the alert is about, but not the one that did it"

MESSAGE_TYPES = MessageTypes(
    (
        MessageType(
            name="alert.raised",
            subject=Subject.ALERT,
            data=AboutAlert,
            when="an intervention fell out of step, or it had, and the alert that hid it is over",
            to=CONCERNED,
            asks_to_act=True,
        ),
        MessageType(
            name="alert.reopened",
            subject=Subject.ALERT,
            data=AboutAlert,
            when="the same situation fell out of step again",
            to=CONCERNED,
            asks_to_act=True,
        ),
        MessageType(
            name="alert.cleared",
            subject=Subject.ALERT,
            data=AboutAlert,
            when="it is back in step, or no longer counts",
            to=CONCERNED,
        ),
        MessageType(
            name="alert.acknowledged",
            subject=Subject.ALERT,
            data=AboutAlert,
            when="an agency said that it saw the alert",
            to=ENTITLED,
        ),
        MessageType(
            name="alert.answered",
            subject=Subject.ALERT,
            data=AboutAlert,
            when="an agency said that it takes the alert, helps, or is not concerned",
            to=OTHERS,
        ),
        MessageType(
            name="alert.waived",
            subject=Subject.ALERT,
            data=AboutAlert,
            when="an agency said why this situation may stay as it is, and until when",
            to=OTHERS,
        ),
        MessageType(
            name="alert.waiver-ended",
            subject=Subject.ALERT,
            data=AboutAlert,
            when="a waiver expired or was withdrawn, and the alert counts again",
            to=OTHERS,
            asks_to_act=True,
        ),
        MessageType(
            name="alert.woken",
            subject=Subject.ALERT,
            data=AboutAlert,
            when="an alert that your agency had put off is back",
            to="the agency that had put it off",
            asks_to_act=True,
        ),
        MessageType(
            name="alert.escalated",
            subject=Subject.ALERT,
            data=AboutEscalation,
            when="nobody answered in time, and it went up",
            to=f"{CONCERNED}, and those to whom it went up",
            asks_to_act=True,
        ),
        MessageType(
            name="alert.disputed",
            subject=Subject.ALERT,
            data=AboutAlert,
            when="an agency said that the alert is wrong",
            to=ENTITLED,
        ),
        MessageType(
            name="alerts.summary",
            subject=Subject.SUMMARY,
            data=AboutSummary,
            when="an import, a calendar or a rule made alerts of which nobody was told one by one; once a day",
            to="every agency that these alerts concern",
            of_event=False,
        ),
        MessageType(
            name="webhook.challenge",
            subject=Subject.ENDPOINT,
            data=AboutChallenge,
            when="a webhook endpoint was registered, or a new challenge was asked for it; `subject` is the endpoint",
            to="the endpoint that has to prove that it wants to be told",
            of_event=False,
        ),
        MessageType(
            name="webhook.test",
            subject=Subject.ENDPOINT,
            data=AboutTest,
            when="you asked for a test; `subject` is the endpoint",
            to="the endpoint that it was asked for",
            of_event=False,
        ),
        MessageType(
            name="webhook.disabled",
            subject=Subject.ENDPOINT,
            data=AboutEndpoint,
            when="a webhook endpoint of your agency was disabled because it failed for days or answered 410",
            to="the agency whose endpoint it is",
            audience=Audience.LEAD,
            of_event=False,
        ),
        MessageType(
            name="mailbox.disabled",
            subject=Subject.MAILBOX,
            data=AboutMailbox,
            when="a mailbox of your agency was disabled because the mail server said for good that there is none",
            to="the agency whose mailbox it is",
            audience=Audience.LEAD,
            of_event=False,
        ),
        MessageType(
            name="person.erased",
            subject=Subject.PATHWAY,
            data=AboutPathway,
            when="the person of a pathway that your agency knew of was erased: delete your copies too (GDPR art. 19)",
            to="every agency that the pathway was known to",
            of_event=False,
        ),
        MessageType(
            name="glass.broken",
            subject=Subject.BREAK_GLASS,
            data=AboutBrokenGlass,
            when="somebody broke the glass on a pathway",
            to="the agencies in charge of the pathway, and those of coordinators and data-protection officers",
            audience=Audience.COORDINATOR,
        ),
        MessageType(
            name="access.budget-spent",
            subject=Subject.MEMBER,
            data=AboutAccesses,
            when="a user asked for more persons in a day than allowed, and was stopped; `/v1/accesses` says who",
            to="the user's agency, and those of coordinators and data-protection officers",
            audience=Audience.COORDINATOR,
        ),
    )
)

CHALLENGE_MESSAGE = "unisson.webhook.challenge.v1"
"""Sent to one endpoint before anything else."""
TEST_MESSAGE = "unisson.webhook.test.v1"
"""Sent to one endpoint when its owner asks for it, whatever types it listens to."""
DISABLED_MESSAGE = "unisson.webhook.disabled.v1"
"""Tells an agency, by its other channels, that one of its endpoints was given up, which is its subject."""
ERASED_MESSAGE = "unisson.person.erased.v1"
"""Tells an agency that a pathway it knew of is gone (GDPR art. 19). Its subject is the pathway."""
