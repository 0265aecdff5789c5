"""What an operator can do about a refusal of another server, for whoever probes it."""

from __future__ import annotations

from chatgate.api import Reply

# By what the enhanced status code (RFC 3463) ends with, for refusals for good.
_BY_STATUS = {
    ".1.1": "There is no such address there: check its spelling, or ask its owner",
    ".1.2": "That server does not know the domain: its MX records may name the wrong host",
    ".2.1": "The account there is disabled",
    ".2.2": "The mailbox is full: its owner must delete something",
    ".3.4": "The message is too large for that server",
    ".4.6": "Mail goes round in circles: the MX records of the domain may name the wrong host",
    ".7.1": "That server has a rule against this: its words say which",
}


def advice(reply: Reply) -> str:
    """A sentence without a full stop; "" for a yes."""
    if reply.accepts:
        return ""
    if "dkim" in reply.text.lower():
        return "Compare the DKIM records with those that are wanted: chatgate dns --check"
    if reply.code == 523 or "encryption needed" in reply.text.lower():
        return "Chatmail servers take encrypted mail only; a test message must be encrypted, too"
    if reply.temporary:
        return "It refuses for now, as a server does that wants to see a second try: mail is tried again by itself"
    return _BY_STATUS.get(reply.enhanced[1:], "Its words say why")
