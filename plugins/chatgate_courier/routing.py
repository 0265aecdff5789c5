"""Which recipients are elsewhere, and may have mail from here."""

from __future__ import annotations

import ipaddress

from chatgate.api import Domains, Networks, Outgoing, Reply, bare, normal_address, valid_address
from chatgate_courier.policy import Policies


class Routing:
    """private: networks that are not on the Internet, to which mail may go all the same."""

    def __init__(self, domains: Domains, policies: Policies, private: Networks) -> None:
        self._domains, self._policies, self._private = domains, policies, private

    def destination(self, address: str) -> Outgoing | Reply | None:
        """Where mail of ours for this address goes, or why it cannot; None: the address is not elsewhere."""
        address = normal_address(address)
        local, _, domain = address.rpartition("@")
        if self._domains.of(address) is not None:
            return None
        shown = f"<{address}>: " if len(address) <= 320 and address.isascii() and address.isprintable() else ""
        if not valid_address(address):
            what = "this is no mail address" if local and domain else "an address needs a name, an @ and a domain"
            return Reply(553, "5.1.3", f"{shown}{what}")
        domain = domain.lower()
        policy = self._policies.of(domain)
        if policy.deny:
            return Reply(550, "5.7.1", f"{shown}{policy.deny}")
        if domain.startswith("[") and not policy.route and not self.reachable(bare(domain)):
            return Reply(550, "5.1.2", f"{shown}this IP address is not on the Internet")
        return Outgoing(address, domain)

    def reachable(self, ip: str) -> bool:
        """May mail go to this IP address? One that is not on the Internet may be a machine of the operator's that
        trusts this one.
        """
        return _is_public(ipaddress.ip_address(ip)) or ip in self._private


_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052 §2.1
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")  # for use within a network


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Also of an IPv4 address within an IPv6 one: a gateway on the way takes it out, and goes there."""
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    if address.is_site_local or address in _LOCAL_NAT64 or not int(address) >> 32:  # the last: RFC 4291 §2.5.5.1
        return False
    within = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address.sixtofour
    return within is None or _is_public(within)
