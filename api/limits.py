"""What one client may cost: sizes, times, rates. Nothing here trusts a header that a proxy would have to clean."""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address

import msgspec
from litestar.types import Receive

from domain.errors import DomainError

WAIT_RETRY_SECONDS = 5


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Every bound of the HTTP side."""

    body_bytes: int = 256 * 1024
    body_seconds: float = 10.0
    """For the whole body, however slowly it drips."""
    nesting: int = 32
    parts: int = 2_000
    """Objects and lists in one body."""
    values: int = 20_000
    """Separated by commas in one body."""
    batch_bytes: int = 512 * 1024
    """Of a body of many lines; each is bounded as a body of its own."""
    batch_lines: int = 1_000
    batch_seconds: float = 60.0
    """Lines not begun by then are left undone."""
    header_bytes: int = 16 * 1024
    header_seconds: float = 10.0
    connections: int = 2_000
    """Open at once to one process; beyond, 503, and a tenth further, closed at once."""
    connections_per_address: int = 256
    """Beyond, closed at once."""
    uncounted_addresses: frozenset[str] = frozenset({"127.0.0.1", "::1"})
    """Of proxies, which stand for all their clients; by default, this machine."""
    requests_ahead: int = 16
    """Sent on one connection before the answers to those before; the connection ends after that many."""
    idle_seconds: int = 15
    """How long a connection without a request is kept."""
    requests_in_flight: int = 1_000
    """In one process; beyond, 503 at once. Those that are kept waiting are not counted here."""
    requests_of_one_key: int = 250
    """Being answered at once; beyond, 429, so that no key takes the service from the others."""
    waits_of_one_key: int = 100
    """Kept waiting at once; beyond, 429."""
    streams: int = 1_000
    """Open at once in one process; beyond, 503."""
    streams_of_one_agency: int = 100
    """In one process; beyond, 429."""
    stream_seconds: float = 3_600.0
    """The longest that one goes on: those who come back spread over the processes that there are by then."""
    requests_per_second: float = 500.0
    """Of one API key, in one process, over time. A large body counts as several requests."""
    burst: int = 1_000
    strangers_per_second: float = 20.0
    """Of one address without a good credential, in one process, over time."""
    strangers_burst: int = 200
    wait_seconds: float = 30.0
    """The longest a client may ask to be kept waiting."""
    send_seconds: float = 30.0
    """For a client to take the next part of a stream."""


class BodyTooLarge(DomainError):
    """The body is too large."""

    code = "body_too_large"
    status = 413
    title_fr = "Le corps de la requête est trop volumineux."


class BodyTooSlow(DomainError):
    """The body did not arrive in time."""

    code = "body_too_slow"
    status = 408
    title_fr = "Le corps de la requête n'est pas arrivé à temps."


class BodyCutShort(DomainError):
    """The connection ended before the body did."""

    code = "body_cut_short"
    status = 400
    title_fr = "La connexion s'est interrompue avant la fin du corps de la requête."


class TooManyRequests(DomainError):
    """Too many requests in a short time; wait before the next one."""

    code = "too_many_requests"
    status = 429
    title_fr = "Trop de requêtes en peu de temps ; attendez avant la suivante."


class Overloaded(DomainError):
    """Too many requests are being answered at once; try again shortly."""

    code = "overloaded"
    status = 503
    title_fr = "Trop de requêtes sont en cours ; réessayez dans un instant."

    def __init__(self) -> None:
        super().__init__(retry_after_s=1)


async def read_body(receive: Receive, announced: str | None, limits: Limits) -> bytes:
    """The whole body; never more of it in memory than the limit. Raises BodyTooLarge, BodyTooSlow, BodyCutShort."""
    if announced is not None and announced.isdecimal() and (len(announced) > 18 or int(announced) > limits.body_bytes):
        raise BodyTooLarge(close=True)
    body = b""
    try:
        async with asyncio.timeout(limits.body_seconds):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise BodyCutShort
                body += message["body"]
                if len(body) > limits.body_bytes:
                    raise BodyTooLarge(close=True)
                if not message["more_body"]:
                    return body
    except TimeoutError:
        raise BodyTooSlow(close=True) from None


class RateLimiter:
    """GCRA per client: a burst, then a steady rate. Of one process: several processes allow as many times more."""

    def __init__(
        self, per_second: float, burst: int, monotonic: Callable[[], float] = time.monotonic, kept: int = 10_000
    ) -> None:
        self._interval = 1 / per_second
        self._tolerance = self._interval * (burst - 1)
        self._monotonic = monotonic
        self._kept = kept
        self._due: OrderedDict[str, float] = OrderedDict()

    def take(self, client: str, cost: int = 1) -> None:
        """Count what a request costs. Raises TooManyRequests, which says when to come back, and then counts nothing."""
        now = self._monotonic()
        due = max(self._due.get(client, now), now)
        if due - now > self._tolerance:
            raise TooManyRequests(retry_after_s=max(1, round(due - now - self._tolerance + 0.5)))
        self._due[client] = due + self._interval * cost
        self._due.move_to_end(client)
        while len(self._due) > self._kept:
            self._due.popitem(last=False)


def counted_address(client: tuple[str, int] | None, limits: Limits) -> str | None:
    """Whose connections are counted together: an IPv4 address, or the 64 bits of IPv6 that one subscriber has."""
    if client is None or client[0] in limits.uncounted_addresses:
        return None
    if ":" not in client[0]:
        return client[0]
    address = IPv6Address(client[0])
    return str(address.ipv4_mapped or address.packed[:8].hex())


class Crowd:
    """The requests being answered in this process, and whose they are."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._answered: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self.present = 0

    @property
    def waiting_now(self) -> int:
        return self._waiting.total()

    def enter(self) -> None:
        """Count one more, until it leaves. Raises Overloaded, and counts none, when there are too many already."""
        if self.present >= self._limits.requests_in_flight:
            raise Overloaded
        self.present += 1

    def leave(self) -> None:
        self.present -= 1

    def join(self, key_id: str) -> None:
        """Count one more of this key, until it parts. Raises TooManyRequests when the key has too many already."""
        if self._answered[key_id] >= self._limits.requests_of_one_key:
            raise TooManyRequests("Too many requests of this key are being answered.", retry_after_s=1)
        self._answered[key_id] += 1

    def part(self, key_id: str) -> None:
        self._answered[key_id] -= 1

    @contextmanager
    def waiting(self, key_id: str) -> Iterator[None]:
        """Whoever only waits takes nobody's place. Raises TooManyRequests when the key has too many that wait."""
        if self._waiting[key_id] >= self._limits.waits_of_one_key:
            raise TooManyRequests("Too many requests of this key are kept waiting.", retry_after_s=WAIT_RETRY_SECONDS)
        self._waiting[key_id] += 1
        self._answered[key_id] -= 1
        self.present -= 1
        try:
            yield
        finally:
            self._waiting[key_id] -= 1
            self._answered[key_id] += 1
            self.present += 1
