"""Stand-ins for the plugins around the site, so that a test says itself what they answer; and clients."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from chatgate_site.plugin import Site, SiteOptions
from chatgate_tls.plugin import Tls, TlsOptions

from chatgate.api import Account, Facts, Gateway, NewAccount, StoreError, hookimpl
from chatgate.hosting.confd import Config, Enabled
from chatgate.hosting.options import CoreOptions

LOCAL = ("127.0.0.1:0",)


class Store:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.broken = False

    def account(self, address: str) -> Account | None:
        self.asked.append(address)
        if self.broken:
            raise StoreError("no disk")
        return None

    def close(self) -> None:
        pass


class Accounts:
    """Brings the store, and gives accounts, or `answer` when that is set (called if it can be)."""

    def __init__(self, gateway: Gateway, options: Any) -> None:
        self.store = Store()
        self.created: list[dict[str, Any]] = []
        self.answer: Any = "account"

    @hookimpl
    def chatgate_open_store(self) -> Store:
        return self.store

    @hookimpl
    def chatgate_create_account(self, request: NewAccount) -> Any:
        self.created.append({name: getattr(request, name) for name in ("address", "password", "way", "generated")})
        if callable(self.answer):
            return self.answer()
        return Account(len(self.created), request.address) if self.answer == "account" else self.answer


class Signed(Tls):
    """Says that an authority signed the certificate."""

    @hookimpl
    def chatgate_certificate(self, domain: Any) -> Any:
        found = super().chatgate_certificate(domain)
        return found and replace(found, self_signed=False)


@dataclass(frozen=True)
class SmtpOptions:
    submissions: tuple[str, ...] = ("*:465",)
    submission: tuple[str, ...] = ("*:587",)
    mx: tuple[str, ...] = ("*:25",)


@dataclass(frozen=True)
class ImapOptions:
    imaps: tuple[str, ...] = ("*:993",)
    imap: tuple[str, ...] = ("*:143",)


class Silent:
    """Enabled for what it states: its options are `Facts`, or addresses by the services that listen there."""

    def __init__(self, gateway: Gateway, options: Any) -> None:
        self.facts = options if isinstance(options, Facts) else Facts(listens=vars(options) if options else {})

    @hookimpl
    def chatgate_facts(self) -> Facts:
        return self.facts


def make(
    folder: Path,
    domain: str = "example.org",
    *more: Enabled,
    hostname: str = "",
    signed: bool = False,
    imap: ImapOptions | None = None,
    smtp: SmtpOptions | None = None,
    log_level: str = "warning",
    max_message_bytes: int = 52428800,
    stop_seconds: float = 2.0,
    **site: Any,
) -> Gateway:
    """A gateway, not started, whose mail plugins are options only."""
    tls = Signed if signed else Tls
    return Gateway(
        Config(
            folder,
            CoreOptions(domain, hostname, log_level, stop_seconds=stop_seconds, max_message_bytes=max_message_bytes),
            (
                Enabled("tls", tls, TlsOptions()),
                Enabled("accounts", Accounts, None),
                Enabled("smtp", Silent, smtp or SmtpOptions()),
                Enabled("limits", Silent, Facts(message_octets=max_message_bytes)),
                Enabled("imap", Silent, imap or ImapOptions()),
                Enabled("site", Site, SiteOptions(**{"https": LOCAL, "http": LOCAL} | site)),
                *more,
            ),
        )
    )


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Running:
    """A started gateway and a client for its site."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.site = gateway.hub.plugin("site")
        self.accounts = gateway.hub.plugin("accounts")

    def port(self, scheme: str = "https") -> int:
        service = next(s for s in self.gateway.services if s.name == scheme)
        return int(service.listening[0].rpartition(":")[2])

    def connect(self, scheme: str = "https") -> http.client.HTTPConnection:
        if scheme == "http":
            return http.client.HTTPConnection("127.0.0.1", self.port("http"), timeout=60)
        return http.client.HTTPSConnection("127.0.0.1", self.port(), timeout=60, context=unverified())

    def ask(self, path: str, method: str = "GET", scheme: str = "https", **more: Any) -> Answer:
        connection = self.connect(scheme)
        try:
            connection.request(method, path, **more)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def raw(port: int, request: bytes) -> bytes:
    """Everything the server says until it closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
        with unverified().wrap_socket(plain) as sock:
            sock.sendall(request)
            found = b""
            try:
                while data := sock.recv(65536):
                    found += data
            except (ssl.SSLError, ConnectionError):
                pass
            return found
