"""The hooks: which addresses are elsewhere; the services that hand mail on; upkeep and commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click
from chatgate_filedb import KeptDatabase

from chatgate.api import (
    DnsRecord,
    Domain,
    Envelope,
    Facts,
    Gateway,
    KeptFiles,
    Leased,
    Metric,
    Networks,
    Outgoing,
    Problem,
    Reply,
    Service,
    Trouble,
    hookimpl,
    ip,
    said,
    said_of,
)
from chatgate_courier import command, health, peers, tracing
from chatgate_courier.inbound import Inbound
from chatgate_courier.measures import Measures
from chatgate_courier.mta_sts_page import Published
from chatgate_courier.options import CourierOptions
from chatgate_courier.outcomes import Outcomes
from chatgate_courier.policy import Policies, read
from chatgate_courier.routing import Routing
from chatgate_courier.sending.delays import Delays
from chatgate_courier.sending.dispatcher import Dispatcher
from chatgate_courier.sending.handing import Handing, Ways
from chatgate_courier.sending.schedule import Schedule
from chatgate_courier.transport import Transports, making
from chatgate_courier.troubles import troubles

if TYPE_CHECKING:
    import bottle


class Courier:
    """Mail to other servers: what accounts here send elsewhere is kept in the queue and handed on."""

    Options = CourierOptions
    order = 70  # after the accounts of this server, and the plugins that refuse recipients
    requires = ("resolver",)

    def __init__(
        self,
        gateway: Gateway,
        options: CourierOptions,
        clock: Callable[[], float] = time.time,
        ways: Ways | None = None,
    ) -> None:
        """clock: Unix seconds. ways: what hands mail on, if not the transports."""
        self._gateway, self._options, self._clock, self._given = gateway, options, clock, ways
        self.policies = Policies(options.peers, gateway.path("data", "courier-policy.toml"))
        self.outcomes = Outcomes(gateway.path("data", "courier.db"), options.outcome_days, options.outcomes, clock)
        self._measures = Measures(gateway, clock)
        self._published = Published(gateway, options)
        self.routing = Routing(gateway.domains, self.policies, Networks(options.private_networks))

    @cached_property
    def _made(self) -> tuple[Ways, list[Service]]:
        """What hands mail on, and its services. First used when all plugins are made."""
        if self._given is not None:
            return self._given, []
        return making.make(self._gateway, self._options, self.policies.of, self.routing.reachable)

    @property
    def transports(self) -> Ways:
        return self._made[0]

    @cached_property
    def _handing(self) -> Handing:
        options = self._options
        schedule = Schedule([float(seconds) for seconds in options.retry_seconds])
        most = options.octets_at_once
        delays = Delays(self._gateway, self.outcomes, options.delay_notice_hours, self._clock)
        return Handing(self._gateway, self.transports, self.outcomes, schedule, most, delays, self._clock)

    @cached_property
    def dispatcher(self) -> Dispatcher:
        return Dispatcher(self._gateway, self._options, self.policies, self.transports, self._handing, self._clock)

    @hookimpl
    def chatgate_facts(self) -> Facts:
        waits = said("A message to another server waits here, with its addresses, until that has it or it is given up.")
        if not (self._options.outcomes and self._options.outcome_days):
            return Facts(keeps=(waits,))
        noted = said_of(
            "For {number} day this server knows which message another server took or refused; not who wrote it or to "
            "whom.",
            "For {number} days this server knows which message another server took or refused; not who wrote it or to "
            "whom.",
            self._options.outcome_days,
        )
        return Facts(keeps=(waits, noted))

    @hookimpl
    def chatgate_backup(self) -> list[KeptFiles]:
        databases = (self.outcomes.database.path, making.file(self._gateway))
        kept = [KeptDatabase(path.stem, path) for path in databases]
        return [KeptFiles("peers", self.policies.path), *kept]

    @hookimpl
    def chatgate_dns_records(self, domain: Domain) -> list[DnsRecord]:
        return self._published.records(domain)

    @hookimpl
    def chatgate_recipient(self, envelope: Envelope, address: str) -> Outgoing | Reply | None:
        # Mail from other servers is not relayed: nobody answers for these addresses, and that refuses them.
        return None if envelope.origin == "peer" else self.routing.destination(address)

    @hookimpl(optionalhook=True)
    def chatgate_site_routes(self, app: bottle.Bottle, site: Any) -> None:
        self._published.add_to(app, site)
        if self._options.mxdeliv:
            Inbound(self._gateway).add_to(app)

    @hookimpl
    def chatgate_services(self) -> Sequence[Service]:
        self.policies.load()
        self._gateway.control.answers(health.UNREACHABLE, lambda facts: self._unreachable())
        courier = Leased("courier", self._run, self.dispatcher.end, store=lambda: self._gateway.store)
        return [*self._made[1], self.outcomes.database, self.outcomes.service, courier]

    def _unreachable(self) -> list[tuple[str, float, tuple[str, ...]]]:
        transports = self.transports
        return transports.unreachable() if isinstance(transports, Transports) else []

    def _run(self) -> None:
        try:
            self.dispatcher.run()
        finally:
            self.transports.close()
        self.outcomes.save()

    @hookimpl
    def chatgate_expire(self, now: float) -> dict[str, int]:
        return {"outcomes": self.outcomes.expire(now)}

    @hookimpl
    def chatgate_metrics(self) -> list[Metric]:
        return self._measures.metrics(self._handing, self.transports)

    @hookimpl
    def chatgate_troubles(self) -> list[Trouble]:
        return troubles(self._gateway, self._options, self.transports, self._clock())

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        read(self.policies.path)
        transports = self.transports
        problem = transports.problem() if isinstance(transports, Transports) else ""
        found = [Problem("error", f"courier: {problem}")] if problem else []
        named = any(ip(domain.name) is None for domain in self._gateway.domains)
        if named and not self._gateway.hub.implements("sign"):
            text = "courier: nobody signs the mail that goes to others, and they refuse it: enable dkim"
            found.append(Problem("warning", text))
        return found

    @hookimpl
    def chatgate_commands(self, cli: click.Group, gateway: Gateway) -> None:
        cli.add_command(command.queue(gateway, self.policies, self.outcomes))
        cli.add_command(tracing.trace(gateway, self.outcomes))
        group = peers.make(gateway, self.policies)
        group.add_command(health.command(gateway, self.policies, self.outcomes))
        cli.add_command(group)

    @hookimpl(optionalhook=True)
    def chatgate_admin_pages(self, gateway: Gateway, admin: Any) -> list[Any]:
        from chatgate_courier.pages import Pages  # only where there is a dashboard

        return Pages(gateway, self.policies, self.outcomes, admin).both()
