"""The plugin: the records of the hosts, the commands, and the look at the DNS while the gateway serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chatgate.api import DnsRecord, Domain, Gateway, Service, Trouble, hookimpl, ip
from chatgate_doctor import addresses, wanted
from chatgate_doctor.check import Check, Finding
from chatgate_doctor.deaf import DeafResolver
from chatgate_doctor.drift import Drift
from chatgate_doctor.options import DoctorOptions

if TYPE_CHECKING:
    from chatgate_doctor.authority import Resolver
    from chatgate_doctor.peer import Transports


class Doctor:
    """`chatgate dns` and `chatgate doctor`: the DNS records of each domain, and why mail does not arrive."""

    Options = DoctorOptions
    order = 90
    requires = ("resolver", "courier")
    nameserver_port, https_port = 53, 443  # of others

    def __init__(self, gateway: Gateway, options: DoctorOptions) -> None:
        self.gateway, self.options = gateway, options
        self.drift: Drift | None = None  # of a gateway that serves

    def resolver(self) -> Resolver:
        """For one look at the DNS."""
        return DeafResolver(self.gateway.hub.plugin("resolver").resolver)

    def transports(self) -> Transports:
        found: Transports = self.gateway.hub.plugin("courier").transports
        return found

    def addresses(self, domain: Domain) -> tuple[str, ...]:
        """The public addresses of this server, as far as it knows them."""
        own = domain.options(self.options)
        return addresses.public(own.addresses, self.gateway.facts(domain), domain)

    @hookimpl
    def chatgate_dns_records(self, domain: Domain) -> list[DnsRecord]:
        return wanted.host_records(domain, self.addresses(domain))

    @hookimpl
    def chatgate_services(self) -> list[Service]:
        hours = self.options.check_hours
        named = any(not ip(domain.name) for domain in self.gateway.domains)
        self.drift = Drift(self.gateway, self._look, hours)
        return [self.drift] if hours and named else []

    @hookimpl
    def chatgate_troubles(self) -> list[Trouble]:
        return self.drift.troubles() if self.drift else []

    @hookimpl
    def chatgate_commands(self, cli: click.Group) -> None:
        from chatgate_doctor import dns_command, doctor_command  # a gateway that serves can save their memory

        domains = self.gateway.domains
        cli.add_command(dns_command.make(domains, self.zones, self.resolver, self.nameserver_port))
        cli.add_command(doctor_command.make(self))

    def zones(self) -> dict[Domain, list[DnsRecord]]:
        """The records that each domain should have. Raises PluginError."""
        return wanted.wanted(self.gateway)

    def _look(self) -> list[Finding]:
        check = Check(self.resolver(), self.nameserver_port)
        return [finding for records in self.zones().values() for finding in check.run(records)]
