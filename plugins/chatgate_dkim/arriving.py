"""What is said to mail from other servers: does it come from its author's domain?"""

from __future__ import annotations

import logging

from chatgate.api import Counter, Reply, Session, Work, address_literal, ip, normal_peer
from chatgate_dkim.canonical import PIECE
from chatgate_dkim.message import Message
from chatgate_dkim.options import DkimOptions
from chatgate_dkim.proof import Proof, Prover, Resolver
from chatgate_dkim.tags import Malformed

log = logging.getLogger("chatgate.dkim")

NO_AUTHOR = Reply(554, "5.7.1", "Invalid FROM header: it must have one address that is clear")
NO_SIGNATURE = "No DKIM signature found"
NOT_VALID = "No valid DKIM signature found"
UNSURE = "DKIM cannot be checked now"
NO_LITERAL = Reply(554, "5.7.1", "Mail of authors at an IP address is not taken here")
WRONG_ADDRESS = Reply(554, "5.7.1", "The author is at an IP address, but the mail comes from another one")
UNKNOWN_ADDRESS = Reply(451, "4.3.5", "The author is at an IP address, and this server cannot see yours")

_LONGEST = 400  # octets of a text; an SMTP reply has 512 at most (RFC 5321 §4.5.3.1.5)


class Arriving:
    """The check of one gateway. counted: messages, by what was found."""

    def __init__(self, options: DkimOptions, resolver: Resolver) -> None:
        self._options, self.counted = options, Counter()
        self.prover = Prover(options, resolver)

    def judge(self, session: Session, content: bytes) -> Reply | str:
        """A refusal, or the domain or literal from which the message is proven to come; "" where nothing is proven and
        yet it may pass.
        """
        try:
            message = read(content, self._options.max_header)
        except Malformed as error:
            self.counted.add("malformed")
            return Reply(554, "", str(error))
        author = message.author
        if author is None:
            self.counted.add("malformed")
            return NO_AUTHOR
        if ip(author):
            self.counted.add("literal")
            return self._literal(session, author)
        proof = self.prover.prove(message, author)
        self.counted.add(_found(proof))
        return author if proof.proven else _refusal(proof)

    def _literal(self, session: Session, author: str) -> Reply | str:
        """Nothing can be signed there: there is no DNS for it. But nobody else can send from that address."""
        if self._options.literal_senders != "verify":
            return NO_LITERAL if self._options.literal_senders == "refuse" else ""
        if not session.peer:
            log.error("who sends has no IP address service=%s: is it behind a proxy without PROXY?", session.service)
            return UNKNOWN_ADDRESS
        found = normal_peer(str(ip(author)))
        return (address_literal(found) or author).lower() if found == session.peer else WRONG_ADDRESS


def read(content: bytes, max_header: int) -> Message:
    """The message, with turns for others if it is large. Raises Malformed."""
    if len(content) <= PIECE:
        return Message(content, max_header=max_header)
    return Message(content, Work().turn, max_header)


def _found(proof: Proof) -> str:
    if proof.proven:
        return "valid"
    return "unsure" if proof.unsure else "invalid" if proof.signed else "unsigned"


def _refusal(proof: Proof) -> Reply:
    why = "; ".join(dict.fromkeys(proof.why))
    if proof.unsure:
        return Reply(451, "4.7.5", f"{UNSURE}: {why}"[:_LONGEST])
    return Reply(554, "5.7.1", f"{NOT_VALID if proof.signed else NO_SIGNATURE}: {why}"[:_LONGEST])
