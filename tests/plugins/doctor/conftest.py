"""Two nameservers of one zone, on loopback, and a resolver that asks the first of them."""

import pytest
from chatgate_resolver import Resolver, ResolverOptions

from tests.dnsserver import DnsServer

# What the domain of these tests should have, as its records are written in a zone.
ZONE = {
    "example.org": {
        "NS": ["ns1.example.net.", "ns2.example.net."],
        "A": ["203.0.113.7"],
        "MX": ["10 example.org."],
        "TXT": ["v=spf1 a ~all"],
    },
    "_imaps._tcp.example.org": {"SRV": ["0 1 993 example.org."]},
    "www.example.org": {"CNAME": ["example.org."]},
    "mta-sts.example.org": {"CNAME": ["example.org."]},
    "ns1.example.net": {"A": ["127.0.0.1"]},
    "ns2.example.net": {"A": ["127.0.0.2"]},
}


class Pair:
    """first, second: the nameservers. port: where both answer."""

    def __init__(self, zone):
        self.first = DnsServer(zone, "127.0.0.1")
        self.port = self.first.port
        self.second = DnsServer(zone, "127.0.0.2", self.port)
        self.resolver = Resolver(ResolverOptions(nameservers=(self.first.address,), timeout_seconds=1.0, attempts=1))

    def close(self):
        self.first.close()
        self.second.close()

    def set(self, name, kind, *values, on=None):
        """These records instead of those there; none: they are gone. on: one of the nameservers; None: both."""
        for server in (self.first, self.second) if on is None else (on,):
            zone = {one: dict(types) for one, types in server.zone.items()}
            types = zone.setdefault(name, {})
            types.pop(kind, None)
            if values:
                types[kind] = list(values)
            server.zone = {one: types for one, types in zone.items() if types}


@pytest.fixture
def dns():
    pair = Pair(ZONE)
    yield pair
    pair.close()
