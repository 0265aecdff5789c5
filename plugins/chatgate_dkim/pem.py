"""Private keys in PEM files, and the text of the record for each."""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from chatgate.api import PluginError, replace_file
from chatgate_dkim.signing import PrivateKey

# Larger keys make longer records than some DNS providers take, and others verify them slower.
_BITS = 2048
_LEAST_BITS = 1024


def make(kind: str) -> PrivateKey:
    """kind: "rsa" or "ed25519"."""
    return generate_private_key(65537, _BITS) if kind == "rsa" else Ed25519PrivateKey.generate()


def kind_of(key: PrivateKey) -> str:
    """ "rsa" or "ed25519"."""
    return "rsa" if isinstance(key, RSAPrivateKey) else "ed25519"


def weak(key: PrivateKey) -> bool:
    """Would some servers refuse it?"""
    return isinstance(key, RSAPrivateKey) and key.key_size < _BITS


def record(key: PrivateKey) -> str:
    """The text of the TXT record (RFC 6376 §3.6.1). t=s: we sign for no sub-domain."""
    public = key.public_key()
    if isinstance(key, RSAPrivateKey):
        raw = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)  # RFC 8463 §4
    return f"v=DKIM1;k={kind_of(key)};p={base64.b64encode(raw).decode()};s=email;t=s"


def load(path: Path) -> PrivateKey:
    """Raises PluginError that names the file."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise PluginError(f"dkim: {path}: {error.strerror}") from None
    except TypeError:
        raise PluginError(f"dkim: {path}: the key is encrypted") from None
    except (ValueError, UnsupportedAlgorithm):
        raise PluginError(f"dkim: {path}: no private key in PEM") from None
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise PluginError(f"dkim: {path}: the key is neither RSA nor Ed25519")
    if isinstance(key, RSAPrivateKey) and key.key_size < _LEAST_BITS:  # RFC 8301 §3.2
        raise PluginError(f"dkim: {path}: an RSA key of {key.key_size} bits is refused everywhere")
    return key


def save(path: Path, key: PrivateKey) -> None:
    """Only for its owner to read. Raises OSError."""
    replace_file(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
