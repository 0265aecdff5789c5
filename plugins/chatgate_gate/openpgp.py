"""The framing of an OpenPGP message (RFC 9580): ASCII armor and packet headers. Nothing is decrypted.

A message of 10 MB is checked in some milliseconds because base64 is decoded only where a packet begins; the rest is
compared with the base64 alphabet in one pass of C code.
"""

from __future__ import annotations

import binascii
import re
from typing import NamedTuple

from chatgate_gate.mime import before_blank_lines

BEGIN = b"-----BEGIN PGP MESSAGE-----\r\n"
END = b"-----END PGP MESSAGE-----"

PKESK, SKESK, SEIPD = 1, 3, 18
PUBLIC_KEY = 6
_BEHIND_PUBLIC_KEY = frozenset((2, 13, 14))  # signatures, user IDs, subkeys
_MAX_KEY_PACKETS = 100

# More session keys than any group needs, and twice as many chunks as a message divided into chunks of the smallest
# allowed first size has (every program makes them all the same size). Real messages stay far below these limits, and a
# forged one of tiny packets is given up before it holds up the server.
MAX_SESSION_KEYS = 10_000
_LEAST_CHUNK = 512

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# How programs name themselves, and the fixed comments that some of them write. Everybody can read armor headers.
_NUMBER = rb"[0-9]{1,4}(?:\.[0-9]{1,6}){0,3}(?:-(?:ecc|unknown|dev|beta[0-9]{1,3}))?"
_VERSION = re.compile(
    rb"Version: (?:" + _NUMBER + rb"|(?:"
    rb"GnuPG(?:/MacGPG2)?|OpenPGP\.js|BCPG(?: C#)?|GopenPGP|Pmcrypto Golang|ProtonMail|Mailvelope|Keybase OpenPGP|"
    rb"FlowCrypt(?: Email Encryption| iOS| Android)?|PGPainless|NetPGP(?: portable)?|Sequoia-PGP|RNP|iPGMail|"
    rb"OpenKeychain|APG|PGP(?: Desktop| Universal|freeware)?|(?:Symantec )?Encryption Desktop|Hush|Canary PGP"
    rb")(?:[ /]v?" + _NUMBER + rb")?(?: \((?:GNU/Linux|Darwin|MingW32|Cygwin|FreeBSD|OpenBSD|NetBSD|SunOS|AIX|"
    rb"Build [0-9]{1,6}|[0-9a-f]{7,40})\))?(?: Gmail Encryption)?)\r\n"
)
_COMMENT = re.compile(
    rb"Comment: (?:https?://(?:www\.)?(?:openpgpjs\.org|gopenpgp\.org|protonmail\.com|mailvelope\.com|gpgtools\.org|enigmail\.net"
    rb"|keybase\.io/crypto|github\.com/ProtonMail/gopenpgp)/?|GPGTools - https?://gpgtools\.org|"
    rb"Using GnuPG with (?:Mozilla|Thunderbird|Icedove|undefined) - https?://(?:www\.)?enigmail\.net/|"
    rb"Seamlessly send and receive encrypted email)\r\n"
)
_CRC = re.compile(rb"=[A-Za-z0-9+/]{4}\r\n\Z")

# The algorithms that can encrypt a session key: RSA, ElGamal, ECDH, X25519, X448 (RFC 9580 §9.1), and the two with
# ML-KEM of the post-quantum draft.
_ENCRYPTING = frozenset((1, 2, 16, 18, 25, 26, 35, 36))
_MAX_SESSION_KEY = 4096  # octets; RSA with 16384 bits takes 2 KiB, ML-KEM-1024 less


class NotEncrypted(ValueError):
    """Not an encrypted OpenPGP message. str() is a fixed text, without anything from the message."""


class Packet(NamedTuple):
    """offset: of the packet's header in the decoded message. version: the first octet of its body."""

    offset: int
    tag: int
    version: int


