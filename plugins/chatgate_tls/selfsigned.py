"""Making a self-signed certificate. Imported only when one must be made: it pulls in `cryptography`."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chatgate.api import PluginError, replace_file

YEARS = 10


def make(chain: Path, key: Path, names: Sequence[str]) -> None:
    """Write a certificate for these names (host names or IP addresses; the first is the subject) and, if there is
    none yet, its key. An existing key is kept: Delta Chat trusts a public key it knows, so renewing the certificate
    disturbs nobody. Raises PluginError.
    """
    try:
        chain.parent.mkdir(parents=True, exist_ok=True)
        key.parent.mkdir(parents=True, exist_ok=True)
        if key.exists():
            private = load_pem_private_key(key.read_bytes(), None)
        else:
            private = ec.generate_private_key(ec.SECP256R1())
            pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            # The key first: if we are killed in between, the next start finds a key without a certificate and goes on.
            replace_file(key, pem)
        replace_file(chain, _certificate(private, names).public_bytes(Encoding.PEM), mode=0o644)
    except OSError as error:
        raise PluginError(f"cannot make {chain}: {error.strerror}") from error
    except (ValueError, TypeError) as error:  # TypeError: the key is encrypted
        raise PluginError(f"cannot make {chain} for {', '.join(names)} with {key}: {error}") from error


def _certificate(private: Any, names: Sequence[str]) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])  # RFC 5280 A.1: ub-common-name
    signs_only = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # clients with slow clocks
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
        # Clients only check these names (RFC 9525 §6.3), and Delta Chat checks them even for a host "_name".
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(signs_only, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, None if isinstance(private, _OWN_HASH) else hashes.SHA256())
    )


_OWN_HASH = (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
