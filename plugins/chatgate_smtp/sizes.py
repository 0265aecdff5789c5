"""How large a message may be; each domain can have its own limit."""

from __future__ import annotations

from chatgate.api import Domain, Envelope, Gateway
from chatgate_smtp.data import TOO_BIG


class Sizes:
    """largest: the highest limit of any domain, in octets; other servers may send so much."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway, self._domains = gateway, gateway.domains
        self.read()

    def read(self) -> None:
        """Take the limits from the options."""
        gateway = self._gateway
        self._of = {domain: domain.options(gateway.config.core).max_message_bytes for domain in gateway.domains}
        self.largest = max(self._of.values())
        self._differ = len(set(self._of.values())) > 1

    def accepted(self, domain: Domain, submits: bool) -> int:
        """The octets that a message may have, from an account of this domain or from another server."""
        return self._of[domain] if submits else self.largest

    def too_big(self, address: str, octets: int) -> bool:
        """Is a message of so many octets too large for the domain of this recipient?"""
        domain = self._domains.of(address) if self._differ else None
        return domain is not None and octets > self._of[domain]

    def leave_out(self, envelope: Envelope) -> bool:
        """Leave out the recipients for whose domain the content is too large. False: nobody would be left to get it, or
        the sender is another server, which must be told by a refusal.
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
