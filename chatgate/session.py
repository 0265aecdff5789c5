"""The state of one connection."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chatgate.records import Account

_KEY = secrets.token_bytes(32)


@dataclass(slots=True)
class Credentials:
    """What a client offered to prove who it is. The password is kept out of repr()."""

    address: str
    password: str = field(repr=False)


@dataclass(slots=True, eq=False)
class Session:
    """One client connection, from accept to close.

    service: the listener it came in by: "submission", "mx", "imap", "http" ….
    peer: the client's IP address, for limits only. It is kept out of repr() and must never be logged or stored.
    id: eight hex digits that tie log lines together; says nothing about the client.
    on_stop: set by the protocol plugin; called once, must not block, when the gateway stops: wake up and say goodbye.
    stash: private notes of plugins, each under a key of its own, such as its name.
    """

    service: str
    peer: str = field(repr=False)
    tls: bool = False
    account: Account | None = None
    on_stop: Callable[[], None] | None = field(default=None, repr=False)
    stash: dict[str, Any] = field(default_factory=dict, repr=False)
    id: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def network(self) -> str:
        """The client's neighbourhood, its IPv4 /24 or IPv6 /48, as a hash under a key that dies with the process: tells
        neighbours from others and nothing else. "" for this machine: reverse proxies, commands, tests.
        """
        if not self.peer:
            return ""
        address = ipaddress.ip_address(self.peer.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        if address.is_loopback:
            return ""
        octets = address.packed[: 3 if address.version == 4 else 6]
        return hashlib.blake2b(octets, key=_KEY, digest_size=8).hexdigest()
