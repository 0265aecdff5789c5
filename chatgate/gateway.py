"""The gateway: one object per process that holds config, hub, store, board and services, and starts and stops them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import gevent.event

from chatgate import names, net
from chatgate.board import Board
from chatgate.confd import Config
from chatgate.hub import Hub, PluginError
from chatgate.intake import Intake
from chatgate.session import Session
from chatgate.store import Store

log = logging.getLogger("chatgate.gateway")


@dataclass(frozen=True)
class Certificate:
    """PEM files: the chain beginning with our own certificate, and its private key."""

    chain: Path
    key: Path
    self_signed: bool = False


@dataclass(frozen=True)
class Problem:
    """What a plugin's check found. level: "error" would keep mail from flowing, "warning" would not."""

    level: Literal["error", "warning"]
    text: str


class Service(Protocol):
    """Something that runs while the gateway serves. `chatgate.net.Server` is one."""

    name: str

    @property
    def listening(self) -> list[str]:
        """Addresses it listens on; empty for one that does not listen."""
        ...

    def bind(self) -> None:
        """Take what may be refused: ports, folders. Raises BindError."""
        ...

    def start(self) -> None: ...
    def stop(self, seconds: float) -> None: ...


class Gateway:
    """Made from a Config, which names the plugins; there is no global state, so tests run several side by side."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.domain = config.core.domain.lower()
        self.hostname = config.core.hostname or names.bare(self.domain)
        self.board = Board()
        self.hub = Hub(config.core.hook_seconds, config.core.observer_seconds)
        self.services: list[Any] = []
        self.stopping = gevent.event.Event()
        loaded = []
        for enabled in config.plugins:
            try:
                loaded.append((enabled.name, enabled.factory(self, enabled.options)))
            except ValueError as error:
                raise PluginError(f"{enabled.source}: {error}") from error
        self.hub.load(loaded)
        self.intake = Intake(self)

    def path(self, *parts: str) -> Path:
        """A path inside the gateway's folder; absolute ones stay as they are."""
        return self.config.folder.joinpath(*parts)

    @cached_property
    def store(self) -> Store:
        """Opened at first use. Raises PluginError when no plugin brings one or it cannot be opened."""
        store = self.hub.call("open_store", gateway=self)
        if store is None:
            raise PluginError("no store: enable a plugin that brings one (shipped: maildb)")
        return store

    @cached_property
    def tls(self) -> Any:
        """The TLS context that all listeners share; a new certificate is loaded into it in place."""
        context = net.tls_context()
        self._load_certificate(context)
        return context

    def certificate(self) -> Certificate:
        """Raises PluginError when no plugin has one."""
        certificate = self.hub.call("certificate", gateway=self)
        if certificate is None:
            raise PluginError("no TLS certificate: enable a plugin that has one (shipped: tls)")
        return certificate

    def reload_certificate(self) -> None:
        """Connections that come from now on get the certificate that is on disk now. Raises PluginError."""
        self._load_certificate(self.tls)

    def _load_certificate(self, context: Any) -> None:
        certificate = self.certificate()
        try:
            context.load_cert_chain(certificate.chain, certificate.key)
        except OSError as error:
            raise PluginError(f"cannot load {certificate.chain}: {error.strerror or type(error).__name__}") from error

    def server(
        self,
        name: str,
        addresses: tuple[str, ...],
        handle: Callable[[Session, Any], None],
        *,
        implicit_tls: bool = False,
        max_connections: int = 10000,
        max_unauthenticated: int | None = None,
        max_per_address: int = 200,
        busy: bytes = b"",
        gateways: tuple[str, ...] = (),
    ) -> net.Server:
        """A listening service with the gateway's certificate and limits, see `net.Server`."""
        core = self.config.core
        return net.Server(
            name,
            addresses,
            handle,
            tls=self.tls if implicit_tls else None,
            max_connections=max_connections,
            max_unauthenticated=max_unauthenticated,
            max_per_address=max_per_address,
            busy=busy,
            gateways=gateways,
            handshake_seconds=core.handshake_seconds,
            proxies=core.proxy_protocol_from,
        )

    def start(self) -> None:
        """Open the store, bind every listener, then accept. Raises PluginError or BindError; then nothing runs."""
        try:
            _ = self.store, self.tls
            for services in self.hub.call("services", gateway=self):
                self.services += services
            for service in self.services:
                service.bind()
            for service in self.services:
                service.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop accepting, let what is in flight finish within `stop_seconds`, close the store."""
        self.stopping.set()
        stops = [gevent.spawn(service.stop, self.config.core.stop_seconds) for service in reversed(self.services)]
        gevent.joinall(stops)
        self.services = []
        if "store" in self.__dict__:
            self.store.close()
            del self.__dict__["store"]


def sd_notify(state: str) -> None:
    """Tell systemd, when it runs us (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    from gevent import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
        except OSError:
            log.warning("systemd could not be notified")
