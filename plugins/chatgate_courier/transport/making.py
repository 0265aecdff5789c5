"""The transport of a gateway, with all that it asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chatgate.api import Gateway, Service
from chatgate_courier.security.dane import Dane
from chatgate_courier.security.fetching import Fetcher
from chatgate_courier.security.sts import MtaSts
from chatgate_courier.transport.contract import Policies
from chatgate_courier.transport.options import TransportOptions
from chatgate_courier.transport.tls import Tls
from chatgate_courier.transport.transports import Transports

_FILE = "mta-sts.db"


def file(gateway: Gateway) -> Path:
    """Remembers what other domains demand (MTA-STS)."""
    return gateway.path("data", _FILE)


def make(
    gateway: Gateway, options: TransportOptions, policies: Policies, reachable: Callable[[str], bool]
) -> tuple[Transports, list[Service]]:
    """The transport, and the services that it needs running. policies, reachable: see `Transports`. The plugin resolver
    must be there.
    """
    resolver, tls = gateway.hub.plugin("resolver").resolver, Tls(options)
    fetch = Fetcher(resolver, tls, reachable, seconds=options.mta_sts_seconds, octets=options.mta_sts_octets)
    sts = MtaSts(resolver, options, fetch, file(gateway))
    dane = Dane(resolver) if options.dane else None
    made = Transports(
        options, resolver, gateway.domains, policies, reachable, tls, sts if options.mta_sts else None, dane
    )
    return made, sts.services
