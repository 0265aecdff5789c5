"""The rules for addresses, mailbox names, flags and headers that all stores share, so that none invents its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from functools import lru_cache

from chatgate.addresses import normal_address, valid_address
from chatgate.reply import Reply
from chatgate.store.records import Former, Impossible, LimitReached

SEPARATOR = "/"

# The mailboxes of a new account, with their SPECIAL-USE attributes (RFC 6154). It is subscribed to them.
FIRST_MAILBOXES = {"INBOX": "", "Drafts": "\\Drafts", "Junk": "\\Junk", "Sent": "\\Sent", "Trash": "\\Trash"}

LONGEST_NAME = 255  # octets of a mailbox name in UTF-8, and of the name of an annotation

# How many flags a message may have, and their octets together. IMAP sets no limit, but a session keeps the flags of all
# messages in memory, which needs one.
MOST_FLAGS = 50
LONGEST_FLAGS = 1000
_TOO_MANY = "Too many flags"


def address_key(address: str) -> str:
    """The form in which addresses are kept, compared and ordered: lower case, an IP address as a literal in one
    spelling. Any text has a key, even if it is not an address.
    """
    return normal_address(address).lower()


def new_address(address: str, returning: bool = False) -> str:
    """The key of an address for a new account. returning: its owner had it before, perhaps when more names were
    allowed. Raises Impossible.
    """
    key = address_key(address)
    if not returning and not valid_address(key):
        raise Impossible("Not an address")
    return key


def mailbox_name(name: str) -> str:
    """The form in which names of mailboxes are kept and compared: INBOX in capitals, alone or as the first of several
    levels (RFC 3501 §5.1). All other names are kept as they are: upper and lower case, or another Unicode composition
    of a character, make another name.
    """
    if name[:5].upper() == "INBOX" and name[5:6] in ("", SEPARATOR):
        return "INBOX" + name[5:]
    return name


def new_mailbox_name(name: str) -> str:
    """The form of a name for a new mailbox or subscription. Raises Impossible unless its levels are not empty, its
    characters printable, and it has at most LONGEST_NAME octets.
    """
    name = mailbox_name(name)
    if not all(name.split(SEPARATOR)) or not name.isprintable() or len(name.encode()) > LONGEST_NAME:
        raise Impossible("Not a name for a mailbox")
    return name


def mailbox_order(name: str) -> tuple[bool, str]:
    """Sorts INBOX first, then by code points."""
    return name != "INBOX", name


def inside(name: str, other: str) -> bool:
    """Is the mailbox `name` below the mailbox `other`?"""
    return name.startswith(other + SEPARATOR)


def normal_flags(flags: Iterable[str]) -> frozenset[str]:
    """System flags in their usual spelling, as their case does not matter (RFC 3501 §2.3.2); keywords as they are: IMAP
    takes the spelling that the mailbox already has. \\Recent is left out, as it belongs to sessions. Raises Impossible
    for something that is not a flag, LimitReached for more than a message can have.
    """
    return _normal(frozenset(flags))


@lru_cache(maxsize=1024)
def _normal(flags: frozenset[str]) -> frozenset[str]:
    for flag in few_flags(flags):  # what is refused is not cached
        if not flag or " " in flag or not flag.isascii() or not flag.isprintable():
            raise Impossible("Not a flag")
    spelled = {"\\" + flag[1:].capitalize() if flag.startswith("\\") else flag for flag in flags}
    return frozenset(spelled - {"\\Recent"})


def few_flags(flags: frozenset[str]) -> frozenset[str]:
    """The same flags, if one message can have them all; call it with the flags that result from adding some. Raises
    LimitReached.
    """
    if len(flags) > MOST_FLAGS or sum(map(len, flags)) > LONGEST_FLAGS:
        raise LimitReached(_TOO_MANY)
    return flags


def well_numbered(
    uidvalidity: int, uidnext: int, messages: Sequence[Former], has_uidvalidity: int = 0, has_uidnext: int = 1
) -> None:
    """Can `Store.restore_messages` take these? has_uidvalidity, has_uidnext: what the mailbox has. Raises
    Impossible.
    """
    uids = [0, *(message.uid for message in messages), uidnext]
    if not 0 < uidvalidity < 1 << 32 or uidnext >= 1 << 32 or any(a >= b for a, b in itertools.pairwise(uids)):
        raise Impossible("UIDs that are out of order, or beyond what there can be")
    if has_uidnext > 1 and uidvalidity != has_uidvalidity:
        raise Impossible("The mailbox has given out UIDs under another UIDVALIDITY")


def header_size(content: bytes) -> int:
    """Octets of the header with its closing empty line; of the whole content if there is no empty line."""
    # Not by `split`, which would copy the body.
    end = -2 if content.startswith(b"\r\n") else content.find(b"\r\n\r\n")
    return end + 4 if end != -1 else len(content)


def kept_reply(reply: Reply) -> Reply:
    """What another server said, as the queue keeps it: one line, of 500 characters at most; without an IMAP code."""
    return Reply(reply.code, reply.enhanced, " ".join(reply.text.split())[:500])
