"""What a domain demands of others for mail that says it comes from there."""

from __future__ import annotations

from chatgate.api import DnsRecord, Domain


def demands(domain: Domain) -> list[DnsRecord]:
    """Mail without a signature of exactly this domain shall be refused: by DMARC (RFC 7489 §6.3), and by its forerunner
    ADSP (RFC 5617 §4.2.1), which some filters still know.
    """
    why = "others refuse mail that only pretends to be yours"
    return [
        DnsRecord(f"_dmarc.{domain.name}", "TXT", "v=DMARC1;p=reject;adkim=s;aspf=s", False, why),
        DnsRecord(f"_adsp._domainkey.{domain.name}", "TXT", "dkim=discardable", False, why),
    ]
