"""`chatgate doctor`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from chatgate.api import Interrupts, fail, json_option, show
from chatgate_doctor import letter, peer
from chatgate_doctor.check import Check
from chatgate_doctor.own import Own, record_lines
from chatgate_doctor.peer import Peer, Trial
from chatgate_doctor.progress import Progress
from chatgate_doctor.report import Line, Report

if TYPE_CHECKING:
    from chatgate_doctor.plugin import Doctor


def make(doctor: Doctor) -> click.Command:
    """The command `doctor`."""

    @click.command("doctor")
    @click.argument("peer", required=False)
    @click.option("--send", is_flag=True, help="Send a message to the address PEER in each way, to see it accepted.")
    @json_option
    def command(peer: str | None, send: bool, as_json: bool) -> None:
        """Find out why mail does not arrive.

        It looks at this server as far as that can be seen from its own machine: ports, certificates, DNS records with
        the DKIM key, disk, clock, reverse name.

        With PEER, a domain or an address elsewhere, it also goes each step of a delivery to that server, over HTTPS
        (/mxdeliv) and over SMTP: resolve, connect, TLS, EHLO, MAIL, RCPT. It says at which step it ends, why, and what
        to do. Name an address that exists, to learn whether mail to it would be taken. No message is sent, unless you
        add --send: only then the other server looks at your signature (DATA). It is a notice about a message that never
        was, which apps do not show.

        Lines that begin with BAD keep mail from flowing; a note does not, or nobody can tell from here. The exit code
        is 0 when nothing is BAD, 1 when something is or you end it with Ctrl-C, 2 for a mistake in the command line.
        """
        named = None if peer is None else _peer(doctor, peer)
        if send and not (named and named.named):
            fail("--send needs an address to send to", 2)
        report = Report((lambda line: None) if as_json else click.echo)
        with Interrupts():
            try:
                _look(doctor, report, named)
                if named is not None:
                    _try(doctor, report, named, send)
            except KeyboardInterrupt:
                raise click.Abort from None
        show(report.data(), as_json, report.last_words())
        sys.exit(1 if report.bad else 0)

    return command


def _peer(doctor: Doctor, text: str) -> Peer:
    found = peer.parsed(text)
    if found is None:
        fail(f"{text!r} is neither a domain nor a mail address", 2)
    if doctor.gateway.domains.named(found.domain):
        fail(f"{found.domain} is a domain of this gateway: name one elsewhere, or leave it out", 2)
    return found


def _look(doctor: Doctor, report: Report, named: Peer | None) -> None:
    gateway, options, resolver = doctor.gateway, doctor.options, doctor.resolver()
    own = Own(gateway, options, resolver, doctor.addresses)
    report.part("this server")
    for line in own.listeners():
        report.add(line)
    report.add(own.disk())
    if named is None:
        report.add(own.clock())
    else:
        report.add(peer.clock(resolver, named.domain, doctor.https_port, options.connect_seconds))
    for line in own.port_25(options.port_25_hosts):
        report.add(line)
    zones = doctor.zones()
    for domain in gateway.domains:
        report.part(f"domain {domain.name}")
        records = zones.get(domain, [])
        for line in own.certificates(domain, records):
            report.add(line)
        if records:
            check = Check(resolver, doctor.nameserver_port, Progress("asking nameservers"))
            for line in record_lines(check.run(records), records, domain.name):
                report.add(line)
        for line in own.reverse_names(domain):
            report.add(line)


def _try(doctor: Doctor, report: Report, named: Peer, send: bool) -> None:
    gateway = doctor.gateway

    def message() -> letter.Mail:
        return letter.mail(gateway, gateway.domains.first.name, named.recipient)

    try:
        Trial(doctor.transports(), report, named, message if send else None).run()
    except letter.NotSigned as error:
        report.add(Line("sign", "bad", str(error), "see the log for the plugin that failed"))
