"""The store's methods for keeping itself sound. `Store` (contract.py) says what holds for all methods."""

from __future__ import annotations

from typing import Protocol


class Upkeep(Protocol):
    """Checking, cleaning up, dating and closing."""

    def integrity(self) -> list[str]:
        """What is wrong with the stored data, one line for each fault, for the operator; empty when it is sound. This
        may take minutes, during which other greenlets go on.
        """
        ...

    def expire(self, now: float) -> dict[str, int]:
        """Remove what nothing refers to any more, such as what a crash has left of a deletion, and give free space back
        to the disk. Returns how many of each kind were removed, by a name for the operator, leaving out zeros. now:
        Unix seconds. Called once a day or so.

        A store may here forget which messages of a mailbox were expunged, except for at least the last 100 (`changes`
        says how it then answers), and tombstones that are older than the operator wants.
        """
        ...

    def now(self) -> int:
        """The time (Unix seconds) that the store puts on new messages and accounts: the machine's clock, but see
        `not_before`.
        """
        ...

    def not_before(self, now: float) -> None:
        """Declare that it is at least this late (Unix seconds), whatever the machine's clock says: from then on nothing
        new gets an earlier date or day, unless the caller gives one. Otherwise mail that arrived while the clock was
        behind would be deleted as old once the clock is right again. The latest call holds until the store is closed.
        """
        ...

    def close(self) -> None:
        """Finish what is on its way to the disk, then release it. May be called twice. Calling any other method
        afterwards raises StoreUnavailable or is the caller's mistake.
        """
        ...
