"""A message as it goes over the wire."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from chatgate.api import Reply, header_size, valid_address
from chatgate_courier.transport.contract import Mail


class Body(NamedTuple):
    """octets: with dots doubled at the beginning of lines (RFC 5321 §4.5.2), ending with CRLF. size: without those
    dots. eight: are there octets that need 8BITMIME (RFC 6152)?
    """

    octets: bytes
    size: int
    eight: bool


def body(content: bytes) -> Body:
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    octets = content.replace(b"\r\n.", b"\r\n..")
    return Body(b"." + octets if octets.startswith(b".") else octets, len(content), not content.isascii())


class Message:
    """A mail with the form it has on the wire, which is made when it is first needed."""

    def __init__(self, mail: Mail) -> None:
        self.mail = mail

    @cached_property
    def body(self) -> Body:
        return body(self.mail.content)

    def problem(self, max_hops: int) -> Reply | None:
        """Why nobody is to get this message, if so."""
        content = self.mail.content
        # What one server takes for a line and another one does not could be a second message.
        if not content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r"):
            return Reply(554, "5.6.0", "The message has lines that do not end with CRLF")
        header = content[: header_size(content)].lower()
        if header.count(b"\r\nreceived:") + header.startswith(b"received:") > max_hops:  # RFC 5321 §6.3
            return Reply(554, "5.4.6", "The message goes round in circles: too many Received fields")
        if self.mail.sender and not valid_address(self.mail.sender):
            return Reply(553, "5.1.7", "The sender is no mail address")
        return None
