"""Is one signature of a message right? The part without DNS: the caller brings the record of the key."""

from __future__ import annotations

from chatgate_dkim import record
from chatgate_dkim.message import Message
from chatgate_dkim.signature import Signature, unsigned
from chatgate_dkim.tags import Malformed


def body_is_signed(message: Message, signature: Signature) -> bool:
    """Needs no key, so it comes first: a body that was changed costs no question to the DNS. Raises Malformed."""
    return message.body_hash(signature.body) == signature.body_hash


def key_problem(key: record.PublicKey, signature: Signature, least_bits: int) -> str:
    """Why the key is not one for this signature, as words about its record; "" if it is."""
    if key.kind != signature.kind:
        return "holds a key of another kind than the signature"
    if key.kind == "rsa" and key.bits < least_bits:
        return f"holds a weak key of {key.bits} bits"
    if key.strict and signature.identity != signature.domain:
        return "allows no sub-domain in i= (t=s)"
    return ""


def header_is_signed(message: Message, signature: Signature, key: record.PublicKey) -> bool:
    """Was the signature made with this key over this header? The body is another question."""
    digest = message.header_hash(signature.names, signature.header, unsigned(signature.raw))
    return key.verifies(signature.value, digest)


def verify(message: Message, signature: Signature, text: bytes, least_bits: int = 1024) -> str:
    """Why the signature is not right, in a few words; "" if it is. text: of the record with the key."""
    try:
        if not body_is_signed(message, signature):
            return "the body was changed"
        key = record.parse(text)
    except Malformed as error:
        return str(error)
    if problem := key_problem(key, signature, least_bits):
        return problem
    return "" if header_is_signed(message, signature, key) else "the signature does not match"
