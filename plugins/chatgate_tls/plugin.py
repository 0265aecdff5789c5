"""The plugin: which certificate the gateway shows, and what is wrong with it."""

from __future__ import annotations

import logging
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from chatgate.api import Certificate, Gateway, PluginError, Problem, bare, hookimpl, option
from chatgate_tls.look import WARNING_DAYS, Seen, look

log = logging.getLogger("chatgate.tls")


@dataclass(frozen=True)
class TlsOptions:
    certificate: str = option("tls/cert.pem", "PEM file with the certificate and its intermediates.")
    key: str = option("tls/key.pem", "PEM file with the private key, not encrypted.")
    self_signed: bool = option(
        True,
        "Make a self-signed certificate when there is none and no files are named here, and renew a self-signed one in "
        "the gateway's folder, keeping its key.",
    )


class Tls:
    """The TLS certificate, from files; without any, a self-signed one is made.

    A certificate that is expired or has the wrong name is still shown, with a warning: Delta Chat goes on using a
    server whose public key it knows, and mail that flows beats mail that does not.
    """

    Options = TlsOptions
    order = 10

    def __init__(self, gateway: Gateway, options: TlsOptions) -> None:
        self.gateway, self.options = gateway, options
        self.chain, self.key = gateway.path(options.certificate), gateway.path(options.key)
        self.hostname = gateway.hostname
        self.names = list(dict.fromkeys((bare(gateway.domain), self.hostname)))
        named = (options.certificate, options.key) != (TlsOptions.certificate, TlsOptions.key)
        self._may_renew = options.self_signed and all(_inside(path, gateway.path()) for path in (self.chain, self.key))
        # A certificate that was named and is missing is a mistake; another one in its place would hide it.
        self._may_make = self._may_renew and not named

    @hookimpl
    def chatgate_certificate(self) -> Certificate:
        """The certificate on disk. Raises PluginError when the files cannot be used."""
        if self._to_be_made():
            self._make()
        seen = self._look()
        if self._may_renew and seen.self_signed and (seen.missing or not seen.days_left > WARNING_DAYS):
            if not self.gateway.read_only:
                self._make()
                seen = self._look()
        for problem in self._problems(seen):
            log.warning("%s", problem.text)
        return Certificate(self.chain, self.key, seen.self_signed)

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        """Looks only: `chatgate check` makes no files."""
        if self._to_be_made():
            return []
        try:
            found = self._problems(self._look())
            if self.key.stat().st_mode & 0o007:
                found.append(Problem("warning", f"{self.key}: every user of this machine can read the private key"))
        except PluginError as error:
            return [Problem("error", str(error))]
        return found

    def _to_be_made(self) -> bool:
        return self._may_make and not os.path.lexists(self.chain)

    def _look(self) -> Seen:
        for path in (self.chain, self.key):
            try:
                path.open("rb").close()
            except OSError as error:
                raise PluginError(f"{path}: {error.strerror}{self._advice(error)}") from error
        return look(self.chain, self.key, self.names)

    def _advice(self, error: OSError) -> str:
        own = self.gateway.path("tls")
        if isinstance(error, PermissionError):
            return f" for user {_user()}; copy certificate and key to {own} at each renewal, as docs/operate.md shows"
        if isinstance(error, FileNotFoundError) and not self._may_make and self.options.self_signed:
            return "; conf.d names it for plugin tls: correct that, or take it out to have a self-signed one made"
        return ""

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
        if self.gateway.read_only:
            raise PluginError(f"{self.chain}: not there yet; it is made at the first start")
        from chatgate_tls.selfsigned import make  # 12 MB of memory that a server with a certificate can save

        make(self.chain, self.key, self.names)


def _inside(path: Path, folder: Path) -> bool:
    """Behind all symbolic links: is it in this folder? Only there this plugin writes."""
    return path.resolve().is_relative_to(folder.resolve())


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
