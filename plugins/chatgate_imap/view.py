"""The selected mailbox as one client knows it: which UID has which sequence number, and what is still to be told."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from chatgate.api import Mailbox, Message, Store, Work

from . import flags, sets
from .gathered import Share
from .messages import Messages
from .recent import Own, Recent

_AT_ONCE = 500  # changed messages that are looked at before others get a turn: a millisecond
_NOTED = 64  # octets of a UID in a set
_MOST_KEYWORDS = 1000  # that are announced; those beyond are told with their messages only


class View:
    """messages[n - 1] has the sequence number n. A message enters together with the EXISTS that announces it, and
    leaves together with its EXPUNGE, so the numbers are what the client thinks they are at every moment.

    recent: what is \\Recent for this session. recents_told: how many of these the client knows of.
    condstore: the client wants MODSEQ (RFC 7162 §3.1). qresync: and VANISHED in place of EXPUNGE (§3.2.10).
    first_unseen: the sequence number of the first message without \\Seen when it was opened, 0 for none.
    saved: UIDs that a SEARCH has saved (RFC 5182), ascending. work: what takes long steps on it.
    share: what its messages, and what is noted of them, may take in memory.
    """

    __slots__ = (
        "mailbox",
        "read_only",
        "messages",
        "uidnext",
        "modseq",
        "recent",
        "recents_told",
        "condstore",
        "qresync",
        "known_keywords",
        "first_unseen",
        "work",
        "saved",
        "_gone",
        "_untold",
        "_store",
        "_recent_of",
        "_share",
    )

    def __init__(
        self, store: Store, mailbox: Mailbox, recent_of: Recent, read_only: bool, work: Work, share: Share
    ) -> None:
        """Raises NoSuchMailbox, TooMuchWork, No."""
        self._store, self.mailbox, self._recent_of = store, mailbox, recent_of
        self.read_only, self.work, self._share = read_only, work, share
        self.condstore = self.qresync = False
        now = store.status(mailbox.id)  # before the messages: what changes while they are read is told later
        self.modseq, self.uidnext = now.modseq, now.uidnext
        self.messages = Messages()
        self.first_unseen = 0
        self.known_keywords = frozenset[str]()
        for page in work.each(store.pages(mailbox.id, now.uidnext)):
            if not self.first_unseen:
                numbered = enumerate(page, len(self.messages) + 1)
                self.first_unseen = next((at for at, message in numbered if flags.SEEN not in message.flags), 0)
            self._know(self.messages.extend(page))
            share.hold(self.messages.octets)
        self.recent, self.recents_told = Own(), 0
        self.recents()
        self.saved: Sequence[int] = ()
        self._gone: set[int] = set()  # expunged, EXPUNGE not sent yet
        self._untold: set[int] = set()  # flags changed, FETCH not sent yet

    def recents(self) -> bool:
        """Claim what is new in the view; is the number of recent ones another than the client knows? To be asked only
        when messages have come or gone: each costs a look at the session's ranges.
        """
        mailbox_id = self.mailbox.id
        first = self._recent_of.first(mailbox_id)
        if not self.read_only:
            self._recent_of.claim(mailbox_id, self.uidnext)
        self.recent.add(first, self.uidnext)
        before, self.recents_told = self.recents_told, self.recent.count(self.uids)
        return self.recents_told != before

    # ------------------------------------------------------------------------------------------ looking

    @property
    def uids(self) -> Sequence[int]:
        """Of all messages, ascending."""
        return self.messages.uids

    def __len__(self) -> int:
        return len(self.messages)

    def uids_at(self, positions: Iterable[int]) -> list[int]:
        return list(map(self.uids.__getitem__, positions))

    def positions(self, text: bytes, by_uid: bool) -> list[int]:
        """Positions in `messages` for a sequence set. Raises Bad."""
        if text == sets.SAVED:
            return [at for uid in self.saved if (at := self.messages.position(uid)) is not None]
        ranges = sets.parse(text)
        return sets.by_uid(ranges, self.uids) if by_uid else sets.by_number(ranges, len(self.messages))

    def spelling(self, wanted: Collection[str]) -> frozenset[str]:
        """The flags with keywords spelt as this mailbox has them already: they have no case (RFC 9051 §2.3.2)."""
        if not any(flag[0] != "\\" for flag in wanted):
            return frozenset(wanted)
        known = {keyword.lower(): keyword for keyword in self.known_keywords}
        return frozenset(flag if flag[0] == "\\" else known.get(flag.lower(), flag) for flag in wanted)

    def flag_lines(self) -> list[bytes]:
        """FLAGS and PERMANENTFLAGS."""
        words = flags.written(self.known_keywords.union(flags.SYSTEM))
        permanent = b"()" if self.read_only else words[:-1] + b" \\*)"
        return [
            b"* FLAGS %s\r\n" % words,
            b"* OK [PERMANENTFLAGS %s] Flags permitted.\r\n" % permanent,
        ]

    def have_read(self, uids: Iterable[int]) -> set[int]:
        """The client has read their content. Those of them of which that was not known."""
        new = set()
        for uid in self.work.every(uids):
            at = self.messages.position(uid)
            if at is not None and not self.messages.fetched[at]:
                self.messages.fetched[at] = 1
                new.add(uid)
        return new

    # ------------------------------------------------------------------------------------------ telling

    @property
    def owes(self) -> bool:
        """Is there something that could not be told yet?"""
        return bool(self._gone or self._untold)

    def news(
        self,
        expunges: bool,
        flag_changes: bool = True,
        with_uid: bool = False,
        own: Collection[int] = (),
        silent: Collection[int] = (),
        wanted: Iterable[int] = (),
    ) -> Iterator[bytes]:
        """Untagged responses for all that changed since the last time, one by one, as they may be many. To be taken to
        the end. Raises NoSuchMailbox, and No when the view has become too large.

        expunges: whether EXPUNGE may be sent now (not while FETCH, STORE or SEARCH runs, RFC 3501 §7.4.1).
        flag_changes: whether FETCH responses may be sent that nobody asked for. What may not is kept for later.
        with_uid: the command is a UID command.
        own: modseqs whose changes the caller tells itself. silent: the modseqs of this session's own STORE.SILENT:
            its results are not told, but for the MODSEQ when CONDSTORE is on.
        wanted: UIDs whose flags the client shall hear in any case.
        """
        changes = self._store.changes(self.mailbox.id, self.modseq)
        arrived: Messages | None = None
        unsaid: set[int] = set()
        moved = changes.uidnext != self.uidnext
        if changes.modseq != self.modseq:
            arrived = Messages()
            last, known = self.uids[-1] if self.uids else 0, len(self.known_keywords)
            lost = set(self.uids) if changes.expunged is None else self._lost(changes.expunged)
            changed = iter(changes.messages)  # gone through once: they may be too many to be in memory together
            while page := list(islice(changed, _AT_ONCE)):
                self.work.turn()
                arrived.extend([message for message in page if message.uid > last])
                there: list[tuple[int, Message]] = []
                for message in page:
                    if changes.expunged is None:
                        lost.discard(message.uid)
                    at = self.messages.position(message.uid)
                    if at is None or message.modseq == self.messages.modseq(at):
                        continue
                    there.append((at, message))
                    if message.modseq in silent:
                        unsaid.add(message.uid)
                    elif message.modseq not in own:
                        self._untold.add(message.uid)
                self.messages.change(there)
                self._know({message.flags for message in page})
            self.modseq, self.uidnext = changes.modseq, changes.uidnext
            self._gone |= lost
            if len(self.known_keywords) > known:
                yield from self.flag_lines()
        told = set(wanted)
        if self.condstore:
            told |= unsaid
        if flag_changes:
            told |= self._untold
            self._untold.clear()
        self._untold -= self._gone
        told -= self._gone
        self.work.turn()
        for uid in sorted(told):
            yield self.flags_line(uid, with_uid, unsaid)
        if expunges and self._gone:
            yield from self._expunge()
            moved = True
        if arrived:
            self.messages.join(arrived)
            yield b"* %d EXISTS\r\n" % len(self.messages)
        if moved and self.recents():
            yield b"* %d RECENT\r\n" % self.recents_told
        self._share.hold(self.messages.octets + _NOTED * (len(self._gone) + len(self._untold)))

    def _lost(self, expunged: Iterable[int]) -> set[int]:
        """Those of the view among them."""
        return {uid for uid in self.work.every(expunged) if self.messages.position(uid) is not None}

    def learn(self, kinds: Iterable[frozenset[str]]) -> list[bytes]:
        """A keyword the client has not seen yet is announced before it is used. kinds: the flags of messages."""
        known = len(self.known_keywords)
        self._know(kinds)
        return self.flag_lines() if len(self.known_keywords) > known else []

    def _know(self, kinds: Iterable[frozenset[str]]) -> None:
        known = set(self.known_keywords)
        for kind in kinds:
            self.work.turn()
            if (room := _MOST_KEYWORDS - len(known)) <= 0:
                break
            known.update(islice(flags.keywords(kind) - known, room))
        self.known_keywords = frozenset(known)

    def pretend(self, uids: Iterable[int], how: str, changed: frozenset[str], with_uid: bool) -> Iterator[bytes]:
        """STORE's answers for messages that are gone though the client may not be told yet: as if they were still here,
        one of the ways RFC 2180 §4.2 leaves open, and the one that confuses no client.
        """
        for uid in sorted(self._gone.intersection(uids)):
            at = self.messages.position(uid)
            assert at is not None
            old = self.messages.flags(at)
            new = old | changed if how == "add" else old - changed if how == "remove" else changed
            self.messages.change([(at, self.messages[at]._replace(flags=new))])
            yield self.flags_line(uid, with_uid, ())

    def flags_line(self, uid: int, with_uid: bool = True, unsaid: Collection[int] = ()) -> bytes:
        """The FETCH response with its flags, but for those `unsaid`; b"" if it is not in the view."""
        self.work.turn()
        at = self.messages.position(uid)
        if at is None:
            return b""
        items = []
        if with_uid or self.condstore:
            items.append(b"UID %d" % uid)
        if uid not in unsaid:
            items.append(b"FLAGS " + flags.wire(self.messages.flags(at), uid in self.recent))
        if self.condstore:
            items.append(b"MODSEQ (%d)" % self.messages.modseq(at))
        return b"* %d FETCH (%s)\r\n" % (at + 1, b" ".join(items))

    def _expunge(self) -> Iterator[bytes]:
        """From the highest number down: so no number has to be corrected for those that went before."""
        gone = []
        for uid in sorted(self._gone, reverse=True):
            self.work.turn()
            if (at := self.messages.position(uid)) is not None:
                gone.append((uid, at))
        self._gone.clear()
        self.messages.remove(at for _, at in gone)
        self.work.turn()
        if self.qresync:
            yield b"* VANISHED %s\r\n" % sets.compact(uid for uid, _ in gone)
            return
        for _, at in gone:
            self.work.turn()
            yield b"* %d EXPUNGE\r\n" % (at + 1)
