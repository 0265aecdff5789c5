"""What remains of a message's own header: the fields that Delta Chat and mail programs with OpenPGP need, each in its
expected form and no longer than real ones are. Every server on the way can read the header, so other fields go.

Nothing is refused here: a field that is not in its form is removed or rewritten. See docs/gate.md.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from chatgate.api import Edit, Envelope, Remove, Replace, ReversePath, normal_address
from chatgate_gate import mime, openpgp
from chatgate_gate.mime import Header, Malformed

_SUBJECT = b"[...]"  # as Delta Chat writes; clients encrypt the real one
_NOBODY = b'"hidden-recipients": ;'  # as Delta Chat writes

# Octets. Real values are shorter, except for endless threads, of which the nearest messages remain, and endless lists
# of recipients, of which nothing remains.
_MAX_AROUND = 3  # blanks around a value
_MAX_NAME = 120  # in From; 30 letters beyond ASCII
_MAX_SUBJECT = 500
_MAX_ID = 200
_MAX_ANSWERED, _MAX_REFERENCES = 400, 1000  # a thread's nearest ten messages
_MAX_RECIPIENTS = 4000  # a hundred
_MAX_KEY = 24_000  # in base64; an RSA key of 4096 bits takes 4000, a post-quantum key with its signatures 16 000

_ID = rb"<[!-;=?-~]{1,%d}>" % _MAX_ID  # RFC 5322 §3.6.4, without blanks and comments
_IDS = re.compile(rb"%b(?:[ \t]{1,4}%b)*" % (_ID, _ID))
_ANY_ID = re.compile(_ID)
_DATED = re.compile(rb"(" + mime.DATE + rb")(?: \([A-Za-z0-9+:-]{1,10}\))?")
_LIST_ID = re.compile(rb"<[A-Za-z0-9._-]{1,100}>")  # RFC 2919
_AUTOCRYPT = re.compile(
    rb"addr=([^;\s]{1,320});[ \t]{0,3}(?:prefer-encrypt=(?:mutual|nopreference);[ \t]{0,3})?"
    rb"keydata=[ \t]{0,3}([A-Za-z0-9+/=]+(?:[ \t]{1,3}[A-Za-z0-9+/=]+)*)"
)


@dataclass(frozen=True, slots=True)
class _Mail:
    """What the forms depend on. sender: the address in From, as written. recipients: the envelope's, in lower case."""

    sender: bytes
    submitted: bool
    recipients: Collection[str]


# A form is called with an unfolded value that is not empty. It returns the value that the field shall have: the same or
# another one, or None to remove the field.
_Form = Callable[[bytes, _Mail], bytes | None]


def _closed(pattern: bytes) -> _Form:
    matches = re.compile(pattern).fullmatch
    return lambda value, mail: value if matches(value) else None


def _incoming(form: _Form) -> _Form:
    """The form of a field that only forwarders, mailing lists and servers write: removed from mail of our accounts."""
    return lambda value, mail: None if mail.submitted else form(value, mail)


def _from(value: bytes, mail: _Mail) -> bytes:
    """Names are kept only on mail from elsewhere, whose readers want to know who wrote it."""
    plain = b"<%b>" % mail.sender
    named = not mail.submitted and len(value) <= len(mail.sender) + _MAX_NAME
    return value if named or value in (plain, mail.sender) else plain


def _recipients(value: bytes, mail: _Mail) -> bytes | None:
    """Addresses without names. In mail from our accounts, only those of the envelope's recipients are kept."""
    if value[:1] + value[-1:] == b"<>" and value[1:-1].decode("latin-1").lower() in mail.recipients:
        return value
    found = mime.addresses(value) if len(value) <= 2 * _MAX_RECIPIENTS else []
    if mail.submitted:
        found = [address for address in found if _same(address) in mail.recipients]
    plain = b", ".join(b"<%b>" % address for address in found)
    if not plain or len(plain) > _MAX_RECIPIENTS:
        return None
    as_usual = value.translate(None, b"<> \t") == b",".join(found) and len(value) <= len(plain) + len(found)
    return value if as_usual else plain


