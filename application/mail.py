"""Mailboxes as the use cases see them: where people of an agency are written to, and how each mail went."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Protocol
from uuid import UUID

import msgspec

from application.messages import Audience
from domain.errors import DomainError
from domain.quiet_hours import WritingHours

MAILBOXES_MAX = 20
DAILY_DEFAULT = 20
CODE_TRIES_MAX = 5
CODES_MAX = 5
"""Asked for without one being right: whoever owns the address may not want it."""

Address = Annotated[
    str,
    msgspec.Meta(
        max_length=254,
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$(?!\n)",
    ),
]
"""In plain ASCII, so that it cannot add a header or a recipient."""


class MailLanguage(StrEnum):
    FR = "fr"
    EN = "en"


class Immediate(StrEnum):
    """What does not wait for the digest."""

    CRITICAL = "critical"
    NONE = "none"


class MailboxStatus(StrEnum):
    UNCONFIRMED = "unconfirmed"  # Nothing is told there before its reader sent back the code.
    ACTIVE = "active"
    DISABLED = "disabled"


class MailboxDisabled(StrEnum):
    ASKED = "asked"  # By the agency.
    UNSUBSCRIBED = "unsubscribed"  # By its reader.
    BOUNCED = "bounced"  # The server said for good that there is no such mailbox.


class MailKind(StrEnum):
    CODE = "code"
    URGENT = "urgent"
    DIGEST = "digest"


class MailState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    WITHHELD = "withheld"  # Nothing was left that the agency was still entitled to.
    DEAD = "dead"  # Given up; may be sent again on request.


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    audience: Audience = Audience.TEAM
    """Who reads it."""
    language: MailLanguage = MailLanguage.FR
    immediate: Immediate = Immediate.CRITICAL
    daily_max: int = DAILY_DEFAULT
    """New alerts that are not critical in one digest; the others wait for the next."""
    hours: WritingHours = WritingHours()


class Mailbox(msgspec.Struct, frozen=True, kw_only=True):
    territory: str
    mailbox_id: UUID
    agency: str
    address: str
    preferences: Preferences
    status: MailboxStatus
    disabled_reason: MailboxDisabled | None
    confirmed_at: datetime | None
    created_at: datetime

    def __repr__(self) -> str:
        return f"Mailbox({self.mailbox_id})"


class MailLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a mailbox's log: ids and states."""

    mail_id: UUID
    kind: MailKind
    state: MailState
    attempts: int
    messages: list[UUID]
    due_at: datetime | None
    last_error_code: str | None
    created_at: datetime
    settled_at: datetime | None


class Mailboxes(Protocol):
    """An agency's mailboxes. Another agency's mailbox is an unknown one."""

    async def register(
        self, territory: str, agency: str, address: str, preferences: Preferences, now: datetime
    ) -> Mailbox:
        """Nothing is told there until it is confirmed by the code that goes there first.

        Raises MailNotSetUp, TooManyMailboxes, TooManyCodes, MailboxExists for the same address and audience.
        """

    async def mailboxes(self, territory: str, agency: str) -> list[Mailbox]:
        """Oldest first."""

    async def mailbox(self, territory: str, agency: str, mailbox_id: UUID) -> Mailbox:
        """Raises UnknownMailbox, as all that follow."""

    async def prefer(
        self, territory: str, agency: str, mailbox_id: UUID, preferences: Preferences, now: datetime
    ) -> Mailbox:
        """The whole is replaced, from now on."""

    async def send_code(self, territory: str, agency: str, mailbox_id: UUID, now: datetime) -> Mailbox:
        """Another code; the one before is worth nothing more. Raises MailNotSetUp, TooManyCodes.

        A mailbox that is active stays so; one that was disabled is active again once its reader confirms.
        """

    async def confirm(self, territory: str, agency: str, mailbox_id: UUID, code: str, now: datetime) -> Mailbox:
        """Raises WrongCode, also for one that is too old or was guessed at too often."""

    async def disable(self, territory: str, agency: str, mailbox_id: UUID, now: datetime) -> Mailbox:
        """Nothing more goes there; what waited is let go. Again is a no-op."""

    async def forget(self, territory: str, agency: str, mailbox_id: UUID, now: datetime) -> None:
        """The address is gone at once."""

    async def mails(self, territory: str, agency: str, mailbox_id: UUID, *, limit: int) -> list[MailLine]:
        """The latest first."""

    async def send_again(self, territory: str, agency: str, mailbox_id: UUID, mail_id: UUID, now: datetime) -> None:
        """A mail that was given up, under the same Message-ID; one on its way is a no-op. Raises UnknownMail."""

    async def unsubscribe(self, token: str, now: datetime) -> None:
        """What the reader of a mail asks, by the link in it. Again is a no-op. Raises UnknownLink."""


class UnknownMailbox(DomainError):
    """No mailbox of yours has this identifier."""

    code = "unknown_mailbox"
    status = 404
    title_fr = "Aucune de vos boîtes aux lettres ne porte cet identifiant."


class UnknownMail(DomainError):
    """No mail with this identifier was given up for this mailbox."""

    code = "unknown_mail"
    status = 404
    title_fr = "Aucun courriel portant cet identifiant n'a été abandonné pour cette boîte aux lettres."


class UnknownLink(DomainError):
    """This link leads to no mailbox, or no longer."""

    code = "unknown_link"
    status = 404
    title_fr = "Ce lien ne mène à aucune boîte aux lettres, ou plus à aucune."


class MailNotSetUp(DomainError):
    """No mail leaves from here: whoever runs this installation has named no mail server."""

    code = "mail_not_set_up"
    title_fr = "Aucun courriel ne part d'ici : l'exploitant n'a indiqué aucun serveur de messagerie."


class MailboxExists(DomainError):
    """The agency has this address already, for the same audience."""

    code = "mailbox_exists"
    title_fr = "Le service a déjà cette adresse, pour les mêmes destinataires."


class TooManyMailboxes(DomainError):
    """An agency may have twenty mailboxes, and register twice as many in a day."""

    code = "too_many_mailboxes"
    title_fr = "Un service peut avoir vingt boîtes aux lettres, et en inscrire le double en un jour."


class TooManyCodes(DomainError):
    """Five codes went to one mailbox and none came back, or forty left for the agency in a day: ask whose it is."""

    code = "too_many_codes"
    title_fr = (
        "Cinq codes sont partis vers une boîte sans retour, ou quarante pour le service en un jour : "
        "demandez à qui elle est."
    )


class WrongCode(DomainError):
    """This is not the code that was mailed last, or it has served its time: ask for another."""

    code = "wrong_code"
    status = 422
    title_fr = "Ce n'est pas le dernier code envoyé, ou il n'est plus valable : demandez-en un autre."
