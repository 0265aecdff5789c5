"""Text: quoted strings, charsets, transfer encodings (RFC 2045 §6), encoded words (RFC 2047), case folding.

Everything here accepts any octets and takes time linear in their number.
"""

from __future__ import annotations

import binascii
import codecs
import re
from encodings import normalize_encoding
from encodings.aliases import aliases
from functools import lru_cache
from typing import Protocol

from chatgate.api import Work

MAX_WORDS = 2000  # encoded words of a field that are decoded
_WORDS_A_STEP = 100

# Those of Python's codecs that mail uses. Not UTF-7: its decoder would start over with each piece of a long run.
_CHARSETS = frozenset(
    "utf_8 utf_8_sig utf_16 utf_16_be utf_16_le utf_32 utf_32_be utf_32_le latin_1"
    " iso8859_2 iso8859_3 iso8859_4 iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9 iso8859_10 iso8859_11"
    " iso8859_13 iso8859_14 iso8859_15 iso8859_16 tis_620 koi8_r koi8_u koi8_t kz1048 ptcp154"
    " cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 cp437 cp850 cp852 cp855 cp858 cp862 cp866 cp874"
    " big5 big5hkscs cp950 gb2312 gbk gb18030 hz euc_jp euc_jis_2004 shift_jis shift_jis_2004 cp932"
    " iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_jp_3 iso2022_jp_ext iso2022_jp_2004"
    " euc_kr cp949 johab iso2022_kr mac_roman mac_cyrillic mac_greek mac_latin2 mac_turkish mac_iceland".split()
)

_ENCODED_WORD = re.compile(r"=\?([!-<>@-~]{1,80})\?([bBqQ])\?([^?]*)\?=")
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64))
_MAX_PADS = 1000  # times that base64 data may be followed by more after its padding


def folded(text: str) -> str:
    """The text for comparing: case-folded, with blanks in place of tabs, with which many programs fold lines."""
    text = text.casefold()
    return text.replace("\t", " ") if "\t" in text else text


def unquoted(text: bytes) -> bytes:
    """The text between two quotes, with quoted pairs replaced by the octet they stand for (RFC 5322 §3.2.1)."""
    if b"\\" not in text:
        return text
    # Consecutive backslashes form pairs from the first one on; splitting pairs them the same way.
    return b"\\".join([piece.replace(b"\\", b"") for piece in text.split(b"\\\\")])


@lru_cache(maxsize=200)
def _charset(name: str) -> str:
    """Python's name for a charset in a mail; UTF-8 if it is unknown. Names from a mail are never passed to
    `codecs.lookup` unchecked: it would try to import them, and remember them for good.
    """
    name = normalize_encoding(name).lower()
    name = aliases.get(name, name)
    return name if name in _CHARSETS else "utf_8"


def charset(name: bytes | None) -> str:
    return _charset(name.decode("ascii", "replace")) if name and len(name) <= 80 else "utf_8"


# ------------------------------------------------------------------------------------------ transfer encodings


class _Transfer(Protocol):
    def decode(self, octets: bytes, final: bool = False) -> bytes:
        """Decode one piece. final: it is the last."""
        ...


class Base64:
    """Decodes piece by piece. Skips characters outside the alphabet; missing padding is not an error."""

    def __init__(self) -> None:
        self._left = b""
        self._pads = 0

    def decode(self, octets: bytes, final: bool = False) -> bytes:
        octets = self._left + octets.translate(None, _NOT_BASE64)
        *ended, rest = octets.split(b"=", max(0, _MAX_PADS - self._pads))
        self._pads += len(ended)
        rest = rest.replace(b"=", b"")
        cut = len(rest) if final else len(rest) - len(rest) % 4
        self._left = rest[cut:]
        return b"".join(_quads(part) for part in (*ended, rest[:cut]) if part)


def _quads(text: bytes) -> bytes:
    over = len(text) % 4
    return binascii.a2b_base64(text[:-1] if over == 1 else text + b"=" * (-over % 4))


class QuotedPrintable:
    """Decodes piece by piece: a sequence that may continue in the next piece is kept until then."""

    def __init__(self) -> None:
        self._left = b""

    def decode(self, octets: bytes, final: bool = False) -> bytes:
        octets = self._left + octets
        at = len(octets) if final else octets.rfind(b"=", max(0, len(octets) - 100))
        self._left = octets[at:] if at >= 0 else b""
        return binascii.a2b_qp(octets[:at] if at >= 0 else octets)


class Plain:
    def decode(self, octets: bytes, final: bool = False) -> bytes:
        return octets


_ENCODINGS: dict[bytes, type[_Transfer]] = {b"base64": Base64, b"quoted-printable": QuotedPrintable}


class Decoder:
    """Folded text of a part, piece by piece. encoding: Content-Transfer-Encoding without comments, lower case."""

    def __init__(self, encoding: bytes, charset_name: bytes | None) -> None:
        self._transfer = _ENCODINGS.get(encoding, Plain)()
        self._charset = codecs.getincrementaldecoder(charset(charset_name))("replace")

    def decode(self, octets: bytes, final: bool = False) -> str:
        octets = self._transfer.decode(octets, final)
        try:
            text = self._charset.decode(octets, final)
        except ValueError:  # UTF-16 and UTF-32 without a byte order mark raise this even with lenient error handling
            self._charset = codecs.getincrementaldecoder("utf_8")("replace")
            text = self._charset.decode(octets, final)
        return folded(text)


# ------------------------------------------------------------------------------------------ encoded words


def text(value: bytes, work: Work | None = None) -> str:
    """An unfolded field value with its encoded words decoded. White space between two of them is not part of the text
    (RFC 2047 §6.2). A character may be split between two of them, which is wrong but does occur. work: for a value that
    may be long. Raises TooMuchWork.
    """
    raw = value.decode("utf-8", "replace")
    if "=?" not in raw:
        return raw
    pieces: list[str] = []
    waiting, octets, pos = "utf_8", list[bytes](), 0  # the charset and the octets of the words before
    for count, match in enumerate(_ENCODED_WORD.finditer(raw)):
        if work is not None and not count % _WORDS_A_STEP:
            work.step()
        between = raw[pos : match.start()]
        name = _charset(match[1].partition("*")[0])  # a * is followed by the language (RFC 2231 §5)
        if octets and (name != waiting or between.strip(" \t")):
            pieces.append(_decoded(octets, waiting))
            octets = []
        if not pos or between.strip(" \t"):
            pieces.append(between)
        if count >= MAX_WORDS:
            pos = match.start()
            break
        octets.append(_word(match[2], match[3]))
        waiting, pos = name, match.end()
    pieces += (_decoded(octets, waiting), raw[pos:])
    return "".join(pieces)


def _decoded(octets: list[bytes], name: str) -> str:
    try:
        return b"".join(octets).decode(name, "replace")
    except ValueError:
        return b"".join(octets).decode("utf-8", "replace")


def _word(encoding: str, body: str) -> bytes:
    octets = body.encode("utf-8", "replace")
    return Base64().decode(octets, final=True) if encoding in "bB" else binascii.a2b_qp(octets, header=True)
