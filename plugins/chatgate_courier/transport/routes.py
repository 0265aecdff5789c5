"""From a destination to the hosts that may take its mail (RFC 5321 §5)."""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Callable, Collection
from typing import NamedTuple

from chatgate_resolver import Absent, NoSuchName, Trouble

from chatgate.api import Reply, bare, ip
from chatgate_courier.policy import PLAIN, Policy
from chatgate_courier.transport.connect import in_turn
from chatgate_courier.transport.contract import Policies, Resolver, Step, Sts, Tell
from chatgate_courier.transport.options import TransportOptions

log = logging.getLogger("chatgate.courier")

_HOST = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_-]{1,63}\.)*(?![0-9]+\Z)[a-z0-9_-]{1,63}")
_ONION = ".onion"  # RFC 7686 §2: nothing about such a name is ever asked for in DNS
_ASK_LATER = "Wait, if other domains are found; if none is, see to the nameservers of this server (40-resolver.toml)"
_LOOP = "An MX record of this domain names this server, which has no such domain: add it to conf.d, or correct DNS"


class Route(NamedTuple):
    """hosts: to be tried in this order, names in lower case or IP addresses without brackets. port: 0 for
    the usual ones. chosen: by the operator, not by DNS. secure: DNSSEC proves these hosts.
    """

    hosts: tuple[str, ...]
    policy: Policy = PLAIN
    port: int = 0
    chosen: bool = False
    secure: bool = False


class NoRoute(Exception):
    """There is no host to try. reply: why. trouble: because DNS does not answer."""

    def __init__(self, reply: Reply, advice: str = "", *, trouble: bool = False) -> None:
        super().__init__(reply.text)
        self.reply, self.advice, self.trouble = reply, advice, trouble


class Loop(NoRoute):
    """The next host is this server; neither it nor those after it are to be tried."""


