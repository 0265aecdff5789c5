"""What an operator can set in conf.d/08-acme.toml."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from chatgate.api import option

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
KINDS = ("http-01", "tls-alpn-01")


@dataclass(frozen=True)
class AcmeOptions:
    agree_to_terms: bool = option(
        False,
        "You agree to the authority's terms of service (Let's Encrypt: https://letsencrypt.org/repository/). Nothing "
        "is asked of it before.",
    )
    directory: str = option(LETS_ENCRYPT, "The address of the authority's ACME directory.")
    staging: bool = option(
        False,
        "Try it out with the staging directory of Let's Encrypt, which has wide limits and whose certificates no "
        "client accepts, in place of `directory`.",
    )
    contact: tuple[str, ...] = option((), 'Addresses the authority may write to, such as "admin@example.org".')
    ca_bundle: str = option(
        "", "PEM file with the authorities by which the directory itself is verified. Empty: those of the system."
    )
    enabled: bool = option(True, "Fetch a certificate for the domain.", per_domain=True)
    names: tuple[str, ...] = option(
        (),
        "Further host names for the domain's certificate, besides its host, the domain, www. and mta-sts. before it. "
        "Those without an address in the DNS are left out.",
        per_domain=True,
        inherited=False,
    )
    profile: str = option(
        "",
        "The authority's profile of certificates (of Let's Encrypt: classic, tlsserver, shortlived). Empty: its own "
        "choice, but shortlived, where there is that, for a host that is an IP address.",
        per_domain=True,
    )
    reuse_key: bool = option(
        True,
        "Keep the private key at each renewal: apps that have connected before then go on even if something is wrong "
        "with the chain.",
        per_domain=True,
    )
    challenges: tuple[str, ...] = option(
        KINDS,
        'How the authority looks at us: "http-01" by port 80, "tls-alpn-01" by port 443. When the first fails, the '
        "other is tried.",
    )
    renew_at: float = option(
        0.67, "The share of its lifetime after which a certificate is renewed, unless the authority names a time."
    )
    look_seconds: float = option(
        21600.0, "Seconds between two looks at the certificates, the names in the DNS, and the times to renew."
    )
    retry_seconds: float = option(
        1800.0, "Seconds after which a certificate that could not be had is tried again; doubled each time."
    )
    retry_longest_seconds: float = option(86400.0, "Seconds to which that wait grows.")
    dns_seconds: float = option(
        300.0, "Seconds between two looks for the host in the DNS, as long as it is not there and has no certificate."
    )
    run_seconds: float = option(600.0, "Seconds that fetching one certificate may take in all.")
    request_seconds: float = option(30.0, "Seconds that one answer of the authority may take.")
    max_answer: int = option(262144, "Octets that one answer of the authority may have.")

    def __post_init__(self) -> None:
        if urlsplit(self.directory).scheme != "https":
            raise ValueError(f"directory: {self.directory!r} must begin with https://")
        if not self.challenges or set(self.challenges) - set(KINDS):
            raise ValueError(f"challenges: must be some of {', '.join(KINDS)}")
        if not 0 < self.renew_at < 1:
            raise ValueError("renew_at: must be between 0 and 1")
        for key in ("look_seconds", "retry_seconds", "dns_seconds", "run_seconds", "request_seconds", "max_answer"):
            if not getattr(self, key) > 0:
                raise ValueError(f"{key}: must be more than zero")

    @property
    def url(self) -> str:
        """The directory to ask."""
        return STAGING if self.staging else self.directory
