"""A gateway's folder, and what is done with its backup."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from chatgate_backup.making import Made, Making
from chatgate_backup.openpgp import Cipher
from chatgate_backup.restoring import Restored
from click.testing import CliRunner, Result

from chatgate.api import Delivery, Gateway
from chatgate.cli import cli

LARGE = 100_000  # octets of a message whose body is a file of its own


class Folder:
    """A folder made by `init`, and what commands do to it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, *arguments: str, **more: Any) -> Result:
        return CliRunner().invoke(cli, ["--dir", str(self.path), *arguments], **more)

    def backed_up(self, cipher: Cipher | None = None, mail: bool = True) -> tuple[bytes, Made]:
        out = io.BytesIO()
        made = Making(Gateway.of(self.path), mail, self.path).write(out.write, cipher)
        return out.getvalue(), made


def restored(octets: bytes, folder: Path, cipher: Cipher | None = None) -> Restored:
    folder.mkdir()
    found = Restored(folder)
    found.read(io.BytesIO(octets), cipher or Cipher())
    return found


def message(number: int, size: int = 500) -> bytes:
    return b"Subject: %d\r\n\r\n" % number + b"x" * size


def put(store: Any, address: str, count: int, size: int = 500, mailbox: str = "INBOX") -> None:
    account = store.account(address) or store.create_account(address, "secret")
    box = store.mailbox(account.id, mailbox)
    for number in range(count):
        store.store(message(number, size), [Delivery(address, box.id, account.id)])
