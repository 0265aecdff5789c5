"""The imap plugin: listeners, capabilities, and what all connections share."""

from __future__ import annotations

import collections
from typing import Any

from chatgate.api import (
    Counter,
    DnsRecord,
    Domain,
    Facts,
    Gateway,
    Metric,
    Server,
    Session,
    Uploads,
    hookimpl,
    service_records,
)

from .options import ImapOptions
from .session.connection import Connection
from .session.gathered import Gathered
from .session.recent import Recent
from .session.stuck import Stuck
from .session.unsent import Unsent

_ALWAYS = ("IMAP4rev1", "SASL-IR", "LITERAL+", "ID", "ENABLE", "IDLE")
_LOGGED_IN = (
    "NAMESPACE CHILDREN LIST-EXTENDED LIST-STATUS SPECIAL-USE CREATE-SPECIAL-USE STATUS=SIZE"
    " ESEARCH SEARCHRES WITHIN SORT THREAD=REFERENCES UIDPLUS MULTIAPPEND UTF8=ACCEPT MOVE UNSELECT"
    " CONDSTORE QRESYNC QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE METADATA"
).split()


class Imap:
    """IMAP4rev1 (RFC 3501) with the extensions Delta Chat and common clients use."""

    Options = ImapOptions
    order = 25

    def __init__(self, gateway: Gateway, options: ImapOptions) -> None:
        self.gateway, self.options = gateway, options
        self.recent = Recent()
        self.stuck = Stuck()
        self.gathered = Gathered(options.max_gathered_bytes_per_account, options.max_gathered_bytes)
        self.unsent = Unsent(options.max_unsent_bytes)
        self.uploads = Uploads(options.max_inflight_bytes, options.min_upload_rate, options.stall_seconds)
        self._connections: collections.Counter[int] = collections.Counter()
        self.commands = Counter()  # by name and outcome
        self.idling = 0
        self._servers: dict[str, Server] = {}

    @hookimpl
    def chatgate_reloaded(self) -> None:
        own = self.options
        self.gathered.limit(own.max_gathered_bytes_per_account, own.max_gathered_bytes)
        self.unsent.limit = own.max_unsent_bytes
        self.uploads.limit(own.max_inflight_bytes, own.min_upload_rate, own.stall_seconds)
        for server in self._servers.values():
            server.limit(own.max_connections, own.max_unauthenticated, own.max_connections_per_address)

    @hookimpl
    def chatgate_facts(self, domain: Domain) -> Facts:
        return Facts(listens={"imaps": self.options.imaps, "imap": self.options.imap})

    @hookimpl
    def chatgate_dns_records(self, domain: Domain) -> list[DnsRecord]:
        return [
            *service_records(domain, "imaps", self.options.imaps, "apps find where to read"),
            *service_records(domain, "imap", self.options.imap, "apps find where to read, with STARTTLS"),
        ]

    @hookimpl
    def chatgate_metrics(self) -> list[Metric]:
        commands, labels = dict(self.commands.counts), ("command", "outcome")
        return [
            Metric.single("chatgate_imap_idle", "Sessions in IDLE", "gauge", self.idling),
            Metric("chatgate_imap_commands", "IMAP commands, by their outcome", "counter", labels, commands),
        ]

    @hookimpl
    def chatgate_services(self, gateway: Gateway) -> list[Server]:
        options = self.options
        listeners = (("imaps", options.imaps, True), ("imap", options.imap, False))
        for name, addresses, implicit in listeners:
            self._servers[name] = gateway.server(
                name,
                addresses,
                self.serve,
                implicit_tls=implicit,
                alpn="imap" if implicit and addresses else "",
                max_connections=options.max_connections,
                max_unauthenticated=options.max_unauthenticated,
                max_per_address=options.max_connections_per_address,
                busy=b"* BYE [UNAVAILABLE] Too many connections, please try again later\r\n",
            )
        return list(self._servers.values())

    def serve(self, session: Session, sock: Any) -> None:
        """Serve one connection of any listener; TLS is on if `session.tls` says so."""
        Connection(self, session, sock).run()

    def start_tls(self, sock: Any) -> Any:
        """The TLS socket that replaces a plaintext one. Raises OSError."""
        return self._servers["imap"].start_tls(sock, self.gateway.tls)

    def max_message_bytes(self, session: Session) -> int:
        """Octets that a message may have in the domain of the logged-in account."""
        return self.gateway.domains.of_session(session).options(self.gateway.config.core).max_message_bytes

    def may_login(self, session: Session) -> bool:
        """Is the client's password safe on this connection?"""
        return session.tls or self.options.plaintext_login

    def capabilities(self, session: Session) -> bytes:
        """The current capabilities for this session, including those of other plugins."""
        words = list(_ALWAYS)
        if session.account is None:
            if not session.tls and "imap" in self._servers:
                words.append("STARTTLS")
            words.append("AUTH=PLAIN" if self.may_login(session) else "LOGINDISABLED")
        else:
            words += _LOGGED_IN
            words.append(f"APPENDLIMIT={self.max_message_bytes(session)}")
            if self.options.compress_level:
                words.append("COMPRESS=DEFLATE")
            words += self.options.capabilities
        for more in self.gateway.hub.capabilities(session=session):
            words += more
        return " ".join(dict.fromkeys(words)).encode("ascii", "replace")

    def entered(self, session: Session, account_id: int) -> bool:
        """Count a connection of an account. False: the account has too many."""
        if self._connections[account_id] >= self.options.max_connections_per_account:
            return False
        self._connections[account_id] += 1
        session.stash["imap"] = account_id
        return True

    def left(self, session: Session) -> None:
        """Call it when the connection ends."""
        account_id = session.stash.pop("imap", None)
        if account_id is None:
            return
        self._connections[account_id] -= 1
        if not self._connections[account_id]:
            del self._connections[account_id]
