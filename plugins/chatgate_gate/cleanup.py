"""What the header of a message loses on its way through: what tells about the sender's device, address and path."""

from __future__ import annotations

from chatgate.api import Edit, Remove, Replace

# From our own accounts: nothing about where and with which program it was written. Clients encrypt the real subject.
SUBMISSION: tuple[Edit, ...] = (
    Remove("Received"),
    Remove("X-Originating-IP"),
    Remove("X-Mailer"),
    Remove("User-Agent"),
    Replace("Subject", "[...]"),
)

# From elsewhere: what was for servers on the way. Applied after all filters, so that a DKIM check sees the original.
DELIVERY: tuple[Edit, ...] = (
    Remove("DKIM-Signature"),
    Remove("Authentication-Results"),
    Remove("Received"),
)
