"""How large a message may be, where each domain can have a limit of its own."""

from __future__ import annotations

from chatgate.api import Domain, Envelope, Gateway
from chatgate_smtp.data import TOO_BIG


class Sizes:
    """largest: octets that some domain takes, which other servers may send."""

    def __init__(self, gateway: Gateway) -> None:
        self._domains = gateway.domains
        self._of = {domain: domain.options(gateway.config.core).max_message_bytes for domain in gateway.domains}
        self.largest = max(self._of.values())
        self._differ = len(set(self._of.values())) > 1

    def accepted(self, domain: Domain, submits: bool) -> int:
        """Octets of a message, from an account of this domain or from another server."""
        return self._of[domain] if submits else self.largest

    def too_big(self, address: str, octets: int) -> bool:
        """Is such a message more than the domain of this recipient takes?"""
        domain = self._domains.of(address) if self._differ else None
        return domain is not None and octets > self._of[domain]

    def leave_out(self, envelope: Envelope) -> bool:
        """Put aside the recipients for whose domain the content is too large. False: then nobody would get it, or it is
        another server that must be told.
        """
        octets = len(envelope.content)
        if not self._differ or not any(self.too_big(address, octets) for address in envelope.recipients):
            return True
        fits = [address for address in envelope.recipients if not self.too_big(address, octets)]
        if not fits or envelope.origin != "account":
            return False
        envelope.refused.update({address: TOO_BIG for address in envelope.recipients if address not in fits})
        envelope.recipients[:] = fits
        return True
