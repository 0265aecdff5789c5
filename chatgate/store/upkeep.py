"""What a store is asked to keep itself sound."""

from __future__ import annotations

from typing import Protocol


class Upkeep(Protocol):
    """Checking, cleaning up, closing."""

    def integrity(self) -> list[str]:
        """What is wrong with the stored data, a line each; empty when sound."""
        ...

    def expire(self, now: float) -> dict[str, int]:
        """Clean up what nothing refers to any more, and give free space back to the disk; counts by kind."""
        ...

    def close(self) -> None:
        """Finish what is on its way to the disk, then let go of it. Nothing may be called afterwards."""
        ...
