"""A pytest plugin for chatgate itself and for plugin authors: a gateway on free ports, and clients for it.

    def test_greeting(gateway_factory):
        gateway = gateway_factory("tls", "smtp", MyPlugin, smtp={"max_recipients": 3})
        with smtp_client(gateway) as client: ...

Loading it monkey-patches the process, like a real gateway's, so that plugins behave as they do there; `-p no:chatgate`
keeps it out.
"""

# ruff: noqa: E402
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import base64
import dataclasses
import functools
import imaplib
import secrets
import smtplib
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import gevent
import pytest

from chatgate import names
from chatgate.domains import Domain
from chatgate.hosting import confd, factories
from chatgate.hosting.options import CoreOptions, at_domain, is_listener
from chatgate.network.session import Session
from chatgate.running.gateway import Gateway

# Failed asserts in the conformance kit show what differs, like those in a test file.
pytest.register_assert_rewrite("chatgate.testing.store")

T = TypeVar("T")

# The plugins that accept, keep and hand out mail, as `chatgate init` enables them. A test names others, such as
# sweeper.
SHIPPED = ("tls", "maildb", "passwordless", "gate", "smtp", "imap", "site", "push")


# What is dear on purpose costs a test no more than it must.
_CHEAP = {"scrypt_cost": 10}


def enabled(plugin: str | type, settings: dict[str, Any] | None = None, order: int | None = None) -> confd.Enabled:
    """A plugin, given by its entry point's name or as a class (whose name in lower case is then the plugin's), with
    every listener on a free port of 127.0.0.1, and passwords that are hashed at the least cost. settings: its options,
    and "optional".
    """
    factory = confd.installed()[plugin][0].load() if isinstance(plugin, str) else plugin
    name = plugin if isinstance(plugin, str) else plugin.__name__.lower()
    options = getattr(factory, "Options", None)
    values: dict[str, Any] = {}
    if options is not None:
        fields = dataclasses.fields(options)
        values = {f.name: ("127.0.0.1:0",) for f in fields if is_listener(f)}
        values |= {f.name: _CHEAP[f.name] for f in fields if f.name in _CHEAP}
    number = getattr(factory, "order", 50) if order is None else order
    given = dict(settings or {})
    optional = given.pop("optional", False)
    return confd.Enabled(name, factory, options(**values | given) if options else None, number, optional=optional)


def config(
    folder: Path,
    *plugins: str | type,
    domain: str = "example.org",
    core: Any = None,
    domains: Mapping[str, Mapping[str, Any]] | None = None,
    **settings: Any,
) -> confd.Config:
    """A Config of these plugins and those they require, in their natural order. settings: by plugin name, such as
    smtp={…}. core: for CoreOptions. domains: further ones by name, with the settings of their files: {"b.example":
    {"site": {…}}}.
    """
    made = [enabled(p, settings.get(p if isinstance(p, str) else p.__name__.lower())) for p in plugins]
    needed = factories.needed({one.name: one.factory for one in made}, lambda name, by: enabled(name).factory)
    made += [enabled(name, settings.get(name)) for name, _, _ in needed]
    options = CoreOptions(domain=domain, **{"hostname": "127.0.0.1", "stop_seconds": 2.0} | (core or {}))
    further = tuple(_domain(name, said, options, made) for name, said in (domains or {}).items())
    return confd.Config(folder, options, tuple(sorted(made, key=lambda e: e.order)), domains=further)


def _domain(name: str, said: Mapping[str, Any], core: CoreOptions, plugins: Iterable[confd.Enabled]) -> Domain:
    settings = {key: value for key, value in said.items() if not isinstance(value, dict)}
    mine = at_domain(core, {"domain": name} | settings)
    own = [(p.options, at_domain(p.options, said.get(p.name, {}))) for p in plugins if p.options is not None]
    return Domain(mine.domain, mine.hostname, own=[(core, mine), *own])