class Octets:
    """The binary form of base64 lines, decoded piece by piece."""

    def __init__(self, text: bytes) -> None:
        """text: the lines, each with its CRLF. Raises NotEncrypted for anything in them that is not base64."""
        width = text.find(b"\r\n")
        if width <= 0 or text[-2:] != b"\r\n":
            raise NotEncrypted("no base64 text")
        stride = width + 2
        last = (len(text) - 1) // stride * stride
        lines = last // stride
        # Every OpenPGP program makes all lines but the last equally long, so the position of each octet is known.
        if (
            width % 4
            or text[width:last:stride] != b"\r" * lines
            or text[width + 1 : last : stride] != b"\n" * lines
            or b"\r\n" in text[last:-2]
        ):
            if b"\r\n\r\n" in text:
                raise NotEncrypted("empty line in the armor")
            # RFC 9580 §6 allows 76 characters at most. Longer lines do no harm: their length reveals nothing.
            text = text.replace(b"\r\n", b"") + b"\r\n"
            width, last, lines = len(text) - 2, 0, 0
        self._text, self._width = text, width
        tail = text[last:-2]
        padding = len(tail) - len(tail.rstrip(b"="))
        line_ends = 2 * (lines + 1)
        # All other octets must belong to the alphabet; a stray CR, LF, blank, "=" or "-" makes their number wrong.
        strangers = len(text.translate(None, _ALPHABET))
        if not tail or (len(text) - line_ends) % 4 or padding > 2 or strangers != line_ends + padding:
            raise NotEncrypted("no base64 text")
        self.size = (len(text) - line_ends) // 4 * 3 - padding

    def read(self, offset: int, count: int) -> bytes:
        """Up to `count` octets from `offset` on, fewer at the end."""
        first, last = offset // 3 * 4, -(-(offset + count) // 3) * 4
        first += first // self._width * 2
        last += last // self._width * 2
        # a2b_base64 skips line ends; there is nothing else it could skip.
        octets = binascii.a2b_base64(self._text[first:last])
        return octets[offset % 3 : offset % 3 + count]


def dearmored(text: bytes, *, headers_allowed: bool) -> Octets:
    """The content of a text that consists of nothing but ASCII armor (RFC 9580 §6.2). Raises NotEncrypted.

    With `headers_allowed`, the only armor headers admitted are one "Version" followed by one "Comment", as known
    programs write them. There may be a checksum; as RFC 9580 §6.1 asks, its value is not checked. The text may end
    with empty lines.
    """
    if not text.startswith(BEGIN):
        raise NotEncrypted("no armor")
    start = len(BEGIN)
    if headers_allowed:
        for header in (_VERSION, _COMMENT):
            if match := header.match(text, start):
                start = match.end()
    end = before_blank_lines(text) - len(END)
    if text[start : start + 2] != b"\r\n" or end < start or text[end : end + len(END)] != END:
        raise NotEncrypted("armor with more than a message in it")
    if match := _CRC.search(text, max(start, end - 7), end):
        end = match.start()
    return Octets(text[start + 2 : end])


def packets(octets: Octets) -> list[Packet]:
    """The packets of an encrypted message. Raises NotEncrypted for everything that is not exactly

        one or more session keys (PKESK or SKESK), then one SEIPD packet that ends with the last octet.

    RFC 9580 §10.3 also allows a message without any session key, but nobody could read it, so it is refused. So are
    the obsolete kind of encrypted data without integrity protection (tag 9) and GnuPG's own kind (tag 20).
    """
    found: list[Packet] = []
    offset = 0
    while True:
        if len(found) > MAX_SESSION_KEYS:
            raise NotEncrypted("too many session keys")
        # One read covers the header (6 octets at most) and as much of the body as is checked.
        start = octets.read(offset, 16)
        tag, length, body = _header(start)
        if tag == SEIPD:
            break
        packet = start[body:]
        if length is None or length > _MAX_SESSION_KEY or not _is_session_key(tag, length, packet):
            raise NotEncrypted("a packet that is no session key")
        found.append(Packet(offset, tag, packet[0]))
        offset += body + length
        if offset >= octets.size:
            raise NotEncrypted("no encrypted data")
    if not found:
        raise NotEncrypted("no session key")
    end, total = _extent(octets, offset)
    if end != octets.size:
        raise NotEncrypted("encrypted data that ends too early or too late")
    if not _is_seipd(total, start[body:]):
        raise NotEncrypted("encrypted data of an unknown kind")
    found.append(Packet(offset, SEIPD, start[body]))
    return found


