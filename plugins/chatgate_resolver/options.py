"""The settings of the resolver."""

from __future__ import annotations

from dataclasses import dataclass

from chatgate.api import option
from chatgate_resolver.servers import nameserver


@dataclass(frozen=True)
class ResolverOptions:
    nameservers: tuple[str, ...] = option(
        (),
        "IP addresses of the nameservers to ask, with a port if it is not 53 (192.0.2.1:5353), first choice first; 8 "
        "at most. They must answer for all names, as a resolver of your own or of your provider does. Empty: those of "
        "/etc/resolv.conf.",
    )
    timeout_seconds: float = option(
        3.0, "Seconds to wait for the answer of one nameserver before the next is asked.", live=True
    )
    attempts: int = option(2, "How often each nameserver is asked before a question fails for now.", live=True)
    trust_ad: str = option(
        "loopback",
        "Whether to believe nameservers that DNSSEC proves an answer, for DANE: always, never, or loopback: if all of "
        "them are on this machine. The network between must be trusted, too.",
        live=True,
    )
    max_questions: int = option(
        500,
        "Questions that may be under way at the same time, a tenth of them about names of one zone; more wait for a "
        "moment.",
    )
    max_records: int = option(200, "Records an answer may have; one with more counts as a failure.", live=True)
    max_aliases: int = option(8, "Aliases (CNAME) to follow, one after the other.", live=True)
    cache_names: int = option(
        10000, "Answers remembered in memory; one longer than 1000 octets counts once more for each 1000."
    )
    longest_ttl: float = option(
        86400.0, "Seconds that an answer is remembered at most; less if its TTL says so.", live=True
    )
    negative_seconds: float = option(
        60.0, "The same for answers that there is no such name or no such record.", live=True
    )
    trouble_seconds: float = option(2.0, "The same for failures.", live=True)

    def __post_init__(self) -> None:
        if len(self.nameservers) > 8:
            raise ValueError("nameservers: must be 8 at most")
        for text in self.nameservers:
            try:
                nameserver(text)
            except ValueError as error:
                raise ValueError(f"nameservers: {error}") from None
        if self.trust_ad not in ("always", "never", "loopback"):
            raise ValueError("trust_ad: must be always, never or loopback")
        if self.timeout_seconds < 0.01:
            raise ValueError("timeout_seconds: must be 0.01 at least")
        if not 1 <= self.attempts <= 10:
            raise ValueError("attempts: must be 1 to 10")
        for name in ("max_questions", "max_records", "cache_names"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be 1 at least")
        if self.trouble_seconds > 10:
            raise ValueError("trouble_seconds: must be 10 at most")
