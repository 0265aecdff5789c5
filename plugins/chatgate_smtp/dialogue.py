"""aiosmtpd's command loop on a Stream: replies, limits, greeting, STARTTLS and the commands without mail data."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, cast

from aiosmtpd import smtp

from chatgate.api import UNAVAILABLE, Domain, Reply, Session, raised_at
from chatgate_smtp.driver import BadLine, Goodbye, Stream

if TYPE_CHECKING:
    from chatgate_smtp.plugin import Smtp

log = logging.getLogger("chatgate.smtp")

# aiosmtpd writes peers, addresses, passwords and message lines to its log.
logging.getLogger("mail.log").disabled = True

# Its own replies, with enhanced status codes (RFC 2034).
_ENHANCED = {
    "250 OK": "250 2.0.0 OK",
    "500 Error: bad syntax": "500 5.5.2 Syntax error",
    "500 Error: command 'AUTH' not recognized": "503 5.5.1 Send EHLO first",
    "501 Not enough value": "501 5.5.4 Syntax: AUTH mechanism",
    "501 Too many values": "501 5.5.4 Syntax: AUTH mechanism [initial-response]",
    "502 EXPN not implemented": "502 5.5.1 EXPN not implemented",
    "501 Syntax: RSET": "501 5.5.4 Syntax: RSET",
    "503 Already authenticated": "503 5.5.1 Already logged in",
    "503 Error: send EHLO first": "503 5.5.1 Send EHLO first",
    "503 Error: send HELO first": "503 5.5.1 Send HELO or EHLO first",
    "530 Must issue a STARTTLS command first": "530 5.7.0 Must issue a STARTTLS command first",
    "530 5.7.0 Authentication required": "530 5.7.0 Log in first",
}

# Delta Chat's servers have all said "523 Encryption Needed: Invalid Unencrypted Mail", word for word.
_BARE = frozenset({523})

_CLIENT_NAME = re.compile(r"[!-~]{1,255}")


class _State:
    """What aiosmtpd remembers of a connection, instead of its Session, which needs an event loop."""

    peer = None  # so that it can never be logged
    auth_data: Any = None
    login_data: Any = None

    def __init__(self) -> None:
        self.host_name: str | None = None
        self.extended_smtp = False
        self.authenticated = False


_ANY_SIZE = 1 << 30  # Stream has already checked the length of the line


class _CommandSizes(dict[str, int]):
    """aiosmtpd's own table is shared by all connections and grows with every command word that a client makes up."""

    def __missing__(self, command: str) -> int:
        return _ANY_SIZE


class _Commands:
    """The table in which aiosmtpd looks commands up: one for the class instead of one for each connection."""

    def __init__(self, protocol: Dialogue) -> None:
        self._protocol = protocol

    def get(self, command: str) -> Any:
        protocol = self._protocol
        if command != "RCPT":
            protocol.commands += 1
            if protocol.commands > protocol.options.max_commands_per_message:
                raise Goodbye("421 4.7.0 Too many commands without a message")
        return getattr(protocol, protocol.methods.get(command, "unknown"))


