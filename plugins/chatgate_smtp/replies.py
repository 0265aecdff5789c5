"""Replies as SMTP writes them."""

from __future__ import annotations

from chatgate.api import Reply

# Replies of aiosmtpd, with enhanced status codes (RFC 2034).
ENHANCED = {
    "250 OK": "250 2.0.0 OK",
    "500 Error: bad syntax": "500 5.5.2 Syntax error",
    "500 Error: command 'AUTH' not recognized": "503 5.5.1 Send EHLO first",
    "501 Not enough value": "501 5.5.4 Syntax: AUTH mechanism",
    "501 Too many values": "501 5.5.4 Syntax: AUTH mechanism [initial-response]",
    "502 EXPN not implemented": "502 5.5.1 EXPN not implemented",
    "501 Syntax: RSET": "501 5.5.4 Syntax: RSET",
    "503 Already authenticated": "503 5.5.1 Already logged in",
    "503 Error: send EHLO first": "503 5.5.1 Send EHLO first",
    "503 Error: send HELO first": "503 5.5.1 Send HELO or EHLO first",
    "530 Must issue a STARTTLS command first": "530 5.7.0 Must issue a STARTTLS command first",
    "530 5.7.0 Authentication required": "530 5.7.0 Log in first",
}

# Delta Chat's servers have all said "523 Encryption Needed: Invalid Unencrypted Mail", word for word.
_BARE = frozenset({523})


def line(reply: Reply) -> str:
    """A Reply as one line of SMTP. A text that is not printable ASCII is left out: it could break out of its line."""
    text = reply.text
    if not text.isascii() or not text.isprintable():
        text = ""
    if reply.code in _BARE:
        return f"{reply.code} {text[:500]}"
    return f"{reply.code} {reply.status} {text[:500]}".rstrip()
