"""The state of one mail transaction."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter
from typing import Any, Literal

from chatgate.reply import Reply
from chatgate.store.records import Destination
from chatgate.store.rules import header_size

# Who submitted a message: an account of ours that has logged in, another server, or the gateway itself (a notice).
Origin = Literal["account", "peer", "gateway"]

_HOP = re.compile(rb"\nreceived[ \t]*:")
_MOST_HOPS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Envelope:
    """One message on its way in, with the addresses it is sent from and to (RFC 5321 §2.3.1).

    It is frozen: a hook that sets one of its fields fails, and so refuses the message. To change header fields or the
    reverse-path, answer `chatgate_receive`.

    sender: the reverse-path without brackets; "" is the null sender of bounces.
    recipients: the accepted forward-paths, in the order they came.
    content: header and body as received, CRLF line ends, dot-stuffing undone; b"" until it has arrived.
    origin: who submitted it.
    id: the name of the transaction in logs and in the 250 answer.
    size: octets that the sender declared (RFC 1870), at best about right; 0 if it declared none.
    destinations: where the copy for each recipient goes, by address, as `chatgate_recipient` answered.
    refused: recipients that were refused for good, and why, while a message from an account of ours goes to the others.
        The sender has not been told yet: the intake puts a notice into its INBOX.
    results: what checks found, by the name of the check, for hooks that are asked later. A check writes its own entry,
        and documents what it holds.
    began: when the transaction began, by time.perf_counter.
    """

    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    content: bytes = field(default=b"", repr=False)
    origin: Origin = "peer"
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    size: int = 0
    destinations: dict[str, Destination] = field(default_factory=dict)
    refused: dict[str, Reply] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=perf_counter, repr=False)

    def with_content(self, content: bytes) -> Envelope:
        """The same transaction with the content that has arrived: recipients, destinations and all else are shared."""
        # By position: dataclasses.replace() costs more than some stages of the intake.
        shared = self.destinations, self.refused, self.results, self.began
        return Envelope(self.sender, self.recipients, content, self.origin, self.id, self.size, *shared)

    @property
    def for_others(self) -> bool:
        """Does it have a recipient besides the sender? A message is not delivered by a copy to its own sender."""
        return any(recipient.lower() != self.sender.lower() for recipient in self.recipients)

    @property
    def hops(self) -> int:
        """How many servers it has passed: the number of Received fields in the content as received (RFC 5321 §6.3).
        Counted at each access, and no further than 1000.
        """
        header = b"\n" + self.content[: header_size(self.content)].lower()
        return sum(1 for _ in islice(_HOP.finditer(header), _MOST_HOPS))
