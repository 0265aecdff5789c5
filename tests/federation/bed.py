"""A small internet in a namespace: a nameserver, an authority whom all trust, and gateways, each on a host of its own.
For scripts that run in a namespace, see tests/clients/namespace.py.

Domains end in .example: the library by which OpenDKIM asks the DNS knows by itself that there is nothing below .test.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "flows"))
sys.path.insert(0, str(Path(__file__).parent.parent / "clients"))  # first, as another module called people is in tests/

import network
from authority import Authority
from dnsserver import DnsServer
from gateway_process import GatewayProcess
from stage import prepare

# For what comes without any name, as mail clients do.
NO_CHECK = ssl._create_unverified_context()
# Of smtp, for clients that write faster than people do.
NO_RATE = {"max_user_send_per_minute": "1000000", "max_user_send_burst_size": "1000000"}


class Relay(GatewayProcess):
    """A gateway on a host. domains: the first one's name, or its address without brackets, and further ones."""

    def __init__(self, folder: Path, host: network.Host, domains: tuple[str, ...]) -> None:
        super().__init__(folder)
        self.host, self.domains = host, domains

    def run(self, *arguments: str, under: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        return super().run(*arguments, under=(*self.host.under, *under))

    def start(self, seconds: float = 60, under: tuple[str, ...] = ()) -> Relay:
        return super().start(seconds, (*self.host.under, *under))

    def command(self, *arguments: str) -> str:
        """What it prints. Fails when the exit code is not 0."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"chatgate {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.command(*arguments, "--json"))

    @property
    def literal(self) -> bool:
        """Has it an address in the place of a domain?"""
        return self.domains[0] == self.host.address


class Bed:
    """zone: what the nameserver says, {name: {type: record or records}}; call `publish` after changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        network.make()
        # Over /etc/resolv.conf in this namespace.
        (folder / "resolv.conf").write_text(f"nameserver {network.HUB}\noptions timeout:2 attempts:2\n")
        self.authority = Authority(folder / "authority.pem")
        os.environ["SSL_CERT_FILE"] = str(self.authority.file)
        self.zone: dict[str, dict[str, Any]] = {}
        self.dns = DnsServer({}, host=network.HUB, port=53)
        self.relays: list[Relay] = []
        self._end = ExitStack()

    def host(self, number: int, name: str) -> network.Host:
        """With a name in the DNS."""
        host = network.Host(number)
        self.zone.setdefault(name, {}).update({"A": host.address, "AAAA": host.address6})
        self.publish()
        return host

    def relay(self, number: int, *domains: str, plugins: tuple[str, ...] = ()) -> Relay:
        """A gateway with its folder, its certificate, and all that DNS has to say of it, not started. Without a domain
        it has its address for one.
        """
        host = network.Host(number)
        relay = self._end.enter_context(Relay(self.folder / f"relay{number}", host, domains or (host.address,)))
        self.relays.append(relay)
        first, *further = relay.domains
        prepare(relay, "--domain", first, plugins=plugins)
        for domain in further:
            (relay.folder / "conf.d" / "domains").mkdir(exist_ok=True)
            (relay.folder / "conf.d" / "domains" / f"{domain}.toml").write_text("")
        # Those of addresses and of names with an underscore are for nobody to check, and stay self-signed.
        if not relay.literal and not first.startswith("_"):
            names = [first, *(domain for domain in further if not domain.startswith("_"))]
            self.authority.certificate(names, relay.folder / "tls/cert.pem", relay.folder / "tls/key.pem")
        relay.set("smtp", **NO_RATE)
        self.learn(relay)
        return relay

    def learn(self, relay: Relay) -> None:
        """Have in the zone what the gateway says it needs there, and where it is."""
        if relay.literal:
            return
        found = relay.json("dns")
        for domain, records in found.items():
            for record in records:
                types = self.zone.setdefault(record["name"], {})
                types[record["type"]] = []
            for record in records:
                self.zone[record["name"]][record["type"]].append(record["value"])
            # As the operator knows them, and the gateway may not.
            self.zone.setdefault(domain, {}).update({"A": relay.host.address, "AAAA": relay.host.address6})
        self.publish()

    def publish(self) -> None:
        self.dns.zone = self.zone

    def start(self) -> None:
        for relay in self.relays:
            if relay.process is None:
                relay.start()

    def restart(self, plugin: str, **settings: str) -> None:
        """All gateways anew with this setting. Raises AssertionError when one does not end in order."""
        for relay in self.relays:
            assert relay.stop() == 0
            relay.set(plugin, **settings)
        self.start()

    def stop(self) -> None:
        """An orderly end of all, with sound stores."""
        for relay in self.relays:
            assert relay.stop() == 0
            relay.command("check")

    def said(self) -> Iterator[str]:
        """Logs of all gateways, for whoever reads why something failed."""
        for relay in self.relays:
            for run in range(len(relay.logs)):
                yield f"--- {relay.domains[0]}, run {run} ---\n{relay.output(run)[-6000:]}"

    def close(self) -> None:
        self._end.close()
        self.dns.close()


@contextmanager
def bed(folder: Path) -> Iterator[Bed]:
    """A failure is told with what the gateways had to say."""
    made = Bed(folder)
    try:
        yield made
    except BaseException:
        print(*made.said(), sep="\n", flush=True)
        raise
    finally:
        made.close()
