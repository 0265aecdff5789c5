"""The plugin: METADATA for apps, checks and settings for operators."""

from __future__ import annotations

import ipaddress
import re
import time
from dataclasses import dataclass
from functools import cached_property

import click
from gevent import socket

from chatgate.api import Gateway, KeptFiles, Metric, PluginError, Problem, Secret, Service, Session, hookimpl, option
from chatgate_turn import command, stun
from chatgate_turn.credentials import check_secret, make_credentials, read_or_make_secret, read_secret
from chatgate_turn.probe import ProbeError, probe
from chatgate_turn.selftest import SelfTest

ENTRY = "/shared/vendor/deltachat/turn"

# Delta Chat splits the value at colons, so it cannot contain an IPv6 address.
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}")


@dataclass(frozen=True)
class TurnOptions:
    host: str = option("", "Name or IPv4 address at which apps find the TURN server. Empty: the gateway's host name.")
    port: int = option(3478, "Its UDP port.")
    life_seconds: float = option(
        432000.0,
        "Seconds that credentials are valid. Delta Chat fetches new ones when less than 12 hours remain, and apps that "
        "check their clock by the time it ends take it for exactly 5 days from now.",
        live=True,
    )
    secret: Secret = option(Secret(""), "coturn's static-auth-secret. Empty: a random one, kept in secret_file.")
    secret_file: str = option("data/turn-secret", "File with the random secret; made when it is needed first.")
    test_host: str = option(
        "", "Where the self-test asks, if this machine cannot reach the TURN server as apps do (NAT). Empty: host."
    )
    test_seconds: float = option(5.0, "Seconds a self-test may take.", live=True)
    test_every_seconds: float = option(60.0, "Seconds between self-tests. Credentials are offered while they pass.")

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ValueError("port: must be 1 to 65535")
        if self.life_seconds < 600:
            raise ValueError("life_seconds: must be 600 at least")
        for name in ("test_seconds", "test_every_seconds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be 1 at least")
        if self.secret:
            try:
                check_secret(self.secret)
            except ValueError as error:
                raise ValueError(f"secret: {error}") from error


class Turn:
    """Calls: gives apps credentials for a TURN server (coturn), as long as a self-test shows that they work."""

    Options = TurnOptions
    order = 75

    def __init__(self, gateway: Gateway, options: TurnOptions) -> None:
        self.options, self._domains = options, gateway.domains
        self.host = options.host or gateway.domains.first.hostname
        if not _HOST.fullmatch(self.host):
            raise ValueError(f"host: {self.host}: must be a name or an IPv4 address; apps can be told no other")
        self.secret_file = gateway.path(options.secret_file)
        self.clock = time.time
        self._offered = 0
        self.self_test = SelfTest(self._probe, options.test_every_seconds)

    @hookimpl
    def chatgate_backup(self) -> list[KeptFiles]:
        return [KeptFiles("secret", self.secret_file)]

    @hookimpl
    def chatgate_services(self) -> list[Service]:
        _ = self.secret  # raises at the start if it cannot be used, so that the operator notices
        return [self.self_test]

    @hookimpl
    def chatgate_metrics(self) -> list[Metric]:
        works = {(): int(self.self_test.passed)}
        what = "Does the TURN server work, as the last test of it found?"
        return [
            Metric("chatgate_turn_works", what, "gauge", (), works, across="max"),
            Metric.single("chatgate_turn_offered", "Credentials that apps were given", "counter", self._offered),
        ]

    @hookimpl
    def chatgate_metadata_entries(self, mailbox: str) -> list[str]:
        return [] if mailbox else [ENTRY]

    @hookimpl
    def chatgate_get_metadata(self, session: Session, mailbox: str, entry: str) -> bytes | None:
        """`host:port:username:password`; None while the TURN server does not work: apps then use a public one."""
        if mailbox or entry != ENTRY or not self.self_test.passed:
            return None
        self._offered += 1
        return ":".join((self._host_for(session), str(self.options.port), *self.credentials())).encode()

    def _host_for(self, session: Session) -> str:
        """The same server under the name of the client's own domain: clients need not learn of other domains."""
        host = self._domains.of_session(session).hostname
        return host if not self.options.host and _HOST.fullmatch(host) else self.host

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        """Changes nothing: does not make a secret."""
        found = []
        try:
            if not self.options.secret:
                read_secret(self.secret_file)
                if self.secret_file.stat().st_mode & 0o007:
                    found.append(Problem("warning", f"turn: every user of this machine can read {self.secret_file}"))
            relayed = self._probe()
        except FileNotFoundError:
            found.append(Problem("warning", "turn: there is no secret yet; 'chatgate turn config' makes it"))
        except PluginError as error:
            found.append(Problem("error", str(error)))
        except ProbeError as error:
            at = f"{self.options.test_host or self.host}:{self.options.port}"
            found.append(Problem("warning", f"turn: calls are not offered; the TURN server at {at}: {error}"))
        else:
            if not relayed.is_global and self._is_public():
                text = f"turn: the TURN server relays at {relayed}, where nobody outside gets; it needs external-ip"
                found.append(Problem("warning", text))
        return found

    @hookimpl
    def chatgate_commands(self, cli: click.Group) -> None:
        cli.add_command(command.make(self.config_lines))

    @cached_property
    def secret(self) -> str:
        """The secret shared with coturn. Raises PluginError."""
        return self.options.secret or read_or_make_secret(self.secret_file)

    def credentials(self) -> tuple[str, str]:
        """(username, password), valid for `life_seconds` from now on."""
        return make_credentials(self.secret, int(self.clock()) + round(self.options.life_seconds))

    def config_lines(self) -> list[str]:
        """The settings that must be the same in turnserver.conf."""
        return [f"listening-port={self.options.port}", f"realm={self.host}", f"static-auth-secret={self.secret}"]

    def _probe(self) -> stun.Address:
        options = self.options
        return probe(options.test_host or self.host, options.port, self.credentials(), options.test_seconds)

    def _is_public(self) -> bool:
        """Do apps reach the TURN server at a public address?"""
        try:
            found = socket.getaddrinfo(self.host, self.options.port, type=socket.SOCK_DGRAM)
        except (OSError, ValueError):
            return False
        return any(ipaddress.ip_address(entry[4][0]).is_global for entry in found)
