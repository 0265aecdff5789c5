"""Other servers that behave well or badly on request: SMTP and HTTPS on loopback, with certificates of an own CA."""

from __future__ import annotations

import datetime
import ipaddress
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import gevent
import gevent.ssl
from chatgate_courier.policy import PLAIN, Policy
from chatgate_courier.transport import Mail, TransportOptions, Transports
from chatgate_resolver import NoRecords, NoSuchName, Trouble
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from gevent.server import StreamServer

from chatgate.api import Domain, Domains
from tests.ports import free_port

DAY = datetime.timedelta(days=1)


class Authority:
    """Makes certificates; `file` is what a client must trust for them."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._made = 0
        root = self._builder(self._name, self._key, -DAY, DAY).add_extension(x509.BasicConstraints(True, None), True)
        self.root = root.sign(self._key, hashes.SHA256())
        self.file = folder / "ca.pem"
        self.file.write_bytes(self.root.public_bytes(Encoding.PEM))

    def context(self, *names: str, begins: datetime.timedelta = -DAY, ends: datetime.timedelta = DAY) -> Any:
        """A server's TLS context with a new certificate for these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternatives = [x509.IPAddress(ipaddress.ip_address(n)) if n[-1].isdigit() else x509.DNSName(n) for n in names]
        made = (
            self._builder(subject, key, begins, ends)
            .add_extension(x509.SubjectAlternativeName(alternatives), False)
            .sign(self._key, hashes.SHA256())
        )
        self._made += 1
        chain, secret = self._folder / f"{self._made}.pem", self._folder / f"{self._made}.key"
        chain.write_bytes(made.public_bytes(Encoding.PEM) + self.root.public_bytes(Encoding.PEM))
        secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, secret)
        context.certificate = made
        return context

    def _builder(self, subject: Any, key: Any, begins: Any, ends: Any) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
        )


class Received(NamedTuple):
    sender: str
    recipients: list[str]
    content: bytes


class Gone(Exception):
    """The server wants the connection closed."""


