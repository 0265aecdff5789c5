"""The plugin: which certificate the gateway presents for each domain, and the problems with it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import click

from chatgate.api import (
    Background,
    Certificate,
    DnsRecord,
    Domain,
    Gateway,
    KeptFiles,
    Metric,
    Problem,
    Trouble,
    bare,
    hookimpl,
    option,
)
from chatgate_tls import command
from chatgate_tls.files import Files
from chatgate_tls.rereading import Rereading
from chatgate_tls.troubles import Certificates

log = logging.getLogger("chatgate.tls")

# What well known authorities are called in CAA records (RFC 8659), by the organization that their certificates name.
AUTHORITIES = {
    "Buypass AS-983163327": "buypass.com",
    "Google Trust Services": "pki.goog",
    "Let's Encrypt": "letsencrypt.org",
    "ZeroSSL": "sectigo.com",
}


@dataclass(frozen=True)
class TlsOptions:
    certificate: str = option(
        "tls/cert.pem", "PEM file with the certificate and its intermediates.", per_domain=True, inherited=False
    )
    key: str = option("tls/key.pem", "PEM file with the private key, not encrypted.", per_domain=True, inherited=False)
    self_signed: bool = option(
        True,
        "Make a self-signed certificate when there is none and no files are named here, and renew a self-signed one in "
        "the gateway's folder, keeping its key.",
        per_domain=True,
    )
    reread_seconds: float = option(
        60.0, "Seconds between two looks at the files: when they have changed, they are loaded. 0: at SIGHUP only."
    )


# True while this plugin asks what the others have.
_OTHERS = ContextVar("_OTHERS", default=False)


class Tls:
    """The TLS certificate, from files; without any, a self-signed one is made.

    A certificate that is expired or has the wrong name is still used, with a warning: Delta Chat goes on using a server
    whose public key it knows, so mail keeps flowing.
    """

    Options = TlsOptions
    order = 10

    def __init__(self, gateway: Gateway, options: TlsOptions) -> None:
        self.gateway, self.options = gateway, options
        first = gateway.domains.first
        self._first = self._files(first, options.certificate, options.key, named=_named(options))
        self._certificates = Certificates(tuple(gateway.domains), lambda domain: self._in_use(domain)[0])

    def _files(self, domain: Domain, certificate: str, key: str, *, named: bool, shared: bool = False) -> Files:
        return Files(
            self.gateway.path(),
            self.gateway.path(certificate),
            self.gateway.path(key),
            _names(domain),
            domain.hostname,
            named=named,
            self_signed=not shared and domain.options(self.options).self_signed,
        )

    def _of(self, domain: Domain) -> Files:
        """The files of a domain. A further domain uses the files named in its own configuration; else the certificate
        of the first domain, if that is valid for its host, too; else files in a folder of its own.
        """
        mine = domain.options(self.options)
        if domain is self.gateway.domains.first:
            return self._first
        if _named(mine):
            return self._files(domain, mine.certificate, mine.key, named=True)
        if self._first.covers(domain.hostname):
            return self._files(domain, self.options.certificate, self.options.key, named=True, shared=True)
        folder = f"tls/{bare(domain.name)}"
        return self._files(domain, f"{folder}/cert.pem", f"{folder}/key.pem", named=False)

    def _by_another(self, domain: Domain) -> Certificate | None:
        """The certificate of a plugin that is asked before this one."""
        token = _OTHERS.set(True)
        try:
            return self.gateway.hub.certificate.or_raise(gateway=self.gateway, domain=domain)
        finally:
            _OTHERS.reset(token)

    def _in_use(self, domain: Domain) -> tuple[Files, Certificate | None]:
        """The files that clients see, and the certificate if it is another plugin's."""
        other = self._by_another(domain)
        if other is None:
            return self._of(domain), None
        names = _names(domain)
        return Files(
            self.gateway.path(), other.chain, other.key, names, domain.hostname, named=True, self_signed=False
        ), other

    @hookimpl
    def chatgate_certificate(self, domain: Domain) -> Certificate | None:
        """The certificate on disk. Raises PluginError when the files cannot be used."""
        if _OTHERS.get():
            return None
        certificate, problems = self._of(domain).certificate(self.gateway.read_only)
        for problem in problems:
            log.warning("%s", problem.text)
        return certificate

    @hookimpl
    def chatgate_services(self) -> Sequence[Background]:
        if not self.options.reread_seconds:
            return []
        again = Rereading(self._paths, self.gateway.path("tls"), self.gateway.certificates.reload)
        return [Background("certificates", lambda: again.run(self.options.reread_seconds))]

    def _paths(self) -> list[Path]:
        """The files that options name; those below tls/ are looked at anyway."""
        options = [domain.options(self.options) for domain in self.gateway.domains]
        return [self.gateway.path(path) for one in options for path in (one.certificate, one.key)]

    @hookimpl
    def chatgate_backup(self) -> list[KeptFiles]:
        """What lies elsewhere is another program's, which renews it."""
        kept = [("key", self._of(domain).key, domain) for domain in self.gateway.domains]
        kept += [("chain", self._of(domain).chain, domain) for domain in self.gateway.domains]
        names = {path: f"{bare(domain.name)}-{what}" for what, path, domain in reversed(kept)}
        return [KeptFiles(name, path) for path, name in names.items() if path.is_relative_to(self.gateway.path())]

    @hookimpl
    def chatgate_dns_records(self, domain: Domain) -> list[DnsRecord]:
        files, other = self._in_use(domain)
        authority = AUTHORITIES.get(files.issuer()) if other is None else None
        if authority is None:
            return []
        why = "only this authority issues certificates for the domain"
        return [DnsRecord(domain.name, "CAA", f'0 issue "{authority}"', False, why)]

    @hookimpl
    def chatgate_metrics(self) -> list[Metric]:
        return self._certificates.metrics()

    @hookimpl
    def chatgate_troubles(self) -> list[Trouble]:
        return self._certificates.troubles()

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        """Makes no files: `chatgate check` changes nothing. Whoever has the certificate of a domain, it is looked at
        here.
        """
        found = [problem for domain in self.gateway.domains for problem in self._in_use(domain)[0].check()]
        return list(dict.fromkeys(found))  # domains may share one

    @hookimpl
    def chatgate_commands(self, cli: click.Group, gateway: Gateway) -> None:
        cli.add_command(command.make(gateway, self._used))

    def _used(self, domain: Domain) -> tuple[str, Certificate, list[Problem]]:
        files, other = self._in_use(domain)
        if other is not None:
            return "acme" if self.gateway.hub.has("acme") else "another plugin", other, files.check()
        certificate, problems = files.certificate(read_only=True)
        return "self-signed" if certificate.self_signed else "files", certificate, problems


def _named(options: TlsOptions) -> bool:
    return (options.certificate, options.key) != (TlsOptions.certificate, TlsOptions.key)


def _names(domain: Domain) -> list[str]:
    """The names by which clients may call the host of this domain."""
    return list(dict.fromkeys((bare(domain.name), domain.hostname)))
