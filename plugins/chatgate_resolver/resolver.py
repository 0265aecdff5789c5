"""The doors: what other plugins ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import dns.rdatatype
import gevent
from dns.rdatatype import RdataType

from chatgate.api import Counter
from chatgate_resolver import names, readers
from chatgate_resolver.answers import Answer, NoRecords, NoSuchName, Trouble
from chatgate_resolver.asking import Asker
from chatgate_resolver.cache import Cache, Found
from chatgate_resolver.options import ResolverOptions
from chatgate_resolver.seats import Seats
from chatgate_resolver.servers import Nameserver, Nameservers, nameserver


class _Question(NamedTuple):
    name: str
    rdtype: RdataType
    read: Callable[[Any], Any]


class Resolver:
    """Asks the DNS, and remembers what it heard for as long as that holds. May be used by many greenlets at once: those
    that ask the same wait for one question.

    Every method takes a name in ASCII, with or without the final dot, follows aliases (CNAME), and raises NoSuchName,
    NoRecords (both are Absent) or Trouble. It takes `attempts` times `timeout_seconds` for each nameserver at most. A
    caller that gives up earlier harms nobody who waits for the same.
    """

    def __init__(
        self,
        options: ResolverOptions | None = None,
        *,
        nameservers: Callable[[], tuple[Nameserver, ...]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """nameservers: in place of those of the options and of /etc/resolv.conf. clock: seconds, for the cache."""
        self.options, self._clock = options or ResolverOptions(), clock
        self.nameservers = nameservers or Nameservers(self.options.nameservers)
        self.counted = Counter()  # questions that were asked, by outcome
        self._asker = Asker(self.options, clock)
        self._cache = Cache(self.options.cache_names)
        self._asking: dict[_Question, gevent.Greenlet[..., Found]] = {}
        self._seats = Seats(self.options.max_questions)

    def txt(self, name: str, fresh: bool = False) -> Answer[bytes]:
        """The character-strings of each TXT record joined. fresh: asked anew, whatever is remembered."""
        return self._look_up(name, RdataType.TXT, readers.txt, fresh)

    def mx(self, name: str) -> Answer[tuple[int, str]]:
        """(preference, host) of each; host in lower case, without the final dot. A null MX (RFC 7505) is (0, "")."""
        return self._look_up(name, RdataType.MX, readers.mx)

    def addresses(self, host: str) -> Answer[str]:
        """IPv6 and IPv4 addresses. If those of one kind cannot be had for now, those of the other are the answer.
        secure: all of them are.
        """
        name = names.normal(host)
        both = self._find(*(_Question(name, rdtype, readers.address) for rdtype in (RdataType.AAAA, RdataType.A)))
        if found := [one for one in both if one.kind is Answer]:
            values = tuple(value for one in found for value in one.values)
            return Answer(
                values, max(0.0, min(one.until for one in both) - self._clock()), all(o.secure for o in found)
            )
        if trouble := [one for one in both if one.kind is Trouble]:
            raise trouble[0].problem()
        if missing := [one for one in both if one.kind is NoSuchName]:
            raise missing[0].problem()
        raise NoRecords(f"{name}: no addresses", all(one.secure for one in both))

    def tlsa(self, name: str) -> Answer[tuple[int, int, int, bytes]]:
        """(usage, selector, matching type, data) of each (RFC 6698 §2.1)."""
        return self._look_up(name, RdataType.TLSA, readers.tlsa)

    def records(self, name: str, rdtype: str, servers: Sequence[str] = ()) -> Answer[str]:
        """The records of any type, such as "SRV", as in a zone file. servers: IP addresses, with a port if it is not
        53: the first of them that answers is asked anew, and nothing is remembered; an alias that it does not know the
        end of is followed in the usual way. Raises ValueError for a type or server that is none.
        """
        try:
            kind = dns.rdatatype.from_text(rdtype)
        except dns.rdatatype.UnknownRdatatype:
            raise ValueError(f"{rdtype!r} is no type of records") from None
        if dns.rdatatype.is_metatype(kind):
            raise ValueError(f"{rdtype!r} is no type of records that can be asked for")
        if not servers:
            return self._look_up(name, kind, readers.text)
        asked = tuple(map(nameserver, servers))
        found = self._asker.ask(names.normal(name), kind, readers.text, asked, self.nameservers())
        return found.answer(self._clock())

    def _look_up(self, name: str, rdtype: RdataType, read: Callable[[Any], Any], fresh: bool = False) -> Answer[Any]:
        (found,) = self._find(_Question(names.normal(name), rdtype, read), fresh=fresh)
        return found.answer(self._clock())

    def _find(self, *questions: _Question, fresh: bool = False) -> list[Found]:
        """At the same time."""
        known = [None if fresh else self._cache.get(question, self._clock()) for question in questions]
        found = [one or self._being_asked(question) for one, question in zip(known, questions, strict=True)]
        return [one if isinstance(one, Found) else one.get() for one in found]

    def _being_asked(self, question: _Question) -> gevent.Greenlet[..., Found]:
        """In a greenlet of its own, so that it goes on for the others when one who waits is interrupted."""
        if (running := self._asking.get(question)) is None:
            running = self._asking[question] = gevent.spawn(self._ask, question)
        return running

    def _ask(self, question: _Question) -> Found:
        outcome = "failed"
        try:
            with self._seats.seat(question.name, self.options.timeout_seconds) as seated:
                if not seated:
                    text = f"{question.name}: too many questions at once, in all or in its zone"
                    return Found(Trouble, self._clock(), text=text)
                found = self._asker.ask(*question, self.nameservers())
            outcome = "failed" if found.kind is Trouble else "answered"
            self._cache.put(question, found)
            return found
        finally:
            self.counted.add(outcome)
            del self._asking[question]
