"""What a way to the operators has to be able to do."""

from __future__ import annotations

from typing import Protocol

from chatgate_alerts.words import Message


class NotSent(Exception):
    """The channel did not take the message, which is tried again. str() is for the operator, without a secret."""


class Channel(Protocol):
    """name: as the database knows it."""

    name: str

    def ready(self) -> bool:
        """Is there anybody to tell? If not, no messages are made for it."""
        ...

    def send(self, message: Message, seconds: float) -> None:
        """Returns when the message is in safe hands. It may come a second time, with the same id, if the gateway was
        killed before that was noted. seconds: how long it may take. Raises NotSent.
        """
        ...