class Mx:
    """An SMTP server. Its `says` has what it answers to a command, by its first word, "RCPT TO:<…>" in whole for one
    recipient, "greeting" and "." for the message: octets, or a function of the connection (`sock`, `line`,
    `recipients`) that returns octets, or None for silence. `offers` are the lines of EHLO.
    """

    def __init__(self, context: Any, address: str = "127.0.0.1", port: int = 0) -> None:
        self.context, self.mails, self.lines = context, list[Received](), list[str]()
        self.connections, self.tls_sessions_reused = 0, 0
        self.offers = ["PIPELINING", "SIZE 1000000", "8BITMIME"]
        self.says: dict[str, Any] = {}
        self.now = self.most = 0
        self.server = StreamServer((address, port), self._serve)
        self.server.start()
        self.port = self.server.server_port

    def stop(self) -> None:
        self.server.stop(timeout=0)

    def commands(self) -> Counter[str]:
        return Counter(line.partition(" ")[0] for line in self.lines)

    def _serve(self, sock: Any, address: Any) -> None:
        self.connections += 1
        self.now += 1
        self.most = max(self.most, self.now)
        c = SimpleNamespace(sock=sock, buffer=b"", out=b"", tls=False, line="", recipients=[])
        try:
            self._talk(c)
        except (Gone, OSError):
            pass
        finally:
            self.now -= 1
            c.sock.close()

    def _answer(self, c: Any, key: str, default: bytes) -> bytes:
        said = self.says.get(key, default)
        if callable(said):
            said = said(c)
        if said is None:
            self._flush(c)
            while c.sock.recv(65536):
                pass
            raise Gone
        c.out += said
        return said

    def _flush(self, c: Any) -> None:
        """Answers to commands that came together go together."""
        if c.out:
            c.sock.sendall(c.out)
            c.out = b""

    def _more(self, c: Any) -> None:
        self._flush(c)
        more = c.sock.recv(65536)
        if not more:
            raise Gone
        c.buffer += more

    def _talk(self, c: Any) -> None:
        self._answer(c, "greeting", b"220 mx ESMTP\r\n")
        sender = ""
        while True:
            while b"\r\n" not in c.buffer:
                self._more(c)
            line, _, c.buffer = c.buffer.partition(b"\r\n")
            c.line = line.decode()
            self.lines.append(c.line)
            word = c.line.partition(" ")[0].upper()
            inside = c.line.partition("<")[2].partition(">")[0]
            if word == "EHLO":
                lines = ["mx", *self.offers] + ([] if c.tls or self.context is None else ["STARTTLS"])
                text = "".join(f"250{'-' if i < len(lines) - 1 else ' '}{one}\r\n" for i, one in enumerate(lines))
                self._answer(c, "EHLO", text.encode())
            elif word == "STARTTLS":
                said = self._answer(c, "STARTTLS", b"220 go\r\n")
                self._flush(c)
                if said[:3] == b"220":
                    c.sock = self.context.wrap_socket(c.sock, server_side=True)
                    self.tls_sessions_reused += bool(c.sock.session_reused)
                    c.tls, c.buffer = True, b""
            elif word == "MAIL":
                sender, c.recipients = inside, []
                self._answer(c, "MAIL", b"250 2.1.0 sender\r\n")
            elif word == "RCPT":
                key = c.line if c.line in self.says else "RCPT"
                if self._answer(c, key, b"250 2.1.5 recipient\r\n")[:1] == b"2":
                    c.recipients.append(inside)
            elif word == "DATA":
                default = b"354 go\r\n" if c.recipients else b"503 5.5.1 no recipients\r\n"
                if self._answer(c, "DATA", default)[:3] == b"354":
                    content = self._content(c)
                    if self._answer(c, ".", b"250 2.0.0 queued\r\n")[:1] == b"2" and c.recipients:
                        self.mails.append(Received(sender, c.recipients, content))
                    c.recipients = []
            elif word == "RSET":
                c.recipients = []
                self._answer(c, "RSET", b"250 2.0.0 ok\r\n")
            elif word == "QUIT":
                c.out += b"221 2.0.0 bye\r\n"
                self._flush(c)
                raise Gone
            else:
                c.out += b"500 5.5.1 what?\r\n"

    def _content(self, c: Any) -> bytes:
        pieces = [b"\r\n", c.buffer]
        while not (b"".join(pieces[-3:]) if len(pieces) > 2 else b"".join(pieces)).endswith(b"\r\n.\r\n"):
            c.buffer = b""
            self._more(c)
            pieces.append(c.buffer)
        c.buffer = b""
        return b"".join(pieces)[:-3].replace(b"\r\n..", b"\r\n.")[2:]


class Web:
    """An HTTPS server. requests: (connection, head, body) of each. `answer`: octets for each request, or a function of
    (socket, head, body) that returns octets, None for silence. early: said as soon as the head is there, then it ends.
    """

    early = b""

    def __init__(self, context: Any, address: str = "127.0.0.1", port: int = 0) -> None:
        self.context, self.requests, self.connections = context, list[tuple[int, str, bytes]](), 0
        self.answer: Any = response("200 OK", "250 OK")
        self.server = StreamServer((address, port), self._serve)
        self.server.start()
        self.port = self.server.server_port

    def stop(self) -> None:
        self.server.stop(timeout=0)

    def _serve(self, sock: Any, address: Any) -> None:
        self.connections += 1
        number = self.connections
        try:
            sock = self.context.wrap_socket(sock, server_side=True)
            buffer = b""
            while True:
                while b"\r\n\r\n" not in buffer:
                    more = sock.recv(65536)
                    if not more:
                        return
                    buffer += more
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                text = head.decode()
                if self.early:
                    sock.sendall(self.early)
                    return
                length = int(text.partition("Content-Length: ")[2].partition("\r\n")[0])
                while len(buffer) < length:
                    more = sock.recv(65536)
                    if not more:
                        return
                    buffer += more
                body, buffer = buffer[:length], buffer[length:]
                self.requests.append((number, text, body))
                said = self.answer(sock, text, body) if callable(self.answer) else self.answer
                if said is None:
                    gevent.sleep(600)
                sock.sendall(said)
                if b"connection: close" in said.lower():
                    return
        except OSError:
            pass
        finally:
            sock.close()


