"""The records that each domain should have: what all plugins want, and those of the hosts themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chatgate.api import DnsRecord, Domain, Gateway, ip


def host_records(domain: Domain, addresses: Sequence[str]) -> list[DnsRecord]:
    """addresses: public ones of this server; without any, a record with an address that only the operator knows."""
    why = "apps and other servers connect here"
    found = [
        DnsRecord(domain.dns_host, "AAAA" if ":" in address else "A", address.strip("[]"), True, why)
        for address in addresses
    ]
    # SPF: this host sends, too. Others who send in the name of the domain are marked, not refused: forwarders do so.
    sender = "a" if domain.dns_host == domain.name else f"a:{domain.dns_host}"
    spf = DnsRecord(domain.name, "TXT", f"v=spf1 {sender} ~all", False, "others see that this host sends your mail")
    return [*(found or [DnsRecord(domain.dns_host, "A", "", True, why)]), spf]


def wanted(gateway: Gateway) -> dict[Domain, list[DnsRecord]]:
    """For each domain that is a name; those required first. Raises PluginError when a plugin cannot tell."""
    named = [domain for domain in gateway.domains if not ip(domain.name)]
    asked = {domain: _once(gateway.hub.dns_records.or_raise(domain)) for domain in named}
    everything = [record for records in asked.values() for record in records]
    found = {domain: _without_conflicts(records, everything) for domain, records in asked.items()}
    return {domain: sorted(records, key=lambda record: not record.required) for domain, records in found.items()}


def _once(answers: Iterable[Sequence[DnsRecord]]) -> list[DnsRecord]:
    """If two plugins want the same record, it is required when one of them says so."""
    found: dict[tuple[str, str, str], DnsRecord] = {}
    for record in (record for answer in answers for record in answer):
        key = (record.name.lower(), record.type, record.value)
        if key not in found or (record.required and not found[key].required):
            found[key] = record
    return list(found.values())


def _without_conflicts(records: Iterable[DnsRecord], everything: Sequence[DnsRecord]) -> list[DnsRecord]:
    """At a name with a CNAME no other record may be (RFC 1034 §3.6.2): there the target's addresses are taken."""
    found = []
    for record in records:
        if record.type != "CNAME" or not any(_same_name(one, record.name) for one in everything if one.type != "CNAME"):
            found.append(record)
            continue
        if any(_same_name(one, record.name) for one in everything if one.type in ("A", "AAAA")):
            continue
        target = record.value.removesuffix(".")
        found += [
            DnsRecord(record.name, one.type, one.value, record.required, record.why)
            for one in dict.fromkeys(everything)
            if one.type in ("A", "AAAA") and _same_name(one, target)
        ]
    return found


def _same_name(record: DnsRecord, name: str) -> bool:
    return record.name.lower() == name.lower()
