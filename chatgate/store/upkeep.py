"""What a store is asked to keep itself sound. What holds for all methods is in `Store` (contract.py)."""

from __future__ import annotations

from typing import Protocol


class Upkeep(Protocol):
    """Checking, cleaning up, closing."""

    def integrity(self) -> list[str]:
        """What is wrong with the stored data, a line each, for the operator; empty when sound. It may take minutes, and
        others go on meanwhile.
        """
        ...

    def expire(self, now: float) -> dict[str, int]:
        """Clean up what nothing refers to any more, such as what a crash has left of a deletion, and give free space
        back to the disk; how much of what, by a name for the operator, without what is 0. now: Unix seconds. Called
        once a day or so.

        A store may here forget which messages of a mailbox were expunged, but for the last 100 or more (`changes`
        says how that is told), and tombstones that are older than its operator wants.
        """
        ...

    def now(self) -> int:
        """Unix seconds by which the store dates what comes or is made: the machine's clock, but see `not_before`."""
        ...

    def not_before(self, now: float) -> None:
        """It is so late at least (Unix seconds), whatever the machine's clock says: of what comes or is made from then
        on nothing gets an earlier date or day, but one that the caller gives. A clock that was behind for an hour would
        else have all of that deleted as old, once it is right again. What was said last holds, until the store is
        closed.
        """
        ...

    def close(self) -> None:
        """Finish what is on its way to the disk, then let go of it. May be called twice. Whatever is called afterwards
        raises StoreUnavailable or is the caller's mistake.
        """
        ...