def _to(value: bytes, mail: _Mail) -> bytes:
    return value if value == _NOBODY else _recipients(value, mail) or _NOBODY


def _address(value: bytes, mail: _Mail) -> bytes | None:
    found = mime.address(value)
    return None if found is None else b"<%b>" % found.encode()


def _subject(value: bytes, mail: _Mail) -> bytes:
    return _SUBJECT if mail.submitted or len(value) > _MAX_SUBJECT else value


def _date(value: bytes, mail: _Mail) -> bytes | None:
    match = _DATED.fullmatch(value)
    return match and match[1]


def _ids(most: int) -> _Form:
    """Message-IDs: only the last ones, if all of them have more than `most` octets."""

    def form(value: bytes, mail: _Mail) -> bytes | None:
        if len(value) <= most and _IDS.fullmatch(value):
            return value
        kept, octets = [], 0
        for found in reversed(_ANY_ID.findall(value)):
            octets += len(found) + 1
            if octets > most:
                break
            kept.append(found)
        return b" ".join(reversed(kept)) or None

    return form


def _list_id(value: bytes, mail: _Mail) -> bytes | None:
    match = _LIST_ID.search(value)
    return match and match[0]


def _autocrypt(value: bytes, mail: _Mail) -> bytes | None:
    """The sender's public key (Autocrypt §2.1), and no other's."""
    match = _AUTOCRYPT.fullmatch(value)
    if not match or _same(match[1]) != _same(mail.sender):
        return None
    key = match[2].translate(None, b" \t")
    if len(key) > _MAX_KEY or len(match[2]) > len(key) * 11 // 10 + 10:
        return None
    try:
        return value if openpgp.is_public_key(binascii.a2b_base64(key, strict_mode=True)) else None
    except binascii.Error:
        return None


def _same(address: bytes) -> str:
    """The address in normalised spelling."""
    return normal_address(address.decode("latin-1")).lower()


def _type(kind: bytes, *parameter: bytes) -> _Form:
    """The form of a Content-Type: this type with this parameter and its boundary. The gate's filter checks the rest."""
    fixed = (kind, *parameter)
    usual = re.compile(rb";[ \t]{1,3}".join((*map(re.escape, fixed), rb'boundary="[^"\s]{1,70}"')), re.IGNORECASE)

    def form(value: bytes, mail: _Mail) -> bytes | None:
        if usual.fullmatch(value):
            return value
        try:
            declared = mime.content_type(Header(b"Content-Type: %b\r\n" % value))
        except Malformed:
            return value
        return b"; ".join((*fixed, b'boundary="%b"' % declared.boundary))

    return form


_automatic = _closed(rb"(?i:no|auto-(?:generated|replied|notified))")


def _automatic_report(value: bytes, mail: _Mail) -> bytes | None:
    """The keyword alone: servers may add more after it (RFC 3834 §5), and the next gate might then drop the field."""
    return _automatic(re.split(rb"[ \t;(]", value, maxsplit=1)[0], mail)


