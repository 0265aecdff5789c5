"""The state of one connection."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from chatgate.network import peers, veil
from chatgate.reply import Reply
from chatgate.store.records import Account


@dataclass(slots=True)
class Credentials:
    """What a client offered to prove who it is. The password is kept out of repr(). mechanism: how they were sent: a
    SASL mechanism ("PLAIN", "LOGIN"), "login" for IMAP's command of that name, "form" for a web page; "" for any other
    way.
    """

    address: str
    password: str = field(repr=False)
    mechanism: str = ""


class Connection(Protocol):
    """What a session needs of its connection: to tell it of a login, and to end it."""

    def logged_in(self) -> None:
        """`session.account` was set."""
        ...

    def cut(self) -> None: ...


class Session:
    """One client connection, from accept to close.

    service: the service that accepted it: "submission", "mx", "imap", "http" …; "mxdeliv" for mail that came by HTTPS.
    peer: the client's IP address, for limits only; "" behind a unix socket. It must never be logged or stored.
    account: the one that has logged in, as the store has it. From then on the connection counts among those with a
        login, and ends when the login is not valid any more, see `chatgate.network.logins`.
    server_name: the host that the client asked for, by TLS (RFC 6066 §3) or as the Host of HTTP, or else the IP address
        it connected to; "" where neither is known. `gateway.domains.of_session` finds the domain for it.
    id: eight hex digits that tie log lines together; says nothing about the client.
    on_stop: set by the protocol plugin; called once, and must not block, when the session is to end because the gateway
        stops or the login is not valid any more: wake up and say goodbye with the text of `ending`. Connections that
        then do not close are cut.
    ending: why the session is to end, as a Reply; None as long as all is well. Run no further command once it is set.
    stash: private notes of plugins, each under a key of its own, such as its name.
    """

    __slots__ = ("service", "peer", "tls", "on_stop", "ending", "stash", "server_name", "id", "_account", "_connection")

    def __init__(
        self,
        service: str,
        peer: str,
        tls: bool = False,
        account: Account | None = None,
        connection: Connection | None = None,
        server_name: str = "",
    ) -> None:
        self.service, self.peer, self.tls, self.server_name = service, peer, tls, server_name
        self.on_stop: Callable[[], None] | None = None
        self.ending: Reply | None = None
        self.stash: dict[str, Any] = {}
        self.id = f"{random.getrandbits(32):08x}"
        self._account, self._connection = account, connection

    def __repr__(self) -> str:
        return f"Session({self.service}, {self.id})"

    @property
    def account(self) -> Account | None:
        """The account that has logged in. A protocol plugin sets it, see above."""
        return self._account

    @account.setter
    def account(self, account: Account | None) -> None:
        self._account = account
        if account is not None and self._connection is not None:
            self._connection.logged_in()

    def end(self, why: Reply) -> None:
        """Have the plugin say goodbye. May be called from any greenlet; never blocks. The first reason counts."""
        if self.ending is None:
            self.ending = why
            if self.on_stop is not None:
                self.on_stop()

    def cut(self) -> None:
        """End the connection without a word, if it is still open. May be called from any greenlet; never blocks."""
        if self._connection is not None:
            self._connection.cut()

    @property
    def client(self) -> str:
        """A hash of what counts as one client, an IPv4 address or an IPv6 /64, made as for `network`. "" for this
        machine.
        """
        return veil.hidden(peers.client(self.peer))

    @property
    def network(self) -> str:
        """A hash of the client's neighbourhood, its IPv4 /24 or IPv6 /48: it tells neighbours from others and nothing
        else, and after a day not even that, see `chatgate.network.veil`. "" for this machine: reverse proxies,
        commands, tests.
        """
        return veil.hidden(peers.neighbourhood(self.peer))
