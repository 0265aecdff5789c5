"""The TLS contexts of a gateway: one for each certificate, chosen by the name that a client asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from chatgate.domains import Domain, Domains
from chatgate.hosting.registry import PluginError
from chatgate.hosting.services import Certificate
from chatgate.network import sni
from chatgate.network.server import tls_context


class Certificates:
    """certificate: returns the certificate of a domain; raises PluginError when there is none. context: shared by all
    listeners, with the first domain's certificate. A new certificate is loaded into it in place.
    """

    def __init__(self, domains: Domains, certificate: Callable[[Domain], Certificate]) -> None:
        self._domains, self._certificate = domains, certificate
        self._loaded: dict[tuple[Any, Any], bytes] = {}  # by files: hash of what they held
        self._contexts: dict[Domain, Any] = {}
        self.context = tls_context()
        self._load()
        if len(domains) > 1:
            sni.choose(self.context, self._of_host)

    def reload(self) -> bool:
        """Load the certificates that are on disk now. False: nothing has changed. Raises PluginError; then all stay as
        they were, except those of domains before the one whose certificate cannot be used.
        """
        before = self._loaded
        self._load()
        return self._loaded != before

    def _of_host(self, name: str) -> Any:
        domain = self._domains.at(name)
        return None if domain is None else self._contexts[domain]

    def _load(self) -> None:
        """Domains with the same files share a context."""
        loaded: dict[tuple[Any, Any], bytes] = {}
        contexts: dict[tuple[Any, Any], Any] = {}
        chosen: dict[Domain, Any] = {}
        for domain in self._domains:
            found = self._certificate(domain)
            files = found.chain, found.key
            if files not in contexts:
                # Keep the domain's context, unless another domain has taken it: listeners hold the first domain's.
                context = self.context if domain is self._domains.first else self._contexts.get(domain)
                contexts[files] = context if context not in (None, *contexts.values()) else tls_context()
                loaded[files] = _load_into(contexts[files], found)
            chosen[domain] = contexts[files]
        self._loaded, self._contexts = loaded, chosen


def _load_into(context: Any, certificate: Certificate) -> bytes:
    """A hash of what was loaded. Raises PluginError."""
    try:
        loaded = certificate.chain.read_bytes() + certificate.key.read_bytes()
        context.load_cert_chain(certificate.chain, certificate.key)
    except OSError as error:
        raise PluginError(f"cannot load {certificate.chain}: {error.strerror or type(error).__name__}") from error
    return hashlib.sha256(loaded).digest()
