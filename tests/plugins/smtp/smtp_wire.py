"""For the tests of SMTP: a plugin that stands in for policy and store, and a client that says what it is told to."""

import base64
import functools
import socket
import ssl
from dataclasses import dataclass

import gevent

from chatgate.api import Account, Delivery, Reply, Stored, hookimpl, option
from chatgate.testing import port

PASSWORD = "correct horse"
ALICE = "alice@example.org"
BOB = "bob@example.org"


@functools.cache
def client_tls():
    """One context for all tests, without the CA certificates that would take most of their time to load."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def inbox(address):
    """A mailbox for each address."""
    return Delivery(address, sum(address.encode()), 1)


class Everybody:
    """A store in which every address is an account, but those that a test takes away or replaces."""

    def __init__(self, fake=None):
        self.changed, self._fake = {}, fake

    def account(self, address):
        return self.changed.get(address, Account(sum(address.encode()), address))

    def store(self, content, destinations, partial, sender, account_id, trace):
        self._fake._answer("store", None)
        return [Stored(delivery, 1, 1, 1) for delivery in destinations]

    def close(self):
        pass


@dataclass(frozen=True)
class FakeOptions:
    domain: str = option("example.org", "Addresses here are taken, but for nobody@.")


class Fake:
    """Takes mail for its domain and keeps it; knows one password. A test puts functions into `answers` by hook name."""

    Options = FakeOptions
    order = 10  # before smtp

    def __init__(self, gateway, options):
        self.options = options
        self.mails = []
        self.answers = {}
        self.senders = []
        self.logins = []
        self.stored_event = gevent.event.Event()

    def _answer(self, hook, default, *facts):
        return self.answers[hook](*facts) if hook in self.answers else default

    @hookimpl
    def chatgate_open_store(self):
        return Everybody(self)

    @hookimpl
    def chatgate_connect(self, session):
        return self._answer("connect", None, session)

    @hookimpl
    def chatgate_authenticate(self, credentials):
        right = credentials.password == PASSWORD
        account = Everybody().account(credentials.address) if right else None
        return self._answer("authenticate", account, credentials)

    @hookimpl
    def chatgate_logged_in(self, session, account):
        assert session.account is account
        self.logins.append(account.address)

    @hookimpl
    def chatgate_sender(self, session, address):
        self.senders.append(address)
        return self._answer("sender", None, session, address)

    @hookimpl
    def chatgate_recipient(self, session, address):
        local, _, domain = address.rpartition("@")
        answer = None
        if domain.lower() == self.options.domain:
            answer = Reply(550, "5.1.1", "No such user") if local == "nobody" else inbox(address)
        return self._answer("recipient", answer, session, address)

    @hookimpl
    def chatgate_filter(self, session, envelope):
        return self._answer("filter", None, session, envelope)

    @hookimpl
    def chatgate_stored(self, envelope):
        self.mails.append(envelope)
        self.stored_event.set()


class Wire:
    """A client connection on which a test sends bytes and reads replies. service: as `Session.service` says."""

    def __init__(self, gateway, service="submissions", greeting=True, seconds=60):
        self.sock = socket.create_connection(("127.0.0.1", port(gateway, service)), timeout=seconds)
        self.buffer = b""
        if service == "submissions":
            self.sock = client_tls().wrap_socket(self.sock)
        if greeting:
            assert self.reply()[0] == 220

    def send(self, *lines):
        self.sock.sendall(b"".join(line if isinstance(line, bytes) else line.encode() + b"\r\n" for line in lines))

    def line(self):
        """The next line without its end; empty when the server has closed."""
        while b"\r\n" not in self.buffer:
            chunk = self.sock.recv(65536)
            if not chunk:
                assert not self.buffer, self.buffer
                return ""
            self.buffer += chunk
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        assert b"\r" not in line and b"\n" not in line
        return line.decode("ascii")

    def reply(self):
        """(code, text with a newline between lines); (0, "") when the server has closed."""
        lines = []
        while True:
            line = self.line()
            if not line:
                assert not lines
                return 0, ""
            lines.append(line)
            assert line[:3] == lines[0][:3]
            if line[3:4] != "-":
                return int(line[:3]), "\n".join(line[4:] for line in lines)

    def ask(self, *lines):
        """Send and read one reply, as "550 5.1.1 text"."""
        self.send(*lines)
        code, text = self.reply()
        return f"{code} {text}" if code else ""

    def replies(self, count):
        return [f"{code} {text}" for code, text in (self.reply() for _ in range(count))]

    def ended(self):
        """Has the server closed? Waits for it."""
        try:
            return self.line() == ""
        except ConnectionResetError:
            return True

    def hello(self):
        assert self.ask("EHLO [127.0.0.1]").startswith("250 ")
        return self

    def start_tls(self):
        assert self.ask("STARTTLS").startswith("220 2.0.0 ")
        self.sock = client_tls().wrap_socket(self.sock)
        return self.hello()

    def login(self, address=ALICE, password=PASSWORD):
        assert self.ask("AUTH PLAIN " + plain(address, password)) == "235 2.7.0 Logged in"
        return self

    def start_mail(self, sender=ALICE, *recipients):
        assert self.ask(f"MAIL FROM:<{sender}>") == "250 2.1.0 OK"
        for recipient in recipients or (BOB,):
            assert self.ask(f"RCPT TO:<{recipient}>") == "250 2.1.5 OK"
        assert self.ask("DATA").startswith("354 ")
        return self

    def refused(self, sender, recipient=BOB):
        """What RCPT says of a sender that MAIL has taken (for the time being), after which nothing is left of it."""
        assert self.ask(f"MAIL FROM:<{sender}>") == "250 2.1.0 OK"
        answer = self.ask(f"RCPT TO:<{recipient}>")
        assert self.ask("DATA") == "554 5.5.1 No valid recipients"
        assert self.ask("RSET") == "250 2.0.0 OK"
        return answer

    def alive(self):
        """Are we in step with the server?"""
        return self.ask("NOOP") == "250 2.0.0 OK"

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def plain(address, password, authzid=""):
    return base64.b64encode(f"{authzid}\0{address}\0{password}".encode()).decode()


def b64(text):
    return base64.b64encode(text.encode()).decode()
