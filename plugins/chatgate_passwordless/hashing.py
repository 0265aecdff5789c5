"""Password hashes, computed in native threads: one takes some 45 ms of CPU, during which the hub must keep running."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from functools import cached_property
from typing import Any

from gevent.threadpool import ThreadPool

# A random password of 100 bits cannot be found by brute force, so key stretching would only add cost, more than an
# invitation page that makes hundreds of accounts a second can afford. 17 letters and digits have 101 bits.
GENERATED_LENGTH = 17

_SCRYPT = re.compile(r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)\Z")
_SHA256 = re.compile(r"\$sha256\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)\Z")
_R, _P = 8, 1


class Busy(Exception):
    """More hashes are waiting than the operator allows."""


class Hasher:
    """Makes and verifies secrets: `$scrypt$ln=14,r=8,p=1$salt$hash` (RFC 7914) for passwords that people and their
    programs chose, `$sha256$salt$hash` for those that we generated ourselves.

    cost: log2 of scrypt's N. threads: how many hashes are computed at once (0: as many as there are CPUs).
    queue: how many more may wait; beyond that `Busy` is raised, as nobody waits minutes for a login.
    """

    def __init__(self, cost: int, threads: int, queue: int) -> None:
        self._cost = cost
        self._threads = threads or os.cpu_count() or 1
        self._limit = self._threads + queue
        self._pending = 0

    def make(self, password: str, generated: bool = False) -> str:
        """The secret to store. Raises Busy."""
        salt = os.urandom(16)
        if generated and len(password) >= GENERATED_LENGTH:
            return f"$sha256${_text(salt)}${_text(_sha256(password, salt))}"
        digest = self._scrypt(password, salt, self._cost, _R, _P)
        return f"$scrypt$ln={self._cost},r={_R},p={_P}${_text(salt)}${_text(digest)}"

    def verify(self, password: str, secret: str) -> bool:
        """Is it the password? A "no" always costs one scrypt, whatever the secret, even "" for an account that does not
        exist: so the response time does not reveal which names exist. Raises Busy.
        """
        if match := _SCRYPT.match(secret):
            salt, digest = _octets(match[4]), _octets(match[5])
            found = self._scrypt(password, salt, int(match[1]), int(match[2]), int(match[3]), len(digest))
            return hmac.compare_digest(found, digest)
        if match := _SHA256.match(secret):
            if hmac.compare_digest(_sha256(password, _octets(match[1])), _octets(match[2])):
                return True
        self._scrypt(password, b"no such secret", self._cost, _R, _P)
        return False

    def _scrypt(self, password: str, salt: bytes, cost: int, r: int, p: int, size: int = 32) -> bytes:
        if self._pending >= self._limit:
            raise Busy
        self._pending += 1
        try:
            return self._pool.apply(_compute, (_encoded(password), salt, 1 << cost, r, p, size))
        finally:
            self._pending -= 1

    @cached_property
    def _pool(self) -> Any:
        # Idle threads end: malloc keeps a lot of memory for each thread.
        return ThreadPool(self._threads, idle_task_timeout=30)


def _compute(password: bytes, salt: bytes, n: int, r: int, p: int, size: int) -> bytes:
    # OpenSSL's own limit of 32 MB suffices for the default cost only; twice the memory needed leaves room for its
    # bookkeeping.
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, dklen=size, maxmem=256 * r * (n + p))


def _sha256(password: str, salt: bytes) -> bytes:
    return hashlib.sha256(salt + _encoded(password)).digest()


def _encoded(password: str) -> bytes:
    # Octets that are not UTF-8 reach us as lone surrogates; they, too, can be part of a password.
    return password.encode("utf-8", "surrogatepass")


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode().rstrip("=")


def _octets(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
