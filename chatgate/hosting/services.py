"""What plugins bring at start: a certificate, what runs, and what they find wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True)
class Certificate:
    """PEM files: the chain beginning with our own certificate, and its private key."""

    chain: Path
    key: Path
    self_signed: bool = False


@dataclass(frozen=True)
class Problem:
    """What a plugin's check found. level: "error" would keep mail from flowing, "warning" would not."""

    level: Literal["error", "warning"]
    text: str


class Service(Protocol):
    """Something that runs while the gateway serves. `chatgate.network.server.Server` is one."""

    name: str

    @property
    def listening(self) -> list[str]:
        """Addresses it listens on; empty for one that does not listen."""
        ...

    def bind(self) -> None:
        """Take what may be refused: ports, folders. Raises BindError."""
        ...

    def start(self) -> None:
        """Begin to serve, and return."""
        ...

    def stop(self, seconds: float) -> None:
        """Take nothing new, let what is in flight finish for so many seconds, then return."""
        ...
