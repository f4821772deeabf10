"""Mailboxes of the calling agency: who is written to, when, in which language, and how each mail went."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, delete, get, post, put
from litestar.params import FromPath

from api.bodies import BodyReader
from api.described import described
from api.once import Nothing, once
from api.queries import QueryReader
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from application.access import Scope
from application.mail import (
    DAILY_DEFAULT,
    Address,
    Immediate,
    Mailbox,
    MailboxDisabled,
    MailboxExists,
    MailboxStatus,
    MailLanguage,
    MailLine,
    MailNotSetUp,
    Preferences,
    TooManyCodes,
    TooManyMailboxes,
    UnknownMail,
    UnknownMailbox,
    WrongCode,
)
from application.messages import Audience
from domain.quiet_hours import MONDAY_TO_FRIDAY, DigestInQuietHours, WritingHours

Hour = Annotated[int, msgspec.Meta(ge=0, le=23)]
Weekday = Annotated[int, msgspec.Meta(ge=1, le=7)]
HOURS = WritingHours()


class MailboxPreferences(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is written to a mailbox, and when. Hours are the territory's; nobody works on its public holidays."""

    audience: Audience = Audience.TEAM
    """Who reads it: a message for an audience that has no mailbox goes to the one nearest to it."""
    language: MailLanguage = MailLanguage.FR
    immediate: Immediate = Immediate.CRITICAL
    """What is written about at once, also in quiet hours; all else waits for the digest."""
    daily_max: Annotated[int, msgspec.Meta(ge=1, le=200)] = DAILY_DEFAULT
    """New alerts, critical ones apart, that a digest tells of; it says how many wait for the next."""
    digest_hour: Hour = HOURS.digest_hour
    quiet_from: Hour = HOURS.quiet_from
    quiet_until: Hour = HOURS.quiet_until
    """The same hour as `quiet_from`: no quiet hours."""
    days: Annotated[tuple[Weekday, ...], msgspec.Meta(min_length=1, max_length=7)] = MONDAY_TO_FRIDAY
    """On which the agency works; 1 is Monday."""

    def preferences(self) -> Preferences:
        return Preferences(
            audience=self.audience,
            language=self.language,
            immediate=self.immediate,
            daily_max=self.daily_max,
            hours=WritingHours(
                digest_hour=self.digest_hour,
                quiet_from=self.quiet_from,
                quiet_until=self.quiet_until,
                days=tuple(sorted(set(self.days))),
            ),
        )


