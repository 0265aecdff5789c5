"""The hooks: which addresses are elsewhere; the services that hand mail on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatgate.api import DnsRecord, Domain, Envelope, Gateway, Networks, Outgoing, Reply, hookimpl
from chatgate_courier.inbound import Inbound
from chatgate_courier.mta_sts_page import Published
from chatgate_courier.options import CourierOptions
from chatgate_courier.policy import Policies
from chatgate_courier.routing import Routing

if TYPE_CHECKING:
    import bottle

_FILE = "courier-policy.toml"


class Courier:
    """Mail to other servers: what accounts here send elsewhere is kept in the queue and handed on."""

    Options = CourierOptions
    order = 70  # after the accounts of this server, and the plugins that refuse recipients

    def __init__(self, gateway: Gateway, options: CourierOptions) -> None:
        self._gateway, self._options = gateway, options
        self.policies = Policies(options.peers, gateway.path("data", _FILE))
        self._published = Published(gateway, options)
        self._routing = Routing(gateway.domains, self.policies, Networks(options.private_networks))

    @hookimpl
    def chatgate_dns_records(self, domain: Domain) -> list[DnsRecord]:
        return self._published.records(domain)

    @hookimpl
    def chatgate_recipient(self, envelope: Envelope, address: str) -> Outgoing | Reply | None:
        # Mail from other servers is not relayed: nobody answers for these addresses, and that refuses them.
        return None if envelope.origin == "peer" else self._routing.destination(address)

    @hookimpl(optionalhook=True)
    def chatgate_site_routes(self, app: bottle.Bottle, site: Any) -> None:
        self._published.add_to(app, site)
        if self._options.mxdeliv:
            Inbound(self._gateway).add_to(app)
