"""The state of one mail transaction."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from chatgate.mail.headers import Edit
from chatgate.reply import Reply


@dataclass(slots=True, eq=False)
class Envelope:
    """One message on its way in, with the addresses it is sent from and to (RFC 5321 §2.3.1).

    sender: the reverse-path without brackets; "" is the null sender of bounces.
    recipients: the accepted forward-paths, in the order they came.
    content: header and body as received, CRLF line ends, dot-stuffing undone. Hooks read it; what shall change in
        the header is returned from `chatgate_receive` as edits and applied after all filters have seen the original.
    submitted: True when an account of ours sends it, False when it comes from elsewhere.
    edits: filled by the intake from the answers to `chatgate_receive`.
    id: the name of the transaction in logs and in the 250 answer.
    size: octets that the sender says it will have (RFC 1870), about right at best; 0 where it does not say.
    refused: of a message that an account of ours sends, who was refused for good while it goes to the others, and why.
        The sender has not heard it yet: the intake puts a notice into its INBOX.
    """

    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    content: bytes = field(default=b"", repr=False)
    submitted: bool = False
    edits: list[Edit] = field(default_factory=list)
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    size: int = 0
    refused: dict[str, Reply] = field(default_factory=dict)

    @property
    def for_others(self) -> bool:
        """Has it a recipient besides the sender? A copy for oneself does not make a message delivered."""
        return any(recipient.lower() != self.sender.lower() for recipient in self.recipients)
