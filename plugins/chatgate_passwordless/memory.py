"""What is kept in memory about logins: verified ones for a while, those being verified right now, and wrong ones."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections import Counter
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


class Guesses:
    """Wrong logins of the current minute by network: each costs a hash, and somebody who guesses must leave the others
    their share of the CPUs. limit: for one network, 0 for any number. This machine, network "", has no limit.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = limit, clock
        self._minute = -1
        self._networks: Counter[str] = Counter()  # no more than hashes can be computed in a minute

    def take(self, network: str) -> int | None:
        """Count a login as wrong before it is verified, as many come at one instant. The minute, for `give_back`; None
        when there were too many.
        """
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute = minute
            self._networks.clear()
        if network and self._limit:
            if self._networks[network] >= self._limit:
                return None
            self._networks[network] += 1
        return minute

    def give_back(self, network: str, minute: int) -> None:
        """It was none."""
        if minute == self._minute:
            if self._networks[network] > 1:
                self._networks[network] -= 1
            else:
                del self._networks[network]
