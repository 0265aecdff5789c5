"""What plugins bring at start: a certificate, what runs, and what they find wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True)
class Certificate:
    """PEM files: the chain beginning with our own certificate, and its private key.

    self_signed: clients that want an authority refuse it; invitations then tell the app not to ask for one.
    """

    chain: Path
    key: Path
    self_signed: bool = False


@dataclass(frozen=True)
class Problem:
    """What a plugin's check found. level: "error" would keep mail from flowing, "warning" would not, "note" is nothing
    wrong, only worth knowing.

    text: one line for the operator, without a full stop, beginning with the name of the plugin: "site: …".
    """

    level: Literal["error", "warning", "note"]
    text: str


class Service(Protocol):
    """Something that runs while the gateway serves. `Server` is one that listens, `Background` one that only works.

    name: for the log and for counts, such as "imaps".
    """

    name: str

    @property
    def listening(self) -> list[str]:
        """Addresses it listens on, as `shown` writes them, once they are bound; empty for one that does not listen."""
        ...

    def bind(self) -> None:
        """Take what may be refused: ports, folders. All services are bound before any is started, and when one raises
        BindError the gateway does not start.
        """
        ...

    def start(self) -> None:
        """Begin to serve, and return: what goes on does so in greenlets of its own. The store is open."""
        ...

    def stop(self, seconds: float) -> None:
        """Take nothing new, let what is in flight finish for so many seconds, then cut it off and return. Also called
        when `start` never was. The store is still open.
        """
        ...
