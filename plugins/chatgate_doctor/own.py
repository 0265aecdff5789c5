"""What can be seen of this server from its own machine."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import gevent.pool
from chatgate_resolver import Problem as DnsProblem
from chatgate_resolver import Trouble as DnsTrouble

from chatgate.api import DnsRecord, Domain, Gateway, Networks, bare, free_octets, ip, ports
from chatgate_doctor import dialling
from chatgate_doctor.check import Finding
from chatgate_doctor.dialling import NoConnection
from chatgate_doctor.options import DoctorOptions
from chatgate_doctor.report import Line, State

# Services with TLS from the start: where a certificate can be seen.
_WITH_TLS = ("https", "imaps", "submissions")
_WARNING_DAYS = 14
_HAIRPIN = "open this port in firewalls and routers; a router may also not let its own machines in: try from elsewhere"


class Place(NamedTuple):
    service: str
    address: str
    port: int


class Own:
    """addresses: the public ones of a domain's host, as far as they are known."""

    def __init__(
        self, gateway: Gateway, options: DoctorOptions, resolver: Any, addresses: Callable[[Domain], Sequence[str]]
    ) -> None:
        self._gateway, self._options, self._resolver, self._addresses = gateway, options, resolver, addresses
        self._open: list[Place] = []  # where connections can be made

    def listeners(self) -> Iterator[Line]:
        """Does the gateway listen, as seen from this machine at its listeners and at its public addresses?"""
        first = self._gateway.domains.first
        listens = {name: at for name, at in self._gateway.facts(first).listens.items() if ports(at)}
        here = [Place(name, _near(at), ports(at)[0]) for name, at in listens.items()]
        if not here:
            yield Line("listeners", "note", "no plugin listens on a port that is known")
            return
        answers = self._try(here)
        if all(answers.values()):
            yield Line("listeners", "bad", f"nothing answers: {next(iter(answers.values()))}", "start the gateway")
            return
        for place, why in answers.items():
            if why:
                text = f"port {place.port} of {place.address}: {why}"
                yield Line(place.service, "bad", text, "see the log of the gateway's start")
        outside = [Place(place.service, address, place.port) for address in self._public(first) for place in here]
        if not outside:
            yield Line("listeners", "ok", f"{len(here)} services answer on this machine; no public address is known")
        answers = self._try(outside)
        for place, why in answers.items():
            text = f"port {place.port} of {place.address}"
            yield Line(
                place.service, "note" if why else "ok", f"{text}: {why}" if why else text, _HAIRPIN if why else ""
            )
        self._open = [place for place, why in answers.items() if not why] or [p for p in here if p.service in _WITH_TLS]

    def _try(self, places: Sequence[Place]) -> dict[Place, str]:
        """Why there is no connection, for each; "" where there is one."""
        seconds = self._options.connect_seconds
        pool = gevent.pool.Pool(20)
        said = pool.map(lambda place: dialling.problem(place.address, place.port, seconds), places)
        return dict(zip(places, said, strict=True))

    def _public(self, domain: Domain) -> Sequence[str]:
        if ip(domain.hostname):
            return (domain.hostname,)
        try:
            return tuple(self._resolver.addresses(domain.dns_host).values)
        except DnsProblem:
            return self._addresses(domain)

    def certificates(self, domain: Domain, records: Sequence[DnsRecord]) -> Iterator[Line]:
        """The certificate that each name of a domain gets. records: that the domain wants; names with an alias to this
        server are its names, too. Needs `listeners` before.
        """
        place = next((one for kind in _WITH_TLS for one in self._open if one.service == kind), None)
        if place is None:
            yield Line("certificate", "note", "no service with TLS from the start can be reached to look at it")
            return
        if place.address in Networks(self._gateway.config.core.proxy_protocol_from):
            yield Line("certificate", "note", "not seen: connections from here need a PROXY header")
            return
        # Other servers accept any certificate of test servers and of IP addresses.
        verify = not (ip(domain.name) or domain.name.startswith("_"))
        aliases = [record.name for record in records if record.type == "CNAME"]
        for name in dict.fromkeys((domain.hostname, bare(domain.name), *aliases)):
            needed = name in (domain.hostname, domain.dns_host)
            try:
                days = dialling.certificate(
                    place.address, place.port, name, self._options.connect_seconds, verify=verify
                )
            except NoConnection as error:
                advice = "have a valid certificate from a known authority for this name, see docs/operate/tls.md"
                yield Line(name, "bad" if needed else "note", str(error), advice)
            else:
                soon = days < _WARNING_DAYS
                state: State = "bad" if days < 0 else "note" if soon else "ok"
                told = f"expired {-days:.0f} days ago" if days < 0 else f"valid for {days:.0f} more days"
                yield Line(name, state, told, "renew it" if soon else "")

    def disk(self) -> Line:
        free = free_octets(self._gateway.path())
        text = f"{free / 1e9:.1f} GB are free for {self._gateway.path()}"
        low = free < self._options.disk_bytes
        return Line("disk", "note" if low else "ok", text, "make room before mail is refused" if low else "")

    def clock(self) -> Line:
        """By the kernel's word on whether a time service keeps it. Nobody outside is asked."""
        kept = clock_is_kept()
        if kept is None:
            return Line("clock", "note", "the system does not tell whether a time service keeps it")
        if kept:
            return Line("clock", "ok", "a time service keeps it")
        return Line("clock", "note", "no time service keeps it", "install one, such as systemd-timesyncd or chrony")

    def reverse_names(self, domain: Domain) -> Iterator[Line]:
        """Some servers take no mail from an address without a name that leads back to it."""
        for address in self._public(domain):
            if not (found := ip(address)) or not found.is_global:
                continue
            try:
                hosts = self._resolver.records(found.reverse_pointer, "PTR").values
                back = [host for host in hosts if address in self._resolver.addresses(host).values]
                text = f"is called {', '.join(hosts)}" + ("" if back else ", which does not lead back to it")
            except DnsTrouble as error:
                yield Line(address, "note", f"nobody can tell its name now: {error}")
                continue
            except DnsProblem as error:
                back, text = [], f"has no name: {error}"
            advice = "" if back else f"have your provider set {domain.dns_host} as its name (PTR)"
            yield Line(address, "ok" if back else "note", text, advice)

    def port_25(self, hosts: Sequence[str]) -> Iterator[Line]:
        """Is there a way out to port 25 of these hosts?"""
        for host in hosts:
            try:
                addresses = tuple(self._resolver.addresses(host).values) if not ip(host) else (host,)
            except DnsProblem as error:
                yield Line(host, "note", str(error))
                continue
            said = [dialling.problem(address, 25, self._options.connect_seconds) for address in addresses]
            if "" in said:
                yield Line(host, "ok", "port 25 answers")
            else:
                yield Line(host, "note", f"port 25: {said[0]}", BLOCKED)


