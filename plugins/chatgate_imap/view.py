"""The selected mailbox as one client knows it: which UID has which sequence number, and what is still to be told."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable

from chatgate.api import Mailbox, Message, Store

from . import flags, sets
from .recent import Recent


class View:
    """messages[n - 1] has the sequence number n. A message enters together with the EXISTS that announces it, and
    leaves together with its EXPUNGE, so the numbers are what the client thinks they are at every moment.

    recent: UIDs that are \\Recent for this session. fetched: UIDs whose content the client has read.
    condstore: the client wants MODSEQ (RFC 7162 §3.1).
    """

    __slots__ = (
        "mailbox",
        "read_only",
        "messages",
        "uids",
        "uidnext",
        "modseq",
        "recent",
        "fetched",
        "condstore",
        "known_keywords",
        "_gone",
        "_untold",
        "_store",
        "_recent_of",
    )

    def __init__(self, store: Store, mailbox: Mailbox, recent_of: Recent, read_only: bool, condstore: bool) -> None:
        """Raises NoSuchMailbox."""
        self._store, self.mailbox, self._recent_of = store, mailbox, recent_of
        self.read_only, self.condstore = read_only, condstore
        changes = store.changes(mailbox.id, 0)
        self.messages: list[Message] = list(changes.messages)
        self.uids = array("I", [message.uid for message in self.messages])
        self.modseq, self.uidnext = changes.modseq, changes.uidnext
        self.recent: set[int] = self._new_recent(changes.uidnext)
        self.fetched: set[int] = set()
        self.known_keywords: frozenset[str] = frozenset(self._keywords())
        self._gone: set[int] = set()  # expunged, EXPUNGE not sent yet
        self._untold: set[int] = set()  # flags changed, FETCH not sent yet

    def _new_recent(self, uidnext: int) -> set[int]:
        mailbox_id = self.mailbox.id
        first = self._recent_of.first(mailbox_id) if self.read_only else self._recent_of.claim(mailbox_id, uidnext)
        return set(self.uids[bisect_left(self.uids, first) :])

    def _keywords(self) -> set[str]:
        seen = {message.flags for message in self.messages}
        return set().union(*map(flags.keywords, seen))

    # ------------------------------------------------------------------------------------------ looking

    def __len__(self) -> int:
        return len(self.messages)

    def first_unseen(self) -> int:
        """The sequence number of the first message without \\Seen, 0 for none."""
        return next((n for n, m in enumerate(self.messages, 1) if flags.SEEN not in m.flags), 0)

    def positions(self, text: bytes, by_uid: bool) -> list[int]:
        """Positions in `messages` for a sequence set. Raises Bad."""
        ranges = sets.parse(text)
        return sets.by_uid(ranges, self.uids) if by_uid else sets.by_number(ranges, len(self.messages))

    def position(self, uid: int) -> int | None:
        at = bisect_left(self.uids, uid)
        return at if at < len(self.uids) and self.uids[at] == uid else None

    def spelling(self, wanted: Collection[str]) -> frozenset[str]:
        """The flags with keywords spelt as this mailbox has them already: they have no case (RFC 9051 §2.3.2)."""
        if not any(flag[0] != "\\" for flag in wanted):
            return frozenset(wanted)
        known = {keyword.lower(): keyword for keyword in self.known_keywords}
        return frozenset(flag if flag[0] == "\\" else known.get(flag.lower(), flag) for flag in wanted)

    def flag_lines(self) -> list[bytes]:
        """FLAGS and PERMANENTFLAGS."""
        words = flags.wire(frozenset(flags.SYSTEM) | self.known_keywords)
        permanent = b"()" if self.read_only else words[:-1] + b" \\*)"
        return [
            b"* FLAGS %s\r\n" % words,
            b"* OK [PERMANENTFLAGS %s] Flags permitted.\r\n" % permanent,
        ]

    # ------------------------------------------------------------------------------------------ telling

    @property
    def owes(self) -> bool:
        """Is there something that could not be told yet?"""
        return bool(self._gone or self._untold)

    def sync(
        self,
        expunges: bool,
        flag_changes: bool = True,
        with_uid: bool = False,
        own: int = 0,
        silent: int = 0,
        wanted: Iterable[int] = (),
    ) -> list[bytes]:
        """Untagged responses for all that changed since the last time. Raises NoSuchMailbox.

        expunges: whether EXPUNGE may be sent now (not while FETCH, STORE or SEARCH runs, RFC 3501 §7.4.1).
        flag_changes: whether FETCH responses may be sent that nobody asked for. What may not is kept for later.
        with_uid: the command is a UID command.
        own: a modseq whose changes the caller tells itself. silent: the modseq of this session's own STORE.SILENT:
            its results are not told, but for the MODSEQ when CONDSTORE is on.
        wanted: UIDs whose flags the client shall hear in any case.
        """
        changes = self._store.changes(self.mailbox.id, self.modseq)
        lines: list[bytes] = []
        arrived: list[Message] = []
        unsaid: set[int] = set()
        if changes.modseq != self.modseq:
            last = self.uids[-1] if self.uids else 0
            for message in changes.messages:
                if message.uid > last:
                    arrived.append(message)
                elif (at := self.position(message.uid)) is not None and self.messages[at].modseq != message.modseq:
                    self.messages[at] = message
                    if message.modseq == silent:
                        unsaid.add(message.uid)
                    elif message.modseq != own:
                        self._untold.add(message.uid)
            self.modseq = changes.modseq
            self._gone.update(uid for uid in changes.expunged if self.position(uid) is not None)
            lines += self.learn(set().union(*(flags.keywords(message.flags) for message in changes.messages)))
        told = set(wanted)
        if self.condstore:
            told |= unsaid
        if flag_changes:
            told |= self._untold
            self._untold.clear()
        self._untold -= self._gone
        lines += [self._flags_line(uid, with_uid, unsaid) for uid in sorted(told - self._gone)]
        if expunges and self._gone:
            lines += self._expunge()
        if arrived:
            lines += self._arrive(arrived, changes.uidnext)
        return lines

    def learn(self, keywords: set[str]) -> list[bytes]:
        """A keyword the client has not seen yet is announced before it is used."""
        if keywords <= self.known_keywords:
            return []
        self.known_keywords |= keywords
        return self.flag_lines()

    def pretend(self, uids: Iterable[int], how: str, changed: frozenset[str], with_uid: bool) -> list[bytes]:
        """STORE's answers for messages that are gone though the client may not be told yet: as if they were still here,
        one of the ways RFC 2180 §4.2 leaves open, and the one that confuses no client.
        """
        lines = []
        for uid in sorted(self._gone.intersection(uids)):
            at = self.position(uid)
            assert at is not None
            old = self.messages[at].flags
            new = old | changed if how == "add" else old - changed if how == "remove" else changed
            self.messages[at] = self.messages[at]._replace(flags=new)
            lines.append(self._flags_line(uid, with_uid, ()))
        return lines

    def _flags_line(self, uid: int, with_uid: bool, unsaid: Collection[int]) -> bytes:
        at = self.position(uid)
        assert at is not None
        message = self.messages[at]
        items = []
        if with_uid or self.condstore:
            items.append(b"UID %d" % uid)
        if uid not in unsaid:
            items.append(b"FLAGS " + flags.wire(message.flags, uid in self.recent))
        if self.condstore:
            items.append(b"MODSEQ (%d)" % message.modseq)
        return b"* %d FETCH (%s)\r\n" % (at + 1, b" ".join(items))

    def _expunge(self) -> list[bytes]:
        """From the highest number down: so no number has to be corrected for those that went before."""
        gone = sorted((at for uid in self._gone if (at := self.position(uid)) is not None), reverse=True)
        for at in gone:
            del self.messages[at], self.uids[at]
        self.recent -= self._gone
        self._gone.clear()
        return [b"* %d EXPUNGE\r\n" % (at + 1) for at in gone]

    def _arrive(self, arrived: list[Message], uidnext: int) -> list[bytes]:
        self.messages += arrived
        self.uids.extend(message.uid for message in arrived)
        fresh = self._new_recent(uidnext)
        self.recent |= fresh
        lines = [b"* %d EXISTS\r\n" % len(self.messages)]
        if fresh:
            lines.append(b"* %d RECENT\r\n" % len(self.recent))
        return lines
