"""Where clients reach this gateway: hosts, ports and the address of the site, as far as the gateway can know."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from chatgate.api import Certificate, Domain, Gateway, PluginError, ip, listener, ports
from chatgate_site.options import SiteOptions

log = logging.getLogger("chatgate.site")


class Endpoint(NamedTuple):
    """A port and how TLS begins there: "ssl" (at once) or "starttls", the words of dclogin: links."""

    port: int
    security: str


class Endpoints:
    """For one domain; options: those of the domain."""

    def __init__(self, gateway: Gateway, options: SiteOptions, domain: Domain) -> None:
        self.gateway, self.options, self._domain = gateway, options, domain
        self.host = domain.hostname
        self.is_ip = ip(domain.name) is not None
        self.loopback = self.host == "localhost" or ((address := ip(self.host)) is not None and address.is_loopback)
        self._certificate: Certificate | None = None
        self._changed = 0

    @property
    def url(self) -> str:
        """The site, without a slash at the end; "" when it is off."""
        if self.options.url:
            return self.options.url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        # HTTPS is not preferred on this computer: a browser would warn of the certificate.
        for scheme, standard in (("https", 443), ("http", 80))[:: -1 if self.loopback else 1]:
            ports = self._ports(scheme)
            if ports:
                return f"{scheme}://{host}" + ("" if standard in ports else f":{ports[0]}")
        return ""

    @cached_property
    def root(self) -> str:
        """The path of the site, where it is not all of its host's; without a slash at the end."""
        return quote(unquote(urlsplit(self.options.url).path)).rstrip("/")

    @property
    def redirects(self) -> bool:
        """Does HTTP redirect visitors to HTTPS? Not on this computer, where a browser distrusts the certificate."""
        return bool(self.options.https) and not self.loopback

    def imap(self) -> list[Endpoint]:
        return self._mail("imaps", "imap", self.options.imap_port)

    def smtp(self) -> list[Endpoint]:
        return self._mail("submissions", "submission", self.options.smtp_port)

    def _shared(self, service: str) -> int:
        """The port of HTTPS, where it is that of this service, too, by ALPN; else 0."""
        if self.options.alpn_port:
            return self.options.alpn_port
        if not self.listens(service):
            return 0
        found = ports(one for one in self._where("https") if self.loopback or not listener(one).local)
        return 443 if 443 in found else found[0] if found else 0

    @property
    def standard_ports(self) -> bool:
        """Would a client find IMAP and SMTP without being told the ports?"""
        imap, smtp = self.imap(), self.smtp()
        return (not imap or Endpoint(993, "ssl") in imap or Endpoint(143, "starttls") in imap) and (
            not smtp or Endpoint(465, "ssl") in smtp or Endpoint(587, "starttls") in smtp
        )

    @property
    def self_signed(self) -> bool:
        """Raises PluginError when there is no certificate."""
        # Asked again only if the file has changed, as the plugin that answers parses it and logs problems. If the file
        # is missing or broken now, nothing changes: the listeners, too, continue with what they have loaded.
        if self._certificate is None:
            self._certificate = self.gateway.certificate(self._domain)
            self._changed = _changed(self._certificate.chain)
        elif (changed := _changed(self._certificate.chain)) not in (0, self._changed):
            self._changed = changed
            try:
                self._certificate = self.gateway.certificate(self._domain)
            except PluginError as error:
                log.warning("%s", error)
        return self._certificate.self_signed

    def _mail(self, at_once: str, later: str, mapped: int) -> list[Endpoint]:
        found = (
            [Endpoint(mapped, "ssl")]
            if mapped
            else [
                Endpoint(port, security)
                for service, security, standard in ((at_once, "ssl", (993, 465)), (later, "starttls", (143, 587)))
                for port in sorted(self._ports(service), key=lambda p: p not in standard)
            ]
        )
        # Last: it is for those whose network lets nothing else through.
        shared = self._shared(at_once)
        return found + ([Endpoint(shared, "ssl")] if shared and Endpoint(shared, "ssl") not in found else [])

    def listens(self, service: str) -> tuple[str, ...]:
        """The addresses that a service such as "mx" is set to."""
        return self._listens.get(service, ())

    @cached_property
    def _listens(self) -> Mapping[str, tuple[str, ...]]:
        """Asked once, as all plugins are asked and their settings stay the same."""
        return self.gateway.facts(self._domain).listens

    def _ports(self, service: str) -> list[int]:
        """The ports a running service listens on, else those it is configured for."""
        return ports(self._where(service))

    def _where(self, service: str) -> Sequence[str]:
        running = (one.listening for one in self.gateway.services if one.name == service)
        return next(filter(None, running), None) or self.listens(service)


def _changed(path: Path) -> int:
    """When the file was changed, 0 if it does not exist."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
