"""The plugin: which certificate the gateway shows, and what is wrong with it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from chatgate.api import Certificate, Gateway, PluginError, Problem, bare, hookimpl, option
from chatgate_tls.look import WARNING_DAYS, Seen, look

log = logging.getLogger("chatgate.tls")


@dataclass(frozen=True)
class TlsOptions:
    certificate: str = option("tls/cert.pem", "PEM file with the certificate and its intermediates.")
    key: str = option("tls/key.pem", "PEM file with the private key, not encrypted.")
    self_signed: bool = option(
        True, "Make a self-signed certificate when there is none, and renew a self-signed one, keeping its key."
    )


class Tls:
    """The TLS certificate, from files; without any, a self-signed one is made.

    A certificate that is expired or has the wrong name is still shown, with a warning: Delta Chat goes on using a
    server whose public key it knows, and mail that flows beats mail that does not.
    """

    Options = TlsOptions
    order = 10

    def __init__(self, gateway: Gateway, options: TlsOptions) -> None:
        self.options = options
        self.chain, self.key = gateway.path(options.certificate), gateway.path(options.key)
        self.hostname = gateway.hostname
        self.names = list(dict.fromkeys((bare(gateway.domain), self.hostname)))

    @hookimpl
    def chatgate_certificate(self) -> Certificate:
        """The certificate on disk. Raises PluginError when the files cannot be used."""
        if self.options.self_signed and not self.chain.exists():
            self._make()
        seen = look(self.chain, self.key, self.names)
        if self.options.self_signed and seen.self_signed and (seen.missing or not seen.days_left > WARNING_DAYS):
            self._make()
            seen = look(self.chain, self.key, self.names)
        for problem in self._problems(seen):
            log.warning("%s", problem.text)
        return Certificate(self.chain, self.key, seen.self_signed)

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        """Looks only: `chatgate check` makes no files."""
        if self.options.self_signed and not self.chain.exists():
            return []  # made at start
        try:
            found = self._problems(look(self.chain, self.key, self.names))
            if self.key.stat().st_mode & 0o007:
                found.append(Problem("warning", f"{self.key}: every user of this machine can read the private key"))
        except PluginError as error:
            return [Problem("error", str(error))]
        return found

    def _problems(self, seen: Seen) -> list[Problem]:
        found = []
        if seen.unfit:
            found.append(Problem("error", f"{self.chain}: clients refuse the certificate: {seen.unfit}"))
        if seen.days_old < 0:
            found.append(Problem("error", f"{self.chain}: the certificate is not valid yet (is the clock right?)"))
        if seen.days_left <= 0:
            found.append(Problem("error", f"{self.chain}: the certificate expired {-seen.days_left:.0f} days ago"))
        elif seen.days_left <= WARNING_DAYS:
            found.append(Problem("warning", f"{self.chain}: the certificate expires in {seen.days_left:.0f} days"))
        for name in seen.missing:
            # Clients connect to the host name; the bare domain serves autoconfig and invitations, maybe elsewhere.
            text = f"{self.chain}: the certificate is not for {name}"
            found.append(Problem("error" if name == self.hostname else "warning", text))
        return found

    def _make(self) -> None:
        from chatgate_tls.selfsigned import make  # 12 MB of memory that a server with a certificate can save

        make(self.chain, self.key, self.names)
