"""A question asked until it has an end: nameserver after nameserver, alias after alias."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from chatgate_resolver.answers import Answer, NoRecords, NoSuchName, Trouble
from chatgate_resolver.cache import Found
from chatgate_resolver.exchange import EDNS_OCTETS, exchange
from chatgate_resolver.options import ResolverOptions
from chatgate_resolver.servers import Nameserver

# For so long a nameserver that gave no answer is asked after the others.
_LATE_SECONDS = 30.0


class Asker:
    """Asks and remembers no answers, only which nameservers have failed of late."""

    def __init__(self, options: ResolverOptions, clock: Callable[[], float]) -> None:
        self._options, self._clock = options, clock
        self._late: dict[Nameserver, float] = {}

    def ask(
        self,
        name: str,
        rdtype: RdataType,
        read: Callable[[Any], Any],
        servers: Sequence[Nameserver],
        further: Sequence[Nameserver] = (),
    ) -> Found:
        """Raises nothing: failure is one of the ends. servers: to be asked, first choice first. further: those that are
        asked for the end of an alias, if others.
        """
        options = self._options
        trusted = options.trust_ad == "always" or (
            options.trust_ad == "loopback" and all(one.on_loopback for one in {*servers, *further})
        )
        until = time.monotonic() + options.timeout_seconds * options.attempts * len(servers)
        asked, ttl, secure = dns.name.from_text(name), options.longest_ttl, trusted
        try:
            for _ in range(options.max_aliases + 1):
                answer = self._answered(asked, rdtype, servers, until, trusted)
                secure = secure and bool(answer.flags & dns.flags.AD)
                chain = answer.resolve_chaining()
                ttl = min(ttl, chain.minimum_ttl)
                if chain.answer is not None:
                    values = tuple(map(read, chain.answer))
                    return Found(Answer, self._clock() + ttl, values, secure=secure)
                if answer.rcode() == Rcode.NXDOMAIN:
                    return self._absent(NoSuchName, f"{name}: no such name", answer, ttl, secure)
                if chain.canonical_name == asked:
                    return self._absent(NoRecords, f"{name}: no {rdtype.name} records", answer, ttl, secure)
                asked, servers = chain.canonical_name, further or servers
            raise Trouble("too many aliases")
        except Trouble as trouble:
            text = str(trouble)
        except dns.exception.DNSException:  # a chain too long or in a circle, an answer that contradicts itself
            text = "an answer that makes no sense"
        return Found(Trouble, self._clock() + options.trouble_seconds, text=f"{name}: {rdtype.name}: {text}")

    def _absent(self, kind: type, text: str, answer: dns.message.Message, ttl: float, secure: bool) -> Found:
        """Remembered as long as the zone's SOA says (RFC 2308 §5); without one, no longer than a failure."""
        most = self._options.negative_seconds if _soa(answer) else self._options.trouble_seconds
        return Found(kind, self._clock() + min(ttl, most), text=text, secure=secure)

    def _answered(
        self, name: dns.name.Name, rdtype: RdataType, servers: Sequence[Nameserver], until: float, trusted: bool
    ) -> dns.message.QueryMessage:
        """Raises Trouble, which tells what the nameserver asked last did."""
        now, trouble = self._clock(), Trouble("no nameserver to ask")
        order = sorted(servers, key=lambda one: self._late.get(one, 0.0) > now)
        for server in order * self._options.attempts:
            left = until - time.monotonic()
            if left <= 0:
                break
            try:
                answer = self._asked(server, name, rdtype, min(left, self._options.timeout_seconds), trusted)
            except Trouble as error:
                trouble = Trouble(f"nameserver {server.text}: {error}")
                self._late[server] = self._clock() + _LATE_SECONDS
                continue
            self._late.pop(server, None)
            if not (reason := _failure(answer)):
                return answer
            trouble = Trouble(f"nameserver {server.text}: {reason}")
        raise trouble

    def _asked(
        self, server: Nameserver, name: dns.name.Name, rdtype: RdataType, seconds: float, trusted: bool
    ) -> dns.message.QueryMessage:
        # AD in the question: "tell me whether it is proven", without the signatures (RFC 6840 §5.7).
        flags = dns.flags.RD | (dns.flags.AD if trusted else 0)
        query = dns.message.make_query(name, rdtype, use_edns=0, payload=EDNS_OCTETS, flags=flags)
        until = time.monotonic() + seconds
        answer = exchange(server, query, seconds, self._options.max_records)
        if answer.rcode() == Rcode.FORMERR and answer.edns < 0:  # it knows no EDNS (RFC 6891 §7)
            query = dns.message.make_query(name, rdtype, use_edns=False, flags=flags)
            answer = exchange(server, query, until - time.monotonic(), self._options.max_records)
        assert isinstance(answer, dns.message.QueryMessage)  # as exchange compares it with the question
        return answer


def _failure(answer: dns.message.Message) -> str:
    """Why the question is still open: the response code, and what the nameserver says about it, such as that DNSSEC
    finds a forgery (RFC 8914). "" if it is not.
    """
    if answer.rcode() in (Rcode.NOERROR, Rcode.NXDOMAIN):
        return "only refers to other nameservers" if _refers(answer) else ""
    code = dns.rcode.to_text(answer.rcode())
    more = [option.code for option in answer.options if isinstance(option, dns.edns.EDEOption)]
    known = [one.name.lower().replace("_", " ") for one in more if isinstance(one, dns.edns.EDECode)]
    return f"{code} ({known[0]})" if known else code


def _soa(answer: dns.message.Message) -> bool:
    return any(rrset.rdtype == RdataType.SOA for rrset in answer.authority)


def _refers(answer: dns.message.Message) -> bool:
    """A nameserver that only says who else knows the zone has said nothing about the records."""
    if answer.answer or answer.flags & dns.flags.AA or answer.rcode() != Rcode.NOERROR:
        return False
    return not _soa(answer) and any(rrset.rdtype == RdataType.NS for rrset in answer.authority)


def alive(server: Nameserver, seconds: float) -> str:
    """ "" if the nameserver answers anything at all, else why not."""
    query = dns.message.make_query(dns.name.root, RdataType.SOA, use_edns=0, payload=EDNS_OCTETS)
    try:
        exchange(server, query, seconds, 1000)
    except Trouble as error:
        return str(error)
    return ""
