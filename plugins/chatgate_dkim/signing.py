"""Signing a message (RFC 6376 §5), with RSA or Ed25519 (RFC 8463)."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from chatgate_dkim.message import Message
from chatgate_dkim.record import PADDING, PREHASHED

PrivateKey = RSAPrivateKey | Ed25519PrivateKey

# RFC 6376 §5.4.1, and what Delta Chat's encryption stands on. Those that are oversigned are named once more than they
# occur: nobody can add one on the way (§8.15).
OVERSIGNED = tuple(
    b"from reply-to subject date to cc resent-date resent-from resent-to resent-cc in-reply-to references list-id "
    b"list-help list-unsubscribe list-subscribe list-post list-owner list-archive autocrypt".split()
)
SIGNED = (b"content-type",)


def sign(message: Message, key: PrivateKey, domain: str, selector: str, now: float) -> str:
    """The value of a DKIM-Signature field for the top of the message, as one line. now: Unix seconds."""
    names = list(_names(message))
    body = base64.b64encode(message.body_hash("relaxed")).decode()
    algorithm = "rsa" if isinstance(key, RSAPrivateKey) else "ed25519"
    value = (
        f"v=1; a={algorithm}-sha256; c=relaxed/relaxed; d={domain}; s={selector}; t={int(now)}; "
        f"h={b':'.join(names).decode()}; bh={body}; b="
    )
    digest = message.header_hash(names, "relaxed", b"DKIM-Signature: " + value.encode("ascii"))
    made = key.sign(digest, PADDING, PREHASHED) if isinstance(key, RSAPrivateKey) else key.sign(digest)
    return value + base64.b64encode(made).decode()


def _names(message: Message) -> Iterable[bytes]:
    present = [name for name, _ in message.fields]
    for name in OVERSIGNED:
        yield from [name] * (present.count(name) + 1)
    for name in SIGNED:
        yield from [name] * present.count(name)
