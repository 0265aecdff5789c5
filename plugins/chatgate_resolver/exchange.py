"""One question to one nameserver, by UDP, and by TCP where the answer is too long for that (RFC 1035 §4.2, RFC 7766).

On gevent's sockets, so that only the asking greenlet waits, whether or not the process is monkey-patched.
"""

from __future__ import annotations

import socket as plain
import struct
import time

import dns.exception
import dns.message
from gevent import socket

from chatgate_resolver.answers import Trouble
from chatgate_resolver.servers import Nameserver

# What a datagram may hold so that no network cuts it into pieces (RFC 9715 §3).
EDNS_OCTETS = 1232
# Datagrams that answer another question. Beyond so many somebody is guessing: TCP is asked then (RFC 5452 §9.3).
_STRAY = 20
_TRUNCATED, _ANSWER = 0x02, 0x80  # in the third octet of a message


def exchange(server: Nameserver, query: dns.message.Message, seconds: float, max_records: int) -> dns.message.Message:
    """The nameserver's answer, whatever it says. seconds: for all of it. Raises Trouble; its text does not name the
    nameserver or the question.
    """
    until = time.monotonic() + seconds
    wire = query.to_wire()
    try:
        answer = _by_udp(server, wire, until)
        if answer is None:
            answer = _by_tcp(server, wire, until)
    except TimeoutError:
        raise Trouble("no answer in time") from None
    except OSError as error:
        raise Trouble(f"cannot be asked: {error.strerror or type(error).__name__}") from None
    return parsed(answer, query, max_records)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _by_udp(server: Nameserver, wire: bytes, until: float) -> bytes | None:
    """The answer, or None if TCP is to be asked."""
    with socket.socket(server.family, plain.SOCK_DGRAM) as sock:
        # A connected socket has a port of its own at random, and takes datagrams from this nameserver alone. Without a
        # time limit gevent would look up the address in a thread first.
        sock.settimeout(0.0)
        sock.connect(server.address)
        sock.settimeout(_left(until))
        sock.send(wire)
        for _ in range(_STRAY):
            sock.settimeout(_left(until))
            answer = sock.recv(65535)
            if len(answer) >= 12 and answer[:2] == wire[:2] and answer[2] & _ANSWER:
                return None if answer[2] & _TRUNCATED else answer
    return None


def _by_tcp(server: Nameserver, wire: bytes, until: float) -> bytes:
    with socket.socket(server.family, plain.SOCK_STREAM) as sock:
        sock.settimeout(_left(until))
        sock.connect(server.address)
        sock.settimeout(_left(until))
        sock.sendall(struct.pack("!H", len(wire)) + wire)
        (octets,) = struct.unpack("!H", _exactly(sock, 2, until))
        return _exactly(sock, octets, until)


def _exactly(sock: socket.socket, octets: int, until: float) -> bytes:
    found = bytearray()
    while len(found) < octets:
        sock.settimeout(_left(until))
        piece = sock.recv(octets - len(found))
        if not piece:
            raise Trouble("the connection was closed")
        found += piece
    return bytes(found)


def parsed(wire: bytes, query: dns.message.Message, max_records: int) -> dns.message.Message:
    # Looked at before all of them are read, which may be some thousands.
    if len(wire) < 12 or sum(struct.unpack("!HHH", wire[6:12])) > max_records:
        raise Trouble(f"more than {max_records} records" if len(wire) >= 12 else "a malformed answer")
    try:
        answer = dns.message.from_wire(wire)
    except (dns.exception.DNSException, ValueError):  # ValueError: octets that a record of this type cannot have
        raise Trouble("a malformed answer") from None
    if not query.is_response(answer):
        raise Trouble("an answer to another question")
    return answer