_COMMON: dict[bytes, _Form] = {
    b"from": _from,
    b"to": _to,
    b"cc": _recipients,
    b"reply-to": _incoming(_address),
    b"sender": _incoming(_address),
    b"date": _date,
    b"message-id": _closed(_ID),
    b"x-microsoft-original-message-id": _incoming(_closed(_ID)),  # Outlook gives messages an ID of its own
    b"in-reply-to": _ids(_MAX_ANSWERED),
    b"references": _ids(_MAX_REFERENCES),
    b"subject": _subject,
    b"mime-version": lambda value, mail: b"1.0",
    b"content-transfer-encoding": _closed(rb"(?i:7bit|8bit|binary)"),
    b"auto-submitted": _automatic,
    b"chat-version": _closed(rb"[0-9.]{1,8}"),
    b"precedence": _incoming(_closed(rb"(?i:bulk|list|junk)")),
    b"list-id": _incoming(_list_id),
}
_ENCRYPTED = _COMMON | {
    b"content-type": _type(b"multipart/encrypted", b'protocol="application/pgp-encrypted"'),
    b"autocrypt": _autocrypt,
    b"chat-is-post-message": _closed(rb"1"),
}
_MIXED = _COMMON | {
    b"content-type": _type(b"multipart/mixed"),
    b"subject": lambda value, mail: _SUBJECT,
    b"autocrypt": _autocrypt,
    b"secure-join": _closed(rb"v[cg]-request"),
    b"secure-join-invitenumber": _closed(rb"[A-Za-z0-9_-]{1,64}"),
    b"autocrypt-setup-message": _closed(rb"v1"),
    b"chat-verified": _closed(rb"[01]"),
}
_REPORT = _COMMON | {
    b"content-type": _type(b"multipart/report", b'report-type="delivery-status"'),
    b"auto-submitted": _automatic_report,
    b"x-failed-recipients": _recipients,
}
_KINDS = {b"multipart/encrypted": _ENCRYPTED, b"multipart/mixed": _MIXED, b"multipart/report": _REPORT}


# For addresses that may get unencrypted mail: the whole header, except for the fields meant for servers on the way.
_CLEARTEXT: tuple[Edit, ...] = (Remove("DKIM-Signature"), Remove("Authentication-Results"), Remove("Received"))

_NAMES = {b"mime-version": "MIME-Version"}  # the names that title() would write wrongly


def spelling(address: str) -> str:
    """Normalise an address: two addresses of the same mailbox are equal afterwards."""
    return normal_address(address).lower()


def _forwarded(envelope: Envelope, author: str) -> list[Edit | ReversePath]:
    """Forwarders change the envelope's sender. Such a message may pass, but the address there must not get bounces."""
    foreign = envelope.origin != "account" and envelope.sender and spelling(author) != envelope.sender.lower()
    return [ReversePath("")] if foreign else []


def edits(
    envelope: Envelope, keep: Collection[bytes], max_header: int, may_be_cleartext: Callable[[Envelope], bool]
) -> list[Edit | ReversePath]:
    """The edits that leave only those fields in the header. None for a message that the gate's filter refuses anyway.

    keep: lower-case names of further fields to leave unchanged. may_be_cleartext: asked about mail from elsewhere that
    does not call itself encrypted; of that, the fields stay but for those meant for servers on the way.
    """
    try:
        header, _ = mime.split(envelope.content, max_header)
        sender = mime.address(header.get(b"from") or b"")
    except Malformed:
        return []
    if sender is None:
        return []
    try:
        kind = (header.get(b"content-type") or b"").partition(b";")[0].strip(b" \t").lower()
    except Malformed:
        kind = b""
    if kind != b"multipart/encrypted" and envelope.origin != "account" and may_be_cleartext(envelope):
        return [*_CLEARTEXT, *_forwarded(envelope, sender)]
    forms = _KINDS.get(kind)
    if forms is None:
        return []
    mail = _Mail(sender.encode(), envelope.origin == "account", {address.lower() for address in envelope.recipients})
    found = _forwarded(envelope, sender)
    for name in header.names:
        if name in keep:
            continue
        form, raw = forms.get(name), None if header.repeated(name) else header.unfolded(name)
        value = raw.strip(b" \t") if form and raw else b""
        left = form(value, mail) if form and value else None
        if raw is None or left is None:
            found.append(Remove(name.decode()))
        elif left != value or len(raw) > len(value) + _MAX_AROUND:
            text = left.decode("ascii", "replace").replace("\ufffd", "?")  # 8-bit characters, in names and subjects
            found.append(Replace(_NAMES.get(name) or name.decode().title(), text))
    return found
