"""What plugins want to stand in the DNS."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chatgate.domains import Domain
from chatgate.network.listeners import ports


@dataclass(frozen=True)
class DnsRecord:
    """A record that should be in the DNS for a mail domain.

    name: absolute, without a final dot. type: "A", "MX", "TXT" and so on. value: as in a zone file, with absolute names
    that have their final dot; for TXT the text alone, without quotes, however long. "": which value is right only
    the operator knows, as for the address of a server that sees only a private one. required: without it mail does not
    flow. why: a few words for people on what it is good for.
    """

    name: str
    type: str
    value: str
    required: bool
    why: str

    def __post_init__(self) -> None:
        if not self.name or self.name.endswith("."):
            raise ValueError(f"{self.name!r} must be an absolute name without its final dot")


def service_records(domain: Domain, service: str, addresses: Iterable[str], why: str) -> list[DnsRecord]:
    """The SRV record (RFC 6186) by which apps find a service that listens on these addresses; none if it is off.
    service: such as "imaps".
    """
    name, found = f"_{service}._tcp.{domain.name}", ports(addresses)
    return [DnsRecord(name, "SRV", f"0 1 {found[0]} {domain.dns_host}.", False, why)] if found else []
