"""What the header of a body part may contain. It is outside the encryption, so it may only have fields, values and
file names as real programs write them: see docs/decisions/0015-what-the-gate-leaves-open.md.
"""

from __future__ import annotations

import binascii
import functools
import re

from chatgate_gate import mime
from chatgate_gate.descriptions import DESCRIPTIONS
from chatgate_gate.mime import DATE, Malformed

MAX_HEADER = 1024  # octets; real ones have some 250

_FIELDS = frozenset(
    (b"content-type", b"content-transfer-encoding", b"content-disposition", b"content-description", b"mime-version")
)

# encrypted.asc, msg.asc, openpgp-encrypted-message.asc, noname … : up to five of these words
_WORD = (
    rb"(?:openpgp|pgp|gnupg|gpg|pgpmime|mime|encrypted|encryption|cipher|text|message|msg|mail|e-?mail|part|data|body|"
    rb"attachment|content|file|version|identification|noname|unnamed|autocrypt|setup|[0-9]{1,4})"
)
_FILE_NAME = re.compile(
    rb"(?i:" + _WORD + rb"(?:[ ._-]?" + _WORD + rb"){0,4}(?:\.(?:asc|pgp|gpg|eml|txt|dat|bin|html?)){0,2})"
)
_CHARSET = re.compile(
    rb"(?i:utf-?8|us-ascii|ascii|iso-8859-[0-9]{1,2}|windows-125[0-9]|koi8-[ru]|iso-2022-jp|shift_jis|euc-(?:jp|kr)|"
    rb"gb2312|gbk|gb18030|big5)"
)
_DATE = re.compile(DATE)
_PARAMETERS = {
    b"name": _FILE_NAME,
    b"filename": _FILE_NAME,
    b"charset": _CHARSET,
    b"format": re.compile(rb"(?i:flowed|fixed)"),  # RFC 3676
    b"delsp": re.compile(rb"(?i:yes|no)"),
    # RFC 2183 §2.3 to §2.7
    b"size": re.compile(rb"[0-9]{1,10}"),
    b"creation-date": _DATE,
    b"modification-date": _DATE,
    b"read-date": _DATE,
    b"x-unix-mode": re.compile(rb"[0-7]{3,4}"),  # Apple Mail
}

_LONG_BLANK = re.compile(rb"[ \t]{9}")
_ENCODED_WORD = re.compile(rb"=\?([A-Za-z0-9_-]{1,20})\?([BbQq])\?([!->@-~]*)\?=")  # RFC 2047 §2
_BETWEEN_WORDS = re.compile(rb"(?<=\?=)[ \t]+(?==\?)")  # §6.2: not shown


def kind(section: bytes, message_id: bytes = b"") -> bytes:
    """The content type of the part with this header section. Raises Malformed if the header says anything else.

    message_id: that of the whole message; the part may repeat it, as Delta Chat up to 2.4x does.
    """
    header, _ = mime.split(section, MAX_HEADER)
    if _LONG_BLANK.search(section):
        raise Malformed("long blank in a part's header")
    own = header.names - _FIELDS
    if own and (own != {b"message-id"} or not message_id or header.get(b"message-id") != message_id):
        raise Malformed("unknown field in a part's header")
    mime.check_plain(header)
    # The body cannot be edited, so anything that would be removed from the message's own header is refused here.
    if header.get(b"mime-version") not in (None, b"1.0"):
        raise Malformed("unknown MIME version")
    description = header.get(b"content-description")
    if description and _decoded(description) not in DESCRIPTIONS:
        raise Malformed("unknown description of a part")
    found, parameters = header.parameters(b"content-type", b"text/plain")
    disposition, more = header.parameters(b"content-disposition", b"inline")
    if disposition not in (b"inline", b"attachment"):
        raise Malformed("unknown disposition of a part")
    for name, value in (*parameters.items(), *more.items()):
        if name not in _PARAMETERS or not _PARAMETERS[name].fullmatch(value):
            raise Malformed("unknown parameter in a part's header")
    return found


# Cached, as a program writes the same part headers in every message: this saves half of the time for a small message.
cached_kind = functools.lru_cache(maxsize=128)(kind)


def _decoded(value: bytes) -> str:
    """The value with its encoded words decoded (RFC 2047) and each run of blanks as one space; "?" if it is invalid."""
    try:
        found: list[str] = []
        end = 0
        value = _BETWEEN_WORDS.sub(b"", value)
        for word in _ENCODED_WORD.finditer(value):
            charset, encoding, text = word.groups()
            if not _CHARSET.fullmatch(charset):
                return "?"
            raw = binascii.a2b_base64(text) if encoding in b"Bb" else binascii.a2b_qp(text, header=True)
            found += [value[end : word.start()].decode(), raw.decode(charset.decode())]
            end = word.end()
        return " ".join("".join([*found, value[end:].decode()]).split())
    except ValueError:  # includes binascii.Error and UnicodeError
        return "?"
