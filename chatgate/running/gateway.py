"""The gateway: one object per process that holds config, hub, store, board and services, and starts and stops them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import gevent.event

from chatgate import faults
from chatgate.domains import Domain, Domains
from chatgate.hosting.confd import Config, Enabled, LeftOut, load
from chatgate.hosting.factories import refuses
from chatgate.hosting.facts import Facts, together
from chatgate.hosting.hub import Hub
from chatgate.hosting.registry import PluginError
from chatgate.hosting.services import Certificate, Problem
from chatgate.mail.intake import Intake
from chatgate.metrics import Metric
from chatgate.network import veil
from chatgate.network.alpn import Protocols
from chatgate.network.contexts import tls_context
from chatgate.network.listeners import BindError, shown
from chatgate.network.logins import Logins
from chatgate.network.passed import Passed
from chatgate.network.server import Server
from chatgate.network.session import Session
from chatgate.running import files, measures, ready, status, troubles
from chatgate.running.accounts import Accounts
from chatgate.running.background import Background
from chatgate.running.certificates import Certificates
from chatgate.running.control import Control
from chatgate.running.hold import FolderInUse, Hold
from chatgate.running.processes import Place
from chatgate.running.stall import StallWatch
from chatgate.store.board import Board, LocalBoard
from chatgate.store.contract import Store
from chatgate.store.records import StoreError
from chatgate.texts import Texts, folder_of
from chatgate.trouble import Trouble

log = logging.getLogger("chatgate.gateway")

UNGUARDED = "no enabled plugin is a gate: unencrypted mail is taken and delivered (shipped: gate)"
_DAY = 86400
# Seconds that services get to stop, in addition to those they were given.
_GRACE = 5.0


class UnsafeError(PluginError):
    """A plugin that must not be left out cannot be used."""


class Gateway:
    """Made from a Config, which names the plugins; there is no global state, so tests run several side by side.

    config: what conf.d says. domains: all mail domains.
    hub: asks plugins by the names of hooks without "chatgate_". intake: takes a message through its stages.
    board: tells watchers of a mailbox that it changed. logins: the sessions of people who are logged in. Neither exists
    yet when plugins are made.
    services: those that run, once the gateway has started. stopping: an Event, set when the gateway begins to stop.
    control: answers commands and the other processes that serve from the folder.
    place: which of the processes that serve from the folder this is, and how many there are. passed: sockets for its
    listeners that it need not make.
    read_only: True during `chatgate check`: nobody may write, not even to make something that is missing.
    outside: a folder that stands for everything outside the gateway's own; None: that is used as it is.
    """

    @classmethod
    def of(cls, folder: Path, outside: Path | None = None) -> Gateway:
        """The gateway of a folder, for looking at it: nothing is written. Raises ConfigError, PluginError."""
        gateway = cls(load(folder), outside)
        gateway.read_only = True
        return gateway

    def __init__(self, config: Config, outside: Path | None = None) -> None:
        self.config, self.outside = config, outside
        self.domains = Domains(Domain(config.core.domain, config.core.hostname), *config.domains)
        self.read_only = False
        self.place = Place()
        self.passed = Passed()
        self.hub = Hub(config.core.hook_seconds, config.core.observer_seconds)
        self.accounts = Accounts(self.hub, lambda: self.store)
        self.services: list[Any] = []
        self.stopping = gevent.event.Event()
        self.watch: StallWatch | None = None  # of the process that serves
        self.control = Control(config.folder, lambda: self.place.number)
        self._protocols = Protocols()
        self._texts: dict[str, Texts] = {}
        self.left_out = list(config.left_out)
        self._load()
        self.board: Board = self.hub.board.or_raise(gateway=self) or LocalBoard()
        self.logins = Logins(self.board, lambda address: self.store.account(address))
        self._hold: Hold | None = None
        self.intake = Intake(self)

    def _load(self) -> None:
        """Make the plugins. Raises PluginError; an optional one that cannot be made is left out instead."""
        for one in self.left_out:
            log.error("plugin left out plugin=%s: %s", one.name, one.reason)
        made = []
        for enabled in self.config.plugins:
            try:
                plugin = _made(self, enabled)
                if enabled.optional and (hook := refuses(plugin)):
                    raise UnsafeError(f"{enabled.source}: optional: what it refuses ({hook}) would pass without it")
                made.append((enabled.name, plugin))
            except PluginError as error:
                self._leave_out(enabled.name, error)
        self.hub.load(made, self._leave_out)
        unseen = [one for one in self.left_out if not one.seen]
        if unseen and not self.hub.guarded:
            raise PluginError(f"{unseen[0].reason}; it may be the gate, and there is no other one: nothing is served")

    def _leave_out(self, name: str, error: Exception) -> None:
        """Go on without this plugin, with an error in the log, if that is allowed; otherwise raise the error."""
        if isinstance(error, UnsafeError) or not any(p.optional for p in self.config.plugins if p.name == name):
            raise error
        log.error("plugin left out plugin=%s: %s", name, error)
        self.left_out.append(LeftOut(name, str(error)))
        if self.hub.has(name):
            self.hub.remove(self.hub.plugin(name))

    def path(self, *parts: str) -> Path:
        """A path inside the gateway's folder; absolute ones stay as they are."""
        path = self.config.folder.joinpath(*parts)
        if self.outside is None or path.is_relative_to(self.config.folder):
            return path
        return self.outside / path.relative_to("/")

    @cached_property
    def store(self) -> Store:
        """The store, opened at first use. Raises PluginError when no plugin provides one or it cannot be opened."""
        if self.read_only:
            raise PluginError("the store is not open while `chatgate check` looks, as opening it writes")
        store = self.hub.open_store.or_raise(gateway=self)
        if store is None:
            raise PluginError("no store: enable a plugin that brings one (shipped: maildb)")
        return store

    @cached_property
    def certificates(self) -> Certificates:
        """The certificates, loaded at first use. Raises PluginError."""
        return Certificates(self.domains, self.certificate)

    @cached_property
    def tls(self) -> Any:
        """The TLS context (an ssl.SSLContext of gevent) that listeners share. It picks the certificate by the name that
        the client asks for, and new certificates are loaded into it in place.
        """
        modern = self.config.core.modern_tls
        return self.certificates.context(lambda: tls_context(modern))

    @cached_property
    def tls_for_servers(self) -> Any:
        """The same, for who would come without any TLS rather than with a newer one."""
        return self.certificates.context(tls_context) if self.config.core.modern_tls else self.tls

    @cached_property
    def _tls_by_alpn(self) -> Any:
        def make() -> Any:
            context = tls_context(self.config.core.modern_tls)
            self._protocols.offered_by(context)
            return context

        return self.certificates.context(make)

    def certificate(self, domain: Domain | None = None) -> Certificate:
        """The certificate of this domain, or of the first one. Raises PluginError when no plugin has one."""
        certificate = self.hub.certificate.or_raise(gateway=self, domain=domain or self.domains.first)
        if certificate is None:
            raise PluginError("no TLS certificate: enable a plugin that has one (shipped: tls)")
        return certificate

    @cached_property
    def folders(self) -> list[Path]:
        """Of the packages that the core and all plugins of `config` are in."""
        packages = {getattr(one.factory, "__module__", "").partition(".")[0] for one in self.config.plugins}
        return [folder for name in ("chatgate", *sorted(packages)) if (folder := folder_of(name))]

    def texts(self, language: str) -> Texts:
        """What people read, in this language, from the catalogs of the core and of all plugins. Those of a language are
        read once, at its first use. The language in which the gateway itself writes to a domain's people is `language`
        of `CoreOptions`.
        """
        if language not in self._texts:
            self._texts[language] = Texts(language, self.folders)
        return self._texts[language]

    def facts(self, domain: Domain) -> Facts:
        """All facts that the plugins state about this domain."""
        return together(self.hub.facts(domain))

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
        alpn: str = "",
        by_alpn: bool = False,
        context: Callable[[str], Any] | None = None,
    ) -> Server:
        """A listening service with the gateway's certificate and limits, see `Server`."""
        core = self.config.core
        tls = (self._tls_by_alpn if by_alpn else self.tls) if implicit_tls else None
        return Server(
            name,
            addresses,
            handle,
            tls=tls,
            max_connections=max_connections,
            max_unauthenticated=max_unauthenticated,
            max_per_address=max_per_address,
            busy=busy,
            gateways=gateways,
            handshake_seconds=core.handshake_seconds,
            proxies=core.proxy_protocol_from,
            logins=self.logins,
            shared=self.place.count > 1,
            passed=self.passed,
            first=self.place.number == 0,
            protocols=self._protocols,
            alpn=alpn,
            by_alpn=by_alpn,
            context=context,
        )

    def start(self) -> None:
        """Open the store, bind every listener, then accept. Raises PluginError or BindError; then nothing runs."""
        if self.place.count == 1:
            self._hold = hold(self.config.folder)
        try:
            veil.share(self.path("data", "network-key"))
            _ = self.store, self.tls
            status.answer(self)
            groups = self._services()
            self.services += [service for _, services in groups for service in services]
            for step in ("bind", "start"):
                for plugin, services in groups:
                    self._take(step, plugin, services)
            if self.place.number == 0 and (left := self.passed.left(shown)):
                log.warning("nobody is served at sockets of systemd that conf.d does not name: %s", ", ".join(left))
        except BaseException:
            self.stop()
            raise

    def _services(self) -> list[tuple[str, list[Any]]]:
        """The services to run, by plugin."""
        groups: list[tuple[str, list[Any]]] = [("", [self.control])]
        for said in self.hub.services.each(None, gateway=self):
            if said.failure is not None:
                self._leave_out(said.plugin, said.failure)
            elif said.answer:
                groups.append((said.plugin, list(said.answer)))
        if few := files.too_few(self.config.plugins):
            log.warning(few)
        if not self.hub.guarded:
            log.warning(UNGUARDED)
            groups.append(("", [Background("no gate", _remind)]))
        return groups

    def _take(self, step: str, plugin: str, services: list[Any]) -> None:
        """Take one step ("bind" or "start") with all services of a plugin or, if it may be left out, with none."""
        try:
            for service in services:
                try:
                    getattr(service, step)()
                except (PluginError, BindError, StoreError):
                    raise
                except BaseException as error:
                    if faults.thrown_in(error):
                        raise
                    what = f"plugin {plugin}: service {_name(service)}: {step}: {faults.told(error)}"
                    raise PluginError(what) from error
        except (PluginError, BindError, StoreError) as error:
            self._leave_out(plugin, error)
            self._stop(services)
            self.services = [service for service in self.services if service not in services]
            services.clear()

    def check(self) -> list[Problem]:
        """The problems that the plugins find, and those with the plugins themselves."""
        found = [Problem("warning", f"{one.name} is left out: {one.reason}") for one in self.left_out]
        if not self.hub.guarded:
            found.append(Problem("warning", UNGUARDED))
        if few := files.too_few(self.config.plugins):
            found.append(Problem("warning", few))
        for said in self.hub.check.each(self.config.core.check_seconds, gateway=self):
            if said.failure is not None:
                found.append(Problem("error", str(said.failure)))
            else:
                found += said.answer or ()
        return found

    def troubles(self) -> list[Trouble]:
        """What is wrong right now, as far as this process knows: with the gateway, and what its plugins say."""
        found = troubles.of_core(self)
        for said in self.hub.troubles(gateway=self):
            found += said
        return list({one.key: one for one in reversed(found)}.values())[::-1]

    def measured(self) -> list[Metric]:
        """What is counted and measured in this process: by the core, and what its plugins add. Of several metrics with
        one name the first counts.
        """
        found = measures.of_core(self)
        for said in self.hub.metrics(gateway=self):
            found += said
        return list({one.name: one for one in reversed(found)}.values())[::-1]

    def alive(self) -> bool:
        """Does the store answer within some seconds, and the gateway not stop?"""
        return not self.stopping.is_set() and ready.store_answers(self)

    def not_ready(self) -> list[str]:
        """Why people and mail should not be sent to this gateway at the moment, a line each: it stops, a listener or
        the store does not answer, or a trouble is there that `blocks`. Empty: it is ready.
        """
        return ready.missing(self)

    def stop(self) -> None:
        """Stop accepting, let what is in flight finish within `stop_seconds`, close the store."""
        self.stopping.set()
        self._stop(self.services)
        for (plugin, hook), tally in sorted(self.hub.tallies.items()):
            if tally.calls:
                cost = tally.calls, tally.seconds, tally.failures
                log.debug("hook plugin=%s hook=%s calls=%d seconds=%.3f failures=%d", plugin, hook, *cost)
        self.services = []
        if "store" in self.__dict__:
            store = self.__dict__.pop("store")
            store.close()
        if self._hold is not None:
            self._hold.release()
            self._hold = None

    def options_changed(self, names: list[str]) -> None:
        """Live options were changed in place: pass them on to those who derive something from them. names: which."""
        core = self.config.core
        self.hub.limit(core.hook_seconds, core.observer_seconds)
        self.intake.limit(core.hook_seconds)
        self.hub.reloaded(changed=frozenset(names))

    def _stop(self, services: list[Any]) -> None:
        """Stop all services at the same time; a failure of one keeps neither the others nor the store from ending."""
        seconds = self.config.core.stop_seconds
        stops = {gevent.spawn(_stopped, service, seconds): service for service in reversed(services)}
        gevent.joinall(list(stops), timeout=seconds + _GRACE)
        for greenlet, service in stops.items():
            if not greenlet.dead:
                log.error("service does not stop service=%s", _name(service))
                greenlet.kill(block=False)


