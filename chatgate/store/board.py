"""The board: carries "mailbox M changed", "account A changed" and "the queue has more" to those who watch for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

# The key of the queue of mail that goes elsewhere (`chatgate.store.queue`): no mailbox has this id.
QUEUE = 0


def account_key(account_id: int) -> int:
    """The key of an account on the board: a negative number, as the positive ones are the ids of mailboxes."""
    return -account_id


class Watch(Protocol):
    """A watcher's hold on the board."""

    def cancel(self) -> None:
        """Be told nothing more. May be called twice."""
        ...


class Board(Protocol):
    """Wake-ups carry no content: the change itself is read from the store (for a mailbox, by modseq). So superfluous
    postings never hurt a watcher, whose callback only sets a flag, and a lost one costs time but no mail: a watcher
    that waits for long also looks by itself now and then.

    The gateway has a `LocalBoard` unless a plugin provides another board (`chatgate_board`). One that spans processes
    or machines passes on to all of them what is posted in any of them; to its own process at once, to the others when
    it can, and posting never waits for them.

    on_account: called with the id of each account that is posted; set by the gateway, which ends sessions (see
    `Logins`). There is one callback for all accounts, as a watch for each would cost memory for every idle connection.
    """

    on_account: Callable[[int], None] | None

    def watch(self, key: int, callback: Callable[[], None]) -> Watch:
        """Call `callback` at each posting of this key, a mailbox's id or `QUEUE`; it must not block or raise: set an
        event.
        """
        ...

    def post(self, key: int) -> None:
        """Wake the watchers of a mailbox (key: its id), an account (its `account_key`) or the queue (`QUEUE`). Call it
        in the hub's thread, after the commit. Returns at once.
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
    """A `Board` for one process, and the base of other boards."""

    def __init__(self) -> None:
        self._watches: dict[int, set[_Watch]] = {}
        self.on_account: Callable[[int], None] | None = None

    def watch(self, key: int, callback: Callable[[], None]) -> Watch:
        """As in `Board`."""
        watch = _Watch(self, key, callback)
        self._watches.setdefault(key, set()).add(watch)
        return watch

    def post(self, key: int) -> None:
        """As in `Board`. A board that spans processes calls this for what is posted here and for what it hears from
        others.
        """
        if key < 0 and self.on_account is not None:
            self.on_account(-key)
        for watch in tuple(self._watches.get(key, ())):
            watch.callback()
