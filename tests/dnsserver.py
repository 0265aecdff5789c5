"""A nameserver for tests, with real sockets on UDP and TCP, that can be made to fail name by name.

    with DnsServer({"example.org": {"MX": "10 mx.example.org.", "TXT": ["v=spf1 a ~all"]}}) as dns:
        resolver = Resolver(ResolverOptions(nameservers=(dns.address,)))
        dns.fault("example.org", SERVFAIL, "MX")
        dns.secure.add("example.org")
        assert dns.asked[0].name == "example.org"

or as a process of its own, such as inside a network namespace: `python tests/dnsserver.py ZONEFILE --listen
127.0.0.53:53`. The zone file is read again when it has changed; in it, lines such as these set faults and AD:

    ;! fault example.org MX servfail
    ;! fault mx.example.org * delay:0.5
    ;! secure _25._tcp.mx.example.org

It runs in a native thread, so that a test may block as it likes, whether or not the process is patched by gevent.
"""

from __future__ import annotations

import argparse
import os
import socket as _patched
import struct
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from gevent import monkey

_native_socket = monkey.get_original("socket", "socket")
# Not select(), which takes no descriptor above 1023: one process runs many tests.
_poll = monkey.get_original("select", "poll")
_start_thread = monkey.get_original("_thread", "start_new_thread")
_allocate_lock = monkey.get_original("_thread", "allocate_lock")

SERVFAIL, REFUSED, NXDOMAIN, FORMERR = "servfail", "refused", "nxdomain", "formerr"
SILENT = "silent"  # a black hole
TRUNCATED = "truncated"  # by UDP; whole by TCP
GARBLED = "garbled"  # octets that are no message, behind a right id
STRAY = "stray"  # an answer with another id before the right one
LAME = "lame"  # a referral to others
NO_EDNS = "noedns"  # FORMERR for whoever sends EDNS

_NEGATIVE_TTL = 60
_TTL = 60


def _ready(readers: list[Any], seconds: float | None) -> list[Any]:
    """Those that have something to be read; waits for that, so many seconds at most."""
    found = {reader if isinstance(reader, int) else reader.fileno(): reader for reader in readers}
    poll = _poll()
    for descriptor in found:
        poll.register(descriptor, 1)  # POLLIN; POLLHUP comes in any case
    return [found[descriptor] for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000)]


def delay(seconds: float) -> str:
    """The answer comes so much later."""
    return f"delay:{seconds}"


class Asked(NamedTuple):
    """name: lower case, no final dot. way: "udp" or "tcp". ad: the question has the flag AD."""

    name: str
    rdtype: str
    way: str
    ad: bool


Zone = str | Mapping[str, Mapping[str, Any]]


def text_record(content: str | bytes) -> str:
    """The content of one TXT record as a zone file has it, in strings of 255 octets."""
    octets = content.encode() if isinstance(content, str) else content
    pieces = [octets[at : at + 255] for at in range(0, len(octets), 255)] or [b""]
    return " ".join('"' + "".join(_escaped(octet) for octet in piece) + '"' for piece in pieces)


def _escaped(octet: int) -> str:
    return chr(octet) if 32 <= octet < 127 and octet not in b'"\\' else f"\\{octet:03d}"


