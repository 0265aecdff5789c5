"""The plugin: which certificate the gateway presents for each domain, and the problems with it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from chatgate.api import Certificate, DnsRecord, Domain, Gateway, Problem, bare, hookimpl, option
from chatgate_tls.files import Files

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

    @hookimpl
    def chatgate_certificate(self, domain: Domain) -> Certificate:
        """The certificate on disk. Raises PluginError when the files cannot be used."""
        certificate, problems = self._of(domain).certificate(self.gateway.read_only)
        for problem in problems:
            log.warning("%s", problem.text)
        return certificate

    @hookimpl
    def chatgate_dns_records(self, domain: Domain) -> list[DnsRecord]:
        authority = AUTHORITIES.get(self._of(domain).issuer())
        if authority is None:
            return []
        why = "only this authority issues certificates for the domain"
        return [DnsRecord(domain.name, "CAA", f'0 issue "{authority}"', False, why)]

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        """Makes no files: `chatgate check` changes nothing."""
        found = [problem for domain in self.gateway.domains for problem in self._of(domain).check()]
        return list(dict.fromkeys(found))  # domains may share one


def _named(options: TlsOptions) -> bool:
    return (options.certificate, options.key) != (TlsOptions.certificate, TlsOptions.key)


def _names(domain: Domain) -> list[str]:
    """The names by which clients may call the host of this domain."""
    return list(dict.fromkeys((bare(domain.name), domain.hostname)))
