"""What kind of message is this? The rules of chatmail relays, on the bytes of one message. See docs/gate.md."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chatgate_gate import mime, openpgp, parts
from chatgate_gate.mime import ContentType, Header, Malformed
from chatgate_gate.openpgp import NotEncrypted

MAX_HEADER = 65_536  # octets; keys in Autocrypt fields and trace fields of many hops fit in with room to spare
_MAX_SETUP = 65_536  # octets of a Setup Message; one with an RSA key of 4096 bits has some 12 000

_PGP = b"application/pgp-encrypted"

# A preamble is text outside the encryption. Only the fixed sentences of known programs are admitted there, as they
# reveal nothing: those of Thunderbird and many others, of Horde, and of mail servers that took a message apart.
_PREAMBLE = re.compile(
    rb"(?:\r\n){0,8}(?:(?:"
    rb"This is an OpenPGP/MIME encrypted message(?: \(RFC (?:(?:2440|4880|9580) and )?3156\))?\.?|"
    rb"This message is in MIME format and has been PGP encrypted\.|"
    rb"This is a MIME-encapsulated message\.|"
    rb"This is a multi-part message in MIME format\."
    rb")\r\n(?:\r\n){0,8})?"
)
_VERSION_1 = re.compile(rb"(?:\r\n)?Version: 1[ \t]{0,2}(?:\r\n){0,8}")
_REQUEST = re.compile(rb"(?i:(?:\r\n){0,8}secure-join: v[cg]-request[ \t]{0,2}(?:\r\n){0,8})")
_SETUP_PART = re.compile(rb"(?i:\r\nContent-Type: application/autocrypt-setup[;\r])")
# RFC 3834 §5, which allows a comment or parameters: sendmail writes "auto-generated (failure)".
_AUTOMATIC = re.compile(rb"(?i:auto-(?:generated|replied|notified))(?:[ \t;(].*)?", re.DOTALL)
_REPORT_PART = re.compile(rb"(?i:\r\nContent-Type:[ \t]*message/(?:global-)?delivery-status[ \t]*[;\r])")


class Kind(enum.StrEnum):
    """What kind of message it is. The first four may pass, the others must not."""

    ENCRYPTED = "encrypted"
    SECUREJOIN_REQUEST = "securejoin-request"
    SETUP_MESSAGE = "setup-message"
    BOUNCE = "bounce"
    CLEARTEXT = "cleartext"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `inspect` found.

    sender: the address in the From field, as written; None if there is not exactly one clear address.
    from_field: the value of the From field as it came, for an error text; b"" if there is none or more than one.
    reason: why it is CLEARTEXT or MALFORMED, as a fixed text without anything from the message; else "".
    """

    kind: Kind
    sender: str | None = None
    from_field: bytes = b""
    reason: str = ""

    @property
    def admitted(self) -> bool:
        """Does the content allow the message to pass? Whether the sender is genuine is another question."""
        return self.kind not in (Kind.CLEARTEXT, Kind.MALFORMED)


def inspect(
    content: bytes,
    *,
    incoming: bool,
    recipients: Sequence[str] = (),
    max_header: int = MAX_HEADER,
    spelling: Callable[[str], str] = str.lower,
) -> Verdict:
    """Say what kind of message this is. Never raises, whatever the content; 10 MB take some 10 ms.

    content: header and body with CRLF line ends, dot-stuffing undone.
    incoming: True for a message from another server, False for one that an account of ours sends. Only incoming ones
        may be bounces or have armor headers; only outgoing ones may be Autocrypt Setup Messages.
    recipients: the envelope's recipients; a Setup Message must go only to its sender.
    max_header: octets the header may have.
    spelling: normalises an address, so that two spellings of the same one are equal.
    """
    try:
        header, body = mime.split(content, max_header)
    except Malformed as error:
        return Verdict(Kind.MALFORMED, reason=str(error))
    try:
        from_field = header.get(b"from") or b""
    except Malformed:
        from_field = b""
    sender = mime.address(from_field)
    try:
        kind, reason = _kind(content, header, body, sender, incoming, recipients, spelling), ""
    except (Malformed, NotEncrypted) as error:
        kind, reason = Kind.CLEARTEXT, str(error)
    return Verdict(kind, sender, from_field, reason)