class DnsServer:
    """zone: text with a record on each line as in a zone file, but each name in full, with or without its final dot;
    or {name: {type: record or list of records}}, where a record is written as in a zone file but those of TXT are
    their bare content, and "TTL" may stand beside the types. "*.example.org" stands for what is not there.

    `zone` may be set anew at any time. address: "host:port", as the resolver's option takes it. asked: every question
    that came in.
    """

    def __init__(self, zone: Zone = "", host: str = "127.0.0.1", port: int = 0) -> None:
        self.asked: list[Asked] = []
        self.faults: dict[tuple[str, str], str] = {}
        self.secure: set[str] = set()
        self._records: dict[tuple[dns.name.Name, Any], dns.rrset.RRset] = {}
        self._names: set[dns.name.Name] = set()
        self._file: Path | None = None
        self._file_seen: tuple[int, ...] = ()
        self.zone = zone
        self._tcp, self._udp = _listeners(host, port)
        self.host, self.port = host, self._tcp.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self._stopping, self._wake = os.pipe()
        self._ended = _allocate_lock()
        self._ended.acquire()
        _start_thread(self._run, ())

    @classmethod
    def of_file(cls, path: Path, host: str, port: int) -> DnsServer:
        server = cls("", host, port)
        server._file = path
        server._read_file()
        return server

    def __enter__(self) -> DnsServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def zone(self) -> Zone:
        return self._zone

    @zone.setter
    def zone(self, zone: Zone) -> None:
        records: dict[tuple[dns.name.Name, Any], dns.rrset.RRset] = {}
        for line in zone.splitlines() if isinstance(zone, str) else _lines(zone):
            if line.strip() and not line.startswith(";"):
                name, rdtype, ttl, record = _record(line)
                rrset = records.setdefault((name, rdtype), dns.rrset.RRset(name, dns.rdataclass.IN, rdtype))
                rrset.add(record, ttl)
        self._zone = zone
        self._names = {part for name, _ in records for part in _and_above(name)}
        self._records = records

    def fault(self, name: str, what: str = "", rdtype: str = "*") -> None:
        """What happens to questions for this name ("*": all); "" ends it. rdtype: to those of this type only."""
        key = (name.lower().rstrip(".") or ".", rdtype)
        if what:
            self.faults[key] = what
        else:
            self.faults.pop(key, None)

    def questions(self, name: str, rdtype: str = "") -> int:
        """How often this has been asked."""
        return sum(one.name == name and rdtype in ("", one.rdtype) for one in list(self.asked))

    def close(self) -> None:
        if self._wake >= 0:
            os.write(self._wake, b"x")
            # A native lock: the thread needs nothing of ours, and ends within its current question.
            self._ended.acquire()
            os.close(self._wake)
            os.close(self._stopping)
            self._wake = -1

    # What follows runs in the thread.

    def _run(self) -> None:
        waiting: list[tuple[float, Any]] = []  # (when, what to call)
        clients: dict[Any, bytearray] = {}
        try:
            while True:
                pause = max(0.0, min(when for when, _ in waiting) - time.monotonic()) if waiting else None
                ready = _ready([self._stopping, self._udp, self._tcp, *clients], pause)
                if self._stopping in ready:
                    return
                for sock in ready:
                    if sock is self._udp:
                        wire, peer = sock.recvfrom(65535)
                        waiting += self._answers(wire, "udp", lambda data, to=peer: self._udp.sendto(data, to))
                    elif sock is self._tcp:
                        # accept() would make a socket of the patched kind.
                        clients[_native_socket(fileno=sock._accept()[0])] = bytearray()
                    else:
                        waiting += self._read(sock, clients)
                for one in [one for one in waiting if one[0] <= time.monotonic()]:
                    waiting.remove(one)
                    try:
                        one[1]()
                    except OSError:
                        pass  # it has gone
        finally:
            for sock in (self._udp, self._tcp, *clients):
                sock.close()
            self._ended.release()

    def _read(self, sock: Any, clients: dict[Any, bytearray]) -> list[tuple[float, Any]]:
        try:
            data = sock.recv(65535)
        except OSError:
            data = b""
        if not data:
            clients.pop(sock)
            sock.close()
            return []
        buffer, found = clients[sock], []
        buffer += data
        while len(buffer) >= 2 and len(buffer) >= 2 + (octets := struct.unpack("!H", buffer[:2])[0]):
            wire = bytes(buffer[2 : 2 + octets])
            del buffer[: 2 + octets]
            found += self._answers(wire, "tcp", lambda data: sock.sendall(struct.pack("!H", len(data)) + data))
        return found

    def _answers(self, wire: bytes, way: str, send: Any) -> list[tuple[float, Any]]:
        """(when, what to call) for each datagram or message to send."""
        self._read_file()
        try:
            query = dns.message.from_wire(wire)
            asked = query.question[0]
        except (dns.exception.DNSException, IndexError):
            return []
        name = asked.name.to_text(omit_final_dot=True).lower()
        rdtype = dns.rdatatype.to_text(asked.rdtype)
        self.asked.append(Asked(name, rdtype, way, bool(query.flags & dns.flags.AD)))
        keys = ((name, rdtype), (name, "*"), ("*", rdtype), ("*", "*"))
        what = next((self.faults[key] for key in keys if key in self.faults), "")
        now = time.monotonic()
        if what == SILENT:
            return []
        if what == GARBLED:
            return [(now, lambda: send(wire[:2] + b"\x80\x00\x00\x01\x00\x01\x00\x00\x00\x00\xff\xff\xff"))]
        answer = self._answer(query, asked.name, asked.rdtype, what, name)
        data = answer.to_wire(max_size=65535)
        most = max(512, query.payload) if query.edns >= 0 else 512
        if way == "udp" and (what == TRUNCATED or len(data) > most):
            answer.answer.clear()
            answer.flags |= dns.flags.TC
            data = answer.to_wire()
        if what.startswith("delay:"):
            now += float(what.partition(":")[2])
        stray = [(now, lambda: send(bytes([data[0] ^ 1]) + data[1:]))] if what == STRAY else []
        return [*stray, (now, lambda: send(data))]

    def _answer(self, query: Any, name: dns.name.Name, rdtype: Any, what: str, shown: str) -> Any:
        answer = dns.message.make_response(query, our_payload=65535 if query.edns >= 0 else 8192)
        answer.flags |= dns.flags.AA | dns.flags.RA
        if what == NO_EDNS and query.edns >= 0:
            answer.use_edns(False)
            what = FORMERR
        if what in (SERVFAIL, REFUSED, FORMERR):
            answer.set_rcode(dns.rcode.from_text(what))
            return answer
        if what == LAME:
            answer.flags &= ~dns.flags.AA
            answer.authority.append(dns.rrset.from_text(dns.name.root, 60, "IN", "NS", "ns.elsewhere.test."))
            return answer
        missing = what == NXDOMAIN or not self._fill(answer, name, rdtype)
        if missing:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        if not any(rrset.rdtype == rdtype for rrset in answer.answer):
            answer.authority.append(self._soa(name))
        if query.flags & dns.flags.AD and ("*" in self.secure or shown in self.secure):
            answer.flags |= dns.flags.AD
        return answer

    def _fill(self, answer: Any, name: dns.name.Name, rdtype: Any) -> bool:
        """Is there such a name?"""
        name = dns.name.Name([label.lower() for label in name.labels])
        for _ in range(20):
            source = name
            if name not in self._names:
                above = next((part for part in _and_above(name) if part in self._names), dns.name.root)
                source = dns.name.Name([b"*", *above.labels])
                if source not in self._names:
                    return bool(answer.answer)  # an alias to elsewhere: whoever asks goes on asking
            if found := self._records.get((source, rdtype)):
                answer.answer.append(dns.rrset.from_rdata_list(name, found.ttl, list(found)))
                return True
            alias = self._records.get((source, dns.rdatatype.CNAME))
            if alias is None:
                return True
            answer.answer.append(dns.rrset.from_rdata_list(name, alias.ttl, list(alias)))
            name = dns.name.Name([label.lower() for label in alias[0].target.labels])
        return True

    def _soa(self, name: dns.name.Name) -> dns.rrset.RRset:
        for part in _and_above(name):
            if found := self._records.get((part, dns.rdatatype.SOA)):
                return found
        text = f"ns.test. hostmaster.test. 1 3600 600 86400 {_NEGATIVE_TTL}"
        return dns.rrset.from_text(dns.name.root, _NEGATIVE_TTL, "IN", "SOA", text)

    def _read_file(self) -> None:
        if self._file is None:
            return
        stat = self._file.stat()
        seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if seen == self._file_seen:
            return
        text = self._file.read_text()
        faults, secure = {}, set()
        for line in text.splitlines():
            words = line.split()
            if words[:2] == [";!", "fault"]:
                faults[words[2].lower().rstrip("."), words[3]] = words[4]
            elif words[:2] == [";!", "secure"]:
                secure.add(words[2].lower().rstrip("."))
        try:
            self.zone = text
        except (dns.exception.DNSException, ValueError):
            return  # half written; the next question looks again
        self.faults, self.secure, self._file_seen = faults, secure, seen