BLOCKED = (
    "many providers block outgoing port 25: ask yours to open it. Chatmail servers get your mail by HTTPS all the same"
)


def record_lines(findings: Sequence[Finding], records: Sequence[DnsRecord], name: str) -> Iterator[Line]:
    """What a look at the DNS says of a domain."""
    for finding in findings:
        there = f" (there: {'; '.join(finding.there)})" if finding.there else ""
        yield Line(_about(finding), "bad" if finding.grave else "note", f"{finding.title}{there}", finding.advice)
    wrong = {finding.record for finding in findings}
    keys = [record for record in records if "._domainkey." in record.name]
    if not findings:
        yield Line("records", "ok", f"all {len(records)} records of {name} are right on all nameservers")
    elif right := [record.name for record in keys if record not in wrong and not any(f.blind for f in findings)]:
        yield Line("DKIM", "ok", f"in the DNS as they should be: {', '.join(right)}")
    if not keys:
        advice = "enable the plugin dkim: other chatmail servers take no mail without signatures"
        yield Line("DKIM", "note", "nothing here signs mail", advice)


def _about(finding: Finding) -> str:
    if finding.record is None:
        return "DNS"
    return "DKIM" if "._domainkey." in finding.record.name else finding.record.type


def _near(addresses: Sequence[str]) -> str:
    """Where this machine reaches a listener."""
    host = next(one for one in addresses if ports((one,))).rpartition(":")[0].strip("[]")
    return {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def clock_is_kept() -> bool | None:
    """Does a time service keep the clock, as the kernel knows? None: the system does not tell."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


_TIME_ERROR = 5  # adjtimex(2): "the system clock is not synchronized to a reliable server"
