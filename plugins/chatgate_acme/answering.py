"""What an authority is shown when it comes to look: files, which any process of the gateway serves."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import re
import time
from pathlib import Path
from typing import Any

from acme import challenges, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chatgate.api import replace_file
from chatgate_acme.network import Trouble
from chatgate_acme.places import Places

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")  # RFC 8555 §8.3; it becomes the name of a file
_ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")  # RFC 8737 §6.1
_STALE = 3600  # seconds


if "tls-alpn-01" not in challenges.Challenge.TYPES:

    class Response(challenges.KeyAuthorizationChallengeResponse):
        """The answer to a challenge that the library does not know (any more)."""

        typ = "tls-alpn-01"

    @challenges.Challenge.register
    class TlsAlpn(challenges.KeyAuthorizationChallenge):
        """RFC 8737."""

        response_cls = Response
        typ = "tls-alpn-01"

        def validation(self, account_key: Any, **_: Any) -> str:
            return self.key_authorization(account_key)


def clean(places: Places) -> None:
    """Remove what a process that was killed has left behind."""
    for folder in (places.challenges, places.alpn):
        for path in folder.glob("*") if folder.is_dir() else ():
            if path.is_file() and path.stat().st_mtime < time.time() - _STALE:
                path.unlink(missing_ok=True)


def show(body: messages.ChallengeBody, name: str, key: Any, places: Places) -> Path:
    """Write the file for this challenge. name: host or IP address. Raises OSError, Trouble."""
    token = body.chall.encode("token")
    if not _TOKEN.match(token):
        raise Trouble("the authority sends a token that is none")
    authorization = body.chall.key_authorization(key)
    if body.chall.typ == "http-01":
        path, content = places.challenges / token, authorization.encode()
    else:
        path, content = places.alpn / f"{server_name(name)}.pem", certificate(name, authorization)
    replace_file(path, content)
    return path


def server_name(name: str) -> str:
    """What an authority names in TLS for this host; for an IP address the reverse name (RFC 8738 §6)."""
    try:
        return ipaddress.ip_address(name).reverse_pointer
    except ValueError:
        return name


def certificate(name: str, authorization: str) -> bytes:
    """Key and certificate that prove it in a TLS handshake (RFC 8737 §3)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "acme-tls/1")])
    now = datetime.datetime.now(datetime.UTC)
    try:
        general: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        general = x509.DNSName(name)
    digest = b"\x04\x20" + hashlib.sha256(authorization.encode()).digest()  # an OCTET STRING
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName([general]), critical=False)
        .add_extension(x509.UnrecognizedExtension(_ACME_IDENTIFIER, digest), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
