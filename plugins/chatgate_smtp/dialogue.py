"""aiosmtpd's command loop on a Stream: replies, limits, greeting, STARTTLS. AUTH and mail have parts of their own."""

from __future__ import annotations

import logging
import re
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

from aiosmtpd import smtp

from chatgate.api import UNAVAILABLE, Domain, Reply, Session, raised_at
from chatgate_smtp.driver import BadLine, Goodbye, Stream
from chatgate_smtp.login import Login
from chatgate_smtp.replies import ENHANCED, line
from chatgate_smtp.transaction import Transaction

if TYPE_CHECKING:
    from chatgate_smtp.plugin import Smtp

log = logging.getLogger("chatgate.smtp")

# aiosmtpd writes peers, addresses, passwords and message lines to its log.
logging.getLogger("mail.log").disabled = True

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
        return _METHODS.get(command, _UNKNOWN)(protocol)


class Dialogue(smtp.SMTP):
    """aiosmtpd 1.4.6's SMTP without its constructor, which needs an event loop and searches its own methods for each
    connection.

    The attributes of this class are what the constructor would have set; `_handle_client`, the command loop, uses
    them. Read the source of a new version of aiosmtpd before moving the pin.

    One object for each connection. login, transaction: the parts that carry out AUTH, and MAIL, RCPT and DATA.
    commands, errors: how many since the last message.
    """

    __ident__ = "ESMTP"
    # Not offered to clients. With it the command loop hands us non-ASCII input, so that we refuse it with the right
    # code.
    enable_SMTPUTF8 = True
    command_size_limits = _CommandSizes()
    command_size_limit = _ANY_SIZE
    require_starttls = True
    envelope = None  # that of a message is the transaction's
    # The prompts of LOGIN that every client knows.
    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"
    _proxy_timeout = None
    _tls_handshake_okay = True
    _enforce_call_limit = False
    _decode_data = False
    _auth_require_tls = True
    _handle_hooks: dict[str, Any] = {}

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
        self.login = Login(self)
        self.transaction = Transaction(self, plugin.receiving, plugin.rate)

    def end(self) -> None:
        """The connection is over. Its memory is freed now, not when Python's garbage collector finds that the parts
        know the dialogue.
        """
        self.transaction.end()
        del self.login, self.transaction

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

    @property
    def _auth_methods(self) -> Any:  # type: ignore[override]  # aiosmtpd makes a table for each session
        return {
            "PLAIN": smtp._AuthMechAttr(self.login.plain, True),
            "LOGIN": smtp._AuthMechAttr(self.auth_LOGIN, True),
        }

    def _authenticate(self, mechanism: str, auth_data: Any) -> smtp.AuthResult:
        return self.login.authenticate(mechanism, auth_data)

    def _create_envelope(self) -> Any:
        """aiosmtpd calls this when a transaction ends without a message."""
        self.transaction.end()

    # ------------------------------------------------------------------------------------------ replies

    async def push(self, status: str | bytes, counts: bool = True) -> None:
        """Every reply goes through here. The client is cut off after too many refusals that count as errors."""
        if isinstance(status, str):
            status = ENHANCED.get(status, status).encode("ascii", "replace")
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
        await self.push("214 2.0.0 Commands: " + " ".join(sorted(_METHODS)))

    async def smtp_QUIT(self, arg: str | None) -> None:
        if arg:
            await self.push("501 5.5.4 Syntax: QUIT")
            return
        await self.push("221 2.0.0 Bye")
        self.transport = None


# The commands, and where the methods are that carry them out.
_METHODS = {name[5:]: attrgetter(name) for name in dir(Dialogue) if name.startswith("smtp_")} | {
    "AUTH": attrgetter("login.begin"),
    "MAIL": attrgetter("transaction.mail"),
    "RCPT": attrgetter("transaction.rcpt"),
    "DATA": attrgetter("transaction.data"),
}
_UNKNOWN = attrgetter("unknown")
