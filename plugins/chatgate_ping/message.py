"""The message: PGP/MIME (RFC 3156) with the outer header that Delta Chat gives its messages."""

from __future__ import annotations

import email.utils
import secrets


def make(sender: str, message_id: str, armored: bytes) -> bytes:
    """The message, with CRLF lines, around an ASCII-armored OpenPGP message. Only the envelope names the recipient."""
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
    content = head.encode("ascii") + armored.rstrip() + f"\n\n--{boundary}--\n".encode()
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def new_id() -> str:
    """A Message-ID that no other message has."""
    return f"<{secrets.token_hex(16)}@localhost>"


def armored(content: bytes) -> bytes:
    """The OpenPGP message inside; b"" if there is none."""
    begin, end = b"-----BEGIN PGP MESSAGE-----", b"-----END PGP MESSAGE-----"
    start = content.find(begin)
    stop = content.find(end, start)
    return content[start : stop + len(end)] + b"\n" if 0 <= start < stop else b""
