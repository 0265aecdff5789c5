"""The public IP addresses of this server, as far as it can know them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gevent import socket

from chatgate.api import Domain, Facts, ip

# Addresses of the Internet that nobody has (RFC 5737, RFC 3849): where the way out begins. Nothing is sent there.
_OUTSIDE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def public(named: Iterable[str], facts: Facts, domain: Domain) -> tuple[str, ...]:
    """named: by the operator. Else the host of the domain, if that is an address; else those that listeners are bound
    to, if they are public; else those from which this machine sends. Empty: it sees only private addresses.
    """
    if found := tuple(named):
        return found
    if host := ip(domain.hostname):
        return (str(host),)
    listeners = [one.rpartition(":")[0] for addresses in facts.listens.values() for one in addresses]
    return tuple(dict.fromkeys(filter(_is_public, listeners))) or tuple(filter(_is_public, sends_from()))


def _is_public(text: str) -> bool:
    address = ip(text.strip("[]"))
    return address is not None and address.is_global


def sends_from() -> list[str]:
    """The address of each kind from which this machine sends to the Internet, as its routes have it."""
    found = []
    for family, outside in _OUTSIDE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.connect((outside, 9))
                found.append(_name(sock))
        except OSError:
            continue  # no route
    return found


def _name(sock: Any) -> str:
    return str(sock.getsockname()[0])
