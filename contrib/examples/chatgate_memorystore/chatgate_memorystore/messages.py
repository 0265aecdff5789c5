"""Messages: stored, read, flagged, copied, removed; what the sweeper asks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Literal

from chatgate.api import (
    Changes,
    Copied,
    Delivery,
    Destination,
    FlagsChanged,
    Former,
    Impossible,
    Kept,
    Message,
    NoSuchMailbox,
    OfDomains,
    OverQuota,
    Queued,
    Settled,
    Stored,
    Usage,
    few_flags,
    give_turn,
    header_size,
    normal_flags,
    well_numbered,
)
from chatgate_memorystore.data import AT_ONCE, Box, Data, Mail
from chatgate_memorystore.queue import Opened, Queue


def _message(uid: int, mail: Mail) -> Message:
    return Message(uid, mail.modseq, mail.flags, len(mail.content), mail.date)


class Messages:
    def __init__(self, data: Data, queue: Queue) -> None:
        self._data, self._queue = data, queue

    def store(
        self,
        content: bytes,
        destinations: Sequence[Destination],
        partial: bool = False,
        sender: str = "",
        account_id: int | None = None,
        trace: str = "",
    ) -> list[Stored | Queued]:
        if not destinations:
            raise Impossible("No mailbox to store in")
        deliveries = [one for one in destinations if isinstance(one, Delivery)]
        elsewhere = len(destinations) - len(deliveries)
        for delivery in deliveries:
            normal_flags(delivery.flags)
        if gone := [delivery for delivery in deliveries if delivery.mailbox_id not in self._data.boxes]:
            raise NoSuchMailbox(gone=gone)
        full = self._without_room([(content, delivery) for delivery in deliveries])
        going = [delivery for delivery in deliveries if delivery not in full]
        if full and not (partial and (elsewhere or any(not delivery.own for delivery in going))):
            raise OverQuota(full=full)
        rows = iter(self._queue.enqueue(content, destinations, sender, account_id, trace))
        return [
            self._put(content, one) if isinstance(one, Delivery) else next(rows)
            for one in destinations
            if one not in full
        ]

    def settle(self, rows: Sequence[Queued], notice: tuple[bytes, Destination] | None = None) -> Settled:
        gone = [row.id for row in self._queue.drop([row.id for row in rows])]
        told: Stored | Queued | None = None
        if gone and notice is not None:
            with suppress(NoSuchMailbox, OverQuota):
                (told,) = self.store(notice[0], [notice[1]], trace=rows[0].trace)
        return Settled(gone, told)

    def store_all(self, messages: Sequence[tuple[bytes, Delivery]]) -> list[Stored]:
        for _, delivery in messages:
            normal_flags(delivery.flags)
        if gone := [delivery for _, delivery in messages if delivery.mailbox_id not in self._data.boxes]:
            raise NoSuchMailbox(gone=gone)
        if full := self._without_room(messages):
            raise OverQuota(full=full)
        return [self._put(content, delivery) for content, delivery in messages]

    def restore_messages(
        self, mailbox_id: int, uidvalidity: int, uidnext: int, messages: Sequence[Former]
    ) -> list[int]:
        for message in messages:
            normal_flags(message.flags)
        well_numbered(uidvalidity, uidnext, messages)
        box = self._data.boxes.get(mailbox_id)
        if box is None:
            raise NoSuchMailbox()
        well_numbered(uidvalidity, uidnext, messages, box.uidvalidity, box.uidnext)
        box.uidvalidity, box.uidnext = uidvalidity, max(uidnext, box.uidnext)
        self._data.note_uidvalidity(uidvalidity)
        new = [message for message in messages if message.uid not in box.messages]
        if new:
            box.modseq += 1
            for uid, content, flags, date in new:
                box.messages[uid] = Mail(content, normal_flags(flags), date, box.modseq)
            box.messages = dict(sorted(box.messages.items()))
            self._data.post(box.id)
        return [message.uid for message in new]

    def _without_room(self, messages: Iterable[tuple[bytes, Delivery]]) -> list[Delivery]:
        """Those that have none, when the others have been stored."""
        usages: dict[int, Usage] = {}
        full: list[Delivery] = []
        for content, delivery in messages:
            usage = usages.get(delivery.account_id) or self._data.usage_of(delivery.account_id)
            # A delivery that may exceed the quota by some octets may also exceed it by one message.
            if usage.has_room(len(content) - delivery.beyond, 0 if delivery.beyond else 1):
                usage = usage._replace(octets=usage.octets + len(content), messages=usage.messages + 1)
            else:
                full.append(delivery)
            usages[delivery.account_id] = usage
        return full

    def _put(self, content: bytes, delivery: Delivery) -> Stored:
        box = self._data.boxes[delivery.mailbox_id]
        box.modseq += 1
        date = self._data.now() if delivery.date is None else delivery.date
        uid = box.add(Mail(content, normal_flags(delivery.flags), date, box.modseq))
        self._data.post(box.id)
        return Stored(delivery, uid, box.uidvalidity, box.modseq)

    def changes(self, mailbox_id: int, since: int = 0) -> Changes:
        box = self._data.box(mailbox_id)
        if since >= box.modseq:
            return Changes(box.modseq, box.uidnext, [], [])
        if since <= 0 or since < box.forgotten:
            return Changes(box.modseq, box.uidnext, [_message(*item) for item in box.messages.items()], None)
        messages = [_message(uid, mail) for uid, mail in box.messages.items() if mail.modseq > since]
        gone = sorted(uid for uid, modseq in box.gone.items() if modseq > since)
        return Changes(box.modseq, box.uidnext, messages, gone)

    def pages(self, mailbox_id: int, uidnext: int) -> Iterator[Sequence[Message]]:
        messages, last = self._data.messages(mailbox_id), 0
        while page := list(itertools.islice((uid for uid in messages if last < uid < uidnext), AT_ONCE)):
            yield [_message(uid, messages[uid]) for uid in page]
            last = page[-1]

    def content(self, mailbox_id: int, uid: int) -> bytes | None:
        mail = self._data.messages(mailbox_id).get(uid)
        return mail.content if mail else None

    def open(self, mailbox_id: int, uid: int) -> Opened | None:
        content = self.content(mailbox_id, uid)
        return None if content is None else Opened(content)

    def header(self, mailbox_id: int, uid: int) -> bytes | None:
        content = self.content(mailbox_id, uid)
        return None if content is None else content[: header_size(content)]

    def set_flags(
        self,
        mailbox_id: int,
        uids: Collection[int],
        how: Literal["add", "remove", "replace"],
        flags: Iterable[str],
        unchanged_since: int | None = None,
    ) -> FlagsChanged:
        wanted, box = normal_flags(flags), self._data.box(mailbox_id)
        refused: list[int] = []
        updates: dict[int, frozenset[str]] = {}
        for uid in sorted(set(uids) & box.messages.keys()):
            mail = box.messages[uid]
            after = {"add": mail.flags | wanted, "remove": mail.flags - wanted, "replace": wanted}[how]
            if unchanged_since is not None and mail.modseq > unchanged_since:
                refused.append(uid)
            elif after != mail.flags:
                updates[uid] = few_flags(after)
        if not updates:
            return FlagsChanged([], [], refused)
        box.modseq += 1
        for uid, after in updates.items():
            box.messages[uid].flags, box.messages[uid].modseq = after, box.modseq
        self._data.post(mailbox_id)
        return FlagsChanged([box.modseq], list(updates), refused)

    def expunge(self, mailbox_id: int, uids: Collection[int] | None = None, only_deleted: bool = True) -> list[int]:
        messages = self._data.messages(mailbox_id)
        found = sorted(messages if uids is None else set(uids) & messages.keys())
        return self._remove(mailbox_id, [u for u in found if not only_deleted or "\\Deleted" in messages[u].flags])

    def _remove(self, mailbox_id: int, uids: Iterable[int]) -> list[int]:
        box = self._data.boxes.get(mailbox_id)
        gone = box.remove(uids) if box else []
        if gone:
            self._data.post(mailbox_id)
        return gone

    def copy(self, mailbox_id: int, uids: Collection[int], target_id: int, move: bool = False) -> Copied:
        source, target = self._data.messages(mailbox_id), self._data.box(target_id)
        wanted = sorted(set(uids))
        if not wanted or not source.keys() >= set(wanted):
            return Copied(target.uidvalidity, [], [])
        octets = sum(len(source[uid].content) for uid in wanted)
        if not move and not self._data.usage_of(target.account_id).has_room(octets, len(wanted)):
            raise OverQuota()
        copies = self._copied(source, wanted, target)
        if move:
            self._remove(mailbox_id, wanted)
        self._data.post(target_id)
        return Copied(target.uidvalidity, wanted, copies)

    def _copied(self, source: dict[int, Mail], uids: list[int], target: Box) -> list[int]:
        target.modseq += 1
        return [target.add(replace(source[uid], modseq=target.modseq)) for uid in uids]

    # ---------------------------------------------------------------------------------------- for the sweeper

    def _kept(self, box: Box) -> list[Kept]:
        return [
            Kept(box.id, uid, len(mail.content), mail.date, max(mail.fetched, "\\Seen" in mail.flags))
            for uid, mail in box.messages.items()
        ]

    def old(self, before: int, only: OfDomains | None = None) -> Iterator[Kept]:
        for mailbox_id in sorted(self._data.boxes):
            box = self._data.boxes.get(mailbox_id)
            if box and (only is None or only.has(self._data.people[box.account_id].account.address)):
                yield from (kept for kept in self._kept(box) if kept.date < before)
            give_turn()

    def large(self, larger: int, before: int, only: OfDomains | None = None) -> Iterator[Kept]:
        found = (kept for kept in self.old(before, only) if kept.size > larger)
        yield from sorted(found, key=lambda kept: (kept.date, kept.mailbox_id, kept.uid))

    def kept(self, account_id: int) -> list[Kept]:
        person = self._data.people.get(account_id)
        return [kept for box in person.boxes.values() for kept in self._kept(box)] if person else []

    def remove(self, messages: Iterable[tuple[int, int]], tell: Callable[[int], object] | None = None) -> int:
        removed, pairs = 0, iter(messages)
        while piece := list(itertools.islice(pairs, AT_ONCE)):
            gone = sum(len(self._remove(mailbox_id, [uid])) for mailbox_id, uid in piece)
            removed += gone
            if tell is not None:
                tell(gone)
            give_turn()
        return removed

    def note_fetched(self, mailbox_id: int, uids: Collection[int]) -> None:
        for uid in uids:
            if mail := self._data.messages(mailbox_id).get(uid):
                mail.fetched += 1
