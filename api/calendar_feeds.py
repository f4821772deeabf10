"""Addresses at which calendar programs read the calling agency's appointments: made, listed, taken back."""

from datetime import date, datetime
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath

from api.bodies import BodyReader
from api.described import described
from api.once import NOTHING, Nothing, once
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from application.access import Agent
from application.authorisation import Forbidden
from application.calendar_feeds import (
    AgentNotExpected,
    AgentRequired,
    CalendarFeed,
    Language,
    TooManyFeeds,
    UnknownFeed,
    Whose,
)


class MakeFeed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Make an address: of one agent's appointments, or of the whole agency's."""

    whose: Whose = Whose.AGENT
    agent: Agent | None = None
    """Whose appointments: those that this agent booked. Whoever acts, unless named; a person has their own only."""
    language: Language = Language.FR


class FeedView(msgspec.Struct, kw_only=True):
    """An address, without what makes it one."""

    id: UUID
    whose: Whose
    agent: str | None
    language: Language
    made_at: datetime
    last_read_on: date | None
    """UTC day on which a calendar program last read it."""
    secret: str | None = None
    """The address, to be entered in a calendar program: whoever knows it reads it. Shown once; null ever after."""


class Feeds(msgspec.Struct, kw_only=True):
    items: list[FeedView]


class Revoked(msgspec.Struct, kw_only=True):
    id: UUID


MAKE = BodyReader(MakeFeed)


def view(feed: CalendarFeed, secret: str | None = None) -> FeedView:
    whose = Whose.AGENCY if feed.agent is None else Whose.AGENT
    return as_view(feed, FeedView, id=feed.feed_id, whose=whose, secret=secret)


@post(
    "/",
    name="make-calendar-feed",
    opt=described(
        for_anyone=True,
        answer=FeedView,
        status=201,
        body=MakeFeed,
        repeatable=True,
        refusals=(Forbidden, AgentRequired, AgentNotExpected, TooManyFeeds),
    ),
)
async def make_feed(request: ApiRequest) -> Reply:
    """Make an address at which a calendar program reads appointments. The answer holds it, this once."""
    body, raw = await MAKE.read(request)

    async def make() -> FeedView:
        runtime = request.runtime
        feed, token = await runtime.calendar_feeds.make(request.user, body.whose, body.agent, body.language)
        return view(feed, f"{runtime.settings.address}/calendar/{token}.ics")

    return await once(request, raw, 201, make)


@get("/", name="list-calendar-feeds", opt=described(for_anyone=True, answer=Feeds))
async def list_feeds(request: ApiRequest) -> Reply:
    """List the addresses in use: the agency's for who answers for it, one's own for others."""
    feeds = await request.runtime.calendar_feeds.of_caller(request.user)
    return reply(Feeds(items=[view(feed) for feed in feeds]))


@post(
    "/{feed_id:uuid}/revocations",
    name="revoke-calendar-feed",
    status_code=200,
    opt=described(for_anyone=True, answer=Revoked, body=Nothing, repeatable=True, refusals=(UnknownFeed,)),
)
async def revoke_feed(request: ApiRequest, feed_id: FromPath[UUID]) -> Reply:
    """Take an address back. It shows nothing from the next reading on."""
    _, raw = await NOTHING.read(request)

    async def revoke() -> Revoked:
        await request.runtime.calendar_feeds.revoke(request.user, feed_id)
        return Revoked(id=feed_id)

    return await once(request, raw, 200, revoke)


routes = Router("/calendar-feeds", route_handlers=[make_feed, list_feeds, revoke_feed], tags=["calendars"])