@pytest.fixture
def gateway_factory(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Makes and starts gateways from plugin names and classes (default: those of SHIPPED); stops them after the test.

    Arguments as for `config`, without the folder. A test may stop a gateway itself and make another in the same folder.
    """
    running: list[Gateway] = []

    def make(*plugins: str | type, **settings: Any) -> Gateway:
        gateway = Gateway(config(tmp_path, *(plugins or SHIPPED), **settings))
        gateway.start()
        running.append(gateway)
        return gateway

    yield make
    for gateway in running:
        gateway.stop()


@pytest.fixture
def gateway(gateway_factory: Callable[..., Gateway]) -> Gateway:
    """A gateway with the plugins of SHIPPED at their defaults, for the domain example.org."""
    return gateway_factory()


def port(gateway: Gateway, service: str) -> int:
    """The port that a service, such as "submissions", really listens on."""
    found = next(s for s in gateway.services if s.name == service)
    return int(names.listener(found.listening[0]).port)


@functools.cache
def client_tls() -> ssl.SSLContext:
    """Accepts the self-signed certificate of a test gateway."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def smtp_client(gateway: Gateway, login: tuple[str, str] | None = None) -> smtplib.SMTP_SSL:
    """Connected to "submissions", and logged in as (address, password)."""
    client = smtplib.SMTP_SSL("127.0.0.1", port(gateway, "submissions"), context=client_tls(), timeout=60)
    if login:
        client.login(*login)
    return client


def mx_client(gateway: Gateway) -> smtplib.SMTP:
    """Connected to "mx" as another mail server would be, after STARTTLS."""
    client = smtplib.SMTP("127.0.0.1", port(gateway, "mx"), timeout=60)
    client.starttls(context=client_tls())
    return client


# imaplib knows no METADATA (RFC 5464), and what `xatom` teaches it is bound to the state it was first used in.
imaplib.Commands |= dict.fromkeys(("GETMETADATA", "SETMETADATA"), ("AUTH", "SELECTED"))


def imap_client(gateway: Gateway, login: tuple[str, str] | None = None) -> imaplib.IMAP4_SSL:
    """Connected to "imaps", and logged in as (address, password)."""
    client = imaplib.IMAP4_SSL("127.0.0.1", port(gateway, "imaps"), ssl_context=client_tls(), timeout=60)
    if login:
        client.login(*login)
    return client


def new_login(gateway: Gateway) -> tuple[str, str]:
    """(address, password) of an account that does not exist yet; logging in makes it, as Delta Chat does."""
    return f"{secrets.token_hex(5)[:9]}@{gateway.domains.first.name}", secrets.token_urlsafe(18)


def until(condition: Callable[[], T], seconds: float = 60) -> T:
    """Wait, giving other greenlets turns, until the condition is true; returns its value. Raises AssertionError after
    this many seconds; be generous, as machines may be slow.
    """
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, f"not within {seconds} s"
        gevent.sleep(0.005)
    return answer


def session(service: str = "submission", **facts: Any) -> Session:
    """A Session for asking hooks without a connection."""
    return Session(service, "127.0.0.1", **{"tls": True} | facts)


def pgp_message(sender: str, recipient: str, octets: int = 4096, **headers: str) -> bytes:
    """A message as Delta Chat would send it, of about this many octets: correct in form (RFC 3156, RFC 9580), with
    random octets in place of the ciphertext.
    """
    session_key = _packet(1, b"\x03" + secrets.token_bytes(8) + b"\x12" + secrets.token_bytes(80))
    data = session_key + _packet(18, b"\x01" + secrets.token_bytes(max(64, (octets - 900) * 3 // 4)))
    boundary = secrets.token_hex(12)
    fields = {
        "From": f"<{sender}>",
        "To": '"hidden-recipients": ;',
        "Subject": "[...]",
        "Date": "Mon, 02 Nov 2026 10:00:00 +0000",
        "Message-ID": f"<{secrets.token_hex(16)}@localhost>",
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/encrypted; protocol="application/pgp-encrypted"; boundary="{boundary}"',
    }
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in fields.items()]
    lines += ["", f"--{boundary}", 'Content-Type: application/pgp-encrypted; charset="utf-8"', "", "Version: 1", ""]
    lines += [f"--{boundary}", 'Content-Type: application/octet-stream; charset="utf-8"', ""]
    lines += ["-----BEGIN PGP MESSAGE-----", "", *_armoured(data), "-----END PGP MESSAGE-----", ""]
    lines += [f"--{boundary}--", ""]
    return "\r\n".join(lines).encode("ascii")


def _packet(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


def _armoured(data: bytes) -> list[str]:
    crc = 0xB704CE  # RFC 9580 §6.1.1
    for octet in data:
        crc ^= octet << 16
        for _ in range(8):
            crc = crc << 1 ^ (0x1864CFB if crc & 0x800000 else 0)
    text = base64.b64encode(data).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return [*lines, "=" + base64.b64encode((crc & 0xFFFFFF).to_bytes(3, "big")).decode()]
