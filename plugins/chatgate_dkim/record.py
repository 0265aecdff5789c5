"""The record that holds a public key (RFC 6376 §3.6.1, RFC 8463 §4)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from chatgate_dkim.tags import Malformed, items, tags

_MOST_OCTETS = 4096
_MOST_BITS = 8192  # a check takes longer the larger the key is
# Operators paste records with line breaks, and with the quotes of a zone file, into forms that keep both.
_PASTED = b' \t\r\n"'

PADDING = padding.PKCS1v15()
PREHASHED = Prehashed(SHA256())


@dataclass(frozen=True, slots=True)
class PublicKey:
    """strict: the domain of i= must be that of d= (t=s)."""

    key: RSAPublicKey | Ed25519PublicKey
    strict: bool

    @property
    def kind(self) -> str:
        """As in `Signature.kind`."""
        return "rsa" if isinstance(self.key, RSAPublicKey) else "ed25519"

    @property
    def bits(self) -> int:
        """The size of an RSA key."""
        return self.key.key_size if isinstance(self.key, RSAPublicKey) else 256

    def verifies(self, signature: bytes, digest: bytes) -> bool:
        """digest: SHA-256 of what is signed. For Ed25519 the digest itself is what is signed (RFC 8463 §3)."""
        try:
            if isinstance(self.key, RSAPublicKey):
                self.key.verify(signature, digest, PADDING, PREHASHED)
            else:
                self.key.verify(signature, digest)
        except InvalidSignature:
            return False
        return True


@lru_cache(1024)
def parse(text: bytes) -> PublicKey:
    """The key in a TXT record. Raises Malformed, whose text is about "the record"."""
    if len(text) > _MOST_OCTETS:
        raise Malformed("is too long")
    try:
        found = tags(text.translate(None, _PASTED))
    except Malformed:
        raise Malformed("is no list of tags") from None
    if "v" in found and (found["v"] != b"DKIM1" or next(iter(found)) != "v"):
        raise Malformed("is not of DKIM version 1")
    if "p" not in found:
        raise Malformed("holds no key (p=)")
    if not found["p"]:
        raise Malformed("says that the key is revoked (p= is empty)")
    if b"sha256" not in items(found.get("h", b"sha256")):
        raise Malformed("does not allow SHA-256 (h=)")
    if not {b"*", b"email"} & set(items(found.get("s", b"*"))):
        raise Malformed("is not for mail (s=)")
    return PublicKey(_key(found.get("k", b"rsa").lower(), found["p"]), b"s" in items(found.get("t", b"")))


def _key(kind: bytes, p: bytes) -> RSAPublicKey | Ed25519PublicKey:
    try:
        raw = base64.b64decode(p, validate=True)
        if kind == b"ed25519":
            return Ed25519PublicKey.from_public_bytes(raw)
        if kind != b"rsa":
            raise Malformed("has a key of an unknown kind (k=)")
        key = load_der_public_key(raw)  # also the bare RSAPublicKey that RFC 6376 names
    except Malformed:
        raise
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        raise Malformed("holds a damaged key (p=)") from None
    if not isinstance(key, RSAPublicKey) or key.key_size > _MOST_BITS:
        raise Malformed("holds a key that is no RSA key, or too large (p=)")
    return key
