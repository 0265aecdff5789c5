"""The TLS contexts of a gateway: one for each certificate, chosen by the name that a client asks for."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chatgate.domains import Domain, Domains
from chatgate.hosting.registry import PluginError
from chatgate.hosting.services import Certificate
from chatgate.network import contexts


class Certificates:
    """certificate: returns the certificate of a domain; raises PluginError when there is none."""

    def __init__(self, domains: Domains, certificate: Callable[[Domain], Certificate]) -> None:
        self._domains, self._certificate = domains, certificate
        self._loaded: dict[tuple[Any, Any], bytes] = {}  # by files: hash of what they held
        self._kinds: list[_Kind] = []
        self._found = self._look()

    def context(self, make: Callable[[], Any]) -> Any:
        """A context for listeners, with the first domain's certificate; for the names of others it turns a connection
        over to theirs. New certificates are loaded into it in place. make: makes one without a certificate. Raises
        PluginError.
        """
        kind = _Kind(self._domains, make)
        self._loaded |= kind.load(self._found)
        self._kinds.append(kind)
        return kind.context

    def reload(self) -> bool:
        """Load the certificates that are on disk now. False: nothing has changed. Raises PluginError; then all stay as
        they were, except those of domains before the one whose certificate cannot be used.
        """
        before, found = self._loaded, self._look()
        loaded: dict[tuple[Any, Any], bytes] = {}
        for kind in self._kinds:
            loaded |= kind.load(found)
        self._found, self._loaded = found, loaded
        return loaded != before

    def _look(self) -> dict[Domain, Certificate]:
        return {domain: self._certificate(domain) for domain in self._domains}


class _Kind:
    """The contexts of one kind of listener. context: the one that listeners hold."""

    def __init__(self, domains: Domains, make: Callable[[], Any]) -> None:
        self._domains, self._make = domains, make
        self._contexts: dict[Domain, Any] = {}
        self.context = make()
        if len(domains) > 1:
            contexts.choose(self.context, self._of_host)

    def _of_host(self, name: str) -> Any:
        domain = self._domains.at(name)
        return None if domain is None else self._contexts[domain]

    def load(self, certificates: Mapping[Domain, Certificate]) -> dict[tuple[Any, Any], bytes]:
        """Returns, by files, a hash of what they held. Domains with the same files share a context."""
        loaded: dict[tuple[Any, Any], bytes] = {}
        made: dict[tuple[Any, Any], Any] = {}
        chosen: dict[Domain, Any] = {}
        for domain, found in certificates.items():
            files = found.chain, found.key
            if files not in made:
                # Keep the domain's context, unless another domain has taken it: listeners hold the first domain's.
                context = self.context if domain is self._domains.first else self._contexts.get(domain)
                made[files] = context if context not in (None, *made.values()) else self._make()
                loaded[files] = _load_into(made[files], found)
            chosen[domain] = made[files]
        self._contexts = chosen
        return loaded


def _load_into(context: Any, certificate: Certificate) -> bytes:
    """A hash of what was loaded. Raises PluginError."""
    try:
        # Read once: the files may be replaced at any moment.
        chain, key = certificate.chain.read_bytes(), certificate.key.read_bytes()
        with _in_memory(chain) as one, _in_memory(key) as other:
            # First elsewhere: of a pair that does not match, the live context would keep the half that spoils it.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(one, other)
            context.load_cert_chain(one, other)
    except OSError as error:
        raise PluginError(f"cannot load {certificate.chain}: {error.strerror or type(error).__name__}") from error
    return hashlib.sha256(chain + key).digest()


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """The path of a file that is on no disk, for OpenSSL, which is given paths only."""
    with open(os.memfd_create("tls"), "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"
