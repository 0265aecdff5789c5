"""The certificate and the key of one domain: checking, making and renewing them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from chatgate.api import Certificate, PluginError, Problem
from chatgate_tls.look import Seen, look
from chatgate_tls.permissions import advice


class Files:
    """folder: the gateway's; files are written only there. names: the names by which clients may call the host,
    including `hostname`. named: the operator configured the paths. self_signed: a certificate may be made and renewed.
    """

    def __init__(
        self,
        folder: Path,
        chain: Path,
        key: Path,
        names: Sequence[str],
        hostname: str,
        *,
        named: bool,
        self_signed: bool,
    ) -> None:
        self.chain, self.key = chain, key
        self._folder, self._names, self._hostname, self._self_signed = folder, names, hostname, self_signed
        self._may_renew = self_signed and all(_inside(path, folder) for path in (chain, key))
        # If a configured certificate is missing, that is a mistake, which making another one would hide.
        self._may_make = self._may_renew and not named

    def covers(self, host: str) -> bool:
        """Is the existing certificate valid for this host, too?"""
        try:
            self._readable()
            seen = look(self.chain, self.key, [host])
        except PluginError:
            return False
        return not seen.missing and not seen.unfit

    def issuer(self) -> str:
        """The organization that has signed the existing certificate; "" for none, and for a self-signed one."""
        try:
            seen = look(self.chain, self.key, [])
        except (PluginError, OSError):
            return ""
        return "" if seen.self_signed else seen.issuer

    def certificate(self, read_only: bool) -> tuple[Certificate, list[Problem]]:
        """The certificate on disk, made now if necessary, and the problems with it. Raises PluginError if it cannot be
        used.
        """
        if self.to_be_made:
            self._make(read_only)
        seen = self.look()
        if self._may_renew and seen.self_signed and (seen.missing or seen.ends_soon):
            if not read_only:
                self._make(read_only)
                seen = self.look()
        return Certificate(self.chain, self.key, seen.self_signed), self._problems(seen)

    def check(self) -> list[Problem]:
        """The problems with the files. Changes nothing."""
        if self.to_be_made:
            return []
        try:
            found = self._problems(self.look())
            if self.key.stat().st_mode & 0o007:
                found.append(Problem("warning", f"{self.key}: every user of this machine can read the private key"))
        except PluginError as error:
            return [Problem("error", str(error))]
        return found

    @property
    def remedy(self) -> str:
        """What to type when the certificate is not renewed."""
        if self._may_renew:
            return "systemctl reload chatgate renews a self-signed certificate; chatgate tls show says more"
        return f"renew {self.chain} with the program that made it; chatgate tls show says more"

    @property
    def to_be_made(self) -> bool:
        """Is there no certificate yet, and may one be made?"""
        return self._may_make and not os.path.lexists(self.chain)

    def look(self) -> Seen:
        """What clients see. Raises PluginError if the files cannot be used."""
        self._readable()
        return look(self.chain, self.key, self._names)

    def _readable(self) -> None:
        for path in (self.chain, self.key):
            try:
                path.open("rb").close()
            except OSError as error:
                raise PluginError(f"{path}: {error.strerror}{self._advice(path, error)}") from error

    def _advice(self, path: Path, error: OSError) -> str:
        if isinstance(error, PermissionError):
            return advice(path, self.chain, self.key, self._folder)
        if isinstance(error, FileNotFoundError) and not self._may_make and self._self_signed:
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
        elif seen.ends_soon:
            found.append(Problem("warning", f"{self.chain}: the certificate expires in {seen.days_left:.0f} days"))
        for name in seen.missing:
            # Clients connect to the host name; the mail domain itself serves autoconfig and invitations, perhaps on
            # another machine.
            text = f"{self.chain}: the certificate is not for {name}"
            found.append(Problem("error" if name == self._hostname else "warning", text))
        return found

    def _make(self, read_only: bool) -> None:
        if read_only:
            raise PluginError(f"{self.chain}: not there yet; it is made at the first start")
        from chatgate_tls.selfsigned import make  # takes 12 MB of memory, which a server with a certificate can save

        make(self.chain, self.key, self._names)


def _inside(path: Path, folder: Path) -> bool:
    """Is the path in this folder, after resolving symbolic links? This plugin only writes there."""
    return path.resolve().is_relative_to(folder.resolve())
