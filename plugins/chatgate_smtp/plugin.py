"""The plugin: three listeners, the rules for senders, and what the client is told about limits."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable
from typing import Any

from chatgate.api import (
    UNAVAILABLE,
    Account,
    DnsRecord,
    Domain,
    Envelope,
    Facts,
    Gateway,
    Problem,
    Reply,
    Server,
    Session,
    address_literal,
    hookimpl,
    service_records,
)
from chatgate_smtp.dialogue import Dialogue
from chatgate_smtp.driver import Stream, run
from chatgate_smtp.options import SmtpOptions
from chatgate_smtp.rate import Rate
from chatgate_smtp.receiving import Receiving
from chatgate_smtp.replies import line
from chatgate_smtp.sizes import Sizes

# The driver uses private members of this version; setup.py pins the same one.
AIOSMTPD = "1.4.6"

BUSY = b"421 4.7.0 Too many connections, try again later\r\n"
GONE = Reply(550, "5.7.1", "This account does not exist any more")
_MOST_RECIPIENTS = "/shared/vendor/deltachat/maxsmtprecipients"
LOOP = Reply(554, "5.4.6", "Mail loop: this message has been through too many servers")
NOT_OWNED = Reply(553, "5.7.1", "Sender address rejected: not owned by user")


class Smtp:
    """SMTP: accounts submit mail, and other servers deliver it.

    `Session.service` is "submissions" (TLS from the start), "submission" (STARTTLS) or "mx" (other servers).
    """

    Options = SmtpOptions
    order = 20

    def __init__(self, gateway: Gateway, options: SmtpOptions) -> None:
        self.gateway, self.options = gateway, options
        self.sizes = Sizes(gateway)
        for name in ("max_inflight_bytes", "max_inflight_bytes_mx"):
            if getattr(options, name) < self.sizes.largest:
                raise ValueError(f"{name}: must be max_message_bytes of 00-chatgate.toml or more")
        # Lent to plugins that take mail by other protocols.
        self.receiving = Receiving(gateway, options, self.sizes)
        self.rate = Rate(*self._pace())
        self._servers: dict[str, Server] = {}
        self._ehlo = self._answers()

    def _pace(self) -> tuple[int, int, float, int, int]:
        own = self.options
        often = own.max_user_send_per_minute, own.max_user_send_burst_size
        return *often, own.hold_seconds, own.max_held, own.max_held_per_account

    def _answers(self) -> dict[tuple[Domain, bool, bool], bytes]:
        """To EHLO, made once."""
        both = (False, True)
        return {
            (domain, submits, tls): self._extensions(domain, submits, tls)
            for domain in self.gateway.domains
            for submits in both
            for tls in both
        }

    @hookimpl
    def chatgate_reloaded(self) -> None:
        own = self.options
        self.sizes.read()
        self._ehlo = self._answers()
        self.rate.limit(*self._pace())
        self.receiving.options_changed()
        for server in self._servers.values():
            server.limit(own.max_connections, own.max_unauthenticated, own.max_connections_per_address)

    def greets_as(self, domain: Domain) -> str:
        """The host's name, or an address literal, for greetings (RFC 5321 §4.3.1)."""
        return address_literal(domain.hostname) or domain.hostname

    def _extensions(self, domain: Domain, submits: bool, tls: bool) -> bytes:
        """The answer to EHLO. No SMTPUTF8: Delta Chat would use it on each MAIL, and other servers may not have it."""
        lines = ["PIPELINING", f"SIZE {self.sizes.accepted(domain, submits)}", "8BITMIME", "ENHANCEDSTATUSCODES"]
        lines += [] if tls else ["STARTTLS"]
        lines += ["AUTH PLAIN LOGIN"] if tls and submits else []
        return "\r\n250-".join(["250-" + self.greets_as(domain), *lines]).encode() + b"\r\n250 HELP"

    def ehlo(self, domain: Domain, submits: bool, tls: bool) -> bytes:
        return self._ehlo[domain, submits, tls]

    def wrapper(self, service: str) -> Callable[[Any], Any]:
        """A function that turns a plaintext socket of this service into a TLS socket."""
        server = self._servers[service]
        tls = self.gateway.tls_for_servers if service == "mx" else self.gateway.tls
        return lambda sock: server.start_tls(sock, tls)

    def serve(self, session: Session, sock: Any) -> None:
        """One connection, from accept to close."""
        stream = Stream(sock, self.options.max_command_bytes, self.options.command_seconds)
        session.on_stop = lambda: stream.stop(line(session.ending or UNAVAILABLE))
        if session.service != "mx":
            stream.login_deadline = time.monotonic() + self.options.login_seconds
        try:
            answer = self.gateway.hub.connect(session=session)
            if answer is not None and not answer.accepts:
                # The only codes with which a greeting may refuse (RFC 5321 §4.3.2).
                stream.write(line(Reply(421 if answer.temporary else 554, answer.enhanced, answer.text)).encode())
                stream.write(b"\r\n")
            else:
                dialogue = Dialogue(self, session, stream)
                try:
                    run(dialogue._handle_client())
                finally:
                    dialogue.end()
            stream.flush()
        except ConnectionResetError:
            pass

    # ------------------------------------------------------------------------------------------ hooks

    @hookimpl
    def chatgate_facts(self, domain: Domain) -> Facts:
        core, own = domain.options(self.gateway.config.core), self.options
        listens = {"submissions": own.submissions, "submission": own.submission, "mx": own.mx}
        return Facts(listens=listens, message_octets=core.max_message_bytes)

    @hookimpl
    def chatgate_dns_records(self, domain: Domain) -> list[DnsRecord]:
        own, host, found = self.options, domain.dns_host, list[DnsRecord]()
        # Without MX the host of the domain's own name is taken (RFC 5321 §5.1); other servers may also use HTTPS there.
        if own.mx or host != domain.name:
            found.append(DnsRecord(domain.name, "MX", f"10 {host}.", True, "other mail servers deliver here"))
        found += service_records(domain, "submissions", own.submissions, "apps find where to send")
        found += service_records(domain, "submission", own.submission, "apps find where to send, with STARTTLS")
        return found

    @hookimpl
    def chatgate_services(self, gateway: Gateway) -> list[Server]:
        """A server for each listener that is on."""
        options = self.options
        for name, addresses in (
            ("submissions", options.submissions),
            ("submission", options.submission),
            ("mx", options.mx),
        ):
            if addresses:
                self._servers[name] = gateway.server(
                    name,
                    addresses,
                    self.serve,
                    implicit_tls=name == "submissions",
                    alpn="smtp" if name == "submissions" else "",
                    max_connections=options.max_connections,
                    max_unauthenticated=None if name == "mx" else options.max_unauthenticated,
                    max_per_address=options.max_connections_per_address,
                    busy=BUSY,
                )
        return list(self._servers.values())

    @hookimpl(tryfirst=True)  # no other plugin may accept a sender before these two rules are checked
    def chatgate_sender(self, session: Session, envelope: Envelope, address: str) -> Reply | None:
        """An account sends from its own address only."""
        account = session.account
        if envelope.origin != "account" or account is None:
            return None
        if address.lower() != account.address.lower():
            return NOT_OWNED
        # Looked up again: apps keep connections open for a long time, and the operator may have disabled the account
        # meanwhile.
        current = self.gateway.store.account(account.address)
        if current is None or current.id != account.id:
            return GONE
        if current.disabled:
            return Reply(550, "5.7.1", current.disabled)
        return None

    @hookimpl
    def chatgate_filter(self, envelope: Envelope) -> Reply | None:
        """Refuse mail that loops (RFC 5321 §6.3). Runs before plugins that remove the trace fields."""
        return LOOP if envelope.hops >= self.options.max_hops else None

    @hookimpl
    def chatgate_account_removed(self, account: Account) -> None:
        self.rate.forget(account.id)

    @hookimpl
    def chatgate_metadata_entries(self, mailbox: str) -> list[str]:
        return [] if mailbox else [_MOST_RECIPIENTS]

    @hookimpl
    def chatgate_get_metadata(self, mailbox: str, entry: str) -> bytes | None:
        """The most recipients of a message: Delta Chat splits messages to more of them."""
        if mailbox == "" and entry == _MOST_RECIPIENTS:
            return str(self.options.max_recipients).encode()
        return None

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        problems = []
        version = importlib.metadata.version("aiosmtpd")
        if version != AIOSMTPD:
            problems.append(Problem("error", f"smtp: aiosmtpd is {version}, and must be {AIOSMTPD}"))
        if not self.options.submissions and not self.options.submission:
            problems.append(Problem("warning", "smtp: submissions and submission are off: accounts cannot send"))
        return problems
