"""Where the plugin keeps what, below the gateway's folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

from chatgate.api import Domain, bare


class Places:
    """folder: the gateway's."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data" / "acme"
        self.certificates = folder / "tls" / "acme"
        # The site serves these at /.well-known/acme-challenge/, whichever process an authority comes to.
        self.challenges = folder / "tls" / "challenges"
        self.alpn = self.challenges / "alpn"
        self.lock = self.data / "lock"

    def certificate(self, domain: Domain) -> Path:
        """Key and chain in one file: so there is no moment in which they do not match."""
        return self.certificates / f"{bare(domain.name)}.pem"

    def state(self, domain: Domain) -> Path:
        return self.data / f"{bare(domain.name)}.json"

    def account(self, directory: str) -> Path:
        """The folder of the account at this directory."""
        digest = hashlib.sha256(directory.encode()).hexdigest()[:8]
        return self.data / "accounts" / f"{urlsplit(directory).hostname}-{digest}"
