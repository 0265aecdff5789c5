"""The second factor: codes of six digits by the time (RFC 6238), as every authenticator app makes them."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from urllib.parse import quote

_STEP = 30  # seconds for which a code is shown (RFC 6238 §5.2)
_AROUND = (0, -1, 1)  # steps by which the two clocks may differ


def new_secret() -> str:
    """A secret of 160 bits in base32, the form that is typed into apps (RFC 4226 §4 R6)."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def code(secret: str, step: int, digits: int = 6) -> str:
    """The code of this step of time (RFC 4226 §5.3). Raises ValueError for a secret that is not base32."""
    try:
        key = base64.b32decode(secret.replace(" ", "").upper())
    except binascii.Error as error:
        raise ValueError("not a secret of an authenticator app") from error
    digest = hmac.digest(key, step.to_bytes(8), "sha1")
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4]) & 0x7FFFFFFF
    return f"{number % 10**digits:0{digits}}"


def matching(secret: str, given: str, now: float, last: int = 0) -> int | None:
    """The step whose code this is, which must be a later one than the last that was used (RFC 6238 §5.2); None: the
    code is wrong. now: Unix seconds.
    """
    given = given.replace(" ", "")
    if not given.isascii() or not given.isdigit():
        return None
    for step in (int(now) // _STEP + around for around in _AROUND):
        if step > last and hmac.compare_digest(code(secret, step), given):
            return step
    return None


def uri(secret: str, host: str) -> str:
    """What an authenticator app reads from a QR code."""
    return f"otpauth://totp/{quote(f'chatgate:{host}')}?secret={secret}&issuer=chatgate"
