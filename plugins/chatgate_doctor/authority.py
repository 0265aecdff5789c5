"""Who answers for a name: the nameservers of its zone, as the zone above knows them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from chatgate_resolver import Absent, Answer, Trouble


class Resolver(Protocol):
    """What this plugin uses of the plugin resolver."""

    def records(self, name: str, rdtype: str, servers: tuple[str, ...] = ()) -> Answer[str]: ...
    def addresses(self, host: str) -> Answer[str]: ...
    def mx(self, name: str) -> Answer[tuple[int, str]]: ...


class Nameserver(NamedTuple):
    """addresses: as the resolver takes them; empty if the name has none."""

    name: str
    addresses: tuple[str, ...]


class NoZone(Exception):
    """Nobody answers for this name; str() says why in one line. sure: there are no nameservers, rather than that the
    resolver could not tell.
    """

    def __init__(self, text: str, sure: bool) -> None:
        super().__init__(text)
        self.sure = sure


class Authorities:
    """port: where nameservers answer."""

    def __init__(self, resolver: Resolver, port: int = 53) -> None:
        self._resolver, self._port = resolver, port
        self._zones: dict[str, tuple[Nameserver, ...] | NoZone] = {}
        self._dark: dict[str, str] = {}  # why nobody tells of the names below this one
        self._servers: dict[str, Nameserver] = {}

    def of(self, name: str) -> tuple[Nameserver, ...]:
        """The nameservers of the zone that the name is in. Raises NoZone."""
        if name not in self._zones:
            # Each name would wait as long for the same silence.
            if dark := self._dark.get(_registered(name)):
                raise NoZone(dark, False)
            try:
                self._zones[name] = self._find(name)
            except NoZone as error:
                self._zones[name] = error
        found = self._zones[name]
        if isinstance(found, NoZone):
            raise NoZone(str(found), found.sure)
        return found

    def _find(self, name: str) -> tuple[Nameserver, ...]:
        try:
            hosts = self._resolver.records(name, "NS").values
        except Absent:
            above = name.partition(".")[2]
            # The nameservers of a top-level domain would answer that there is nothing, for want of a delegation.
            if "." not in above:
                raise NoZone(f"{name}: there are no nameservers for this name", True) from None
            return self.of(above)
        except Trouble as error:
            self._dark[_registered(name)] = str(error)
            raise NoZone(str(error), False) from None
        return tuple(self._server(host.lower().removesuffix(".")) for host in sorted(set(hosts)))

    def _server(self, host: str) -> Nameserver:
        if host not in self._servers:
            try:
                found = self._resolver.addresses(host).values
            except (Absent, Trouble):
                found = ()
            # IPv4 first: many machines have addresses of the other kind, but no way there.
            addresses = sorted(found, key=lambda address: ":" in address)
            self._servers[host] = Nameserver(host, tuple(map(self._at, addresses)))
        return self._servers[host]

    def _at(self, address: str) -> str:
        if self._port == 53:
            return address
        return f"[{address}]:{self._port}" if ":" in address else f"{address}:{self._port}"


def _registered(name: str) -> str:
    """The domain that somebody has registered, or nearly so: good enough to tell which names share nameservers."""
    return ".".join(name.split(".")[-2:])
