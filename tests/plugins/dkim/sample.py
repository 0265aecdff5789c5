"""Keys, their records, signed messages, and a resolver that answers from a dict."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, NamedTuple

import dkim
from chatgate_resolver import Answer, NoSuchName
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

MAIL = Path(__file__).parents[2] / "mail"
NOW = 1_795_900_000


class Key(NamedTuple):
    """text: of its record. oracle: the key as dkimpy wants it."""

    private: Any
    text: bytes
    oracle: bytes
    algorithm: bytes


def rsa_key(bits: int = 2048) -> Key:
    private = rsa.generate_private_key(65537, bits)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Key(private, b"v=DKIM1; k=rsa; p=" + base64.b64encode(public), pem, b"rsa-sha256")


def ed25519_key() -> Key:
    private = ed25519.Ed25519PrivateKey.generate()
    text = b"v=DKIM1; k=ed25519; p=" + base64.b64encode(private.public_key().public_bytes_raw())
    return Key(private, text, base64.b64encode(private.private_bytes_raw()), b"ed25519-sha256")


RSA, ED25519 = rsa_key(1024), ed25519_key()
PLAIN = (
    b"From: Alice <alice@example.net>\r\nTo: <bob@example.org>\r\nSubject: [...]\r\n"
    b"Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\nHello\r\n"
)


def signed(content: bytes = PLAIN, key: Key = RSA, domain: bytes = b"example.net", **how: Any) -> bytes:
    """Signed by dkimpy."""
    selector = how.pop("selector", b"sel")
    how = {"canonicalize": (b"relaxed", b"relaxed")} | how
    field = dkim.sign(content, selector, domain, key.oracle, signature_algorithm=key.algorithm, **how)
    return field + content


class FakeDns:
    """asked: every name and whether it was asked for anew. anew: what is answered then, where that differs."""

    def __init__(self, **records: Any) -> None:
        self.records: dict[str, Any] = {"sel._domainkey.example.net": RSA.text}
        self.anew: dict[str, Any] = {}
        self.asked: list[tuple[str, bool]] = []

    def txt(self, name: str, fresh: bool = False) -> Answer[bytes]:
        self.asked.append((name, fresh))
        found = self.anew.get(name) if fresh else None
        found = self.records.get(name) if found is None else found
        if callable(found):
            found = found()
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise NoSuchName(f"{name}: no such name")
        return Answer(found if isinstance(found, tuple) else (found,), 300.0, False)
