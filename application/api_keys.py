"""API keys: how they are made, recognised and withdrawn.

`un_live_<key id>_<secret>_<crc>`: the prefix and the checksum let secret scanners recognise a leaked key and let us
refuse a mistyped one without a look-up; the id finds the row; only the SHA-256 of the 256-bit secret is stored.
"""

import hmac
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Protocol

import msgspec

from application.access import USUAL_SCOPES, Scope
from application.believed import Believed
from application.credentials import SECRET_LENGTH, checksum, random_text
from domain.clock import Clock
from domain.errors import DomainError
from domain.pathway import SYSTEM

KEY_ID_LENGTH = 12
TOKEN = re.compile(r"un_(live|test)_([A-Za-z0-9]{12})_([A-Za-z0-9]{43})_([0-9a-f]{8})", re.ASCII)
LIFETIME = timedelta(days=365)
ACTIVE_AT_ONCE = 2
"""Keys of one agency under one name: the one in use, and the one that is taking its place."""


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
    addresses: tuple[str, ...] = ()
    """Networks that it may be used from, such as 192.0.2.0/24; empty: anywhere."""

    def __repr__(self) -> str:
        return f"ApiKey({self.key_id!r}, agency={self.agency!r})"

    def is_active(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at

    def may_come_from(self, peer: str | None) -> bool:
        """`peer` is whoever holds the other end of the socket, never what a header says."""
        return not self.addresses or (peer is not None and is_within(peer, self.addresses))


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
    addresses: Sequence[str] = (),
) -> tuple[ApiKey, str]:
    """A new key and its token. The token is shown once: nobody can read it again.

    Raises ReservedAgency; ValueError for what is no network.
    """
    if agency == SYSTEM:
        raise ReservedAgency
    key_id, secret = random_text(KEY_ID_LENGTH), random_text(SECRET_LENGTH)
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
        addresses=tuple(str(ip_network(address)) for address in addresses),
    )
    body = f"un_{'live' if live else 'test'}_{key_id}_{secret}"
    return key, f"{body}_{checksum(body)}"


def parse(token: str) -> tuple[str, str]:
    """(key id, secret) of a well-formed token. Raises InvalidKey."""
    match = TOKEN.fullmatch(token)
    if match is None or checksum(token[:-9]) != match[4]:
        raise InvalidKey
    return match[2], match[3]


class Gatekeeper:
    """Tells whose key a token is. The store's answers are believed for a second, so that a busy client costs little."""

    def __init__(self, keys: ApiKeys, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self._believed = Believed(keys.find, monotonic)
        self._used: dict[str, datetime] = {}

    async def identify(self, token: str, peer: str | None = None) -> ApiKey:
        """`peer` is the address of the other end. Raises InvalidKey: always the same refusal, whatever is wrong."""
        key_id, secret = parse(token)
        key = await self._believed.get(key_id)
        digest = sha256(secret.encode()).digest()
        genuine = hmac.compare_digest(digest, key.secret_sha256 if key else bytes(32))
        now = self._clock.now()
        if key is None or not genuine or not key.is_active(now) or not key.may_come_from(peer):
            raise InvalidKey
        if not token.startswith("un_live_" if key.live else "un_test_"):
            raise InvalidKey  # A secret scanner, or a reader, would take the one for the other.
        self._used[key_id] = now
        return key

    async def key(self, key_id: str) -> ApiKey:
        """The key of a caller identified just before. Raises InvalidKey when it has gone since."""
        key = await self._believed.get(key_id)
        if key is None:
            raise InvalidKey
        return key

    async def flush(self) -> None:
        """Store when keys were last used; called now and then, and at the end."""
        used, self._used = self._used, {}
        if used:
            await self._keys.used(used)


def is_within(address: str, networks: Sequence[str]) -> bool:
    """An IPv4 address that came through an IPv6 socket counts as what it is."""
    try:
        place = ip_address(address)
    except ValueError:  # The other end of a unix socket has no address.
        return False
    place = getattr(place, "ipv4_mapped", None) or place
    return any(place in _network(network) for network in networks)


@lru_cache(maxsize=4096)
def _network(network: str) -> IPv4Network | IPv6Network:
    return ip_network(network)
