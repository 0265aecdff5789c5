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

    def close(self) -> None:
        """Finish what is on its way to the disk, then let go of it. May be called twice. Whatever is called afterwards
        raises StoreUnavailable or is the caller's mistake.
        """
        ...
