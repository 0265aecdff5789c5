"""The self-test: get an allocation from the TURN server as an app would, and release it; and test STUN."""

from __future__ import annotations

import os
import time
from typing import Any

import gevent
from gevent import socket

from chatgate_turn import stun

_WHY = {
    401: "it refuses our credentials: its static-auth-secret is another one, or its clock is wrong",
    403: "it forbids us an allocation",
    486: "it has no room: a quota is used up",
    508: "it has no room: all its relay ports are taken",
}


NO_STUN = "it answers no STUN requests: no-stun or secure-stun is set in its configuration"


class ProbeError(Exception):
    """The TURN server cannot be used; str() says why, in words that follow a colon."""


def probe(host: str, port: int, credentials: tuple[str, str], seconds: float) -> stun.Address:
    """Ask for an allocation with (username, password) over UDP, as Delta Chat's calls do, and, without credentials, for
    our own address, as apps use the same port as a STUN server. Returns the address at which the server would relay.
    Raises ProbeError, after `seconds` at the latest.

    If the host has several addresses only one is tested, preferably an IPv4 address.
    """
    silent = "it does not answer"
    timeout = gevent.Timeout(seconds)
    try:
        with timeout:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            family, kind, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
            with socket.socket(family, kind) as sock:
                # A connected socket only receives datagrams from that address, and learns if nobody listens there.
                sock.connect(address)
                relayed = _allocate(sock, *credentials)
                silent = NO_STUN
                _see(sock)
                return relayed
    except gevent.Timeout as error:
        if error is not timeout:
            raise
        raise ProbeError(silent) from None
    except (OSError, ValueError) as error:  # ValueError: the name or the answer is malformed
        raise ProbeError(getattr(error, "strerror", None) or str(error)) from error


def _allocate(sock: Any, username: str, password: str) -> stun.Address:
    wanted = [(stun.REQUESTED_TRANSPORT, stun.UDP)]
    _, challenge = _ask(sock, stun.ALLOCATE, wanted)
    if not challenge.error:
        _ask(sock, stun.REFRESH, _RELEASE)
        raise ProbeError("it relays for anybody: use-auth-secret is missing in its configuration")
    for _ in range(2):
        if challenge.error not in (401, 438):
            raise ProbeError(_why(challenge.error))
        realm, nonce = challenge.get(stun.REALM), challenge.get(stun.NONCE)
        login = [(stun.USERNAME, username.encode()), (stun.REALM, realm), (stun.NONCE, nonce)]
        key = stun.long_term_key(username, realm, password)
        datagram, answer = _ask(sock, stun.ALLOCATE, wanted + login, key)
        if answer.error != 438:  # 438: the nonce has just expired; the answer has a new one
            break
        challenge = answer
    if answer.error:
        raise ProbeError(_why(answer.error))
    _ask(sock, stun.REFRESH, _RELEASE + login, key)
    if not stun.signed(datagram, key):
        raise ProbeError("its answer is not signed with our secret")
    answer.address(stun.XOR_MAPPED_ADDRESS)
    return answer.address(stun.XOR_RELAYED_ADDRESS)[0]


def _see(sock: Any) -> None:
    """A Binding request (RFC 8489 §2): the answer says at which address and port the server sees us."""
    _, answer = _ask(sock, stun.BINDING, [])
    if answer.error:
        raise ProbeError(NO_STUN)
    answer.address(stun.XOR_MAPPED_ADDRESS)


_RELEASE = [(stun.LIFETIME, bytes(4))]


def _why(code: int) -> str:
    return _WHY.get(code, f"it answers with error {code}")


def _ask(sock: Any, method: int, attributes: list[tuple[int, bytes]], key: bytes = b"") -> tuple[bytes, stun.Message]:
    """The answer, as a datagram and parsed. Repeats the request until the time is over (RFC 8489 §6.2.1)."""
    transaction = os.urandom(12)
    request = stun.build(method, transaction, attributes, key)
    wait = 0.5
    while True:
        sock.send(request)
        until = time.monotonic() + wait
        while (left := until - time.monotonic()) > 0:
            sock.settimeout(left)
            try:
                datagram = sock.recv(2048)
                message = stun.parse(datagram)
            except (TimeoutError, ValueError):
                continue  # not a STUN message, so not an answer
            if message.transaction == transaction and message.type in (method | stun.SUCCESS, method | stun.ERROR):
                return datagram, message
        wait *= 2
