"""What an operator can set in conf.d/NN-backup.toml."""

from __future__ import annotations

from dataclasses import dataclass

from chatgate.api import option


@dataclass(frozen=True)
class BackupOptions:
    every_hours: float = option(24.0, "Hours from one backup by itself to the next. 0: none.")
    folder: str = option("backups", "Where they are written. Better on another disk than the mail.")
    keep: int = option(7, "How many are kept. An old one goes only when a newer one has been proven.")
    to: str = option(
        "",
        "The OpenPGP key that they are encrypted to: a file with it, such as backup-key.asc, or its fingerprint in the "
        "keyring of the gateway's user. Empty: they are not encrypted.",
    )
    without_mail: bool = option(False, "Leave out all messages.")
    room: str = option("", "A folder on a disk with room for a copy of the databases. Empty: the gateway's folder.")

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise ValueError("keep: must be 1 or more")