class Routes:
    """policies: what the operator set for a domain. sts: what domains demand by MTA-STS. ours: the names and IP
    addresses of this server. reachable: may mail go to this IP address?
    """

    def __init__(
        self,
        options: TransportOptions,
        resolver: Resolver,
        policies: Policies,
        sts: Sts | None,
        ours: Collection[str],
        reachable: Callable[[str], bool],
    ) -> None:
        self._options, self._resolver, self._policies, self._sts = options, resolver, policies, sts
        self._ours, self._reachable = ours, reachable

    def find(self, domain: str, tell: Tell | None = None) -> Route:
        """Raises NoRoute."""
        try:
            route = self._demanded(self._find(domain), domain)
        except NoRoute as error:
            if tell is not None:
                tell(Step("resolve", False, error.reply.text, error.advice))
            raise
        if tell is not None:
            tell(Step("resolve", True, f"{domain} takes mail at {', '.join(route.hosts)}"))
        return route

    def addresses(self, host: str, domain: str, *, chosen: bool = False) -> tuple[tuple[str, ...], bool]:
        """The IP addresses of a host of this domain, and whether DNSSEC proves them. chosen: see `Route`. Raises
        NoRoute, which is about this host only, and Loop.
        """
        if ip(host):
            return self._allowed((host,), host, chosen), False
        try:
            found = self._resolver.addresses(host)
        except Absent:
            if host == domain:  # neither MX nor address records: it takes no mail, RFC 5321 §5.1
                raise NoRoute(
                    Reply(550, "5.1.2", f"Domain {domain} has no mail server"), "Its MX or address records are missing"
                ) from None
            raise NoRoute(
                Reply(451, "4.4.4", f"Mail server {host} of {domain} has no IP address"), "Its MX record may be wrong"
            ) from None
        except Trouble:
            raise _trouble(host) from None
        if not chosen and not self._own_addresses().isdisjoint(found.values):
            raise _loop(domain)
        return self._allowed(found.values, host, chosen), found.secure

    def _allowed(self, addresses: tuple[str, ...], host: str, chosen: bool) -> tuple[str, ...]:
        """Without those that only this machine or its neighbours are meant to reach."""
        allowed = addresses if chosen else tuple(one for one in addresses if self._reachable(one))
        if not allowed:
            reply = Reply(451, "4.4.4", f"Mail server {host} has no IP address on the Internet")
            raise NoRoute(reply, "An address that may be used all the same belongs in private_networks")
        return tuple(in_turn(allowed)[: self._options.max_addresses])

    def _own_addresses(self) -> set[str]:
        """The IP addresses of this server, as far as DNS knows them: it may be behind others that it has itself."""
        addresses: set[str] = set()
        for name in self._ours:
            try:
                addresses.update((name,) if ip(name) else self._resolver.addresses(name).values)
            except (Absent, Trouble):
                pass
        return addresses

    def _find(self, domain: str) -> Route:
        policy = self._policies(domain)
        if policy.route:
            host, _, port = policy.route.rpartition(":")
            return Route((bare(host),), policy, int(port), chosen=True)
        if domain.startswith("["):
            return Route((self._not_ours((bare(domain),), domain)), policy)
        if domain.endswith(_ONION):
            if not policy.proxy:
                raise NoRoute(
                    Reply(550, "5.1.2", f"This server has no way to {domain[-60:]}"), "Set a proxy for *.onion"
                )
            return Route((domain,), policy)
        try:
            found = self._resolver.mx(domain)
        except NoSuchName:
            raise NoRoute(
                Reply(550, "5.1.2", f"Domain {domain} does not exist"), "The address has a spelling mistake, perhaps"
            ) from None
        except Absent as absent:
            return Route(self._not_ours((domain,), domain), policy, secure=absent.secure)
        except Trouble:
            raise _trouble(domain) from None
        if [host for _, host in found.values] == [""]:  # RFC 7505 §3
            raise NoRoute(
                Reply(556, "5.1.10", "Permanent failure: Recipient address has null MX"),
                f"{domain} says in DNS that it takes no mail",
            )
        # An empty name beside others is no null MX, RFC 7505 §3. An IP address, or what else is no name of a host, is
        # none by RFC 5321 §5.1: no certificate could be valid for it.
        usable = [(preference, host) for preference, host in found.values if _HOST.fullmatch(host)]
        if not usable:
            raise NoRoute(
                Reply(451, "4.4.4", f"The MX records of {domain} name no host"),
                "They must be names, not IP addresses",
            )
        return Route(self._not_ours(_in_order(usable), domain), policy, secure=found.secure)

    def _demanded(self, route: Route, domain: str) -> Route:
        """With those hosts only that the domain's MTA-STS policy allows (RFC 8461 §5.1), unless the operator says
        otherwise.
        """
        wanted = route.policy.verify and route.policy.tls and not route.chosen and not domain.endswith(_ONION)
        policy = self._sts.policy(domain) if self._sts is not None and wanted else None
        if policy is None:
            return route
        allowed = tuple(host for host in route.hosts if policy.allows(host))
        if len(allowed) < len(route.hosts):
            log.info("mta-sts domain=%s mode=%s its policy does not name all of its hosts", domain, policy.mode)
        if not policy.enforced:
            return route
        if not allowed:
            raise NoRoute(
                Reply(451, "4.7.5", f"The MTA-STS policy of {domain} names none of its mail servers"),
                "Its operator must correct the policy or the MX records; somebody may be forging the latter",
            )
        return route._replace(hosts=allowed)

    def _not_ours(self, hosts: tuple[str, ...], domain: str) -> tuple[str, ...]:
        """Without this server, and those that are less preferred than it (RFC 5321 §5.1): they would send it here."""
        for place, host in enumerate(hosts):
            if host in self._ours:
                hosts = hosts[:place]
                break
        if not hosts:
            raise _loop(domain)
        return hosts[: self._options.max_hosts]


def _in_order(hosts: list[tuple[int, str]]) -> tuple[str, ...]:
    """By preference; those that are equal shuffled, to spread the load (RFC 5321 §5.1)."""
    if len(hosts) == 1:
        return (hosts[0][1],)
    named = sorted((preference, random.random(), host) for preference, host in hosts)
    return tuple(dict.fromkeys(host for _, _, host in named))


def _loop(domain: str) -> Loop:
    return Loop(Reply(554, "5.4.6", f"Mail for {domain} would come back to this server"), _LOOP)


def _trouble(name: str) -> NoRoute:
    return NoRoute(Reply(451, "4.4.3", f"DNS does not answer for {name}"), _ASK_LATER, trouble=True)
