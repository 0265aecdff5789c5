"""The two ends of a ping: one that submits, one that waits in IDLE. Both keep their connection, as Delta Chat does."""

from __future__ import annotations

import imaplib
import re
import smtplib
import time
from typing import Any

from chatgate.api import PluginError
from chatgate_ping.places import Login, Place

_EXISTS = re.compile(rb"\* \d+ EXISTS")
_UID = re.compile(rb"\bUID (\d+)")
_TAG = b"idle"


class Lost(Exception):
    """This message did not arrive; str() says where it failed. The connection must be made anew."""


class _Smtp(smtplib.SMTP):
    """Connected to a place."""

    def __init__(self, place: Place, ehlo: str, timeout: float) -> None:
        self._place = place
        super().__init__(place.host, place.port, ehlo, timeout=timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        return self._place.connect(timeout)


class _Imap(imaplib.IMAP4):
    """Connected to a place."""

    def __init__(self, place: Place, timeout: float) -> None:
        self._place = place
        super().__init__(place.host, place.port, timeout=timeout)

    def _create_socket(self, timeout: float) -> Any:
        return self._place.connect(timeout)


class Submitter:
    """Raises PluginError when it cannot connect or log in."""

    def __init__(self, login: Login, timeout: float) -> None:
        place = login.server.submission
        # Delta Chat's EHLO. By default smtplib would look our name up in the DNS.
        ehlo = "[127.0.0.1]"
        try:
            self._smtp = _Smtp(place, ehlo, timeout)
            if place.security == "starttls":
                self._smtp.starttls(context=place.tls)
            self._smtp.login(login.address, login.password)
        except smtplib.SMTPResponseException as error:
            raise PluginError(f"{place}: SMTP login refused: {_said(error)}") from error
        except (OSError, smtplib.SMTPException) as error:
            raise PluginError(_unreachable(place, error)) from error
        self._sender = login.address

    def submit(self, recipient: str, content: bytes) -> None:
        """Returns when the server has taken the message. Raises Lost."""
        try:
            self._smtp.sendmail(self._sender, [recipient], content)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            raise Lost(f"submission refused: {_said(smtplib.SMTPResponseException(code, text))}") from error
        except smtplib.SMTPResponseException as error:
            raise Lost(f"submission refused: {_said(error)}") from error
        except (OSError, smtplib.SMTPException) as error:
            raise Lost(f"submission failed: {_reason(error)}") from error

    def close(self) -> None:
        self._smtp.close()


class Waiter:
    """Raises PluginError when it cannot connect or log in."""

    def __init__(self, login: Login, timeout: float) -> None:
        place = login.server.imap
        self._timeout = timeout
        try:
            self._imap = _Imap(place, timeout)
            if place.security == "starttls":
                self._imap.starttls(place.tls)
            self._imap.login(login.address, login.password)
            self._command("SELECT", self._imap.select("INBOX"))
            self._seen = int(self._imap.response("UIDNEXT")[1][0] or 1) - 1
        except imaplib.IMAP4.abort as error:
            raise PluginError(_unreachable(place, error)) from error
        except imaplib.IMAP4.error as error:
            raise PluginError(f"{place}: IMAP login refused: {_reason(error)}") from error
        except OSError as error:
            raise PluginError(_unreachable(place, error)) from error

    def idle(self) -> None:
        """Begin to IDLE (RFC 2177). Raises Lost."""
        try:
            self._imap.send(_TAG + b" IDLE\r\n")
            while not (line := self._line(self._timeout)).startswith(b"+"):
                if line.startswith(_TAG):
                    raise Lost(f"IDLE refused: {line.decode('ascii', 'replace')}")
        except OSError as error:
            raise Lost(f"IDLE failed: {_reason(error)}") from error

    def wait(self, message_id: str) -> tuple[float, bytes]:
        """Leave IDLE when this message is announced: (time.perf_counter() at the announcement, the message).
        It is deleted from the mailbox; other messages are left alone. Raises Lost.
        """
        deadline = time.perf_counter() + self._timeout
        try:
            while True:
                while not _EXISTS.match(self._line(deadline - time.perf_counter())):
                    pass
                announced = time.perf_counter()
                self._imap.send(b"DONE\r\n")
                while not self._line(self._timeout).startswith(_TAG):
                    pass
                if uid := self._find(message_id):
                    return announced, self._take(uid)
                self.idle()  # it was another message
        except TimeoutError as error:
            raise Lost(f"not announced within {self._timeout:g} s") from error
        except imaplib.IMAP4.error as error:
            raise Lost(f"fetching failed: {_reason(error)}") from error
        except OSError as error:
            raise Lost(f"IDLE failed: {_reason(error)}") from error

    def close(self) -> None:
        try:
            self._imap.shutdown()
        except OSError:
            pass

    def _find(self, message_id: str) -> str:
        """The UID of this message among the new ones, or ""."""
        found, top, head, literal = "", self._seen, b"", b""
        what = "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
        for item in self._command("FETCH", self._imap.uid("FETCH", f"{self._seen + 1}:*", what)):
            if isinstance(item, tuple):  # the response up to the literal; the rest is the next item
                head, literal = item
                continue
            match = _UID.search(head + (item or b""))
            if match and int(match[1]) > self._seen:  # "*" is the last message even if it is older
                top = max(top, int(match[1]))
                if message_id.encode() in literal:
                    found = match[1].decode()
            head, literal = b"", b""
        self._seen = top
        return found

    def _take(self, uid: str) -> bytes:
        data = self._command("FETCH", self._imap.uid("FETCH", uid, "(BODY.PEEK[])"))
        content = next((item[1] for item in data if isinstance(item, tuple)), b"")
        self._command("STORE", self._imap.uid("STORE", uid, "+FLAGS.SILENT", "(\\Deleted)"))
        self._command("EXPUNGE", self._imap.uid("EXPUNGE", uid))
        return content

    def _line(self, seconds: float) -> bytes:
        """The next line. Raises TimeoutError; nothing more can be read from this connection then."""
        self._imap.sock.settimeout(max(seconds, 0.001))
        line = self._imap.readline()
        self._imap.sock.settimeout(self._timeout)
        if not line:
            raise ConnectionError("connection closed")
        return line

    def _command(self, name: str, answer: tuple[str, list]) -> list:
        if answer[0] != "OK":
            raise imaplib.IMAP4.error(f"{name} refused")
        return answer[1]


def _unreachable(place: Place, error: Exception) -> str:
    hint = " (is the gateway running?)" if isinstance(error, ConnectionRefusedError) else ""
    return f"{place}: cannot connect: {_reason(error)}{hint}"


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if error.args and isinstance(error.args[0], bytes):  # imaplib passes on the server's text as bytes
        return error.args[0].decode("utf-8", "replace")
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _said(error: smtplib.SMTPResponseException) -> str:
    text = error.smtp_error
    return f"{error.smtp_code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"
