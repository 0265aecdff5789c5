"""chatgate_tls: the TLS certificate from two PEM files; a self-signed one is made when there is none."""

from chatgate_tls.plugin import Tls, TlsOptions

__all__ = ["Tls", "TlsOptions"]
