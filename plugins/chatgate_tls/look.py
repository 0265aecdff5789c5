"""Checks a certificate as a client does, by a TLS handshake with ourselves in memory.

So names are compared by OpenSSL's rules, and a serving process needs no library that parses certificates.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatgate.api import PluginError

WARNING_DAYS = 14

_LEAF = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which the ssl module does not name; we compare the dates
_WRONG_NAME = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


@dataclass(frozen=True)
class Seen:
    """self_signed: no authority has signed it. days_left, days_old: until notAfter, since notBefore; may be negative.
    missing: the names it is not valid for. issuer: the organization that has signed it. unfit: why no client would
    accept it for any name, or "".
    """

    self_signed: bool = False
    days_left: float = float("inf")
    days_old: float = float("inf")
    missing: tuple[str, ...] = ()
    issuer: str = ""
    unfit: str = ""

    @property
    def fits(self) -> bool:
        """Would a client take it today?"""
        return not self.unfit and self.days_old >= 0 and self.days_left > 0

    @property
    def ends_soon(self) -> bool:
        """Should it have been renewed by now? Some are valid for six days only."""
        return self.days_left <= min(WARNING_DAYS, (self.days_left + self.days_old) / 4)


def look(chain: Path, key: Path, names: Sequence[str]) -> Seen:
    """Check files that can be read. Raises PluginError if they are not a certificate and its key."""
    server = _server(chain, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:  # it may have been replaced by now, or be of a kind that OpenSSL alone reads (TRUSTED CERTIFICATE)
        client.load_verify_locations(cadata=_LEAF.findall(chain.read_text("utf-8", "replace"))[0])
    except (OSError, IndexError) as error:
        raise PluginError(f"{chain}: not a certificate in PEM format") from error
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    missing = []
    for name in names:
        try:
            _handshake(client, server, name)
        except ssl.SSLCertVerificationError as error:
            if error.verify_code not in _WRONG_NAME:
                return Seen(unfit=error.verify_message)
            missing.append(name)
    client.check_hostname = False
    certificate = _handshake(client, server, None)
    now = time.time()
    return Seen(
        self_signed=certificate["issuer"] == certificate["subject"],
        days_left=(ssl.cert_time_to_seconds(certificate["notAfter"]) - now) / 86400,
        days_old=(now - ssl.cert_time_to_seconds(certificate["notBefore"])) / 86400,
        missing=tuple(missing),
        issuer=dict(pair for part in certificate["issuer"] for pair in part).get("organizationName", ""),
    )


def _server(chain: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without a password function OpenSSL would ask for one at the terminal.
        context.load_cert_chain(chain, key, password=_no_password)
    except PluginError as error:
        raise PluginError(f"{key}: {error}") from None
    except ssl.SSLError as error:
        if error.reason in ("KEY_VALUES_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):  # the latter for keys of another type
            raise PluginError(f"{key}: the key does not belong to the certificate {chain}") from error
        raise PluginError(f"{chain} and {key}: not a certificate and a key in PEM format") from error
    return context


def _no_password() -> str:
    raise PluginError("the key is encrypted; store it without a password")


def _handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str | None) -> Any:
    """The client's side after the handshake, which knows the certificate. Raises SSLCertVerificationError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    caller = ends[0]
    while ends:
        for end in tuple(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                pass
    return caller.getpeercert()
