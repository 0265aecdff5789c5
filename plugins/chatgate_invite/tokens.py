"""What a token is, wherever it is kept."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from dataclasses import dataclass

from chatgate_invite.hooks import Invitations, Token

# No i, l, o, 0, 1: people read tokens out and type them. 13 of 31 characters are 64 bits.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
LENGTH = 13
_SHAPE = re.compile(f"[{_ALPHABET}]{{{LENGTH}}}")
_DAY = 86400


def normal(text: str) -> str:
    """The token in lower case; "" if it cannot be one."""
    text = text.strip().lower() if text.isascii() else ""
    return text if _SHAPE.fullmatch(text) else ""


def draw(uses: int = 1, expires: int = 0, quota: int | None = None, note: str = "", domain: str = "") -> Token:
    """A new one, of today."""
    token = "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH))
    return Token(token, uses, expires, quota, note, int(time.time()) // _DAY, domain=domain)


def derived(foreign: str) -> str:
    """The token of ours that stands for one of another server, whose form is another: always the same one. Who does not
    have that one cannot tell it.
    """
    digest = int.from_bytes(hashlib.sha256(b"invitation " + foreign.encode("utf-8", "replace")).digest())
    return "".join(_ALPHABET[digest // len(_ALPHABET) ** place % len(_ALPHABET)] for place in range(LENGTH))


def good(token: Token) -> bool:
    """Does it let somebody in at this moment?"""
    return (not token.uses or token.used < token.uses) and not (token.expires and token.expires <= time.time())


@dataclass(frozen=True)
class Invitation:
    """What passwordless wants to know of a token that a newcomer has shown, see its hook `invitation`."""

    kept: Invitations
    token: str
    quota: int | None

    def take(self) -> bool:
        return self.kept.take(self.token, time.time())

    def give_back(self) -> None:
        self.kept.give_back(self.token)