def is_public_key(raw: bytes) -> bool:
    """Is this a transferable public key (RFC 9580 §10.1), as far as its packets' headers tell?"""
    offset, tags = 0, list[int]()
    while offset < len(raw) and len(tags) < _MAX_KEY_PACKETS:
        try:
            tag, length, body = _header(raw[offset : offset + 6])
        except NotEncrypted:
            return False
        if length is None:
            return False
        tags.append(tag)
        offset += body + length
    return offset == len(raw) and tags[:1] == [PUBLIC_KEY] and set(tags[1:]) <= _BEHIND_PUBLIC_KEY


def _header(octets: bytes) -> tuple[int, int | None, int]:
    """(tag, length of the body, length of this header); RFC 9580 §4.2. A length of None: partial."""
    size = len(octets)
    if size < 2 or not octets[0] & 0x80:
        raise NotEncrypted("no packet")
    if octets[0] & 0x40:
        tag, first = octets[0] & 0x3F, octets[1]
        if first < 192:
            return tag, first, 2
        if first < 224 and size > 2:
            return tag, ((first - 192) << 8) + octets[2] + 192, 3
        if first == 255 and size > 5:
            return tag, int.from_bytes(octets[2:6], "big"), 6
        if 224 <= first < 255:
            return tag, None, 2
    else:  # the legacy format, which GnuPG uses for session keys
        width = 1 << (octets[0] & 3)
        if width < 8 and size > width:
            return octets[0] >> 2 & 15, int.from_bytes(octets[1 : 1 + width], "big"), 1 + width
    raise NotEncrypted("packet of unclear length")


def _extent(octets: Octets, offset: int) -> tuple[int, int]:
    """(where the new-format packet at this offset ends, how long its body is), in chunks or not (RFC 9580 §4.2.1.4)."""
    offset, total = offset + 1, 0
    for chunk in range(2 + octets.size // (_LEAST_CHUNK // 2)):
        size = octets.read(offset, 5)
        if not size:
            break
        if not 224 <= size[0] < 255:
            # With one octet in front, the length of the last chunk can be read like that of a packet.
            _, last, header = _header(b"\xd2" + size)
            return offset + header - 1 + (last or 0), total + (last or 0)
        length = 1 << (size[0] & 0x1F)
        if not chunk and length < _LEAST_CHUNK:
            break
        total += length
        offset += 1 + length
    raise NotEncrypted("encrypted data in unclear chunks")


def _is_session_key(tag: int, length: int, body: bytes) -> bool:
    """Is this a well-formed session key packet? body: its first octets, at least ten if it has as many."""
    if length < 4 or len(body) < 4:
        return False
    version = body[0]
    if tag == PKESK and version == 3:  # RFC 9580 §5.1.1: version, key ID, algorithm, session key
        return length > 11 and len(body) > 9 and body[9] in _ENCRYPTING
    if tag == PKESK and version == 6:  # §5.1.2: version, octets of key version and fingerprint or 0, algorithm
        if body[1] == 0:
            return length > 4 and body[2] in _ENCRYPTING
        return (body[1], body[2]) in ((21, 4), (33, 6)) and length > body[1] + 4
    if tag == SKESK and version == 4:  # §5.3.1: version, cipher, string-to-key
        return body[2] in (0, 1, 3, 4)
    if tag == SKESK and version == 6:  # §5.3.2: version, octets of what follows, cipher, AEAD, octets of S2K, S2K …
        return body[3] in (1, 2, 3) and length > body[1] + 2 + 16
    return False


def _is_seipd(length: int, body: bytes) -> bool:
    """Is this a SEIPD packet long enough to contain anything?"""
    if not body:
        return False
    if body[0] == 1:  # RFC 9580 §5.13.1: version, cipher's block and two octets, packet of 2, SHA-1 packet of 22
        return length >= 1 + 10 + 2 + 22
    # §5.13.2: version, cipher, AEAD, chunk size, salt of 32, an octet with its tag of 16, the last tag of 16
    return body[0] == 2 and len(body) > 3 and body[2] in (1, 2, 3) and body[3] <= 16 and length >= 36 + 17 + 16