class Dialogue(smtp.SMTP):
    """aiosmtpd 1.4.6's SMTP without its constructor, which needs an event loop and searches its own methods for each
    connection.

    The attributes of this class are what the constructor would have set; `_handle_client`, the command loop, uses
    them. Read the source of a new version of aiosmtpd before moving the pin.
    """

    __ident__ = "ESMTP"
    # Not offered to clients. With it the command loop hands us non-ASCII input, so that we refuse it with the right
    # code.
    enable_SMTPUTF8 = True
    command_size_limits = _CommandSizes()
    command_size_limit = _ANY_SIZE
    require_starttls = True
    # The commands, with the names of the methods that carry them out.
    methods: dict[str, str] = {}
    _proxy_timeout = None
    _tls_handshake_okay = True
    _enforce_call_limit = False
    _decode_data = False
    _auth_require_tls = True
    _handle_hooks: dict[str, Any] = {}

    def __init_subclass__(cls) -> None:
        cls.methods = {name[5:]: name for name in dir(cls) if name.startswith("smtp_")}

    def __init__(self, plugin: Smtp, session: Session, stream: Stream) -> None:
        self.plugin, self.options, self.hub = plugin, plugin.options, plugin.gateway.hub
        self.client = session
        self.submits = session.service != "mx"
        self.session: Any = _State()
        self.transport: Any = stream  # None ends the command loop
        self.stream = stream
        self._reader = self._writer = cast(Any, stream)
        self._tls_protocol: Any = session.tls
        self._auth_required = self.submits
        self.commands = 0
        self.errors = 0
        self.login_failures = 0
        self.recipients_asked = 0

    @property
    def domain(self) -> Domain:
        """The mail domain that the client means; STARTTLS and a login tell it more exactly."""
        return self.plugin.gateway.domains.of_session(self.client)

    @property
    def hostname(self) -> str:  # type: ignore[override]  # aiosmtpd sets it once
        """The name used in greetings."""
        return self.plugin.greets_as(self.domain)

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Does nothing: Stream enforces the timeouts."""

    @property
    def _smtp_methods(self) -> Any:  # type: ignore[override]
        return _Commands(self)

    # ------------------------------------------------------------------------------------------ replies

    async def push(self, status: str | bytes, counts: bool = True) -> None:
        """Every reply goes through here. The client is cut off after too many refusals that count as errors."""
        if isinstance(status, str):
            status = _ENHANCED.get(status, status).encode("ascii", "replace")
        self._writer.write(status + b"\r\n")
        if counts and status[:1] >= b"4" and self.transport is not None:
            self.errors += 1
            if self.errors > self.options.max_errors:
                self._writer.write(b"421 4.7.0 Too many errors\r\n")
                self.transport = None

    async def say(self, reply: Reply, counts: bool = True) -> None:
        await self.push(line(reply), counts)

    async def handle_exception(self, error: Exception) -> str:
        """The reply when a command failed with an exception. It reveals nothing about the exception."""
        if isinstance(error, BadLine):
            return str(error)
        if isinstance(error, Goodbye):
            self.transport = None
            return str(error)
        where = raised_at(error.__traceback__)
        log.error("command failed session=%s error=%s at=%s", self.client.id, type(error).__name__, where)
        return line(UNAVAILABLE)

    async def unknown(self, arg: str | None) -> None:
        await self.push("500 5.5.1 Command not recognized")

    # ------------------------------------------------------------------------------------------ greeting and TLS

    async def smtp_HELO(self, hostname: str | None) -> None:
        await self._hello("HELO", hostname, b"250 " + self.hostname.encode())

    async def smtp_EHLO(self, hostname: str | None) -> None:
        await self._hello("EHLO", hostname, self.plugin.ehlo(self.domain, self.submits, self.client.tls))

    async def _hello(self, verb: str, name: str | None, reply: bytes) -> None:
        # Delta Chat says [127.0.0.1] to hide its own address: any name is accepted.
        if not name or not _CLIENT_NAME.fullmatch(name):
            await self.push(f"501 5.5.4 Syntax: {verb} hostname")
            return
        self._set_rset_state()
        self.session.host_name = name
        self.session.extended_smtp = verb == "EHLO"
        await self.push(reply)

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        if arg:
            await self.push("501 5.5.4 Syntax: STARTTLS")
            return
        if self.client.tls:
            await self.push("503 5.5.1 TLS is active already")
            return
        await self.push("220 2.0.0 Ready to start TLS")
        self.stream.start_tls(self.plugin.wrapper(self.client.service))
        self.client.tls = self._tls_protocol = True
        # RFC 3207 §4.2: discard everything the client said before TLS.
        self.session = _State()
        self._set_rset_state()

    # ------------------------------------------------------------------------------------------ the rest

    async def smtp_VRFY(self, arg: str | None) -> None:
        await self.push("252 2.0.0 Cannot verify, but will take mail and try to deliver it")

    async def smtp_HELP(self, arg: str | None) -> None:
        await self.push("214 2.0.0 Commands: " + " ".join(sorted(self.methods)))

    async def smtp_QUIT(self, arg: str | None) -> None:
        if arg:
            await self.push("501 5.5.4 Syntax: QUIT")
            return
        await self.push("221 2.0.0 Bye")
        self.transport = None


def line(reply: Reply) -> str:
    """A Reply as one line of SMTP. A text that is not printable ASCII is left out: it could break out of its line."""
    text = reply.text
    if not text.isascii() or not text.isprintable():
        text = ""
    if reply.code in _BARE:
        return f"{reply.code} {text[:500]}"
    return f"{reply.code} {reply.status} {text[:500]}".rstrip()
