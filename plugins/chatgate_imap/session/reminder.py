"""Telling a client again of messages that it has not fetched.

Delta Chat fetches 500 messages at a time and goes to sleep; the others would wait until a new message arrives. So at
IDLE it gets EXISTS again. It gets it only once for each state of the mailbox, so a client that never fetches does not
loop.
"""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


_REMEMBERED = 1000  # mailboxes


class Reminder:
    """Keeps by mailbox id the highest UID of which the client has fetched anything, and the newest UID and that highest
    one at the time when the client was last told of new messages.
    """

    __slots__ = ("_fetched", "_told")

    def __init__(self) -> None:
        self._fetched: dict[int, int] = {}
        self._told: dict[int, tuple[int, int]] = {}

    def fetched(self, mailbox_id: int, uid: int) -> None:
        """The client has fetched something of this message, and nothing of newer ones in the same command."""
        if uid > self._fetched.get(mailbox_id, 0):
            _note(self._fetched, mailbox_id, uid)

    def told(self, mailbox_id: int, newest: int) -> None:
        """The client has just been told of this newest UID."""
        _note(self._told, mailbox_id, (newest, self._fetched.get(mailbox_id, 0)))

    def due(self, mailbox_id: int, newest: int) -> bool:
        """Should it be told? Yes if it has not fetched the newest message, and has never been told in this state."""
        fetched = self._fetched.get(mailbox_id, 0)
        return newest > fetched and self._told.get(mailbox_id) != (newest, fetched)


def _note(notes: dict[int, T], mailbox_id: int, value: T) -> None:
    """Keeps only the latest mailboxes, as one connection can make and delete any number of them."""
    notes.pop(mailbox_id, None)
    notes[mailbox_id] = value
    if len(notes) > _REMEMBERED:
        del notes[next(iter(notes))]
