"""The mail domains of a gateway: which one an address, a host name or a connection belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from chatgate import names
from chatgate.addresses import normal_address

if TYPE_CHECKING:
    from chatgate.network.session import Session

T = TypeVar("T")

_LONGEST_HOST = 255  # characters of a name in the DNS (RFC 1035 §2.3.4); a client may send kilobytes of dots


class Domain:
    """One mail domain, with the options that are set for it alone.

    name: the part of its addresses after the @, in lower case; for an IP address its literal. hostname: the host that
    its clients connect to, a host name or an IP address without brackets.
    source: the file of conf.d that names it.
    """

    __slots__ = ("name", "hostname", "source", "_own")

    def __init__(
        self, name: str, hostname: str = "", source: str = "", own: Sequence[tuple[Any, Any]] | None = None
    ) -> None:
        """own: pairs of options as the gateway has them and as this domain has them."""
        self.name, self.source = name.lower(), source
        self.hostname = hostname or names.bare(name)
        self._own = {id(general): (general, mine) for general, mine in own or ()}

    def __repr__(self) -> str:
        return f"Domain({self.name})"

    @property
    def dns_host(self) -> str:
        """The name of its host in the DNS: `hostname`, or its own name where that is an IP address, which no record can
        name as a host.
        """
        return names.bare(self.name) if names.ip(self.hostname) else self.hostname

    def options(self, general: T) -> T:
        """These options, such as those a plugin was made with, as they hold for this domain. Costs one dict lookup."""
        found = self._own.get(id(general))
        return found[1] if found is not None else general


class Domains:
    """All mail domains of one gateway. The first is that of 00-chatgate.toml: it is meant where none is named."""

    def __init__(self, first: Domain, *others: Domain) -> None:
        self.first = first
        self._all = (first, *others)
        self._names = {domain.name: domain for domain in self._all}
        # By the name that clients connect to; where domains share a host, by each one's own name, too.
        self._hosts: dict[str, Domain] = {}
        for domain in self._all:
            self._hosts.setdefault(domain.hostname, domain)
        self._hosts |= {names.bare(domain.name): domain for domain in reversed(self._all)}

    def __iter__(self) -> Iterator[Domain]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def named(self, name: str) -> Domain | None:
        """The domain with this name, written as `names.mail_domain` returns it; None if there is none."""
        return self._names.get(name.lower())

    def of(self, address: str) -> Domain | None:
        """The domain of this mail address; None where it is not one of ours."""
        _, at, name = address.rpartition("@")
        return self._names.get(name.lower()) if at else None

    def at(self, host: str) -> Domain | None:
        """The domain that clients mean when they connect to this host: its name, a name below that (such as www. or
        mta-sts.), or an IP address. None if there is none.
        """
        if len(host) > _LONGEST_HOST:
            return None
        name = host.lower().removesuffix(".")
        if found := self._hosts.get(name):
            return found
        if names.ip(name):
            return self._hosts.get(names.bare(name))
        while name:
            name = name.partition(".")[2]
            if found := self._hosts.get(name):
                return found
        return None

    def of_session(self, session: Session) -> Domain:
        """The account's domain, once somebody has logged in; before that, the domain whose name the client asked for,
        in TLS or in HTTP, or whose IP address it connected to; otherwise the first.
        """
        if len(self._all) == 1:
            return self.first
        found = self.of(session.account.address) if session.account is not None else None
        return found or self.at(session.server_name) or self.first

    def full(self, address: str, domain: Domain | None = None) -> str:
        """The full address, in normal form and lower case, for one as people type it, perhaps without a domain. domain:
        the one to add in that case; None for the first.
        """
        return normal_address(address if "@" in address else f"{address}@{(domain or self.first).name}").lower()