def hold(folder: Path) -> Hold:
    """Make this process the only one that serves from this folder, or nobody while a command needs that, until the hold
    is released. Raises PluginError.
    """
    try:
        return Hold(folder)
    except FolderInUse as error:
        raise PluginError(str(error)) from None
    except OSError as error:
        raise PluginError(f"{folder} cannot be written: {error.strerror}") from error


def _remind() -> None:
    while True:
        gevent.sleep(_DAY)
        log.warning(UNGUARDED)


def _made(gateway: Gateway, enabled: Enabled) -> Any:
    """Raises PluginError that names the file."""
    try:
        return enabled.factory(gateway, enabled.options)
    except (ValueError, PluginError) as error:
        raise PluginError(f"{enabled.source}: {error}") from error
    except BaseException as error:
        if faults.thrown_in(error):
            raise
        raise PluginError(f"{enabled.source}: plugin '{enabled.name}': {faults.told(error)}") from error


def _name(service: Any) -> str:
    return str(getattr(service, "name", type(service).__name__))


def _stopped(service: Any, seconds: float) -> None:
    try:
        service.stop(seconds)
    except BaseException as error:
        if faults.thrown_in(error):
            raise
        kind, at = type(error).__name__, faults.where(error)
        log.error("service failed to stop service=%s error=%s at=%s", _name(service), kind, at)
