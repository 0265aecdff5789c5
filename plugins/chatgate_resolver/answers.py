"""What a question to the DNS comes to: an answer, a certain no, or no answer for now."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Answer(NamedTuple, Generic[T]):
    """values: of the records, in no order that means anything; never empty. ttl: seconds for which they hold from now
    on. secure: DNSSEC proves them, says a nameserver that is trusted in this (see the option `trust_ad`).
    """

    values: tuple[T, ...]
    ttl: float
    secure: bool


class Problem(Exception):
    """There is no answer. str() says in plain words for which name and why: "mx.example.org: no such name"."""


class Absent(Problem):
    """The DNS says for certain that there are no such records. secure: as in Answer."""

    def __init__(self, text: str, secure: bool = False) -> None:
        super().__init__(text)
        self.secure = secure


class NoSuchName(Absent):
    """There is no such name at all (NXDOMAIN), or it cannot be one."""


class NoRecords(Absent):
    """The name is there, but without records of this type."""


class Trouble(Problem):
    """Nobody knows for now: no answer in time, or one of failure, or a malformed one. To be tried again later."""
