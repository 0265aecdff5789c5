"""Answers an authority that looks at us by TLS-ALPN-01 (RFC 8737), with the certificate made for that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import gevent.ssl

PROTOCOL = "acme-tls/1"
# A name of the DNS; it becomes a part of the name of a file.
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\Z")


def context(folder: Path, server_name: str) -> Any:
    """A TLS context for whoever asks for this name with the protocol above; None if nobody is to look at it now."""
    name = server_name.lower()
    if not _NAME.match(name):
        return None
    path = folder / f"{name}.pem"
    if not path.is_file():
        return None
    made = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = gevent.ssl.TLSVersion.TLSv1_2
    try:
        made.load_cert_chain(path)
    except OSError:  # it has just been removed
        return None
    made.set_alpn_protocols([PROTOCOL])
    return made
