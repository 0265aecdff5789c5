"""`python -m contrib.bench.dkim`: signing and verifying beside dkimpy, in one run on one machine; read the ratios."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable

import dkim
from chatgate_dkim import pem, signature, signing, verifying
from chatgate_dkim.message import Message
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_SECONDS = 0.5  # for each cell
_HEADER = (
    b"From: <alice@example.org>\r\nTo: <bob@example.net>\r\nSubject: [...]\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n"
    b'Message-ID: <1@example.org>\r\nContent-Type: multipart/encrypted; boundary="b"\r\n\r\n'
)


def cost(work: Callable[[], object]) -> float:
    """Milliseconds of processor time that one call takes; the best of five rounds, as others use the machine, too."""
    work()
    best = float("inf")
    for _ in range(5):
        calls, began = 0, time.process_time()
        while (used := time.process_time() - began) < _SECONDS / 5:
            work()
            calls += 1
        best = min(best, used / calls)
    return best * 1000


def main() -> None:
    key = pem.make("rsa")
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    text = pem.record(key).encode()
    print(f"{'RSA-2048, relaxed/relaxed':32}{'here':>10}{'dkimpy':>12}{'ratio':>9}")
    for size in (4_000, 1_000_000):
        armor = base64.encodebytes(os.urandom(size * 3 // 4)).replace(b"\n", b"\r\n")
        words = b"Lorem ipsum dolor  sit amet, consectetur\tadipiscing elit \r\n" * (size // 60)
        for name, body in (("base64", armor), ("words", words)):
            _compare(f"{size:,} octets of {name}", _HEADER + body, key, private, text)


def _compare(name: str, content: bytes, key: signing.PrivateKey, private: bytes, text: bytes) -> None:
    def sign() -> bytes:
        value = signing.sign(Message(content), key, "example.org", "chatgate", time.time())
        return b"DKIM-Signature: " + value.encode() + b"\r\n" + content

    made = sign()

    def verify() -> None:
        message = Message(made)
        assert not verifying.verify(message, signature.parse(message.named(b"dkim-signature")[0]), text)

    how = {"canonicalize": (b"relaxed", b"relaxed")}
    for what, ours, theirs in (
        ("sign", sign, lambda: dkim.sign(content, b"chatgate", b"example.org", private, **how)),
        ("verify", verify, lambda: dkim.verify(made, dnsfunc=lambda name, timeout=5: text) or 1 / 0),
    ):
        here, there = cost(ours), cost(theirs)
        print(f"{name + ', ' + what:32}{here:7.3f} ms{there:9.3f} ms{there / here:8.1f}x")


if __name__ == "__main__":
    main()
