"""A certificate authority that this small internet trusts."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


class Authority:
    """file: its own certificate, in PEM."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Authority of the test")
        every = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        own = self._builder(self._name, self._key.public_key(), 0).add_extension(every, critical=True)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        own = own.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        file.write_bytes(_pem(own.sign(self._key, hashes.SHA256())))

    def certificate(self, names: Sequence[str], chain: Path, key: Path, days_ago: int = 0) -> None:
        """Write a certificate for these host names or IP addresses, and its key. days_ago: when it expired; 0: not."""
        private = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_name(names[0]), private.public_key(), days_ago)
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_subject, names))), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        chain.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        key.write_bytes(private.private_bytes(serialization.Encoding.PEM, form, plain))

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePublicKey, days_ago: int) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        end = now - days_ago * DAY if days_ago else now + 60 * DAY
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(end - 90 * DAY).not_valid_after(end)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _subject(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