def _kind(
    content: bytes,
    header: Header,
    body: int,
    sender: str | None,
    incoming: bool,
    recipients: Sequence[str],
    spelling: Callable[[str], str],
) -> Kind:
    """Raises Malformed or NotEncrypted for a message that may not pass."""
    declared = mime.content_type(header)
    if declared.kind == b"multipart/encrypted":
        armor = encrypted_part(content, body, declared)
        openpgp.packets(openpgp.dearmored(armor, headers_allowed=incoming))
        return Kind.ENCRYPTED
    if declared.kind == b"multipart/mixed":
        if header.get(b"secure-join") in (b"vc-request", b"vg-request"):
            _check_securejoin_request(content, header, body, declared)
            return Kind.SECUREJOIN_REQUEST
        if not incoming and header.get(b"subject") == b"Autocrypt Setup Message":
            if sender is None or list(map(spelling, recipients)) != [spelling(sender)]:
                raise NotEncrypted("setup message to someone else")
            if len(content) > _MAX_SETUP or not _SETUP_PART.search(content, body):
                raise NotEncrypted("setup message without a setup")
            return Kind.SETUP_MESSAGE
    if incoming and _is_bounce(content, body, header, declared, sender):
        return Kind.BOUNCE
    raise NotEncrypted("not encrypted")


def encrypted_part(content: bytes, body: int, declared: ContentType) -> bytes:
    """The body of the second part of a multipart/encrypted message (RFC 3156 §4). Its armor is not checked yet.

    body: where the body of the message begins. Raises Malformed unless there are exactly the two parts of the RFC and
    nothing before, between or after them.
    """
    if declared.parameters.get(b"protocol", _PGP).lower() != _PGP:
        raise Malformed("not PGP/MIME")
    delimiter = _delimiter(declared)
    # Programs disagree on whether a line that only begins like a delimiter is one. Here every line between the
    # delimiters, apart from those of the armor, is known not to begin like one.
    if openpgp.BEGIN.startswith(delimiter) or openpgp.END.startswith(delimiter):
        raise Malformed("unclear boundary")
    start = _first_part(content, body, delimiter)
    second = content.find(b"\r\n" + delimiter + b"\r\n", start, start + 2 * parts.MAX_HEADER)
    if second < 0:
        raise Malformed("not two parts")
    kind, text = _part(content[start:second])
    if kind != _PGP or not _VERSION_1.fullmatch(text):
        raise Malformed("first part is not the version")
    end = _close(content, delimiter)
    kind, text = _part(content[second + len(delimiter) + 4 : end])
    if kind != b"application/octet-stream":
        raise Malformed("second part is not the encrypted one")
    return text


def _delimiter(declared: ContentType) -> bytes:
    """Raises Malformed for a boundary that contains blanks: RFC 2046 allows them, but no program writes them."""
    if b" " in declared.boundary:
        raise Malformed("unclear boundary")
    return b"--" + declared.boundary


def _first_part(content: bytes, body: int, delimiter: bytes) -> int:
    """Where the first part begins. Raises Malformed if anything but empty lines or a known sentence precedes it."""
    match = _PREAMBLE.match(content, body)
    start = match.end() if match else body
    if not content.startswith(delimiter + b"\r\n", start):
        raise Malformed("text before the first part")
    return start + len(delimiter) + 2


def _close(content: bytes, delimiter: bytes) -> int:
    """Where the last part ends. Raises Malformed if it is followed by anything but empty lines."""
    close = b"\r\n" + delimiter + b"--"
    end = mime.before_blank_lines(content)
    if not content.endswith(close, 0, end):
        raise Malformed("text after the last part")
    return end - len(close)


def _part(part: bytes) -> tuple[bytes, bytes]:
    """(content type, body) of a part. Raises Malformed if its header holds anything that the gate does not know."""
    end = _end_of_header(part)
    return parts.cached_kind(part[:end]), part[end:]


def _end_of_header(part: bytes) -> int:
    end = part.find(b"\r\n\r\n", 0, parts.MAX_HEADER) + 4
    if end < 4:
        raise Malformed("no end of a part's header")
    return end


def _check_securejoin_request(content: bytes, header: Header, body: int, declared: ContentType) -> None:
    """Raise Malformed unless the only part is the text that Delta Chat sends before it knows the other side's key."""
    delimiter = _delimiter(declared)
    start, end = _first_part(content, body, delimiter), _close(content, delimiter)
    part = content[start:end]
    text = _end_of_header(part)
    kind = parts.kind(part[:text], header.get(b"message-id") or b"")
    if kind != b"text/plain" or not _REQUEST.fullmatch(part, text):
        raise Malformed("not a Secure-Join request")


def _is_bounce(content: bytes, body: int, header: Header, declared: ContentType, sender: str | None) -> bool:
    """Is it a mail server's report that a message could not be delivered (RFC 3464, RFC 3834 §5)? Anyone can write
    one; only a DKIM check can tell whether it comes from the domain it names. It contains text, as it is written for
    people, but it must also have the machine-readable part, which no other kind of message has.
    """
    automatic = _AUTOMATIC.fullmatch(header.get(b"auto-submitted") or b"")
    about_delivery = declared.parameters.get(b"report-type", b"delivery-status").lower() == b"delivery-status"
    from_server = (sender or "").lower().startswith("mailer-daemon@")
    if not (declared.kind == b"multipart/report" and about_delivery and automatic and from_server):
        return False
    return _REPORT_PART.search(content, body) is not None
