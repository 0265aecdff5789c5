"""Is what a domain should have in the DNS really there? Every nameserver of its zone is asked for every record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import gevent.pool
from chatgate_resolver import Absent, Trouble

from chatgate.api import DnsRecord
from chatgate_doctor import texts
from chatgate_doctor.authority import Authorities, Nameserver, NoZone, Resolver
from chatgate_doctor.meaning import Verdict, extras, judge

# Nameservers that are asked at the same time; each is asked one question after the other.
_AT_ONCE = 8

Tell = Callable[[int, int], None]
Key = tuple[str, str]


_ADVICE = {
    "missing": "add {}",
    "wrong": "make it {}",
    "several": "keep one of them: {}",
    "stale": "the other nameservers are right; this one must load the zone anew: {}",
    "extra": "remove it, unless another server of yours is there",
    "silent": "look whether nameservers run, and whether a firewall keeps port 53 from this machine",
    "undelegated": "register the domain, or have the zone above delegate it; then add what 'chatgate dns' prints",
}


@dataclass(frozen=True)
class Finding:
    """What is wrong with a record, or with nameservers. kind: "missing", "wrong", "several", "stale" (another
    nameserver has it right), "extra" (a record that should not be there); without a record "silent" (nameservers do not
    answer) or "undelegated" (there are none).

    record: that is wanted. servers: where. there: what is there in its place. blind: for want of answers nobody knows
    whether records are right that mail needs.
    """

    kind: str
    servers: tuple[str, ...] = ()
    record: DnsRecord | None = None
    there: tuple[str, ...] = ()
    why: str = ""
    blind: bool = False

    @property
    def grave(self) -> bool:
        """Does mail not flow, or is it unknown whether it does?"""
        return self.blind or (self.record is not None and self.record.required and self.kind != "extra")

    @property
    def title(self) -> str:
        """One line: what is the matter, and where."""
        what = f"{self.record.name} {self.record.type}" if self.record else ""
        where = f"{' on' if what else ''} {', '.join(self.servers)}" if self.servers else ""
        return f"{self.kind}: " + ": ".join(filter(None, (f"{what}{where}".strip(), self.why)))

    @property
    def advice(self) -> str:
        """What to type, or to do."""
        return _ADVICE[self.kind].format(texts.zone_line(self.record) if self.record else "")

    def data(self) -> dict[str, Any]:
        """For JSON."""
        about = texts.data(self.record) if self.record else {}
        found = {"servers": list(self.servers), "there": list(self.there), "reason": self.why, "advice": self.advice}
        return {"kind": self.kind, "grave": self.grave, **about, **found}


class Check:
    """tell: is told how many of how many questions have been asked."""

    def __init__(self, resolver: Resolver, port: int = 53, tell: Tell = lambda done, total: None) -> None:
        self._resolver, self._tell = resolver, tell
        self._authorities = Authorities(resolver, port)

    def run(self, records: Sequence[DnsRecord]) -> list[Finding]:
        """What is wrong with these records. An empty list: nothing."""
        groups: dict[Key, list[DnsRecord]] = {}
        for record in records:
            groups.setdefault((record.name.lower(), record.type), []).append(record)
        self._done = 0
        self._ours = {record.value for record in records if record.type in ("A", "AAAA") and record.value}
        found: list[Finding] = []
        questions: dict[Nameserver, list[Key]] = {}
        for name, kind in groups:
            try:
                # No zone begins at an alias; who asks for its nameservers is told those of the target.
                servers = self._authorities.of(name.partition(".")[2] if kind == "CNAME" else name)
            except NoZone as error:
                nothing = Finding("undelegated" if error.sure else "silent", why=str(error), blind=True)
                found += [nothing] if nothing not in found else []
                continue
            for server in servers:
                questions.setdefault(server, []).append((name, kind))
        self._total = sum(map(len, questions.values()))
        pool = gevent.pool.Pool(_AT_ONCE)
        answers = pool.map(lambda server: self._ask(server, questions[server], groups), questions)
        by_server = dict(zip(questions, answers, strict=True))
        return found + _together(groups, by_server)

    def _ask(self, server: Nameserver, keys: Sequence[Key], groups: dict[Key, list[DnsRecord]]) -> _Said:
        said = _Said()
        for name, kind in keys:
            if not said.silence:
                try:
                    said.verdicts[name, kind] = self._compare(server, groups[name, kind])
                except Trouble as error:
                    said.silence = str(error)
            self._done += 1
            self._tell(self._done, self._total)
        return said

    def _compare(self, server: Nameserver, records: list[DnsRecord]) -> list[tuple[DnsRecord, Verdict | None]]:
        """Raises Trouble."""
        if not server.addresses:
            raise Trouble("it has no address")
        if records[0].type == "CNAME":
            return [(record, self._alias(server, record)) for record in records]
        values = self._values(server, records[0].name, records[0].type)
        compared: list[tuple[DnsRecord, Verdict | None]] = [
            (record, judge(record, values, self._ours)) for record in records
        ]
        # One who is wrong already says what is there in its place.
        if all(verdict is None for _, verdict in compared) and (more := extras(records, values)):
            compared.append((records[0], Verdict("extra", more, f"it has {' and '.join(more)}, too")))
        return compared

    def _alias(self, server: Nameserver, record: DnsRecord) -> Verdict | None:
        """Another alias, or address records, are as good if they lead to the same addresses."""
        there = self._values(server, record.name, "CNAME")
        if there and judge(record, there) is None:
            return None
        leads = [*self._values(server, record.name, "A"), *self._values(server, record.name, "AAAA")]
        if not there and not leads:
            return Verdict("missing")
        return None if leads and set(leads) <= self._addresses(record.value) else Verdict("wrong", (*there, *leads))

    def _addresses(self, host: str) -> set[str]:
        try:
            return set(self._resolver.addresses(host).values)
        except Absent:
            return set()

    def _values(self, server: Nameserver, name: str, kind: str) -> tuple[str, ...]:
        """Raises Trouble."""
        try:
            found = self._resolver.records(name, kind, servers=server.addresses).values
        except Absent:
            return ()
        return tuple(map(texts.joined, found)) if kind == "TXT" else tuple(found)


class _Said:
    """What one nameserver said. silence: why it said nothing more, or ""."""

    def __init__(self) -> None:
        self.verdicts: dict[Key, list[tuple[DnsRecord, Verdict | None]]] = {}
        self.silence = ""


def _together(groups: dict[Key, list[DnsRecord]], said: dict[Nameserver, _Said]) -> list[Finding]:
    """One finding for all nameservers that agree."""
    found: list[Finding] = []
    for key, records in groups.items():
        answered = [(server.name, one.verdicts[key]) for server, one in said.items() if key in one.verdicts]
        for record in records:
            verdicts = [(name, verdict) for name, all_ in answered for one, verdict in all_ if one == record]
            found += _of_record(record, verdicts)
    asked = {key for key in groups if any(key in one.verdicts for one in said.values())}
    for why, servers in _by((one.silence, server.name) for server, one in said.items() if one.silence).items():
        blind = any(record.required for key in groups.keys() - asked for record in groups[key])
        found.append(Finding("silent", servers, why=why, blind=blind))
    return found


def _of_record(record: DnsRecord, verdicts: Sequence[tuple[str, Verdict | None]]) -> list[Finding]:
    right = any(verdict is None for _, verdict in verdicts)
    found = []
    for verdict, servers in _by((verdict, name) for name, verdict in verdicts if verdict).items():
        kind = "stale" if right and verdict.kind in ("missing", "wrong") else verdict.kind
        there = tuple(map(texts.shown, verdict.there))
        found.append(Finding(kind, servers, record, there, texts.shown(verdict.why)))
    return found


def _by(pairs: Iterable[tuple[Any, str]]) -> dict[Any, tuple[str, ...]]:
    """The names by what they are paired with."""
    found: dict[Any, tuple[str, ...]] = {}
    for what, name in pairs:
        found[what] = (*found.get(what, ()), name)
    return found
