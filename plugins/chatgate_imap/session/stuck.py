"""Clients that hang up at GETMETADATA.

Delta Chat 2.35 looks up public STUN servers if the server names no TURN server. If that fails, as without DNS, it hangs
up before it reads any mail, and tries again after a second, then after a minute, and so on. When the client of an
account has done so, it is next given an address that needs no DNS and leads nowhere: so it can at least read its mail.
"""

from __future__ import annotations

import time
from collections import OrderedDict

ENTRY = "/shared/vendor/deltachat/turn"

_REMEMBERED = 10_000  # accounts
_FORGOTTEN = 600.0  # seconds between two tries; Delta Chat waits for 80 at most
_LIFE = 432_000  # seconds for which such an answer is valid, as for a TURN server


class Stuck:
    """Keeps by account id when its client last hung up."""

    def __init__(self) -> None:
        self._hung_up: OrderedDict[int, float] = OrderedDict()

    def hung_up(self, account_id: int) -> None:
        """Its client was told of no TURN server, and hung up without a further command."""
        self._hung_up[account_id] = time.monotonic()
        self._hung_up.move_to_end(account_id)
        if len(self._hung_up) > _REMEMBERED:
            self._hung_up.popitem(last=False)

    def went_on(self, account_id: int) -> None:
        """Its client sent a further command."""
        self._hung_up.pop(account_id, None)

    def answer(self, account_id: int) -> bytes | None:
        """The answer in place of a TURN server, None for nothing."""
        last = self._hung_up.get(account_id)
        if last is None or time.monotonic() - last > _FORGOTTEN:
            return None
        return b"127.0.0.1:9:%d:none" % (int(time.time()) + _LIFE)