def response(status: str, body: str = "", *fields: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", body]).encode()


class Dns:
    """Answers by name; a name that is not there does not exist. An exception is raised."""

    def __init__(self) -> None:
        self.exchanges: dict[str, Any] = {}
        self.hosts: dict[str, Any] = {}
        self.asked = Counter[str]()
        self.secure = False

    def mx(self, name: str) -> Any:
        return self._find(name, self.exchanges, self.hosts)

    def addresses(self, name: str) -> Any:
        return self._find(name, self.hosts, self.exchanges)

    def _find(self, name: str, values: dict[str, Any], others: dict[str, Any]) -> Any:
        self.asked[name] += 1
        found = values.get(name, NoRecords(name) if name in others else NoSuchName(name))
        if isinstance(found, Exception):
            raise found
        return SimpleNamespace(values=found, ttl=60.0, secure=self.secure)


class World:
    """Other servers, the DNS that names them, and the transport that is to be tested, which is made when first used."""

    def __init__(self, authority: Authority) -> None:
        self.authority, self.dns = authority, Dns()
        self.options: dict[str, Any] = {
            "ca_file": str(authority.file),
            "https": False,
            "smtp_port": free_port(),
            "https_port": free_port(),
            "smtp_idle_seconds": 60.0,
        }
        self.policies: dict[str, Policy] = {}
        self.domains = Domains(Domain("example.org", "mx.example.org"))
        self.now = 1_000_000.0
        self.sts: Any = None
        self.dane: Any = None
        self._made: Transports | None = None
        self._servers: list[Mx | Web] = []

    @property
    def transports(self) -> Transports:
        if self._made is None:
            self._made = Transports(
                TransportOptions(**self.options),
                self.dns,
                self.domains,
                lambda domain: self.policies.get(domain, PLAIN),
                lambda address: True,
                sts=self.sts,
                dane=self.dane,
                clock=lambda: self.now,
            )
        return self._made

    def mx(self, host: str = "mx.peer.test", address: str = "127.0.0.1", context: Any = True) -> Mx:
        """An SMTP server with a valid certificate, as the only mail server of peer.test; context: None for no TLS."""
        context = self.authority.context(host) if context is True else context
        return self._add(Mx(context, address, self.options["smtp_port"]), host, address)

    def web(self, host: str = "mx.peer.test", address: str = "127.0.0.1", context: Any = True) -> Web:
        """The same for HTTPS."""
        self.options["https"] = True
        context = self.authority.context(host) if context is True else context
        return self._add(Web(context, address, self.options["https_port"]), host, address)

    def _add(self, server: Any, host: str, address: str) -> Any:
        self._servers.append(server)
        self.dns.exchanges.setdefault("peer.test", ((10, host),))
        self.dns.hosts.setdefault(host, (address,))
        return server

    def deliver(
        self, *recipients: str, content: bytes = b"Subject: x\r\n\r\nHello\r\n", domain: str = "peer.test"
    ) -> Any:
        mail = Mail(domain, "alice@example.org", recipients or (f"bob@{domain}",), content, "trace")
        return self.transports.deliver(mail)

    def mail(self) -> Mail:
        return Mail("peer.test", "alice@example.org", ("bob@peer.test",), b"Subject: x\r\n\r\nHello\r\n", "trace")

    def stop(self) -> None:
        if self._made is not None:
            self._made.close()
        for server in self._servers:
            server.stop()


TROUBLE = Trouble("no answer")


def codes(outcome: Any) -> dict[str, tuple[int, str]]:
    return {one.partition("@")[0]: (reply.code, reply.enhanced) for one, reply in outcome.replies.items()}


def text(outcome: Any) -> str:
    (reply,) = set(outcome.replies.values())
    return reply.text
