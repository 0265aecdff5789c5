"""What plugins provide at start: a certificate, the services that run, and the problems they find."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True)
class Certificate:
    """PEM files: the chain beginning with our own certificate, and its private key.

    self_signed: clients that want a certificate from an authority refuse it; invitations then tell the app not to.
    """

    chain: Path
    key: Path
    self_signed: bool = False


@dataclass(frozen=True)
class Problem:
    """What a plugin's check found. level: "error" keeps mail from flowing, "warning" does not, "note" is nothing wrong,
    only worth knowing.

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
        """Acquire whatever the system may refuse, such as ports and folders. All services are bound before any is
        started; when one raises BindError, the gateway does not start.
        """
        ...

    def start(self) -> None:
        """Begin to serve, in greenlets of its own, and return. The store is open."""
        ...

    def stop(self, seconds: float) -> None:
        """Accept nothing new, give work in flight this many seconds to finish, then cut it off and return. Also called
        when `start` never was. The store is still open.
        """
        ...
