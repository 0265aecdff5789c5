"""SHA-crypt, the `$5$` and `$6$` of crypt(3), from Ulrich Drepper's description of it.

Python has it no more since 3.13, and not every system's libcrypt can be loaded. Libraries for it run the same loop in
Python and take 9 MB of memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import cycle, islice

ROUNDS = 5000  # where the hash names no number
FEWEST, MOST = 1000, 999_999_999

# Octets of a password: crypt(3) of libxcrypt takes no longer one. The time of each round grows with it.
LONGEST = 511

_LETTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CYCLE = 42  # after so many rounds the same pieces come in the same order: 2 * 3 * 7


def sha256_crypt(password: bytes, salt: bytes, rounds: int) -> str:
    """The last part of a `$5$` hash: 43 letters. rounds: from FEWEST to MOST. Takes some 1.4 microseconds a round."""
    octets = _digest(hashlib.sha256, password, salt, rounds)
    triples, one = [], (0, 10, 20)
    for _ in range(10):
        triples.append(one)
        one = (one[2] + 1, one[0] + 1, one[1] + 1)
    return _text(octets, triples) + _letters(octets[31] << 8 | octets[30], 3)


def sha512_crypt(password: bytes, salt: bytes, rounds: int) -> str:
    """The last part of a `$6$` hash: 86 letters. Otherwise like `sha256_crypt`."""
    octets = _digest(hashlib.sha512, password, salt, rounds)
    triples, one = [], (0, 21, 42)
    for _ in range(21):
        triples.append(one)
        one = (one[1] + 1, one[2] + 1, one[0] + 1)
    return _text(octets, triples) + _letters(octets[63], 2)


def _digest(sha: Callable[..., hashlib._Hash], password: bytes, salt: bytes, rounds: int) -> bytes:
    inner = sha(password + salt + password).digest()
    first = sha(password + salt + _repeated(inner, len(password)))
    length = len(password)
    while length:
        first.update(inner if length & 1 else password)
        length >>= 1
    state = first.digest()
    p = _repeated(sha(password * len(password)).digest(), len(password))
    s = _repeated(sha(salt * (16 + state[0])).digest(), len(salt))
    pieces = []
    for number in range(_CYCLE):
        middle = (s if number % 3 else b"") + (p if number % 7 else b"")
        pieces.append(p + middle if number & 1 else middle + p)
    for number, piece in enumerate(islice(cycle(pieces), rounds)):
        state = sha(piece + state if number & 1 else state + piece).digest()
    return state


def _repeated(octets: bytes, length: int) -> bytes:
    return (octets * (length // len(octets) + 1))[:length]


def _text(octets: bytes, triples: list[tuple[int, int, int]]) -> str:
    return "".join(_letters(octets[a] << 16 | octets[b] << 8 | octets[c], 4) for a, b, c in triples)


def _letters(value: int, count: int) -> str:
    return "".join(_LETTERS[value >> 6 * place & 63] for place in range(count))
