"""Handing one message to the servers of one domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chatgate.api import Gateway, Reply

if TYPE_CHECKING:
    from chatgate_courier.options import CourierOptions
    from chatgate_courier.policy import Policies


class Mail(NamedTuple):
    """What is to be handed on, for recipients at one domain. domain: a name in lower case, or an address literal in
    brackets. sender: the reverse-path, "" for the null sender. content: signed, with CRLF line ends. trace: names the
    message in the log.
    """

    domain: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    trace: str


class Outcome(NamedTuple):
    """What became of it. replies: for each recipient; 2xx: handed on. host: who answered, or was tried last. way:
    "https", "smtp", or "" where nobody was reached. until: Unix seconds before which another try makes no sense; 0:
    none.
    """

    replies: dict[str, Reply]
    host: str
    way: str
    until: float


class Transports:
    """The ways to other servers. One for the gateway."""

    def __init__(self, gateway: Gateway, options: CourierOptions, policies: Policies) -> None:
        pass

    def deliver(self, mail: Mail) -> Outcome:
        """Hand on a message. Bounded in time; raises nothing but what is thrown in from outside."""
        return Outcome(
            dict.fromkeys(mail.recipients, Reply(451, "4.4.1", "There is no way to others yet")), "", "", 0.0
        )

    def down_until(self, domain: str) -> float:
        """Unix seconds before which no try makes sense, as no host of the domain answers; 0: a try makes sense. No
        I/O.
        """
        return 0.0

    def close(self) -> None:
        """Close all connections."""
