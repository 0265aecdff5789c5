"""A real try to hand mail to another server, step by step, in each way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from chatgate_resolver import Problem as DnsProblem

from chatgate.api import address_literal, bare, ip, normal_address, valid_address
from chatgate_doctor import dialling
from chatgate_doctor.own import BLOCKED
from chatgate_doctor.report import Line, Report, State

_WAYS = {"https": "by HTTPS, /mxdeliv", "smtp": "by SMTP"}
# The steps at which a server says what it thinks of the mail, whatever way it came.
_OPINIONS = ("MAIL", "RCPT", "DATA", "POST")
_GRAVE_SECONDS, _SOME_SECONDS = 300.0, 30.0  # DKIM signatures from the future are refused


class Step(Protocol):
    """What the courier tells of a probe."""

    @property
    def name(self) -> str: ...
    @property
    def ok(self) -> bool: ...
    @property
    def detail(self) -> str: ...
    @property
    def advice(self) -> str: ...


class Transports(Protocol):
    """What this plugin uses of the courier."""

    def probe(self, domain: str, recipient: str, way: Any, tell: Callable[[Any], None], mail: Any = None) -> None: ...


class Peer(NamedTuple):
    """domain: as mail goes to it. recipient: an address of it. named: whether the operator named it."""

    domain: str
    recipient: str
    named: bool


def parsed(text: str) -> Peer | None:
    """A domain or an address as people type it; None if it is neither."""
    named = "@" in text
    recipient = normal_address(text) if named else f"postmaster@{address_literal(text) or text}"
    if not valid_address(recipient):
        return None
    return Peer(recipient.rpartition("@")[2].lower(), recipient, named)


class Trial:
    """mail: makes a message to be handed on, too; None: the dialogue ends at RCPT."""

    def __init__(
        self, transports: Transports, report: Report, peer: Peer, mail: Callable[[], Any] | None = None
    ) -> None:
        self._transports, self._report, self._peer, self._mail = transports, report, peer, mail

    def run(self) -> None:
        """Adds a part for each way, and what follows from them."""
        https, smtp = (self._way(way) for way in _WAYS)
        self._report.part(f"mail to {self._peer.recipient}")
        if smtp[-1].name == "connect" and https[-1].name not in ("connect", "resolve"):
            self._report.add(Line("port 25", "note", "the host answers, but not at port 25", BLOCKED))
        works = [way for way, steps in zip(_WAYS.values(), (https, smtp), strict=True) if not _failed(steps)]
        refused = [step for step in (*https, *smtp) if step.state == "bad" and step.name in _OPINIONS]
        if refused:
            step = refused[-1]
            self._report.add(Line(step.name, "bad", f"it is refused: {step.detail}", step.advice))
        elif works:
            self._report.add(Line("way", "ok", f"it goes {' and '.join(works)}"))
        else:
            step = _failed(smtp)[-1]
            self._report.add(Line(step.name, "bad", f"there is no way: {step.detail}", step.advice))

    def _way(self, way: str) -> list[Line]:
        """Its steps; that one way does not work is bad only if no other does, so here it is shown as a note."""
        self._report.part(f"{self._peer.domain} {_WAYS[way]}")
        steps: list[Line] = []

        def tell(step: Step) -> None:
            # A server need not have the postmaster that we have made up; it was reached.
            bad: State = "bad" if self._peer.named or step.name != "RCPT" else "note"
            steps.append(Line(step.name, "ok" if step.ok else bad, step.detail, "" if step.ok else step.advice))
            self._report.add(steps[-1]._replace(state="ok" if step.ok else "note"))

        mail = self._mail() if self._mail else None
        self._transports.probe(self._peer.domain, self._peer.recipient, way, tell, mail)
        return steps


def _failed(steps: Sequence[Line]) -> list[Line]:
    return [step for step in steps if step.state == "bad"]


def clock(resolver: Any, domain: str, port: int, seconds: float) -> Line:
    """Compares the clock with that of the other server, by the Date of its web server (RFC 9110 §6.6.1)."""
    try:
        host = bare(domain) if ip(domain) else _host(resolver, domain)
        address = host if ip(host) else min(resolver.addresses(host).values, key=lambda one: ":" in one)
        ahead = dialling.date(address, port, host, seconds)
    except (DnsProblem, dialling.NoConnection) as error:
        return Line("clock", "note", f"not compared with that of {domain}: {error}")
    if ahead is None:
        return Line("clock", "note", f"{host} does not say what time it is")
    if abs(ahead) < _SOME_SECONDS:
        return Line("clock", "ok", f"as that of {host}")
    text = f"{abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} that of {host}"
    return Line("clock", "bad" if abs(ahead) > _GRAVE_SECONDS else "note", text, "one of both is wrong: set it right")


def _host(resolver: Any, domain: str) -> str:
    try:
        found = sorted(resolver.mx(domain).values)
    except DnsProblem:
        return domain
    return str(found[0][1] or domain)
