"""No socket is opened towards an inside address, however it is spelt, resolved, mixed, rebound or redirected to."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import httpcore2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.demo.receiver import Answer, Delivery, Receiver
from application.webhooks import EndpointRefused
from infrastructure.address_filter import SPECIAL_V4, SPECIAL_V6, Address, is_allowed
from infrastructure.endpoint_address import check_url
from infrastructure.outgoing_http import GuardedBackend, NameService, OutgoingHttp, Refused

BAD = (
    "0.0.0.0",  # noqa: S104
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.9",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.7",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "fc00::1",
    "fe80::1",
    "fec0::1",
    "ff0e::1",
)
GOOD = ("1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.255.255", "2606:4700::1111", "2a01:e0a::1", "3ffe::1")
SPELLINGS = (
    "2130706433",
    "0x7f.1",
    "0x7f000001",
    "017700000001",
    "127.1",
    "localhost",
    "①②⑦.1",
    "127。0。0。1",
)

seen: list[str] = []
watching = False


def _audit(event: str, _: tuple[Any, ...]) -> None:
    if watching and event in ("socket.__new__", "socket.connect"):
        seen.append(event)


sys.addaudithook(_audit)


@contextmanager
def sockets() -> Iterator[list[str]]:
    """What this process does with sockets meanwhile, seen by the interpreter itself."""
    global watching  # noqa: PLW0603
    seen.clear()
    watching = True
    try:
        yield seen
    finally:
        watching = False


class Names:
    """A name server that answers what it is told to, in turn; the last answer stands."""

    def __init__(self, *answers: Iterable[str]) -> None:
        self._answers = [[ip_address(text) for text in answer] for answer in answers]
        self.asked = 0

    async def __call__(self, _host: str, _port: int) -> list[Address]:
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        return answer


class Unconnected(httpcore2.AsyncNetworkBackend):
    """Notes where a connection was about to go, and goes nowhere."""

    def __init__(self) -> None:
        self.addresses: list[str] = []

    async def connect_tcp(self, host: str, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        self.addresses.append(host)
        raise httpcore2.ConnectError


@pytest.fixture
async def http() -> AsyncIterator[OutgoingHttp]:
    async with OutgoingHttp() as client:
        yield client


async def refused(client: OutgoingHttp, url: str) -> None:
    with sockets() as opened, pytest.raises(Refused):
        await client.post(url, b"{}", {})
    assert opened == []


@pytest.mark.parametrize("address", BAD)
def test_an_inside_address_is_not_allowed(address: str) -> None:
    assert not is_allowed(ip_address(address))


@pytest.mark.parametrize("address", GOOD)
def test_a_public_address_is_allowed(address: str) -> None:
    assert is_allowed(ip_address(address))


@given(st.ip_addresses())
def test_what_is_allowed_is_in_no_special_block_and_global_to_the_library_too(address: Address) -> None:
    if is_allowed(address):
        blocks = SPECIAL_V4 if address.version == 4 else SPECIAL_V6
        assert not any(address in block for block in blocks)
        assert address.is_global


@pytest.mark.parametrize("block", SPECIAL_V4 + SPECIAL_V6)
def test_the_ends_of_a_special_block_are_inside(block: Any) -> None:
    assert not is_allowed(block[0])
    assert not is_allowed(block[-1])


@pytest.mark.parametrize("address", BAD)
async def test_no_socket_for_a_literal(address: str, http: OutgoingHttp) -> None:
    host = f"[{address}]" if ":" in address else address
    await refused(http, f"https://{host}/hook")


@pytest.mark.parametrize("address", BAD)
async def test_no_socket_for_a_name_that_resolves_there(address: str) -> None:
    async with OutgoingHttp(resolve=Names([address])) as http:
        await refused(http, "https://partner.example/hook")


@pytest.mark.parametrize("address", BAD)
@pytest.mark.parametrize("first", [True, False])
async def test_no_socket_when_one_of_several_answers_is_bad(address: str, first: bool) -> None:
    answers = (address, *GOOD) if first else (*GOOD, address)
    async with OutgoingHttp(resolve=Names(answers)) as http:
        await refused(http, "https://partner.example/hook")


@pytest.mark.parametrize("address", BAD)
async def test_no_socket_for_a_name_rebound_after_a_good_answer(address: str) -> None:
    names, network = Names(["93.184.216.34"], [address]), Unconnected()
    async with OutgoingHttp(resolve=names, through=network) as http:
        with pytest.raises(httpcore2.ConnectError):
            await http.post("https://partner.example/hook", b"{}", {})
        assert (names.asked, network.addresses) == (1, ["93.184.216.34"]), "resolved once, connected to that answer"
        await refused(http, "https://partner.example/hook")
        assert network.addresses == ["93.184.216.34"]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_no_socket_for_another_spelling_of_loopback(spelling: str, http: OutgoingHttp) -> None:
    answers = await asyncio.to_thread(socket.getaddrinfo, spelling, 443, type=socket.SOCK_STREAM)
    assert {ip_address(str(answer[4][0])).is_loopback for answer in answers} == {True}, "the trap is real"
    with sockets() as opened, pytest.raises((Refused, httpcore2.ConnectError)):
        await http.post(f"https://{spelling}/hook", b"{}", {})
    assert opened == []


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_the_connector_itself_judges_addresses_and_not_strings(spelling: str) -> None:
    names = NameService()
    with sockets() as opened, pytest.raises((Refused, httpcore2.ConnectError)):
        await GuardedBackend(names, allow_loopback=False).connect_tcp(spelling, 443)
    assert opened == []
    names.close()


@pytest.mark.parametrize("address", BAD)
async def test_a_redirect_is_an_answer_and_leads_nowhere(address: str) -> None:
    host = f"[{address}]" if ":" in address else address

    async def redirect(_: Delivery) -> Answer:
        return Answer(302, {"Location": f"http://{host}:9/"})

    async with Receiver(answer=redirect) as partner, OutgoingHttp(allow_loopback=True) as http:
        with sockets() as opened:
            reply = await http.post(partner.url, b"{}", {})
        assert reply.status == 302
        assert opened.count("socket.connect") == 1, "the partner's own connection and no other"


async def test_the_watch_sees_a_connection_that_is_made() -> None:
    async with Receiver() as partner, OutgoingHttp(allow_loopback=True) as http:
        with sockets() as opened:
            await http.post(partner.url, b"{}", {})
        assert "socket.__new__" in opened
        assert "socket.connect" in opened


@pytest.mark.parametrize("address", [address for address in BAD if address != "127.0.0.1"])
async def test_the_development_setting_opens_loopback_only(address: str) -> None:
    async with OutgoingHttp(allow_loopback=True, resolve=Names([address])) as http:
        await refused(http, "http://partner.example:8080/hook")


@pytest.mark.parametrize(
    "url",
    [
        "http://partner.example/hook",
        "https://partner.example:8443/hook",
        "https://partner.example:22/hook",
        "ftp://partner.example/hook",
        "https://user:word@partner.example/hook",
        "//partner.example/hook",
    ],
)
async def test_no_socket_for_anything_but_plain_https_on_443(url: str, http: OutgoingHttp) -> None:
    await refused(http, url)
    with pytest.raises(EndpointRefused):
        check_url(url, allow_loopback=False)


@pytest.mark.parametrize(
    "url",
    [
        *(f"https://[{address}]/" if ":" in address else f"https://{address}/" for address in BAD),
        "https://①②⑦.1/",
        "https://127。0。0。1/",
        "https://partner.example/\n",
        "https://partner.example/a b",
        "https://partner.example:port/",
        "https://partner.example:99999/",
        "https://[::1/",
        "https:///hook",
        "https://partner.example/#part",
        "https://partner.example/" + "a" * 2000,
        "partner.example",
        "",
    ],
)
def test_what_can_never_be_sent_to_is_refused_at_registration(url: str) -> None:
    with pytest.raises(EndpointRefused) as refusal:
        check_url(url, allow_loopback=False)
    assert refusal.value.field == "/url"


@pytest.mark.parametrize(
    "url", ["https://partner.example/hook?a=1", "https://partner.example:443/", "https://8.8.8.8/"]
)
def test_an_ordinary_address_is_accepted_at_registration(url: str) -> None:
    check_url(url, allow_loopback=False)
