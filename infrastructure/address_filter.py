"""Which resolved addresses a partner's webhook may have: an explicit allow test, on addresses, never on strings.

`ipaddress.is_global` is not it: on supported Pythons it lets 192.0.0.9, multicast, NAT64 and 6to4 forms of 127.0.0.1
through. The blocks follow the IANA special-purpose registries, and refuse the few that are special yet routed.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

LOOPBACK = IPv4Address("127.0.0.1")

GLOBAL_UNICAST = IPv6Network("2000::/3")  # Leaves out mapped, NAT64, unique-local, link-local, site-local, multicast.

SPECIAL_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # This network.
        "10.0.0.0/8",
        "100.64.0.0/10",  # Shared by carriers.
        "127.0.0.0/8",
        "169.254.0.0/16",  # Link-local, metadata services of clouds.
        "172.16.0.0/12",
        "192.0.0.0/24",  # Protocol assignments.
        "192.0.2.0/24",  # Documentation.
        "192.31.196.0/24",  # AS112.
        "192.52.193.0/24",  # Multicast tunnelling.
        "192.88.99.0/24",  # 6to4 relays.
        "192.168.0.0/16",
        "192.175.48.0/24",  # AS112.
        "198.18.0.0/15",  # Benchmarking.
        "198.51.100.0/24",  # Documentation.
        "203.0.113.0/24",  # Documentation.
        "224.0.0.0/4",  # Multicast.
        "240.0.0.0/4",  # Reserved, broadcast.
    )
)

SPECIAL_V6 = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # Protocol assignments: Teredo, benchmarking, ORCHID, relays.
        "2001:db8::/32",  # Documentation.
        "2002::/16",  # 6to4: carries any IPv4 address.
        "2620:4f:8000::/48",  # AS112.
        "3fff::/20",  # Documentation.
    )
)


def is_allowed(address: Address, *, allow_loopback: bool = False) -> bool:
    """`allow_loopback` lets exactly 127.0.0.1 through: development and demonstration only."""
    if isinstance(address, IPv4Address):
        if allow_loopback and address == LOOPBACK:
            return True
        return not any(address in block for block in SPECIAL_V4)
    if address.scope_id is not None:
        return False
    return address in GLOBAL_UNICAST and not any(address in block for block in SPECIAL_V6)


def all_allowed(addresses: Iterable[Address], *, allow_loopback: bool = False) -> bool:
    """One bad answer condemns them all: a name that also points inside is not an honest partner's."""
    answers = list(addresses)
    return bool(answers) and all(is_allowed(address, allow_loopback=allow_loopback) for address in answers)
