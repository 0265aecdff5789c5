"""Telling a client once more of messages that it leaves lying.

Delta Chat fetches 500 messages at once and goes to sleep; what is left waits until something else comes. So at IDLE it
hears EXISTS again. It is said once for each state of affairs, so a client that never fetches does not spin.
"""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


_REMEMBERED = 1000  # mailboxes


class Reminder:
    """By mailbox id, the highest UID that the client has fetched anything of, and what that was and which the newest
    when it last heard of new messages.
    """

    __slots__ = ("_fetched", "_told")

    def __init__(self) -> None:
        self._fetched: dict[int, int] = {}
        self._told: dict[int, tuple[int, int]] = {}

    def fetched(self, mailbox_id: int, uid: int) -> None:
        """The client has fetched something of this message, and nothing newer now."""
        if uid > self._fetched.get(mailbox_id, 0):
            _note(self._fetched, mailbox_id, uid)

    def told(self, mailbox_id: int, newest: int) -> None:
        """The client has just heard of this newest UID."""
        _note(self._told, mailbox_id, (newest, self._fetched.get(mailbox_id, 0)))

    def due(self, mailbox_id: int, newest: int) -> bool:
        """Does it not know of the newest message, and has got further since it last heard, if ever it did?"""
        fetched = self._fetched.get(mailbox_id, 0)
        return newest > fetched and self._told.get(mailbox_id) != (newest, fetched)


def _note(notes: dict[int, T], mailbox_id: int, value: T) -> None:
    """The mailboxes noted last stay: one connection can make and delete as many as it likes."""
    notes.pop(mailbox_id, None)
    notes[mailbox_id] = value
    if len(notes) > _REMEMBERED:
        del notes[next(iter(notes))]
