"""Who may log in: the operator's password, and the second factor where there is one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable

import gevent
import peewee
from gevent.lock import BoundedSemaphore

from chatgate_admin import totp
from chatgate_admin.database import Database, Login, got, put

_R, _P = 8, 1  # of scrypt (RFC 7914)
SHORTEST = 12  # characters of a password that the operator chooses
LONGEST = 1024
_RECOVERY_CODES = 8


class Keys:
    """Every change ends all logins. cost: log2 of scrypt's N for a new password. clock: Unix seconds."""

    def __init__(self, database: Database, cost: int, clock: Callable[[], float] = time.time) -> None:
        self._database, self._cost, self._clock = database, cost, clock
        self._one = BoundedSemaphore(1)  # hash at a time: memory

    def there(self) -> bool:
        """Is there a password?"""
        return bool(self._database.get("password"))

    def second_factor(self) -> bool:
        """Is a code asked for, too?"""
        return bool(self._database.get("totp"))

    def codes_left(self) -> int:
        """How many recovery codes were not used yet."""
        return len(json.loads(self._database.get("recovery").get("recovery", "[]")))

    def set_password(self, password: str = "") -> str:
        """Set it, or a random one of 130 bits, and return it. Raises ValueError for one that is too short."""
        if password and not SHORTEST <= len(password) <= LONGEST:
            raise ValueError(f"a password has {SHORTEST} characters or more")
        password = password or secrets.token_urlsafe(16)
        salt = secrets.token_bytes(16)
        hashed = base64.b64encode(salt + self._scrypt(password, salt, self._cost)).decode()
        self._change({"password": f"{self._cost} {hashed}"})
        return password

    def right(self, password: str, code: str = "") -> bool:
        """May whoever knows these log in? A code that was right is used up."""
        if not self.right_password(password):
            return False
        return not self.second_factor() or self._database.run(lambda database: self._use(database, code))

    def right_password(self, password: str) -> bool:
        """Is it the password? For somebody who is logged in already."""
        known = self._database.get("password").get("password")
        if known is None:
            return False
        cost, _, text = known.partition(" ")
        kept = base64.b64decode(text)
        return hmac.compare_digest(self._scrypt(password[:LONGEST], kept[:16], int(cost)), kept[16:])

    def _use(self, database: peewee.SqliteDatabase, code: str) -> bool:
        last = int(got(database, "totp_last") or 0)
        step = totp.matching(got(database, "totp"), code, self._clock(), last)
        if step is not None:
            put(database, "totp_last", str(step))
            return True
        left = json.loads(got(database, "recovery") or "[]")
        if (digest := _digest(code)) not in left:
            return False
        put(database, "recovery", json.dumps([one for one in left if one != digest]))
        return True

    def set_second_factor(self, secret: str, code: str) -> list[str]:
        """Ask for codes from now on; code: of an app that was given the secret, which proves that it has it. Returns
        recovery codes, each of which stands for a code once. Raises ValueError.
        """
        if (step := totp.matching(secret, code, self._clock())) is None:
            raise ValueError("this is not the code that the app shows now; are the clocks right?")
        codes = [
            f"{text[:4]}-{text[4:8]}-{text[8:]}" for text in (secrets.token_hex(6) for _ in range(_RECOVERY_CODES))
        ]
        digests = json.dumps([_digest(one) for one in codes])
        self._change({"totp": secret, "totp_last": str(step), "recovery": digests})
        return codes

    def remove_second_factor(self) -> None:
        """Ask for no code any more."""
        self._change({"totp": None, "totp_last": None, "recovery": None})

    def _change(self, settings: dict[str, str | None]) -> None:
        def work(database: peewee.SqliteDatabase) -> None:
            for name, value in settings.items():
                put(database, name, value)
            Login.delete().execute(database)

        self._database.run(work)

    def _scrypt(self, password: str, salt: bytes, cost: int) -> bytes:
        octets = password.encode("utf-8", "replace")

        def work() -> bytes:
            room = 256 * _R << cost  # octets, twice of what it takes (RFC 7914 §2)
            return hashlib.scrypt(octets, salt=salt, n=1 << cost, r=_R, p=_P, maxmem=room, dklen=32)

        with self._one:
            found: bytes = gevent.get_hub().threadpool.apply(work)
        return found


def _digest(code: str) -> str:
    """Of a recovery code, which is 48 random bits and can be tried a few times an hour only."""
    return hashlib.sha256(b"recovery " + code.strip().lower().replace("-", "").encode("utf-8", "replace")).hexdigest()
