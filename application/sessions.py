"""Sessions of people: opened when they came in, over after 15 minutes of silence or ten hours, or when they leave."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec

from application.believed import Believed
from application.credentials import SESSION, digest_of, is_credential, new_credential
from domain.clock import Clock
from domain.errors import DomainError

IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=10)
NOTED_EVERY = timedelta(minutes=1)
"""How often a use is written down: one that lasts costs a write a minute, not one a request."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A person at work for one agency."""

    territory: str
    agency: str
    member_id: UUID
    began_at: datetime
    seen_at: datetime
    ends_at: datetime

    def is_over(self, now: datetime) -> bool:
        return now >= self.ends_at or now >= self.seen_at + IDLE


class StoredSessions(Protocol):
    """Where sessions are stored: by the SHA-256 of what the browser holds."""

    async def add(self, digest: bytes, session: Session) -> None: ...

    async def find(self, digest: bytes) -> Session | None:
        """None as well once it was ended."""

    async def seen(self, digest: bytes, at: datetime) -> None: ...

    async def end(self, digest: bytes, at: datetime) -> None: ...

    async def drop_over(self, before: datetime) -> None: ...


class SessionOver(DomainError):
    """The session is over or unknown: sign in again."""

    code = "session_over"
    status = 401
    title_fr = "La session est terminée ou inconnue : identifiez-vous de nouveau."


class Sessions:
    """Opens sessions, tells whose one is, ends them."""

    def __init__(self, store: StoredSessions, clock: Clock, monotonic: Callable[[], float] | None = None) -> None:
        self._store = store
        self._clock = clock
        self._believed = Believed(store.find) if monotonic is None else Believed(store.find, monotonic)

    async def open(self, territory: str, agency: str, member_id: UUID) -> str:
        """What the browser is to hold: shown once. A new one at each sign-in, so that none can be planted."""
        now = self._clock.now()
        session = Session(
            territory=territory, agency=agency, member_id=member_id, began_at=now, seen_at=now, ends_at=now + LONGEST
        )
        shown = new_credential(SESSION)
        await self._store.add(digest_of(shown), session)
        return shown

    async def identify(self, shown: str, *, used: bool = True) -> Session:
        """Raises SessionOver: always the same refusal, whatever is wrong.

        `used`: by somebody, just now. An answer that goes on by itself says nothing of whether anybody is there.
        """
        if not is_credential(SESSION, shown):
            raise SessionOver
        digest, now = digest_of(shown), self._clock.now()
        session = await self._believed.get(digest)
        if session is None or session.is_over(now):
            raise SessionOver
        if used and now - session.seen_at >= NOTED_EVERY:
            await self._store.seen(digest, now)
            self._believed.forget(digest)
        return session

    async def end(self, shown: str) -> None:
        """Ending one that is over, or unknown, changes nothing."""
        digest = digest_of(shown)
        await self._store.end(digest, self._clock.now())
        self._believed.forget(digest)

    async def drop_over(self) -> None:
        await self._store.drop_over(self._clock.now())
