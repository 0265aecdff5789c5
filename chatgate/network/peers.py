"""Which IP addresses count as one client or one neighbourhood."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# An IPv4 client as a dual-stack socket (RFC 4291 §2.5.5.2) and as a translator shows it (RFC 6052 §2.1). Taken as IPv6
# addresses, all clients of IPv4 would be one client.
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


def normal(text: str) -> str:
    """An IP address in the form that everything here uses: the IPv4 address of a client that has one, else IPv6 without
    its zone. "" stays "". Raises ValueError.
    """
    return str(_parsed(text)) if text else ""


def of(address: Any) -> str:
    """The IP address of a socket's peer in normal form; "" for a unix socket."""
    if not isinstance(address, tuple):
        return ""
    peer: str = address[0]
    return normal(peer) if ":" in peer else peer  # IPv4 is written so already


def client(peer: str) -> str:
    """What counts as one client: an IPv4 address, or an IPv6 /64, which is the least that a customer has. "" for this
    machine: reverse proxies, commands, tests.
    """
    return places(peer)[0]


def neighbourhood(peer: str) -> str:
    """A network in which one party may control many clients: an IPv4 /24 or IPv6 /48; "" for this machine."""
    return places(peer)[1]


def places(peer: str) -> tuple[str, str]:
    """The client and the neighbourhood of a peer, which is an IPv4 address in normal form, or any IPv6 address."""
    if (
        ":" not in peer
    ):  # as text: what ipaddress does with it takes longer than all else about a new connection's place
        if not peer or peer.startswith("127."):
            return "", ""
        return f"{peer}/32", f"{peer[: peer.rindex('.')]}.0/24"
    address = _parsed(peer)
    if isinstance(address, ipaddress.IPv4Address):
        return places(str(address))
    if address.is_loopback:
        return "", ""
    return _first(address, 64), _first(address, 48)


class Networks:
    """Addresses and networks as an operator names them. Raises ValueError for a text that is neither."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(text) for text in texts]

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, peer: str) -> bool:
        """Is this address, in normal form, in one of them? "" is not."""
        if not self._networks or not peer:
            return False
        address = ipaddress.ip_address(peer)
        return any(address in network for network in self._networks)


def _parsed(text: str) -> _Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    if address.version == 6 and (address in _MAPPED or address in _TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _first(address: ipaddress.IPv6Address, bits: int) -> str:
    """The network it is in. ip_network() takes longer."""
    rest = 128 - bits
    return f"{ipaddress.IPv6Address(int(address) >> rest << rest)}/{bits}"
