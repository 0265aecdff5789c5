"""Where to log in and as whom: this gateway's own ports, or those of a dclogin: link."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

from chatgate.api import Domain, Gateway, PluginError, bare, ip, listener


class Tls:
    """A TLS context with the interface that smtplib and imaplib use, but with a fixed server name: on its own machine a
    gateway is reached by a loopback address, whereas its certificate is for its host name.
    """

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        self._context, self._name = context, name

    def wrap_socket(self, sock: Any, server_hostname: str | None = None) -> Any:
        return self._context.wrap_socket(sock, server_hostname=self._name)


@dataclass(frozen=True)
class Place:
    """security: "ssl" (TLS at once), "starttls" or "plain". proxies: networks from which the gateway expects a PROXY
    header; this machine may belong to one of them.
    """

    host: str
    port: int
    security: str
    tls: Any = field(repr=False)
    proxies: tuple[str, ...] = ()

    def connect(self, timeout: float) -> Any:
        """A socket, with TLS if that comes first. timeout: seconds. Raises OSError."""
        sock = socket.create_connection((self.host, self.port), timeout)
        try:
            here = ipaddress.ip_address(sock.getsockname()[0].partition("%")[0])
            if any(here in ipaddress.ip_network(network) for network in self.proxies):
                sock.sendall(b"PROXY UNKNOWN\r\n")  # on behalf of no other client: our own address counts
            return self.tls.wrap_socket(sock, server_hostname=self.host) if self.security == "ssl" else sock
        except BaseException:
            sock.close()
            raise

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Server:
    submission: Place
    imap: Place


@dataclass(frozen=True)
class Login:
    address: str
    password: str = field(repr=False)
    server: Server


def own(gateway: Gateway, domain: Domain) -> Server:
    """The server as conf.d sets it. Raises PluginError if no listener is suitable."""
    certificate = gateway.certificate(domain)
    # Trust only our own certificate if it is self-signed, so that nobody else's is accepted in its place.
    context = ssl.create_default_context(cafile=str(certificate.chain) if certificate.self_signed else None)
    tls = Tls(context, domain.hostname)
    # Clients send no server name if the host is an IP address: the certificate then depends on the address they use.
    here = domain.hostname if ip(domain.hostname) and domain is not gateway.domains.first else ""
    return Server(
        _own(gateway, "smtp", (("submissions", "ssl"), ("submission", "starttls")), tls, here),
        _own(gateway, "imap", (("imaps", "ssl"), ("imap", "starttls")), tls, here),
    )


def _own(gateway: Gateway, plugin: str, services: tuple[tuple[str, str], ...], tls: Tls, here: str) -> Place:
    options = next((enabled.options for enabled in gateway.config.plugins if enabled.name == plugin), None)
    for service, security in services:
        for address in getattr(options, service, ()):
            where = listener(address)
            if where.host != "unix" and not where.words:
                proxies = gateway.config.core.proxy_protocol_from
                return Place(_reachable(where.host, here), int(where.port), security, tls, proxies)
    names = " or ".join(service for service, _ in services)
    raise PluginError(f"cannot ping: the plugin '{plugin}' is not enabled or has no address for {names}")


def _reachable(host: str, here: str) -> str:
    """Where to connect to a listener on this machine. here: the address that is meant, if any."""
    return {"*": here or "127.0.0.1", "0.0.0.0": here or "127.0.0.1", "::": here or "::1"}.get(host, host)


def dclogin(link: str) -> Login:
    """A link of Delta Chat's form `dclogin:ADDRESS?p=PASSWORD&v=1&…` (deltachat core, src/qr/dclogin_scheme.rs).
    Raises PluginError that does not repeat the link: it holds a password.
    """
    address, _, query = link.partition(":")[2].removeprefix("//").partition("?")
    address = unquote(address.rstrip("/"))
    fields = {key: values[0] for key, values in parse_qs(query.replace("+", "%2B")).items()}
    if "@" not in address or not fields.get("p") or fields.get("v") != "1":
        raise PluginError("not a dclogin: link of version 1 with an address and a password")
    checked = fields.get("ic", "0") not in ("2", "3")
    domain = bare(address.rpartition("@")[2])
    return Login(
        address,
        fields["p"],
        Server(
            _place(fields, "s", domain, {"ssl": 465, "starttls": 587, "plain": 25}, checked),
            _place(fields, "i", domain, {"ssl": 993, "starttls": 143, "plain": 143}, checked),
        ),
    )


def _place(fields: dict[str, str], kind: str, domain: str, ports: dict[str, int], checked: bool) -> Place:
    """kind: the first letter of the keys, "i" for IMAP and "s" for SMTP."""
    security = fields.get(kind + "s", "default").replace("default", "ssl")
    port = fields.get(kind + "p", str(ports.get(security)))
    if not port.isdigit() or security not in ports:
        raise PluginError("the dclogin: link has a port or a security that is none")
    context = ssl.create_default_context()
    if not checked:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host = bare(fields.get(kind + "h", domain))
    return Place(host, int(port), security, Tls(context, host))
