"""chatgate_acme: certificates from an authority, fetched and renewed by itself (ACME, RFC 8555)."""

from chatgate_acme.options import AcmeOptions
from chatgate_acme.plugin import Acme

__all__ = ["Acme", "AcmeOptions"]