def _and_above(name: dns.name.Name) -> Iterable[dns.name.Name]:
    while name != dns.name.root:
        yield name
        name = name.parent()


def _record(line: str) -> tuple[dns.name.Name, Any, int, Any]:
    """Of "name [TTL] [IN] type record". Several zones have one SOA each, which dnspython's reader of files refuses."""
    shown, *rest = line.split(None, 1)
    words, ttl = rest[0] if rest else "", _TTL
    for _ in range(2):
        first, _, others = words.partition(" ")
        if first.isdigit():
            ttl, words = int(first), others.lstrip()
        elif first.upper() == "IN":
            words = others.lstrip()
    kind, _, content = words.replace("\t", " ").partition(" ")
    rdtype = dns.rdatatype.from_text(kind)
    record = dns.rdata.from_text(dns.rdataclass.IN, rdtype, content, origin=dns.name.root, relativize=False)
    return dns.name.from_text(shown.lower()), rdtype, ttl, record


def _lines(zone: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    for name, types in zone.items():
        for rdtype, records in types.items():
            if rdtype != "TTL":
                for record in [records] if isinstance(records, str | bytes) else records:
                    content = text_record(record) if rdtype == "TXT" else record
                    yield f"{name} {types.get('TTL', _TTL)} IN {rdtype} {content}"


def _listeners(host: str, port: int) -> tuple[Any, Any]:
    """(TCP, UDP) on one port."""
    family = _patched.AF_INET6 if ":" in host else _patched.AF_INET
    for _ in range(100):
        tcp = _native_socket(family, _patched.SOCK_STREAM)
        tcp.setsockopt(_patched.SOL_SOCKET, _patched.SO_REUSEADDR, 1)
        udp = _native_socket(family, _patched.SOCK_DGRAM)
        try:
            tcp.bind((host, port))
            udp.bind((host, tcp.getsockname()[1]))
        except OSError:
            tcp.close()
            udp.close()
            if port:
                raise
            continue
        tcp.listen(100)
        return tcp, udp
    raise OSError("no port that is free for both UDP and TCP")


def main() -> None:
    parser = argparse.ArgumentParser(description="A nameserver for tests.")
    parser.add_argument("zonefile", type=Path)
    parser.add_argument("--listen", default="127.0.0.53:53", metavar="IP:PORT")
    given = parser.parse_args()
    host, _, port = given.listen.rpartition(":")
    server = DnsServer.of_file(given.zonefile, host.strip("[]"), int(port))
    print(f"listening on {server.address}", flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
