"""The state of one connection."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chatgate import peers
from chatgate.records import Account

_KEY = secrets.token_bytes(32)


@dataclass(slots=True)
class Credentials:
    """What a client offered to prove who it is. The password is kept out of repr()."""

    address: str
    password: str = field(repr=False)


class Session:
    """One client connection, from accept to close.

    service: the listener it came in by: "submission", "mx", "imap", "http" ….
    peer: the client's IP address, for limits only; "" behind a unix socket. It must never be logged or stored.
    account: of whoever has logged in. From then on the connection has its place among those of people who are known.
    id: eight hex digits that tie log lines together; says nothing about the client.
    on_stop: set by the protocol plugin; called once, must not block, when the gateway stops: wake up and say goodbye.
    stash: private notes of plugins, each under a key of its own, such as its name.
    """

    __slots__ = ("service", "peer", "tls", "on_stop", "stash", "id", "_account", "_on_login")

    def __init__(
        self,
        service: str,
        peer: str,
        tls: bool = False,
        account: Account | None = None,
        on_login: Callable[[], None] | None = None,
    ) -> None:
        self.service, self.peer, self.tls = service, peer, tls
        self.on_stop: Callable[[], None] | None = None
        self.stash: dict[str, Any] = {}
        self.id = secrets.token_hex(4)
        self._account, self._on_login = account, on_login

    def __repr__(self) -> str:
        return f"Session({self.service}, {self.id})"

    @property
    def account(self) -> Account | None:
        return self._account

    @account.setter
    def account(self, account: Account | None) -> None:
        self._account = account
        if account is not None and self._on_login is not None:
            self._on_login()

    @property
    def client(self) -> str:
        """Who counts as one client, an IPv4 address or an IPv6 /64, hidden as in `network`. "" for this machine."""
        return _hidden(peers.client(self.peer))

    @property
    def network(self) -> str:
        """The client's neighbourhood, its IPv4 /24 or IPv6 /48, as a hash under a key that dies with the process: tells
        neighbours from others and nothing else. "" for this machine: reverse proxies, commands, tests.
        """
        return _hidden(peers.neighbourhood(self.peer))


def _hidden(network: str) -> str:
    return hashlib.blake2b(network.encode(), key=_KEY, digest_size=8).hexdigest() if network else ""
