"""The board: "mailbox M changed", "account A changed" or "the queue has more", from who changed it to who watches."""

from __future__ import annotations

from collections.abc import Callable

# What stands for the queue of what goes elsewhere (`chatgate.store.queue`): no mailbox has this id.
QUEUE = 0


def account_key(account_id: int) -> int:
    """What stands for an account on the board, where mailboxes go by their ids: a negative number."""
    return -account_id


class Watch:
    """A watcher's hold on the board; `cancel()` ends it."""

    __slots__ = ("_board", "_key", "callback")

    def __init__(self, board: Board, key: int, callback: Callable[[], None]) -> None:
        self._board, self._key, self.callback = board, key, callback

    def cancel(self) -> None:
        """Be told nothing more. May be called twice."""
        watches = self._board._watches.get(self._key)
        if watches is not None:
            watches.discard(self)
            if not watches:
                del self._board._watches[self._key]


class Board:
    """Wake-ups carry no content: what changed is read from the store (of a mailbox by modseq), so a posting can never
    be too many for a watcher (its callback only sets a flag), a lost one costs time but no mail, and a board that spans
    processes can take this one's place.

    on_account: told the id of each account that is posted; set by the gateway, which ends sessions, see `Logins`. One
    for all, as a watch of its own would be memory for each idle connection.
    """

    def __init__(self) -> None:
        self._watches: dict[int, set[Watch]] = {}
        self.on_account: Callable[[int], None] | None = None

    def watch(self, key: int, callback: Callable[[], None]) -> Watch:
        """Call `callback` at each posting of this key, a mailbox's id or `QUEUE`; it must not block or raise: set an
        event.
        """
        watch = Watch(self, key, callback)
        self._watches.setdefault(key, set()).add(watch)
        return watch

    def post(self, key: int) -> None:
        """Wake the watchers of this mailbox, by its id, account, by its `account_key`, or of the `QUEUE`. Call it in
        the hub's thread, after the commit.
        """
        if key < 0 and self.on_account is not None:
            self.on_account(-key)
        for watch in tuple(self._watches.get(key, ())):
            watch.callback()
