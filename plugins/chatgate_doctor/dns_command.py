"""`chatgate dns`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import click

from chatgate.api import DnsRecord, Domain, Domains, Interrupts, domain_option, fail, ip, json_option, show
from chatgate_doctor import texts
from chatgate_doctor.check import Check, Finding, Resolver
from chatgate_doctor.progress import Progress


def make(
    domains: Domains, wanted: Callable[[], dict[Domain, list[DnsRecord]]], resolver: Callable[[], Resolver], port: int
) -> click.Command:
    """The command `dns`. wanted: the records of each domain. port: where nameservers answer."""

    @click.command("dns")
    @domain_option(domains, "Only this domain, not all.")
    @click.option("--bind", is_flag=True, help="Print lines of a zone file, for BIND and other nameservers.")
    @click.option("--check", is_flag=True, help="Ask the nameservers of each domain what they really have.")
    @json_option
    def dns(domain: Domain | None, bind: bool, check: bool, as_json: bool) -> None:
        """Show the DNS records of each domain, or look for what is wrong.

        Copy them into the forms of your DNS provider, or the lines that --bind prints into your zone file. Mail does
        not flow without the required ones; they come first.

        With --check, every nameserver of each domain is asked, and its answers are compared by what they mean. It says
        which record is missing, wrong or stale on which nameserver, what is there instead, and what to type. Changes
        can take as long as the old TTL to be seen everywhere else.

        The exit code of --check is 0 when all required records are right, and 1 when one is not or nobody can tell.
        """
        if bind and (check or as_json):
            fail("--bind is a form of its own: leave out --check and --json", 2)
        chosen = {one: records for one, records in wanted().items() if domain in (None, one)}
        if domain is not None and ip(domain.name):
            fail(f"{domain.name} is an IP address: it has no zone, and needs no records", 2)
        if check:
            with Interrupts():
                try:
                    code = _check(chosen, Check(resolver(), port, Progress("asking nameservers")), as_json)
                except KeyboardInterrupt:
                    raise click.Abort from None
            sys.exit(code)
        data = {one.name: list(map(texts.data, records)) for one, records in chosen.items()}
        lines = [line for one, records in chosen.items() for line in (_bind if bind else _form)(one, records)]
        show(data, as_json, lines or ["all domains are IP addresses: they need no records"])

    return dns


def _form(domain: Domain, records: Sequence[DnsRecord]) -> list[str]:
    lines = []
    for required, title in ((True, "required"), (False, "recommended")):
        if some := [record for record in records if record.required is required]:
            lines += [f"{domain.name}: {title}", *texts.form(some), ""]
    return lines


def _bind(domain: Domain, records: Sequence[DnsRecord]) -> list[str]:
    return [f"; {domain.name}", *texts.zone(records)]


def _check(chosen: dict[Domain, list[DnsRecord]], check: Check, as_json: bool) -> int:
    found = {domain: check.run(records) for domain, records in chosen.items()}
    data = {domain.name: [finding.data() for finding in findings] for domain, findings in found.items()}
    lines = [line for domain, findings in found.items() for line in _report(domain, chosen[domain], findings)]
    show(data, as_json, lines or ["all domains are IP addresses: they need no records"])
    return int(any(finding.grave for findings in found.values() for finding in findings))


def _report(domain: Domain, records: Sequence[DnsRecord], findings: Sequence[Finding]) -> list[str]:
    if not findings:
        return [f"{domain.name}: all {len(records)} records are right on all nameservers"]
    grave = sum(finding.grave for finding in findings)
    lines = [f"{domain.name}: {len(findings)} to look at; {grave or 'none'} of them may keep mail from flowing"]
    return lines + [line for finding in findings for line in finding_lines(finding)]


def finding_lines(finding: Finding) -> list[str]:
    """What is wrong, what is there, what to do."""
    why = (
        f" ({'required' if finding.record.required else 'recommended'}: {finding.record.why})" if finding.record else ""
    )
    there = [f"    there: {text}" for text in finding.there]
    return [f"  {finding.title}{why}", *there, f"    do: {finding.advice}"]
