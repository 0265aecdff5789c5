"""What /mxdeliv uses of the plugin smtp, see there: `receiving.py` and `data.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from chatgate.api import Envelope, Reply, Session, Upload


class Data(Protocol):
    """A message on its way in."""

    held: int
    refusal: Reply | None

    def feed(self, chunk: bytes) -> bool: ...
    def refuse(self, reply: Reply) -> None: ...


class Receiving(Protocol):
    """The steps of a mail transaction."""

    def begin(self, session: Session, address: str, octets: int = 0) -> Envelope | Reply: ...
    def sender(self, session: Session, envelope: Envelope) -> Reply | None: ...
    def recipient(self, session: Session, envelope: Envelope, address: str, number: int) -> Reply | None: ...
    def most(self, session: Session) -> int: ...
    def message(self, session: Session, envelope: Envelope, arrive: Callable[[Data, Upload], None]) -> Reply: ...
    def line(self, reply: Reply) -> str: ...
