"""The board: "mailbox M changed", "account A changed" or "the queue has more", from who changed it to who watches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

# What stands for the queue of what goes elsewhere (`chatgate.store.queue`): no mailbox has this id.
QUEUE = 0


def account_key(account_id: int) -> int:
    """What stands for an account on the board, where mailboxes go by their ids: a negative number."""
    return -account_id


class Watch(Protocol):
    """A watcher's hold on the board."""

    def cancel(self) -> None:
        """Be told nothing more. May be called twice."""
        ...


class Board(Protocol):
    """Wake-ups carry no content: what changed is read from the store (of a mailbox by modseq), so a posting can never
    be too many for a watcher (its callback only sets a flag), and a lost one costs time but no mail: whoever waits
    for long looks by himself now and then.

    The gateway has `LocalBoard` unless a plugin brings one (`chatgate_board`). One that spans processes or machines
    tells each of them what is posted in any of them; its own process at once, the others when it can, and posting never
    waits for them.

    on_account: told the id of each account that is posted; set by the gateway, which ends sessions, see `Logins`. One
    for all, as a watch of its own would be memory for each idle connection.
    """

    on_account: Callable[[int], None] | None

    def watch(self, key: int, callback: Callable[[], None]) -> Watch:
        """Call `callback` at each posting of this key, a mailbox's id or `QUEUE`; it must not block or raise: set an
        event.
        """
        ...

    def post(self, key: int) -> None:
        """Wake the watchers of this mailbox, by its id, account, by its `account_key`, or of the `QUEUE`. Call it in
        the hub's thread, after the commit. Returns at once.
        """
        ...


class _Watch:
    __slots__ = ("_board", "_key", "callback")

    def __init__(self, board: LocalBoard, key: int, callback: Callable[[], None]) -> None:
        self._board, self._key, self.callback = board, key, callback

    def cancel(self) -> None:
        watches = self._board._watches.get(self._key)
        if watches is not None:
            watches.discard(self)
            if not watches:
                del self._board._watches[self._key]


class LocalBoard:
    """A `Board` for one process, and what others are made of."""

    def __init__(self) -> None:
        self._watches: dict[int, set[_Watch]] = {}
        self.on_account: Callable[[int], None] | None = None

    def watch(self, key: int, callback: Callable[[], None]) -> Watch:
        """As in `Board`."""
        watch = _Watch(self, key, callback)
        self._watches.setdefault(key, set()).add(watch)
        return watch

    def post(self, key: int) -> None:
        """As in `Board`: what a board that spans processes calls for what is posted here and for what it hears."""
        if key < 0 and self.on_account is not None:
            self.on_account(-key)
        for watch in tuple(self._watches.get(key, ())):
            watch.callback()
