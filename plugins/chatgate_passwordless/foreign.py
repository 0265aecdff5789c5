"""Hashes that other servers made: SHA-crypt, bcrypt and argon2, as crypt(3) and the PHC string format write them."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass

from chatgate_passwordless import shacrypt

_SHA_CRYPT = re.compile(
    r"\$(?:(5)|6)\$(?:rounds=([1-9][0-9]{0,8})\$)?([ -#%-~]{0,16})\$((?(1)[./0-9A-Za-z]{43}|[./0-9A-Za-z]{86}))\Z"
)
_BCRYPT = re.compile(r"(\$2[aby]\$([0-3][0-9])\$[./0-9A-Za-z]{22})([./0-9A-Za-z]{31})\Z")
_ARGON2 = re.compile(
    r"\$argon2(id|i|d)\$v=19\$m=([1-9][0-9]{0,9}),t=([1-9][0-9]{0,9}),p=([1-9][0-9]{0,2})"
    r"\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,171})\Z"
)

# Seconds that a processor of today takes, measured on a slow one: for a round of SHA-crypt, one of bcrypt's 2^cost
# steps, one pass of argon2 over a KiB.
_SHA_ROUND, _BCRYPT_STEP, _ARGON2_KIB = 1.4e-6, 75e-6, 1.3e-6

_LANE = 1 << 20  # octets for each lane of argon2, which is a thread

_BCRYPT_OCTETS = 72  # of a password, all that bcrypt looks at


@dataclass(frozen=True, slots=True)
class Foreign:
    """A hash that another server made.

    kind: its name. seconds: what a check takes, by the figures in the hash; memory: octets that it needs.
    fits: is this the password? Blocks for that time, so it belongs into a native thread. Raises ValueError if the hash
    cannot be one, NotImplementedError where a library is missing or too old.
    """

    kind: str
    seconds: float
    memory: int
    fits: Callable[[bytes], bool]


def read(secret: str) -> Foreign | None:
    """What the text says; None if it is not such a hash. Nothing is computed."""
    if match := _SHA_CRYPT.match(secret):
        return _sha_crypt(match)
    if match := _BCRYPT.match(secret):
        return _bcrypt(match)
    if match := _ARGON2.match(secret):
        return _argon2(match)
    return None


def _sha_crypt(match: re.Match[str]) -> Foreign:
    compute, kind = (shacrypt.sha256_crypt, "SHA256-CRYPT") if match[1] else (shacrypt.sha512_crypt, "SHA512-CRYPT")
    rounds = max(shacrypt.FEWEST, int(match[2] or shacrypt.ROUNDS))
    salt, expected = match[3].encode(), match[4]

    def fits(password: bytes) -> bool:
        found = compute(password[: shacrypt.LONGEST], salt, rounds)
        return hmac.compare_digest(found, expected) and len(password) <= shacrypt.LONGEST

    return Foreign(kind, rounds * _SHA_ROUND, 0, fits)


def _bcrypt(match: re.Match[str]) -> Foreign:
    salt, cost, expected = match[1].encode(), int(match[2]), match[3].encode()

    def fits(password: bytes) -> bool:
        import bcrypt  # here and below: only who has such accounts needs the memory

        found = bcrypt.hashpw(password[:_BCRYPT_OCTETS], salt)
        return hmac.compare_digest(found[-len(expected) :], expected)

    return Foreign("bcrypt", 2**cost * _BCRYPT_STEP, 0, fits)


def _argon2(match: re.Match[str]) -> Foreign:
    kind, kib, passes, lanes = match[1], int(match[2]), int(match[3]), int(match[4])

    def fits(password: bytes) -> bool:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.kdf import argon2

        salt, expected = _octets(match[5]), _octets(match[6])
        made = getattr(argon2, f"Argon2{kind}", None)
        try:
            if made is None:
                raise UnsupportedAlgorithm("")
            kdf = made(salt=salt, length=len(expected), iterations=passes, lanes=lanes, memory_cost=kib)
            return hmac.compare_digest(kdf.derive(password), expected)
        except UnsupportedAlgorithm:
            raise NotImplementedError(f"the library cryptography that is installed has no argon2{kind}") from None

    return Foreign(f"argon2{kind}", passes * kib * _ARGON2_KIB, kib * 1024 + lanes * _LANE, fits)


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
