"""What is kept in memory about logins: those verified recently, and those being verified right now."""

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
    """Logins that were right a short while ago: Delta Chat opens a new connection for nearly every message it sends.

    Only a keyed hash is kept; the key exists only in this process. The hash covers the stored secret: a login is no
    longer recognised once the password was changed or the address got a new owner, in this process or in another.
    seconds: how long a login is remembered. limit: how many are remembered.
    """

    def __init__(self, seconds: float, limit: int) -> None:
        self.seconds, self.limit = seconds, limit
        self._key = os.urandom(32)
        self._known: dict[int, tuple[float, bytes]] = {}  # oldest first

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, login: tuple[Account, str]) -> bool:
        account, password = login
        until, digest = self._known.get(account.id, (0.0, b""))
        return time.monotonic() < until and hmac.compare_digest(digest, self._digest(account, password))

    def add(self, account: Account, password: str) -> None:
        """Remember this login, and drop the oldest ones if there are too many."""
        self.forget(account)
        self._known[account.id] = (time.monotonic() + self.seconds, self._digest(account, password))
        while len(self._known) > self.limit:
            del self._known[next(iter(self._known))]

    def forget(self, account: Account) -> None:
        """Forget the login of this account."""
        self._known.pop(account.id, None)

    def _digest(self, account: Account, password: str) -> bytes:
        return hashlib.blake2b(
            account.secret.encode() + b"\0" + password.encode("utf-8", "surrogatepass"), key=self._key, digest_size=32
        ).digest()


class Flights:
    """Answers equal questions that are asked at the same time only once: Delta Chat's first logins by IMAP and by SMTP
    come together, and the second one does not need a hash of its own.
    """

    def __init__(self) -> None:
        self._flights: dict[Any, AsyncResult] = {}

    def once(self, question: Any, work: Callable[[], Any]) -> Any:
        """The result of `work()`. If another greenlet is already working on the same question, wait for its result;
        raises Busy if that greenlet is interrupted.
        """
        flight = self._flights.get(question)
        if flight is not None:
            return flight.get()
        flight = self._flights[question] = AsyncResult()
        try:
            answer = work()
        except BaseException:
            flight.set_exception(Busy())  # a timeout or kill was meant for this greenlet, not for those that wait
            raise
        else:
            flight.set(answer)
            return answer
        finally:
            del self._flights[question]
