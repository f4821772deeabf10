"""Calendar feeds: an address that a calendar program reads an agency's appointments at, without any other credential.

So it may be taken back at any time, and what it shows is asked again at each reading: appointments, without a name.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from application.access import Caller, Means
from application.authorisation import Forbidden, may_ever
from application.credentials import CALENDAR, digest_of, is_credential, new_credential
from application.decision_table import Action
from application.memberships import Members, scopes_of
from domain.clock import Clock
from domain.errors import DomainError
from domain.ids import uuid7

FEEDS_MAX = 10
"""At once, of one agent; and as many of the whole agency."""
FEEDS_OF_AGENCY_MAX = 1_000
"""All together: software may name any agent."""


class Language(StrEnum):
    FR = "fr"
    EN = "en"


class Whose(StrEnum):
    AGENT = "agent"
    AGENCY = "agency"


class CalendarFeed(msgspec.Struct, frozen=True, kw_only=True):
    """One address, as stored: without its secret."""

    feed_id: UUID
    territory: str
    agency: str
    agent: str | None
    """Whose appointments: those that this agent booked; None: all of the agency's."""
    made_by: UUID | None
    """The member who asked for it: once they may no longer see these, nor does the feed. None: software."""
    language: Language
    made_at: datetime
    last_read_on: date | None = None


class Appointment(msgspec.Struct, frozen=True, kw_only=True):
    """One appointment, in codes: no name, no theme, no place."""

    pathway: UUID
    appointment: UUID
    reference: str
    """The pathway's, such as P-00412."""
    start_at: datetime
    end_at: datetime
    status: str
    """`booked`, an outcome, or `retracted`."""
    sequence: int
    """Grows with each change."""
    changed_at: datetime


class StoredFeeds(Protocol):
    """Where feeds are stored: by the SHA-256 of their token only."""

    async def add(self, digest: bytes, feed: CalendarFeed) -> None:
        """Raises TooManyFeeds."""

    async def find(self, digest: bytes) -> CalendarFeed | None:
        """None as well once it is revoked."""

    async def of_agency(self, territory: str, agency: str) -> Sequence[CalendarFeed]:
        """Those not revoked, the oldest first."""

    async def revoke(self, territory: str, agency: str, feed_id: UUID, at: datetime) -> bool:
        """False when the agency has none of that id."""

    async def was_read(self, feed: CalendarFeed, on: date) -> None: ...


class CalendarFeeds:
    """Makes feeds, takes them back, and tells whose an address is."""

    def __init__(self, store: StoredFeeds, members: Members, clock: Clock) -> None:
        self._store = store
        self._members = members
        self._clock = clock

    async def make(
        self, caller: Caller, whose: Whose, agent: str | None, language: Language
    ) -> tuple[CalendarFeed, str]:
        """The feed, and its token: shown once, and never again. Raises Forbidden, AgentRequired, TooManyFeeds."""
        if not _may_have(caller, whose):
            raise Forbidden
        if whose is Whose.AGENT:
            agent = _agent(caller, agent)
        elif agent is not None:
            raise AgentNotExpected(field="/agent")
        token = new_credential(CALENDAR)
        feed = CalendarFeed(
            feed_id=uuid7(),
            territory=caller.territory,
            agency=caller.agency,
            agent=agent,
            made_by=UUID(caller.agent) if caller.is_proved and caller.agent is not None else None,
            language=language,
            made_at=self._clock.now(),
        )
        await self._store.add(digest_of(token), feed)
        return feed, token

    async def of_caller(self, caller: Caller) -> list[CalendarFeed]:
        """The agency's, for who may see all of its appointments; their own, for others."""
        feeds = await self._store.of_agency(caller.territory, caller.agency)
        return [feed for feed in feeds if _is_theirs(caller, feed)]

    async def revoke(self, caller: Caller, feed_id: UUID) -> None:
        """At once. Raises UnknownFeed for what is not the caller's to see."""
        if feed_id not in {feed.feed_id for feed in await self.of_caller(caller)}:
            raise UnknownFeed
        await self._store.revoke(caller.territory, caller.agency, feed_id, self._clock.now())

    async def identify(self, token: str) -> CalendarFeed:
        """Whose address it is, if it may be read now. Raises UnknownFeed: the same refusal, whatever is wrong."""
        feed = await self._store.find(digest_of(token)) if is_credential(CALENDAR, token) else None
        if feed is None or not await self._stands(feed):
            raise UnknownFeed
        today = self._clock.now().astimezone(UTC).date()
        if feed.last_read_on != today:
            await self._store.was_read(feed, today)
        return feed

    async def _stands(self, feed: CalendarFeed) -> bool:
        """Whether whoever asked for it may still see what it shows."""
        if feed.made_by is None:
            return True
        roles = await self._members.roles(feed.territory, feed.made_by, feed.agency)
        maker = Caller(
            territory=feed.territory,
            agency=feed.agency,
            agent=str(feed.made_by),
            scopes=scopes_of(roles),
            means=Means.PERSON,
            roles=roles,
        )
        return _may_have(maker, Whose.AGENCY if feed.agent is None else Whose.AGENT)


def _may_have(caller: Caller, whose: Whose) -> bool:
    """Everybody who lists cases their own; all of the agency's, who also answers for the agency."""
    needed = {Action.LIST_CASES} if whose is Whose.AGENT else {Action.LIST_CASES, Action.MANAGE_AGENCY}
    return all(may_ever(caller, action) for action in needed)


def _agent(caller: Caller, agent: str | None) -> str:
    """A person has their own; software names one of the agency's."""
    if caller.is_proved and agent not in (None, caller.agent):
        raise Forbidden(field="/agent")
    agent = agent or caller.agent
    if agent is None:
        raise AgentRequired(field="/agent")
    return agent


def _is_theirs(caller: Caller, feed: CalendarFeed) -> bool:
    return _may_have(caller, Whose.AGENCY) or (
        caller.is_proved and caller.agent is not None and feed.agent == caller.agent
    )


class UnknownFeed(DomainError):
    """There is no such calendar, or no longer."""

    code = "unknown_calendar"
    status = 404
    title_fr = "Ce calendrier n'existe pas, ou plus."


class TooManyFeeds(DomainError):
    """An agent may have ten calendar addresses at once, an agency a thousand in all: revoke one first."""

    code = "too_many_calendars"
    title_fr = "Un agent peut avoir dix adresses de calendrier à la fois, un service mille : révoquez-en une d'abord."


class AgentRequired(DomainError):
    """Say whose appointments: name the agent, by X-Agent or in the body."""

    code = "agent_required"
    status = 422
    title_fr = "Dites de qui sont les rendez-vous : nommez l'agent, par X-Agent ou dans le corps."


class AgentNotExpected(DomainError):
    """The calendar of a whole agency is of no agent."""

    code = "agent_not_expected"
    status = 422
    title_fr = "Le calendrier de tout un service n'est celui d'aucun agent."
