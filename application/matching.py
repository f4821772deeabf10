"""Is this person known to another service? Asked with a full identity; answered only once somebody answers for asking.

A search gives a token, the same whether anybody was found or not. Confirmed by the one who asked, it tells yes or no,
and tells the agencies concerned that they were asked after: it is for them to share.
"""

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import msgspec

from application.access import Caller
from application.authorisation import authorise
from application.blind_index import BlindIndex, Found
from application.credentials import digest_of
from application.decision_table import Action
from application.event_log import Commit, EventLog, Idempotency, StaleVersion
from application.identity_terms import Identity, Kind
from application.key_vault import KeyDestroyed, KeyRestricted
from application.pathways import fold
from application.whole_steps import until_a_whole_step
from domain.aggregate import Event
from domain.clock import Clock
from domain.command import Act
from domain.errors import DomainError
from domain.ids import uuid7
from domain.pathway import Pathway
from domain.person_search import PersonSearched, SearchConfirmed
from domain.recognition import RecognisePerson, SearchReason, Sureness

TOKEN_BYTES = 24
GOOD_FOR = timedelta(minutes=15)
HOUR = timedelta(hours=1)
PER_USER = 20
PER_AGENCY = 200
ATTEMPTS = 5
ANSWER_STEP_SECONDS = 0.05
FOUND_MOST = 20
"""Beyond, the hashes are at fault: nobody is twenty persons."""


class Search(msgspec.Struct, frozen=True, kw_only=True):
    search_id: UUID
    territory: str
    agency: str
    who: str
    """The person who asks, or the software when no proven person stands behind it."""
    made_at: datetime
    expires_at: datetime
    found: Sequence[Found]


class Searches(Protocol):
    """Searches of the last hour, by the digest of their token."""

    async def add(self, digest: bytes, search: Search, *, per_user: int, per_agency: int) -> int:
        """Keep it, and return how many more the user may make within the hour. Raises TooManySearches."""

    async def get(self, digest: bytes, territory: str, agency: str, who: str, now: datetime) -> Search | None:
        """The search, for the one who made it, while it is good."""

    async def drop_made_before(self, at: datetime) -> None: ...


class Searched(msgspec.Struct, frozen=True, kw_only=True):
    token: str
    expires_at: datetime
    searches_left: int


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    known: bool
    sureness: Sureness | None
    yours: Sequence[UUID]
    """Pathways that may be the person's and that the agency takes part in already."""


