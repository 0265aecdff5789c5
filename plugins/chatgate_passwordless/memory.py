"""What is kept in memory about logins: verified ones for a while, and those being verified right now."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Callable
from typing import Any

from gevent.event import AsyncResult

from chatgate.api import Account
from chatgate_passwordless.hashing import Busy


class Verified:
    """Logins that were right a short while ago: Delta Chat connects anew for nearly every message it sends.

    Kept is a hash under a key that dies with the process. It covers the stored secret: a login is not recognised
    any more once the password was changed or the address got a new owner, in this process or in another.
    seconds: how long one is remembered. limit: how many are.
    """

    def __init__(self, seconds: float, limit: int) -> None:
        self._seconds, self._limit = seconds, limit
        self._key = os.urandom(32)
        self._known: dict[int, tuple[float, bytes]] = {}  # oldest first

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, login: tuple[Account, str]) -> bool:
        account, password = login
        until, digest = self._known.get(account.id, (0.0, b""))
        return time.monotonic() < until and hmac.compare_digest(digest, self._digest(account, password))

    def add(self, account: Account, password: str) -> None:
        """Remember this login; the oldest ones make room."""
        self.forget(account)
        self._known[account.id] = (time.monotonic() + self._seconds, self._digest(account, password))
        while len(self._known) > self._limit:
            del self._known[next(iter(self._known))]

    def forget(self, account: Account) -> None:
        """Know nothing of this account."""
        self._known.pop(account.id, None)

    def _digest(self, account: Account, password: str) -> bytes:
        return hashlib.blake2b(
            account.secret.encode() + b"\0" + password.encode("utf-8", "surrogatepass"), key=self._key, digest_size=32
        ).digest()


class Flights:
    """Equal questions asked at the same instant are answered once: Delta Chat's first logins by IMAP and by SMTP come
    together, and the second need not pay for a hash of its own.
    """

    def __init__(self) -> None:
        self._flights: dict[Any, AsyncResult] = {}

    def once(self, question: Any, work: Callable[[], Any]) -> Any:
        """What `work()` returns, or what the greenlet got that is at it. Raises Busy if that one was interrupted."""
        flight = self._flights.get(question)
        if flight is not None:
            return flight.get()
        flight = self._flights[question] = AsyncResult()
        try:
            answer = work()
        except BaseException:
            flight.set_exception(Busy())  # a time-out or kill was meant for this greenlet, not for those who wait
            raise
        else:
            flight.set(answer)
            return answer
        finally:
            del self._flights[question]
