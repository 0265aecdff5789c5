"""Our own MTA-STS policies: a page of the site for each domain, and the records that lead to it (RFC 8461)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatgate.api import DnsRecord, Domain, Gateway, PluginError, ip, option
from chatgate_courier.security.sts_policy import LONGEST_AGE, StsPolicy

if TYPE_CHECKING:
    import bottle

PATH = "/.well-known/mta-sts.txt"


@dataclass(frozen=True)
class PublishingOptions:
    mta_sts_mode: str = option(
        "enforce",
        "What the policy that we publish demands of other servers: enforce (a valid certificate, or no mail), testing "
        "(to report what would have failed), or off (nothing is published).",
        per_domain=True,
        live=True,
    )
    mta_sts_max_age: int = option(
        2419200,
        "Seconds for which other servers remember that policy; so long they go on after it was changed.",
        live=True,
    )

    def __post_init__(self) -> None:
        if self.mta_sts_mode not in ("enforce", "testing", "off"):
            raise ValueError("mta_sts_mode: must be enforce, testing or off")
        if self.mta_sts_max_age > LONGEST_AGE:
            raise ValueError(f"mta_sts_max_age: must be {LONGEST_AGE} at most")


class Published:
    """What each domain demands of other servers. Nothing where it could not be met: without a certificate of an
    authority, without port 25, without the site, and for IP addresses and names for trying things out.
    """

    def __init__(self, gateway: Gateway, options: PublishingOptions) -> None:
        self._gateway, self._options = gateway, options

    def policy(self, domain: Domain) -> StsPolicy | None:
        """Takes less than a millisecond."""
        options = domain.options(self._options)
        if options.mta_sts_mode == "off" or not _is_public(domain) or not self._is_met(domain):
            return None
        return StsPolicy(options.mta_sts_mode, (domain.dns_host,), options.mta_sts_max_age)

    def records(self, domain: Domain) -> list[DnsRecord]:
        """For `chatgate_dns_records`. Other servers take no notice of the policy until its TXT record is there; its id
        changes with the policy, so that they fetch it anew. The name of the host comes first, as a certificate for it
        can only be had once it is there.
        """
        if domain.options(self._options).mta_sts_mode == "off" or not _is_public(domain) or self._site is None:
            return []
        why = (
            "other servers ask there whether mail to you must be encrypted; the certificate must be for this name, too"
        )
        found = [DnsRecord(f"mta-sts.{domain.name}", "CNAME", f"{domain.dns_host}.", False, why)]
        policy = self.policy(domain)
        if policy is not None and self._covers(domain, f"mta-sts.{domain.name}"):
            value = f"v=STSv1; id={policy_id(policy)}"
            why = "other servers send you no mail without encryption, nor to an impostor"
            found.append(DnsRecord(f"_mta-sts.{domain.name}", "TXT", value, False, why))
        return found

    def add_to(self, app: bottle.Bottle, site: Any) -> None:
        """For `chatgate_site_routes`."""
        import bottle

        def show() -> bottle.HTTPResponse:
            policy = self.policy(site.here().domain)
            if policy is None:
                raise bottle.HTTPError(404)
            return bottle.HTTPResponse(str(policy), 200, {"Content-Type": "text/plain; charset=utf-8"})

        app.get(PATH, callback=show, discreet=True)

    @property
    def _site(self) -> Any:
        return self._gateway.hub.plugin("site")

    def _is_met(self, domain: Domain) -> bool:
        """Do we do ourselves what the policy demands of others?"""
        site = self._site
        if site is None or not site.at(domain).url.startswith("https:"):
            return False
        if not self._gateway.facts(domain).listens.get("mx"):
            return False
        try:
            return not site.at(domain).self_signed
        except PluginError:  # there is no certificate; the plugin in charge of it reports that
            return False

    def _covers(self, domain: Domain, host: str) -> bool:
        """Is the certificate for this name, too?"""
        from cryptography import x509

        try:
            found = x509.load_pem_x509_certificate(self._gateway.certificate(domain).chain.read_bytes())
            names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (PluginError, OSError, ValueError, x509.ExtensionNotFound):
            return False
        given = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
        return not given.isdisjoint((host, f"*.{host.partition('.')[2]}"))


def policy_id(policy: StsPolicy) -> str:
    """Of the record: another one for another policy."""
    return hashlib.sha256(str(policy).encode()).hexdigest()[:20]


def _is_public(domain: Domain) -> bool:
    return ip(domain.name) is None and not domain.name.startswith("_")
