"""What an operator can set about MTA-STS and DANE; part of conf.d/NN-courier.toml."""

from __future__ import annotations

from dataclasses import dataclass

from chatgate.api import option
from chatgate_courier.security.sts_policy import LONGEST_AGE


@dataclass(frozen=True)
class SecurityOptions:
    dane: bool = option(
        True, "Keep to the certificates that other domains name in the DNS, where a trusted nameserver proves them."
    )
    mta_sts: bool = option(True, "Keep to the MTA-STS policies of other domains.")
    mta_sts_seconds: float = option(20.0, "Seconds to wait for the policy of a domain.")
    mta_sts_octets: int = option(16384, "Octets that the policy of a domain may have, 65536 at most.")
    mta_sts_domains: int = option(10_000, "Domains whose policy is remembered over a restart.")
    mta_sts_mode: str = option(
        "enforce",
        "What the policy that we publish demands of other servers: enforce (a valid certificate, or no mail), testing "
        "(to report what would have failed), or off (nothing is published).",
        per_domain=True,
    )
    mta_sts_max_age: int = option(
        2419200, "Seconds for which other servers remember that policy; so long they go on after it was changed."
    )

    def __post_init__(self) -> None:
        if self.mta_sts_mode not in ("enforce", "testing", "off"):
            raise ValueError("mta_sts_mode: must be enforce, testing or off")
        if not 0 < self.mta_sts_octets <= 65536:
            raise ValueError("mta_sts_octets: must be 1 to 65536")
        if self.mta_sts_max_age > LONGEST_AGE:
            raise ValueError(f"mta_sts_max_age: must be {LONGEST_AGE} at most")
        if self.mta_sts_seconds <= 0:
            raise ValueError("mta_sts_seconds: must be more than zero")
