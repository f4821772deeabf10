"""API keys: how they are made, recognised and withdrawn.

`un_live_<key id>_<secret>_<crc>`: the prefix and the checksum let secret scanners recognise a leaked key and let us
refuse a mistyped one without a look-up; the id finds the row; only the SHA-256 of the 256-bit secret is stored.
"""

import asyncio
import hmac
import re
import secrets
import string
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

import msgspec

from application.access import USUAL_SCOPES, Scope
from domain.clock import Clock
from domain.errors import DomainError
from domain.pathway import SYSTEM

ALPHABET = string.ascii_letters + string.digits
KEY_ID_LENGTH = 12
SECRET_LENGTH = 43  # 43 characters out of 62 hold 256 bits.
TOKEN = re.compile(r"un_(live|test)_([A-Za-z0-9]{12})_([A-Za-z0-9]{43})_([0-9a-f]{8})", re.ASCII)
LIFETIME = timedelta(days=365)
BELIEVED_SECONDS = 1.0
"""How long a look-up is believed: a revoked key may work that much longer, never more."""
LOOKUPS_KEPT = 10_000
LOOKUPS_AT_ONCE = 4  # Strangers with well-formed keys never take all the store's connections.


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key of one agency, as stored: without its secret."""

    key_id: str
    territory: str
    agency: str
    label: str
    scopes: frozenset[Scope]
    secret_sha256: bytes
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    live: bool = True

    def __repr__(self) -> str:
        return f"ApiKey({self.key_id!r}, agency={self.agency!r})"


class ApiKeys(Protocol):
    """Where keys are stored."""

    async def add(self, key: ApiKey) -> None: ...

    async def find(self, key_id: str) -> ApiKey | None: ...

    async def of_territory(self, territory: str) -> Sequence[ApiKey]:
        """Every key ever issued there, the latest first."""

    async def revoke(self, territory: str, key_id: str, at: datetime) -> bool:
        """False when there is no such key; revoking again changes nothing."""

    async def used(self, at_by_key_id: Mapping[str, datetime]) -> None:
        """Remember when keys were last used; never moves a time backwards."""


class InvalidKey(DomainError):
    """The API key is missing, ill-formed, unknown, expired or revoked."""

    code = "invalid_key"
    status = 401
    title_fr = "La clé d'API est absente, mal formée, inconnue, expirée ou révoquée."


class ReservedAgency(DomainError):
    """This name is the system's own."""

    code = "reserved_agency"
    status = 422
    title_fr = "Ce nom est celui du système lui-même."


def issue(
    *,
    territory: str,
    agency: str,
    now: datetime,
    label: str = "",
    scopes: frozenset[Scope] = USUAL_SCOPES,
    lifetime: timedelta = LIFETIME,
    live: bool = True,
) -> tuple[ApiKey, str]:
    """A new key and its token. The token is shown once: nobody can read it again. Raises ReservedAgency."""
    if agency == SYSTEM:
        raise ReservedAgency
    key_id, secret = _random(KEY_ID_LENGTH), _random(SECRET_LENGTH)
    key = ApiKey(
        key_id=key_id,
        territory=territory,
        agency=agency,
        label=label,
        scopes=scopes,
        secret_sha256=sha256(secret.encode()).digest(),
        created_at=now,
        expires_at=now + min(lifetime, LIFETIME),
        live=live,
    )
    body = f"un_{'live' if live else 'test'}_{key_id}_{secret}"
    return key, f"{body}_{_checksum(body)}"


def parse(token: str) -> tuple[str, str]:
    """(key id, secret) of a well-formed token. Raises InvalidKey."""
    match = TOKEN.fullmatch(token)
    if match is None or _checksum(token[:-9]) != match[4]:
        raise InvalidKey
    return match[2], match[3]


class Gatekeeper:
    """Tells whose key a token is. The store's answers are believed for a second, so that a busy client costs little."""

    def __init__(self, keys: ApiKeys, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self._monotonic = monotonic
        self._known: OrderedDict[str, tuple[float, ApiKey | None]] = OrderedDict()
        self._used: dict[str, datetime] = {}
        self._lookups: dict[str, asyncio.Task[ApiKey | None]] = {}
        self._turn = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    async def identify(self, token: str) -> ApiKey:
        """Raises InvalidKey: always the same refusal, whatever is wrong."""
        key_id, secret = parse(token)
        key = await self._find(key_id)
        digest = sha256(secret.encode()).digest()
        genuine = hmac.compare_digest(digest, key.secret_sha256 if key else bytes(32))
        now = self._clock.now()
        if key is None or not genuine or key.revoked_at is not None or key.expires_at <= now:
            raise InvalidKey
        if not token.startswith("un_live_" if key.live else "un_test_"):
            raise InvalidKey  # A secret scanner, or a reader, would take the one for the other.
        self._used[key_id] = now
        return key

    async def key(self, key_id: str) -> ApiKey:
        """The key of a caller identified just before. Raises InvalidKey when it has gone since."""
        key = await self._find(key_id)
        if key is None:
            raise InvalidKey
        return key

    async def flush(self) -> None:
        """Store when keys were last used; called now and then, and at the end."""
        used, self._used = self._used, {}
        if used:
            await self._keys.used(used)

    async def _find(self, key_id: str) -> ApiKey | None:
        looked_up_at, key = self._known.get(key_id, (-BELIEVED_SECONDS, None))
        if self._monotonic() - looked_up_at < BELIEVED_SECONDS:
            return key
        lookup = self._lookups.get(key_id)
        if lookup is None:
            lookup = self._lookups[key_id] = asyncio.create_task(self._look_up(key_id))
        return await asyncio.shield(lookup)

    async def _look_up(self, key_id: str) -> ApiKey | None:
        """One question to the store at a time for one key, however many requests wait for the answer."""
        try:
            async with self._turn:
                asked_at = self._monotonic()  # Not when the answer came: it may have changed on its way.
                key = await self._keys.find(key_id)
        finally:
            del self._lookups[key_id]
        self._known[key_id] = (asked_at, key)
        self._known.move_to_end(key_id)
        while len(self._known) > LOOKUPS_KEPT:
            self._known.popitem(last=False)
        return key


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
