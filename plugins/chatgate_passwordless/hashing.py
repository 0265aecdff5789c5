"""Password hashes, computed in native threads: one takes some 45 ms of CPU, during which the hub must keep running."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import os
import re
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

import gevent
from gevent.threadpool import ThreadPool

from chatgate_passwordless import foreign

log = logging.getLogger("chatgate.passwordless")

# A random password of 100 bits cannot be found by brute force, so key stretching would only add cost, more than an
# invitation page that makes hundreds of accounts a second can afford. 17 letters and digits have 101 bits.
GENERATED_LENGTH = 17

_BASE64 = r"((?:[A-Za-z0-9+/]{4})*[A-Za-z0-9+/]{2,4})"  # without the padding; not 4n + 1 letters
_SCRYPT = re.compile(rf"\$scrypt\$ln=([1-9]\d?),r=([1-9]\d?),p=([1-9]\d?)\${_BASE64}\${_BASE64}\Z", re.ASCII)
_SHA256 = re.compile(rf"\$sha256\${_BASE64}\${_BASE64}\Z")
_R, _P, _SALT = 8, 1, 16
DEAREST = 20  # the highest cost that can be set

_MEGABYTE = 1_000_000

# Of what the dearest imported hash should take, so much is the time of a refusal from then on.
_MARGIN = 1.5


class Busy(Exception):
    """More hashes are waiting than the operator allows."""


class Hasher:
    """Makes and verifies secrets: `$scrypt$ln=14,r=8,p=1$salt$hash` (RFC 7914) for passwords that people and their
    programs chose, `$sha256$salt$hash` for those that we generated ourselves. It also verifies hashes of other servers.

    cost: log2 of scrypt's N. threads: how many hashes are computed at once (0: as many as there are CPUs).
    queue: how many more may wait; beyond that `Busy` is raised, as nobody waits minutes for a login.
    refusal: seconds that a "no" takes, at the least. seconds, megabytes: what the hash of another server may need.
    """

    def __init__(
        self,
        cost: int,
        threads: int,
        queue: int,
        refusal: float = 0.0,
        seconds: float = 1.0,
        megabytes: int = 128,
    ) -> None:
        self._cost = cost
        self._threads = threads or os.cpu_count() or 1
        self._limit = self._threads + queue
        self._refusal, self._seconds, self._megabytes = refusal, seconds, megabytes
        self._pending = 0

    def make(self, password: str, generated: bool = False) -> str:
        """The secret to store. Raises Busy."""
        salt = os.urandom(_SALT)
        if generated and len(password) >= GENERATED_LENGTH:
            return f"$sha256${_text(salt)}${_text(_sha256(password, salt))}"
        digest, _ = self._scrypt(password, salt, self._cost, _R, _P)
        return f"$scrypt$ln={self._cost},r={_R},p={_P}${_text(salt)}${_text(digest)}"

    def verify(self, password: str, secret: str) -> bool:
        """Is it the password? Raises Busy.

        A "no" always takes as long, whatever the secret, even "" for an account that does not exist: one scrypt or the
        hash of another server, and a wait until `refusal` is over. So the time does not reveal which names exist, nor
        which accounts came from another server. Time in the queue is not part of it: all wait for the same queue.
        """
        right, seconds = self._compared(password, secret)
        if not right:
            gevent.sleep(max(0.0, self._refusal - seconds))
        return right

    def outdated(self, password: str, secret: str) -> bool:
        """Should the secret of this password be made anew? Those of other servers should, and also a `$sha256$` that is
        not ours: Maddy's sha256 is the same computation, for passwords that can be guessed.
        """
        if match := _SHA256.match(secret):
            return len(password) < GENERATED_LENGTH or len(_octets(match[1])) != _SALT
        return foreign.read(secret) is not None

    def unusable(self, secret: str) -> str:
        """Why no password will ever be found to match this secret; "" if one can."""
        if match := _SCRYPT.match(secret):
            return "" if _payable(match) else "its scrypt is made to need too much time or memory"
        if _SHA256.match(secret):
            return ""
        if (hashed := foreign.read(secret)) is None:
            return "it is of a kind that is not known here"
        if hashed.seconds > self._seconds:
            return f"to verify it ({hashed.kind}) takes some {hashed.seconds:.1f} s, more than imported_hash_seconds"
        if hashed.memory > self._megabytes * _MEGABYTE:
            need = hashed.memory // _MEGABYTE
            return f"to verify it ({hashed.kind}) takes {need} MB, more than imported_hash_megabytes"
        return ""

    def _compared(self, password: str, secret: str) -> tuple[bool, float]:
        """Whether the password matches, and how many seconds of computing that took."""
        if self.unusable(secret):
            pass
        elif match := _SCRYPT.match(secret):
            salt, digest = _octets(match[4]), _octets(match[5])
            found, seconds = self._scrypt(password, salt, int(match[1]), int(match[2]), int(match[3]), len(digest))
            return hmac.compare_digest(found, digest), seconds
        elif match := _SHA256.match(secret):
            if hmac.compare_digest(_sha256(password, _octets(match[1])), _octets(match[2])):
                return True, 0.0
        elif hashed := foreign.read(secret):
            self._refusal = max(self._refusal, _MARGIN * hashed.seconds)
            answer, seconds = self._in_thread(_fits, hashed, _encoded(password))
            if isinstance(answer, str):
                log.warning("passwordless: an imported hash (%s) cannot be verified: %s", hashed.kind, answer)
            return answer is True, seconds
        _, seconds = self._scrypt(password, b"no such secret", self._cost, _R, _P)
        return False, seconds

    def _scrypt(self, password: str, salt: bytes, cost: int, r: int, p: int, size: int = 32) -> tuple[bytes, float]:
        return self._in_thread(_compute, _encoded(password), salt, 1 << cost, r, p, size)

    def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
        """The result, and how many seconds it took once it was its turn."""
        if self._pending >= self._limit:
            raise Busy
        self._pending += 1
        try:
            return self._pool.apply(_timed, (work, *arguments))
        finally:
            self._pending -= 1

    @cached_property
    def _pool(self) -> Any:
        # Idle threads end: malloc keeps a lot of memory for each thread.
        return ThreadPool(self._threads, idle_task_timeout=30)


def _timed(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    began = time.perf_counter()
    return work(*arguments), time.perf_counter() - began


def _payable(match: re.Match[str]) -> bool:
    """Can options have made this scrypt? It can come with an import, and 2^99 steps of it would never end."""
    cost, r, p = int(match[1]), int(match[2]), int(match[3])
    return cost <= DEAREST and r * p << cost <= _R * _P << DEAREST


def _compute(password: bytes, salt: bytes, n: int, r: int, p: int, size: int) -> bytes:
    # OpenSSL's own limit of 32 MB suffices for the default cost only; twice the memory needed leaves room for its
    # bookkeeping.
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, dklen=size, maxmem=256 * r * (n + p))


def _fits(hashed: foreign.Foreign, password: bytes) -> bool | str:
    """The answer, or why there is none: nothing is logged in a native thread."""
    try:
        return hashed.fits(password)
    except (ValueError, NotImplementedError) as error:
        return str(error)


def _sha256(password: str, salt: bytes) -> bytes:
    return hashlib.sha256(salt + _encoded(password)).digest()


def _encoded(password: str) -> bytes:
    # Octets that are not UTF-8 reach us as lone surrogates; they, too, can be part of a password.
    return password.encode("utf-8", "surrogatepass")


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode().rstrip("=")


def _octets(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