class RegisterMailbox(MailboxPreferences, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Write to people of this agency at this address, once a code that is mailed there came back."""

    address: Address


class ConfirmMailbox(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The code that was mailed last."""

    code: Annotated[str, msgspec.Meta(pattern="^[0-9]{8}$(?!\\n)")]


class MailboxView(msgspec.Struct, kw_only=True):
    """A mailbox of the agency."""

    id: UUID
    address: str | None
    """Null in the answer to a command."""
    audience: Audience
    language: MailLanguage
    immediate: Immediate
    daily_max: int
    digest_hour: int
    quiet_from: int
    quiet_until: int
    days: tuple[int, ...]
    status: MailboxStatus
    disabled_reason: MailboxDisabled | None
    confirmed_at: datetime | None
    created_at: datetime


class MailboxList(msgspec.Struct, kw_only=True):
    """Oldest first."""

    items: list[MailboxView]


class MailsQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 50


class Mails(msgspec.Struct, kw_only=True):
    """The latest first."""

    items: list[MailLine]


REGISTRATION = BodyReader(RegisterMailbox)
PREFERENCES = BodyReader(MailboxPreferences)
CONFIRMATION = BodyReader(ConfirmMailbox)
NOTHING = BodyReader(Nothing)
MAILS_QUERY = QueryReader(MailsQuery)


@post(
    "/",
    name="register-mailbox",
    opt=described(
        Scope.MANAGE,
        answer=MailboxView,
        status=201,
        body=RegisterMailbox,
        repeatable=True,
        refusals=(MailNotSetUp, MailboxExists, TooManyMailboxes, TooManyCodes, DigestInQuietHours),
    ),
)
async def register_mailbox(request: ApiRequest) -> Reply:
    """Register an address to be written to. A code goes there first; nothing else does before it came back."""
    body, raw = await REGISTRATION.read(request)

    async def register() -> MailboxView:
        caller, runtime = request.user, request.runtime
        made = await runtime.mailboxes.register(
            caller.territory, caller.agency, body.address, body.preferences(), runtime.clock.now()
        )
        return view_of(made)

    return await once(request, raw, 201, register)


@get("/", name="list-mailboxes", opt=described(Scope.MANAGE, answer=MailboxList))
async def list_mailboxes(request: ApiRequest) -> Reply:
    """List the agency's mailboxes."""
    found = await request.runtime.mailboxes.mailboxes(request.user.territory, request.user.agency)
    return reply(MailboxList(items=[view_of(each, each.address) for each in found]))


@get(
    "/{mailbox_id:uuid}",
    name="read-mailbox",
    opt=described(Scope.MANAGE, answer=MailboxView, refusals=(UnknownMailbox,)),
)
async def read_mailbox(request: ApiRequest, mailbox_id: FromPath[UUID]) -> Reply:
    """Read one mailbox."""
    caller = request.user
    found = await request.runtime.mailboxes.mailbox(caller.territory, caller.agency, mailbox_id)
    return reply(view_of(found, found.address))


@put(
    "/{mailbox_id:uuid}",
    name="put-mailbox-preferences",
    opt=described(
        Scope.MANAGE, answer=MailboxView, body=MailboxPreferences, refusals=(UnknownMailbox, DigestInQuietHours)
    ),
)
async def put_preferences(request: ApiRequest, mailbox_id: FromPath[UUID]) -> Reply:
    """Choose what is written there, and when. The whole is replaced; the same again changes nothing."""
    body, _ = await PREFERENCES.read(request)
    caller, runtime = request.user, request.runtime
    found = await runtime.mailboxes.prefer(
        caller.territory, caller.agency, mailbox_id, body.preferences(), runtime.clock.now()
    )
    return reply(view_of(found))


@post(
    "/{mailbox_id:uuid}/codes",
    name="send-mailbox-code",
    status_code=202,
    opt=described(
        Scope.MANAGE,
        answer=MailboxView,
        status=202,
        body=Nothing,
        repeatable=True,
        refusals=(UnknownMailbox, MailNotSetUp, TooManyCodes),
    ),
)
async def send_code(request: ApiRequest, mailbox_id: FromPath[UUID]) -> Reply:
    """Mail another code: the one before was lost, or the mailbox was disabled and is wanted again."""
    _, raw = await NOTHING.read(request)

    async def send() -> MailboxView:
        caller, runtime = request.user, request.runtime
        return view_of(
            await runtime.mailboxes.send_code(caller.territory, caller.agency, mailbox_id, runtime.clock.now())
        )

    return await once(request, raw, 202, send)


@post(
    "/{mailbox_id:uuid}/confirmations",
    name="confirm-mailbox",
    status_code=200,
    opt=described(
        Scope.MANAGE,
        answer=MailboxView,
        body=ConfirmMailbox,
        repeatable=True,
        refusals=(UnknownMailbox, WrongCode),
    ),
)
async def confirm_mailbox(request: ApiRequest, mailbox_id: FromPath[UUID]) -> Reply:
    """Send the code back: from now on the mailbox is written to."""
    body, raw = await CONFIRMATION.read(request)

    async def confirm() -> MailboxView:
        caller, runtime = request.user, request.runtime
        return view_of(
            await runtime.mailboxes.confirm(caller.territory, caller.agency, mailbox_id, body.code, runtime.clock.now())
        )

    return await once(request, raw, 200, confirm)


@post(
    "/{mailbox_id:uuid}/disablings",
    name="disable-mailbox",
    status_code=200,
    opt=described(Scope.MANAGE, answer=MailboxView, body=Nothing, repeatable=True, refusals=(UnknownMailbox,)),
)
async def disable_mailbox(request: ApiRequest, mailbox_id: FromPath[UUID]) -> Reply:
    """Write nothing more there. What waited is let go."""
    _, raw = await NOTHING.read(request)

    async def disable() -> MailboxView:
        caller, runtime = request.user, request.runtime
        return view_of(
            await runtime.mailboxes.disable(caller.territory, caller.agency, mailbox_id, runtime.clock.now())
        )

    return await once(request, raw, 200, disable)


@delete(
    "/{mailbox_id:uuid}",
    name="forget-mailbox",
    opt=described(Scope.MANAGE, status=204, refusals=(UnknownMailbox,)),
)
async def forget_mailbox(request: ApiRequest, mailbox_id: FromPath[UUID]) -> None:
    """Forget the address at once, and all that waited for it."""
    caller, runtime = request.user, request.runtime
    await runtime.mailboxes.forget(caller.territory, caller.agency, mailbox_id, runtime.clock.now())


@get(
    "/{mailbox_id:uuid}/mails",
    name="list-mails",
    opt=described(Scope.MANAGE, answer=Mails, query=MailsQuery, refusals=(UnknownMailbox,)),
)
async def list_mails(request: ApiRequest, mailbox_id: FromPath[UUID]) -> Reply:
    """List what was written there: states and ids, never what a mail said."""
    caller, limit = request.user, MAILS_QUERY.read(request).limit
    lines = await request.runtime.mailboxes.mails(caller.territory, caller.agency, mailbox_id, limit=limit)
    return reply(Mails(items=lines))


@post(
    "/{mailbox_id:uuid}/mails/{mail_id:uuid}/resendings",
    name="send-mail-again",
    status_code=202,
    opt=described(
        Scope.MANAGE, answer=Nothing, status=202, body=Nothing, repeatable=True, refusals=(UnknownMailbox, UnknownMail)
    ),
)
async def send_mail_again(request: ApiRequest, mailbox_id: FromPath[UUID], mail_id: FromPath[UUID]) -> Reply:
    """Send again a mail that was given up, without what the agency is no longer entitled to."""
    _, raw = await NOTHING.read(request)

    async def send() -> Nothing:
        caller, runtime = request.user, request.runtime
        await runtime.mailboxes.send_again(caller.territory, caller.agency, mailbox_id, mail_id, runtime.clock.now())
        return Nothing()

    return await once(request, raw, 202, send)


def view_of(mailbox: Mailbox, address: str | None = None) -> MailboxView:
    """Answers to commands are remembered under their keys, in clear: they leave the address out."""
    chosen, hours = mailbox.preferences, mailbox.preferences.hours
    return as_view(
        mailbox,
        MailboxView,
        id=mailbox.mailbox_id,
        address=address,
        audience=chosen.audience,
        language=chosen.language,
        immediate=chosen.immediate,
        daily_max=chosen.daily_max,
        digest_hour=hours.digest_hour,
        quiet_from=hours.quiet_from,
        quiet_until=hours.quiet_until,
        days=hours.days,
    )


routes = Router(
    "/mailboxes",
    route_handlers=[
        register_mailbox,
        list_mailboxes,
        read_mailbox,
        put_preferences,
        send_code,
        confirm_mailbox,
        disable_mailbox,
        forget_mailbox,
        list_mails,
        send_mail_again,
    ],
    tags=["mail"],
)
