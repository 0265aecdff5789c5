"""What an operator can set in conf.d/90-movein.toml."""

from __future__ import annotations

from dataclasses import dataclass

from chatgate.api import option


@dataclass(frozen=True)
class MoveInOptions:
    max_message: int = option(
        100_000_000, "Octets of a message that is imported, unpacked; a larger one stays behind, and is reported."
    )
    file: str = option("data/movein.db", "File that notes what was imported, in the gateway's folder.")

    def __post_init__(self) -> None:
        if self.max_message <= 0:
            raise ValueError("max_message: must be more than zero")
