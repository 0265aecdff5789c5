"""A gateway process with the ports of `init --local`, and clients for it."""

from __future__ import annotations

import contextlib
import imaplib
import os
import re
import secrets
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

from click.testing import CliRunner
from gateway_process import GatewayProcess

from chatgate.cli import cli
from chatgate.testing import client_tls

MX, HTTP, IMAP, HTTPS, SUBMISSIONS, SUBMISSION, IMAPS = 2525, 8080, 2143, 8443, 2465, 2587, 2993
NOTIFICATIONS = 2999  # where the push plugin sends tokens; who wants them listens there
Login = tuple[str, str]
# Settings of smtp for clients that write faster than people do.
NO_RATE = {"max_user_send_per_minute": "1000000", "max_user_send_burst_size": "1000000"}


class IdleImap(imaplib.IMAP4_SSL):
    """imaplib with IDLE (RFC 2177), which it has only from Python 3.14 on."""

    @contextlib.contextmanager
    def idling(self) -> Iterator[IdleImap]:
        tag = self._new_tag()
        self.send(tag + b" IDLE\r\n")
        assert self.readline().startswith(b"+")
        yield self
        self.send(b"DONE\r\n")
        while not (line := self.readline()).startswith(tag):
            assert line, "the connection was closed"
        assert line.startswith(tag + b" OK"), line

    def waits_for(self, pattern: bytes, seconds: float = 60) -> bytes:
        """Inside `idling`: read until a line matches."""
        self.sock.settimeout(seconds)
        while line := self.readline():
            if re.search(pattern, line):
                return line
        raise AssertionError(f"closed before {pattern!r} came")


class LocalGateway(GatewayProcess):
    """host: an address of this machine that nobody else uses, so that tests side by side can have the same ports."""

    domain = "_flow.test"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        one, two, three = os.urandom(3)
        self.host = f"127.{one % 200 + 20}.{two}.{three % 250 + 2}"

    def make(self) -> None:
        """`init`, in this process: nearly every test needs a folder, and to start Python for it takes a second."""
        settings = ("--domain", self.domain, "--local", "--listen", self.host)
        done = CliRunner().invoke(cli, ["--dir", str(self.folder), "init", *settings])
        assert done.exit_code == 0, done.output

    def nobody(self) -> Login:
        """(address, password) that makes an account at first login."""
        return f"{secrets.token_hex(5)[:9]}@{self.domain}", secrets.token_urlsafe(18)

    def raw(self, port: int, tls: bool = False, seconds: float = 60) -> socket.socket:
        sock = socket.create_connection((self.host, port), timeout=seconds)
        return client_tls().wrap_socket(sock, server_hostname=self.domain) if tls else sock

    def submissions(self, login: Login, source: str = "") -> smtplib.SMTP_SSL:
        """Logged in by port 465's stand-in."""
        bound = (source, 0) if source else None
        client = smtplib.SMTP_SSL(self.host, SUBMISSIONS, context=client_tls(), timeout=60, source_address=bound)
        client.login(*login)
        return client

    def submission(self, login: Login) -> smtplib.SMTP:
        """Logged in by port 587's stand-in, after STARTTLS."""
        client = smtplib.SMTP(self.host, SUBMISSION, timeout=60)
        client.starttls(context=client_tls())
        client.login(*login)
        return client

    def imap(self, login: Login) -> IdleImap:
        client = IdleImap(self.host, IMAPS, ssl_context=client_tls(), timeout=60)
        client.login(*login)
        return client

    def account(self) -> Login:
        """Of somebody who has logged in once."""
        login = self.nobody()
        self.imap(login).logout()
        return login

    def certificate(self) -> str:
        """What a client that connects now is shown, in PEM."""
        with self.raw(IMAPS, tls=True) as sock:
            return ssl.DER_cert_to_PEM_cert(sock.getpeercert(binary_form=True))  # type: ignore[attr-defined]

    def memory(self) -> int:
        """Octets the process had at its largest; 0 where the system does not tell."""
        assert self.process is not None
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return 0
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


# The fixture `local_gateway`: settings by plugin name, values in TOML.
Make = Callable[..., LocalGateway]


def bodies(client: imaplib.IMAP4, uids: str = "1:*", item: str = "BODY.PEEK[]") -> dict[int, bytes]:
    """Messages of the selected mailbox, or one item of each, by UID."""
    status, answer = client.uid("FETCH", uids, f"(UID {item})")
    assert status == "OK"
    found = {}
    for part in answer:
        if isinstance(part, tuple):
            uid = int(re.search(rb"UID (\d+)", part[0])[1])  # type: ignore[index]
            assert uid not in found, "one UID twice"
            found[uid] = part[1]
    return found


def number(client: imaplib.IMAP4, code: str) -> int:
    """The number of a response code such as UIDVALIDITY from the last SELECT."""
    (value,) = client.response(code)[1]
    return int(value)
