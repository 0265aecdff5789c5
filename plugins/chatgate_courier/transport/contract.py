"""What goes in and out of the transport, and the doors it needs of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from chatgate.api import Reply
from chatgate_courier.policy import Policy
from chatgate_courier.security.dane import Tlsa
from chatgate_courier.security.sts_policy import StsPolicy

# How mail travels: POST /mxdeliv, or SMTP on port 25. "": not at all.
How = Literal["https", "smtp", ""]


class Mail(NamedTuple):
    """A message for some recipients at one destination.

    domain: of `Outgoing`: a name, or an address literal. sender: the reverse-path without brackets, "" for the null
    sender. content: signed, with lines that end with CRLF. trace: the id of the message in logs.
    """

    domain: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    trace: str = ""


class Outcome(NamedTuple):
    """What became of one try.

    replies: for each recipient; 2xx: handed on. host, way: that answered, or was tried last. until: Unix seconds before
    which no other try makes sense, 0 if that is not known.
    """

    replies: dict[str, Reply]
    host: str = ""
    way: How = ""
    until: float = 0.0


class Step(NamedTuple):
    """One step of a probe. name: "resolve", "connect", "TLS", "greeting", "EHLO", "MAIL", "RCPT", "DATA" or "POST".
    detail: what was seen. advice: what to do if it failed, in plain words.
    """

    name: str
    ok: bool
    detail: str
    advice: str = ""


Tell = Callable[[Step], None]


class Failed(Exception):
    """A host could not be used, which says nothing about the message: the next host may be tried.

    step: see `Step`. reply: the answer for the recipients if no other host helps; temporary, unless the host said for
    good that it takes no mail. advice: for the operator. fault: does it count against the host, as one that cannot be
    reached? slow: time was up, it did not end the connection.
    """

    def __init__(self, step: str, reply: Reply, advice: str = "", *, fault: bool = True, slow: bool = False) -> None:
        super().__init__(reply.text)
        self.step, self.reply, self.advice, self.fault, self.slow = step, reply, advice, fault, slow


class TimeIsOver(Exception):
    """A try has taken as long as it may."""


class Answers(NamedTuple):
    """What a host said. shared: the recipients who got one answer, which was meant for all of them. wait: seconds that
    the host asked to be left alone, 0 if it did not. lost: its last answer did not come, which counts against it.
    """

    replies: dict[str, Reply]
    shared: tuple[str, ...] = ()
    wait: float = 0.0
    lost: bool = False


class Found(Protocol):
    """What the resolver answers. secure: it was validated, by DNSSEC."""

    @property
    def ttl(self) -> float: ...
    @property
    def secure(self) -> bool: ...


class Exchanges(Found, Protocol):
    @property
    def values(self) -> tuple[tuple[int, str], ...]: ...


class Addresses(Found, Protocol):
    @property
    def values(self) -> tuple[str, ...]: ...


class Resolver(Protocol):
    """See chatgate_resolver, whose exceptions are raised."""

    def mx(self, name: str) -> Exchanges: ...
    def addresses(self, name: str) -> Addresses: ...


# What the operator set for a domain.
Policies = Callable[[str], Policy]


class Sts(Protocol):
    """See `chatgate_courier.security.sts`."""

    def policy(self, domain: str) -> StsPolicy | None: ...


class TlsaRecords(Protocol):
    """See `chatgate_courier.security.dane`."""

    def records(self, host: str, port: int) -> tuple[Tlsa, ...]: ...
