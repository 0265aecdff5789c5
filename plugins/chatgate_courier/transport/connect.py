"""TCP to one of the addresses of a host: the next one is tried before the last has failed (RFC 8305)."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain, zip_longest
from typing import Any

import gevent
import gevent.queue
import gevent.socket

from chatgate_courier.transport.wire import Broken, reason, slow

_STAGGER = 0.25  # seconds that an address has before the next one is tried too, RFC 8305 §5


def connect(addresses: Sequence[str], port: int, seconds: float, source: str = "") -> Any:
    """A connected socket to the first of these addresses that answers. Raises Broken after this many seconds, or when
    all have failed.

    source: the IP address that the other side should see; "" for any. It is of no use to connect by IPv6 then if it is
    one of IPv4; an address that this machine has not, as the router has it, is the router's business.
    """
    addresses = [one for one in addresses if (":" in one) == (":" in source)] or addresses if source else addresses
    limit = gevent.Timeout.start_new(seconds, slow(seconds))
    try:
        return _one(addresses[0], port, source) if len(addresses) == 1 else _race(in_turn(addresses), port, source)
    except OSError as error:
        raise Broken(reason(error)) from None
    finally:
        limit.close()


def in_turn(addresses: Sequence[str]) -> list[str]:
    """IPv6 and IPv4 alternating, beginning with IPv6 (RFC 8305 §4)."""
    newer, older = [a for a in addresses if ":" in a], [a for a in addresses if ":" not in a]
    return [a for a in chain.from_iterable(zip_longest(newer, older)) if a is not None]


def _one(address: str, port: int, source: str) -> Any:
    sock = gevent.socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source and (":" in source) == (":" in address):
            with suppress(OSError):
                sock.bind((source, 0))
        sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _race(addresses: list[str], port: int, source: str) -> Any:
    results: gevent.queue.Queue[Any] = gevent.queue.Queue()
    over = False

    def run(address: str) -> None:
        try:
            sock = _one(address, port, source)
        except OSError as error:
            results.put(error)
            return
        if over:
            sock.close()
        else:
            results.put(sock)

    runners: list[Any] = []
    failures: list[OSError] = []
    won = None
    try:
        while won is None:
            if len(runners) < len(addresses):
                runners.append(gevent.spawn(run, addresses[len(runners)]))
            try:
                result = results.get(timeout=_STAGGER if len(runners) < len(addresses) else None)
            except gevent.queue.Empty:
                continue
            if not isinstance(result, OSError):
                won = result
            else:
                failures.append(result)
                if len(failures) == len(addresses):
                    raise failures[0]
        return won
    finally:
        over = True
        gevent.killall(runners, block=False)
        while not results.empty():
            late = results.get_nowait()
            if not isinstance(late, OSError):
                late.close()
