"""\\Recent (RFC 3501 §2.3.2): which session was the first to be told of a message. Kept in memory for the process;
after a restart nobody knows, and then "this message SHOULD be considered recent".
"""

from __future__ import annotations

from collections import OrderedDict

_REMEMBERED = 100_000  # mailboxes; one forgotten shows its messages as recent once more


class Recent:
    """For each mailbox the first UID that no session has claimed yet."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._first: OrderedDict[int, int] = OrderedDict()
        self._remembered = remembered

    def first(self, mailbox_id: int) -> int:
        """The first UID nobody has claimed."""
        return self._first.get(mailbox_id, 1)

    def claim(self, mailbox_id: int, uidnext: int) -> int:
        """The caller now has all below `uidnext`; returns the first UID that is recent for it."""
        first = self._first.get(mailbox_id, 1)
        if uidnext > first:
            self._first[mailbox_id] = uidnext
            if len(self._first) > self._remembered:
                self._first.popitem(last=False)
        if mailbox_id in self._first:
            self._first.move_to_end(mailbox_id)
        return first
