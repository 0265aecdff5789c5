"""The certificate that is there: what it says, and whether it is time for the next one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key


@dataclass(frozen=True)
class Present:
    """names: host names and IP addresses. begins, ends: Unix seconds. pem: of the leaf alone."""

    names: tuple[str, ...]
    begins: float
    ends: float
    serial: int
    pem: bytes

    def due(self, share: float) -> float:
        """When this share of its lifetime is over, a bit earlier or later, so that not all servers of the world come at
        once to the authority; the same for each certificate whenever it is asked.
        """
        jitter = (self.serial % 1000 / 1000 - 0.5) * 0.04
        return self.begins + (self.ends - self.begins) * (share + jitter)

    @property
    def latest(self) -> float:
        """When to renew even if the authority says later: a tenth of the lifetime is left."""
        return self.ends - (self.ends - self.begins) / 10


def load(path: Path) -> Present | None:
    """None: there is none, or not one that can be used."""
    try:
        return read(path.read_bytes())
    except (OSError, ValueError):
        return None


def read(content: bytes) -> Present:
    """content: a private key and the chain, PEM. Raises ValueError if they are not, or do not belong together."""
    try:
        leaf = x509.load_pem_x509_certificates(content)[0]
        key = load_pem_private_key(content, None)
        forms = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        if key.public_key().public_bytes(*forms) != leaf.public_key().public_bytes(*forms):
            raise ValueError("the certificate is for another key")
        names = tuple(
            str(one.value) for one in leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        )
    except ValueError:
        raise
    except Exception as error:  # what cryptography raises for extensions of all kinds
        raise ValueError(f"not a certificate: {type(error).__name__}") from None
    return Present(
        names,
        leaf.not_valid_before_utc.timestamp(),
        leaf.not_valid_after_utc.timestamp(),
        leaf.serial_number,
        leaf.public_bytes(Encoding.PEM),
    )
