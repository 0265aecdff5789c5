"""Does a message come from the domain of its author? The signatures of that domain are tried with its keys."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import gevent
from chatgate_resolver import Absent, Answer, NoSuchName, Trouble

from chatgate_dkim import record, signature
from chatgate_dkim.message import Message
from chatgate_dkim.options import DkimOptions
from chatgate_dkim.signature import Signature
from chatgate_dkim.tags import Malformed, domain
from chatgate_dkim.verifying import body_is_signed, header_is_signed, key_problem

_MOST_FIELDS = 50  # DKIM-Signature fields of which the domain is read
_MOST_INTERNATIONAL = 5  # of which the domain is read if it is not in ASCII: that takes some milliseconds
_MOST_RECORDS = 3  # at one name; there should be one
_MOST_REMEMBERED = 10_000


class Resolver(Protocol):
    """What is asked of the resolver."""

    def txt(self, name: str, fresh: bool = False) -> Answer[bytes]: ...


class Proof(NamedTuple):
    """proven: a signature of the author's domain is valid. Else `why` has a line for each that was tried, or for what
    there is in place of one; `signed` says whether there is any signature, and `unsure` that a signature may be valid,
    but its key could not be had for now.
    """

    proven: bool
    why: tuple[str, ...] = ()
    signed: bool = True
    unsure: bool = False


class Prover:
    """May be asked by many greenlets at once."""

    def __init__(
        self,
        options: DkimOptions,
        resolver: Resolver,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """clock: Unix seconds, which signatures name. steady: seconds without jumps."""
        self._options, self._resolver, self._clock, self._steady = options, resolver, clock, steady
        self._asked_again: OrderedDict[str, float] = OrderedDict()  # when, by domain
        self._asking: set[str] = set()

    def prove(self, message: Message, author: str) -> Proof:
        """author: the domain in From. Asks the DNS, and waits for it as long as `dns_seconds`."""
        fields = message.named(b"dkim-signature")
        if not fields:
            return Proof(False, (f"{author} did not sign this message",), signed=False)
        read = list(map(_read, fields[:_MOST_FIELDS]))
        signers = _signers(found.get("d", b"") for found in read)
        own = [(raw, found) for raw, found, signer in zip(fields, read, signers, strict=False) if signer == author]
        if not own:
            others = ", ".join(dict.fromkeys(filter(None, signers))) or "nobody"
            return Proof(False, (f"From is at {author}, but it is signed by {others[:100]}",))
        why: list[str] = []
        unsure: list[str] = []
        try:
            with gevent.Timeout(self._options.dns_seconds, _TooSlow):
                for raw, found in own[: self._options.max_signatures]:
                    try:
                        problem = self._problem(message, raw, found)
                    except Trouble as error:
                        unsure.append(str(error))
                        continue
                    if not problem:
                        return Proof(True)
                    why.append(problem)
        except _TooSlow:
            unsure.append(f"the DNS of {author} did not answer in time")
        return Proof(False, tuple(unsure or why), unsure=bool(unsure))

    def _problem(self, message: Message, raw: bytes, found: dict[str, bytes]) -> str:
        """Why this signature is not valid, "" if it is. What needs no key comes first. Raises Trouble."""
        try:
            claim = signature.parse(raw, found)
            if stale := claim.stale(self._clock(), self._options.clock_skew_seconds):
                return f"{claim.record}: {stale}"
            if not body_is_signed(message, claim):
                return f"{claim.record}: the body was changed after it was signed"
        except Malformed as error:
            return f"the signature: {error}"
        try:
            texts = self._resolver.txt(claim.record).values
            problem = self._unlike(message, claim, texts)
            if problem and (anew := self._anew(claim)) != texts:
                problem = self._unlike(message, claim, anew)
        except Absent as error:
            missing = "does not exist in the DNS" if isinstance(error, NoSuchName) else "has no TXT record"
            return f"{claim.record} {missing}"
        return problem

    def _unlike(self, message: Message, claim: Signature, texts: Sequence[bytes]) -> str:
        """Why the signature is not made with the key in these records; "" if it is."""
        problem = ""
        for text in texts[:_MOST_RECORDS]:
            try:
                key = record.parse(text)
            except Malformed as error:
                problem = problem or f"{claim.record} {error}"
                continue
            unfit = key_problem(key, claim, self._options.min_rsa_bits)
            if not unfit and header_is_signed(message, claim, key):
                return ""
            problem = f"{claim.record} {unfit}" if unfit else f"{claim.record}: the signature does not match this key"
        return problem

    def _anew(self, claim: Signature) -> Sequence[bytes]:
        """The records as they are now, as the domain may have a new key under the old name. Who comes while they are
        asked for waits for the same answer; who comes later has it from the resolver's memory.
        """
        name = claim.record
        if name not in self._asking and not self._may_ask_again(claim.domain):
            return self._resolver.txt(name).values
        self._asking.add(name)
        try:
            return self._resolver.txt(name, True).values
        finally:
            self._asking.discard(name)

    def _may_ask_again(self, domain: str) -> bool:
        """Once in a while for each domain, so that nobody can make us ask as often as they send."""
        now, asked = self._steady(), self._asked_again
        if now - asked.get(domain, -1e9) < self._options.refresh_seconds:
            return False
        asked[domain] = now
        asked.move_to_end(domain)
        if len(asked) > _MOST_REMEMBERED:
            asked.popitem(last=False)
        return True


def _signers(values: Iterable[bytes]) -> list[str | None]:
    """The domains in d=; None for what is none."""
    found: list[str | None] = []
    left = _MOST_INTERNATIONAL
    for value in values:
        left -= not value.isascii()
        found.append(domain(value) if left >= 0 or value.isascii() else None)
    return found


def _read(raw: bytes) -> dict[str, bytes]:
    """The tags of a signature; none if they cannot be read, and then nobody's signature it is."""
    try:
        return signature.read(raw)
    except Malformed:
        return {}


class _TooSlow(Exception):
    pass
