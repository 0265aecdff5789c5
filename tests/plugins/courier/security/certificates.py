"""Certificates of an authority of the test's own, as strict as public ones are."""

from __future__ import annotations

import datetime
from typing import Any

import gevent.ssl
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


class Made:
    """A certificate with its key. pem, der, spki: its forms. issuer: None for one that has signed itself."""

    def __init__(
        self, name: str, issuer: Made | None = None, *, ca: bool = False, days: int = 1, also: tuple[str, ...] = ()
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.issuer, above = issuer, issuer or self
        now, public = datetime.datetime.now(datetime.UTC), self.key.public_key()
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
        )
        usage |= {"decipher_only": False, "digital_signature": not ca, "key_cert_sign": ca, "crl_sign": ca}
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(above.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 10 * DAY)
            .not_valid_after(now + days * DAY)
            .add_extension(x509.BasicConstraints(ca, None), True)
            .add_extension(x509.KeyUsage(**usage), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above.key.public_key()), False)
        )
        if not ca:
            builder = builder.add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, (name, *also))]), False)
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        made = builder.sign(above.key, hashes.SHA256())
        self.pem, self.der = made.public_bytes(Encoding.PEM), made.public_bytes(Encoding.DER)
        self.spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def write(self, folder: Any, *above: Made) -> Any:
        """(chain, key): files with it and those above it, and with its key."""
        chain, key = folder / "chain.pem", folder / "key.pem"
        chain.write_bytes(self.pem + b"".join(one.pem for one in above))
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return chain, key

    def context(self, folder: Any, *above: Made) -> Any:
        """For a server that presents it and those above it."""
        context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.write(folder, *above))
        return context
