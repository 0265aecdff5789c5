"""What can be done with tokens."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass

from chatgate_invite.database import Database, Token

# No i, l, o, 0, 1: people read tokens out and type them. 13 of 31 characters are 64 bits.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
LENGTH = 13
_SHAPE = re.compile(f"[{_ALPHABET}]{{{LENGTH}}}")
_DAY = 86400


def normal(text: str) -> str:
    """The token this is, in lower case; "" for what cannot be one."""
    text = text.strip().lower() if text.isascii() else ""
    return text if _SHAPE.fullmatch(text) else ""


def good(token: Token) -> bool:
    """Does it let somebody in at this moment?"""
    return (not token.uses or token.used < token.uses) and not (token.expires and token.expires <= time.time())


@dataclass(frozen=True)
class Invitation:
    """What passwordless wants to know of a token that a newcomer has shown, see its hook `invitation`."""

    tokens: Tokens
    token: str
    quota: int | None

    def take(self) -> bool:
        return self.tokens.take(self.token)

    def give_back(self) -> None:
        self.tokens.give_back(self.token)


class Tokens:
    """All of them may raise PluginError when the disk fails."""

    def __init__(self, database: Database) -> None:
        self._run = database.run

    def create(self, uses: int = 1, expires: int = 0, quota: int | None = None, note: str = "") -> Token:
        token = "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH))
        day = int(time.time()) // _DAY
        made = Token(token=token, uses=uses, expires=expires, quota=quota, note=note, created=day)
        query = Token.insert(made.__data__)
        self._run(query.execute)
        return made

    def find(self, token: str) -> Token | None:
        query = Token.select().where(Token.token == token)
        return next(iter(self._run(lambda database: list(query.execute(database)))), None)

    def all(self) -> list[Token]:
        """The oldest first."""
        query = Token.select().order_by(Token.created, Token.token)
        return self._run(lambda database: list(query.execute(database)))

    def revoke(self, token: str) -> bool:
        """False: there was none."""
        return bool(self._run(Token.delete().where(Token.token == token).execute))

    def take(self, token: str) -> bool:
        """Spend one use. One statement decides, for however many processes."""
        left = (Token.uses == 0) | (Token.used < Token.uses)
        valid = (Token.expires == 0) | (Token.expires > int(time.time()))
        query = Token.update(used=Token.used + 1).where(Token.token == token, left, valid)
        return bool(self._run(query.execute))

    def give_back(self, token: str) -> None:
        query = Token.update(used=Token.used - 1).where(Token.token == token, Token.used > 0)
        self._run(query.execute)

    def forget(self, before: int) -> int:
        """Remove those that expired before this time; how many."""
        query = Token.delete().where(Token.expires > 0, Token.expires < before)
        return self._run(query.execute)
