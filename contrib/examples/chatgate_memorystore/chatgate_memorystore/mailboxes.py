"""Mailboxes, subscriptions and annotations."""

from __future__ import annotations

from collections.abc import Mapping

from chatgate.api import (
    FIRST_MAILBOXES,
    LONGEST_NAME,
    Impossible,
    LimitReached,
    Mailbox,
    MailboxExists,
    NoSuchAccount,
    NoSuchMailbox,
    Status,
    inside,
    mailbox_name,
    mailbox_order,
    new_mailbox_name,
)
from chatgate_memorystore.data import Box, Data, Person

MOST_NAMES = 500  # mailboxes, and subscriptions, of one account
MOST_NOTES = 100  # annotations in one place
LONGEST_NOTE = 16384


class Mailboxes:
    def __init__(self, data: Data) -> None:
        self._data = data

    def _person(self, account_id: int) -> Person:
        if account_id not in self._data.people:
            raise NoSuchAccount()
        return self._data.people[account_id]

    def mailbox(self, account_id: int, name: str) -> Mailbox | None:
        person = self._data.people.get(account_id)
        box = person.boxes.get(mailbox_name(name)) if person else None
        return box.record() if box else None

    def mailboxes(self, account_id: int) -> list[Mailbox]:
        boxes = self._data.people[account_id].boxes if account_id in self._data.people else {}
        return [boxes[name].record() for name in sorted(boxes, key=mailbox_order)]

    def status(self, mailbox_id: int) -> Status:
        box = self._data.box(mailbox_id)
        mails = box.messages.values()
        unseen = sum("\\Seen" not in mail.flags for mail in mails)
        size = sum(len(mail.content) for mail in mails)
        return Status(len(mails), unseen, box.uidnext, box.uidvalidity, box.modseq, size)

    def create_mailbox(self, account_id: int, name: str, special_use: str = "") -> Mailbox:
        name, person = new_mailbox_name(name), self._person(account_id)
        if name in person.boxes:
            raise MailboxExists()
        if not special_use:
            taken = {use for box in person.boxes.values() for use in box.special_use.split()}
            special_use = FIRST_MAILBOXES.get(name, "")
            special_use = "" if special_use in taken else special_use
        return self._make(person, name, special_use).record()

    def _make(self, person: Person, name: str, special_use: str = "") -> Box:
        if len(person.boxes) >= MOST_NAMES:
            raise LimitReached("Too many mailboxes")
        box = Box(next(self._data.box_ids), person.account.id, name, self._data.uidvalidity(), special_use)
        person.boxes[name] = self._data.boxes[box.id] = box
        return box

    def rename_mailbox(self, account_id: int, old: str, new: str) -> None:
        old, new = mailbox_name(old), new_mailbox_name(new)
        person = self._data.people.get(account_id)
        if person is None or old not in person.boxes:
            raise NoSuchMailbox()
        if new in person.boxes:
            raise MailboxExists()
        if old == "INBOX":
            self._empty_inbox(person, new)
            return
        if inside(new, old):
            raise Impossible("A mailbox cannot become its own child")
        names = [name for name in person.boxes if name == old or inside(name, old)]
        renamed = {name: new_mailbox_name(new + name[len(old) :]) for name in names}
        if not person.boxes.keys().isdisjoint(renamed.values()):
            raise MailboxExists()
        for before, after in renamed.items():
            box = person.boxes[after] = person.boxes.pop(before)
            box.name = after
            if before in person.annotations:
                person.annotations[after] = person.annotations.pop(before)

    def _empty_inbox(self, person: Person, new: str) -> None:
        inbox, target = person.boxes["INBOX"], self._make(person, new)
        mails = list(inbox.messages.values())
        if mails:
            inbox.remove(list(inbox.messages))
            target.modseq += 1
            for mail in mails:
                mail.modseq = target.modseq
                target.add(mail)
            self._data.post(inbox.id)
            self._data.post(target.id)

    def delete_mailbox(self, mailbox_id: int) -> None:
        box = self._data.box(mailbox_id)
        if box.name == "INBOX":
            raise Impossible("INBOX cannot be deleted")
        person = self._data.people[box.account_id]
        del person.boxes[box.name], self._data.boxes[mailbox_id]
        person.annotations.pop(box.name, None)
        self._data.post(mailbox_id)

    def subscriptions(self, account_id: int) -> list[str]:
        names = self._data.people[account_id].subscriptions if account_id in self._data.people else ()
        return sorted(names, key=mailbox_order)

    def subscribe(self, account_id: int, name: str, wanted: bool) -> None:
        if not wanted:
            if account_id in self._data.people:
                self._data.people[account_id].subscriptions.discard(mailbox_name(name))
            return
        name, names = new_mailbox_name(name), self._person(account_id).subscriptions
        if len(names | {name}) > MOST_NAMES:
            raise LimitReached("Too many subscriptions")
        names.add(name)

    def annotations(self, account_id: int, mailbox: str) -> dict[str, bytes]:
        person = self._data.people.get(account_id)
        return dict(person.annotations.get(mailbox_name(mailbox), {})) if person else {}

    def annotate(self, account_id: int, mailbox: str, entries: Mapping[str, bytes | None]) -> None:
        mailbox, kept = mailbox_name(mailbox), {entry: value for entry, value in entries.items() if value is not None}
        if any(len(entry) > LONGEST_NAME or len(value) > LONGEST_NOTE for entry, value in kept.items()):
            raise LimitReached("Annotation is too long")
        if not kept and account_id not in self._data.people:
            return
        person = self._person(account_id)
        if kept and mailbox and mailbox not in person.boxes:
            raise NoSuchMailbox()
        others = {e: value for e, value in person.annotations.get(mailbox, {}).items() if e not in entries}
        if len(others) + len(kept) > MOST_NOTES:
            raise LimitReached("Too many annotations")
        if others or kept:
            person.annotations[mailbox] = others | kept
        else:
            person.annotations.pop(mailbox, None)
