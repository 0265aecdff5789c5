"""The form of messages: what is outside, and the header inside that only members read."""

from __future__ import annotations

import base64
import binascii
import email.header
import email.parser
import email.utils
import re
import secrets
from email.message import Message as Parsed
from typing import NamedTuple

_ARMOR = re.compile(rb"-----BEGIN PGP MESSAGE-----.*?-----END PGP MESSAGE-----", re.DOTALL)
_LINE = 76


class Address(NamedTuple):
    """An address with the OpenPGP key that belongs to it."""

    address: str
    key: bytes


def inner(fields: list[tuple[str, str]], text: str) -> bytes:
    """What is encrypted: a text with a header of its own (protected headers)."""
    lines = [f"{name}: {value}" for name, value in fields]
    lines += ['Content-Type: text/plain; charset="utf-8"; protected-headers="v1"', "Content-Transfer-Encoding: base64"]
    body = base64.encodebytes(text.encode()).decode()
    return ("\n".join(lines) + "\n\n" + body).replace("\n", "\r\n").encode("ascii")


def outer(sender: str, message_id: str, armor: bytes) -> bytes:
    """The message (RFC 3156) as servers see it, in the form that Delta Chat gives it. Only the envelope names the
    recipients.
    """
    boundary = secrets.token_hex(16)
    head = (
        f"From: <{sender}>\n"
        'To: "hidden-recipients": ;\n'
        "Subject: [...]\n"
        f"Date: {email.utils.formatdate()}\n"
        f"Message-ID: {message_id}\n"
        "MIME-Version: 1.0\n"
        f'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="{boundary}"\n'
        "\n"
        f"--{boundary}\n"
        'Content-Type: application/pgp-encrypted; charset="utf-8"\n'
        "Content-Description: PGP/MIME version identification\n"
        "Content-Transfer-Encoding: 7bit\n"
        "\n"
        "Version: 1\n"
        "\n"
        f"--{boundary}\n"
        'Content-Type: application/octet-stream; name="encrypted.asc"; charset="utf-8"\n'
        "Content-Description: OpenPGP encrypted message\n"
        'Content-Disposition: inline; filename="encrypted.asc"\n'
        "Content-Transfer-Encoding: 7bit\n"
        "\n"
    )
    content = head.encode("ascii") + armor.rstrip() + f"\n\n--{boundary}--\n".encode()
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def header(content: bytes) -> Parsed:
    """Of a message, or of what was encrypted."""
    return email.parser.BytesHeaderParser().parsebytes(content)


def value(fields: Parsed, name: str) -> str:
    """Of the first field with this name, without folding; "" if there is none."""
    return " ".join(str(fields.get(name, "")).split())


def author(fields: Parsed) -> str:
    """The address in From, in lower case; "" unless there is exactly one."""
    found = email.utils.getaddresses([str(one) for one in fields.get_all("From", [])])
    return found[0][1].lower() if len(found) == 1 else ""


def armored(content: bytes) -> bytes:
    """The OpenPGP message inside; b"" if there is none."""
    found = _ARMOR.search(content)
    return found[0] + b"\n" if found else b""


def autocrypt(fields: Parsed) -> Address | None:
    """The key that the author sends along (Autocrypt 1.1 §2.1); None if it is not there or not the author's."""
    for field in reversed(fields.get_all("Autocrypt", [])):
        parts = dict(part.strip().partition("=")[::2] for part in str(field).split(";"))
        try:
            key = base64.b64decode("".join(parts.get("keydata", "").split()), validate=True)
        except (ValueError, binascii.Error):
            continue
        address = parts.get("addr", "").strip().lower()
        if key and address and address == author(fields):
            return Address(address, key)
    return None


def with_key(name: str, address: str, key: bytes) -> tuple[str, str]:
    """The field Autocrypt or Autocrypt-Gossip."""
    data = base64.b64encode(key).decode()
    folded = "\n ".join(data[at : at + _LINE] for at in range(0, len(data), _LINE))
    prefer = " prefer-encrypt=mutual;" if name == "Autocrypt" else ""
    return name, f"addr={address};{prefer} keydata=\n {folded}"


def words(text: str) -> str:
    """A text as a header field has it (RFC 2047)."""
    return text if text.isascii() else email.header.Header(text, "utf-8").encode()
