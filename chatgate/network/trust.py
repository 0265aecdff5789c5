"""TLS contexts of clients: which authorities this server believes when it goes to others."""

from __future__ import annotations

import functools
import os
import ssl
from typing import Any

import gevent.ssl


def _context() -> Any:
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@functools.lru_cache(maxsize=8)
def verifying(ca_file: str = "") -> Any:
    """The context (an ssl.SSLContext of gevent) for servers whose certificate must be valid for their name, signed by
    an authority in this PEM file, or without one by an authority of the system. It is one for all who ask, as the
    authorities take 20 ms to load, and memory: nobody may change it. Raises OSError if the file cannot be used.
    """
    context = _context()
    if ca_file:
        context.load_verify_locations(ca_file)
    elif _system_has_authorities():
        context.load_default_certs()
    else:
        import certifi

        context.load_verify_locations(certifi.where())
    return context


@functools.cache
def trusting() -> Any:
    """The context for servers that may show any certificate: nothing is checked. One for all who ask, like that."""
    context = _context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _system_has_authorities() -> bool:
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile) or bool(paths.capath and os.listdir(paths.capath))