class Matching:
    def __init__(
        self,
        index: BlindIndex,
        searches: Searches,
        log: EventLog,
        clock: Clock,
        *,
        per_user: int = PER_USER,
        per_agency: int = PER_AGENCY,
    ) -> None:
        """Limits are by the hour."""
        self._index = index
        self._searches = searches
        self._log = log
        self._clock = clock
        self._limits = {"per_user": per_user, "per_agency": per_agency}

    async def search(self, caller: Caller, identity: Identity, correlation_id: UUID | None = None) -> Searched:
        """Raises TooManySearches. Does the same work whether anybody is found or not, and answers at a whole step."""
        async with _at_a_whole_step():
            return await self._search(caller, identity, correlation_id)

    async def _search(self, caller: Caller, identity: Identity, correlation_id: UUID | None) -> Searched:
        now = self._clock.now()
        authorise(caller, Action.MATCH, None, at=now)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        found = (await self._index.find(caller.territory, identity))[:FOUND_MOST]
        search = Search(
            search_id=uuid7(),
            territory=caller.territory,
            agency=caller.agency,
            who=caller.user,
            made_at=now,
            expires_at=now + GOOD_FOR,
            found=found,
        )
        left = await self._searches.add(digest_of(token), search, **self._limits)
        await self._record(search, caller, 0, PersonSearched, correlation_id, searches_left=left)
        return Searched(token=token, expires_at=search.expires_at, searches_left=left)

    async def confirm(
        self, caller: Caller, token: str, reason: SearchReason, correlation_id: UUID | None = None
    ) -> Answer:
        """Tell the agencies concerned, once, then the one who asks. Raises UnknownSearch, also for another's token."""
        now = self._clock.now()
        authorise(caller, Action.MATCH, None, at=now)
        search = await self._searches.get(digest_of(token), caller.territory, caller.agency, caller.user, now)
        if search is None:
            raise UnknownSearch
        known, yours = [], []
        for pathway_id in dict.fromkeys(found.pathway for found in search.found):
            sureness = _sureness([found.kind for found in search.found if found.pathway == pathway_id])
            measure = RecognisePerson(search_id=search.search_id, sureness=sureness, reason=reason)
            pathway = await self._tell(caller, pathway_id, measure, correlation_id)
            if pathway is not None:
                known.append(sureness)
                if caller.agency in pathway.participants:
                    yours.append(pathway_id)
        with suppress(StaleVersion):  # Confirmed before: the answer was lost on its way.
            await self._record(search, caller, 1, SearchConfirmed, correlation_id, reason=reason, known=bool(known))
        return Answer(known=bool(known), sureness=min(known, default=None), yours=yours)

    async def drop_old(self) -> None:
        """Those that count no more."""
        await self._searches.drop_made_before(self._clock.now() - HOUR)

    async def _tell(
        self, caller: Caller, pathway_id: UUID, measure: RecognisePerson, correlation_id: UUID | None
    ) -> Pathway | None:
        """None when the person may not, or no longer, be known of."""
        for attempts_left in reversed(range(ATTEMPTS)):
            history = await self._log.read_stream(caller.territory, pathway_id)
            pathway = fold(None, history)
            if pathway is None or pathway.erased or pathway.is_restricted:
                return None
            at = self._clock.now()
            measure.decide(pathway, Act(agency=caller.agency, agent=caller.agent, at=at, today=at.date()))
            commit = Commit(
                stream_id=pathway_id,
                expected_version=history[-1].event.originator_version,
                events=[event for event in pathway.collect_events() if isinstance(event, Event)],
                subject=pathway.subject,
                correlation_id=correlation_id,
                idempotency=_once(caller, measure, pathway_id),
            )
            try:
                if commit.events:
                    await self._log.append(caller.territory, commit)
            except StaleVersion:
                if not attempts_left:
                    raise
            except (KeyDestroyed, KeyRestricted):
                return None
            else:
                return pathway
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    async def _record(
        self,
        search: Search,
        caller: Caller,
        version: int,
        event_type: type[Event],
        correlation_id: UUID | None,
        **fields: Any,
    ) -> None:
        event = event_type(
            originator_id=search.search_id,
            originator_version=version + 1,
            timestamp=self._clock.now(),
            agency=caller.agency,
            actor=caller.agent,
            **fields,
        )
        commit = Commit(
            stream_id=search.search_id, expected_version=version, events=[event], correlation_id=correlation_id
        )
        await self._log.append(caller.territory, commit)


@asynccontextmanager
async def _at_a_whole_step() -> AsyncIterator[None]:
    """What little more is done when somebody is found must not show in the time it takes."""
    began = time.monotonic()
    yield
    await until_a_whole_step(began, ANSWER_STEP_SECONDS)


def _sureness(kinds: Sequence[Kind]) -> Sureness:
    return Sureness.LIKELY if set(kinds) == {Kind.SOUND} else Sureness.CERTAIN


def _once(caller: Caller, measure: RecognisePerson, pathway_id: UUID) -> Idempotency:
    """However often a search is confirmed, each agency is told once."""
    key = f"recognise {measure.search_id} {pathway_id}"
    return Idempotency(client=caller.agency, key=key, fingerprint=measure.search_id.bytes, outcome=b"")


class TooManySearches(DomainError):
    """You have looked for as many persons as the hour allows."""

    code = "too_many_searches"
    status = 429
    title_fr = "Vous avez cherché autant de personnes que l'heure le permet."


class UnknownSearch(DomainError):
    """No search of yours has this token, or its time is over."""

    code = "unknown_search"
    status = 404
    title_fr = "Aucune de vos recherches n'a ce jeton, ou bien il est périmé."
