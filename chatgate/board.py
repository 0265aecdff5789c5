"""The board: "mailbox M changed", from whoever changed it to whoever watches it."""

from __future__ import annotations

from collections.abc import Callable


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
    """Wake-ups carry no content: what changed is read from the store by modseq, so a posting can never be too many
    for a watcher (its callback only sets a flag), a lost one costs time but no mail, and a board that spans processes
    can take this one's place.
    """

    def __init__(self) -> None:
        self._watches: dict[int, set[Watch]] = {}

    def watch(self, mailbox_id: int, callback: Callable[[], None]) -> Watch:
        """Call `callback` at each posting for this mailbox; it must not block or raise: set an event."""
        watch = Watch(self, mailbox_id, callback)
        self._watches.setdefault(mailbox_id, set()).add(watch)
        return watch

    def post(self, mailbox_id: int) -> None:
        """Wake the watchers of this mailbox. Call it in the hub's thread, after the commit."""
        for watch in tuple(self._watches.get(mailbox_id, ())):
            watch.callback()
