"""What comes to the gateway's own address: steps of people who join (Secure-Join), and of members who leave.

Everything else, such as what the operators write to each other, is removed unread.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable

from chatgate_alerts.group import mail
from chatgate_alerts.group.members import Members, Person, Us
from chatgate_alerts.group.openpgp import Keyring, Read
from chatgate_alerts.group.post import Post
from chatgate_alerts.options import AlertsOptions

log = logging.getLogger("chatgate.alerts")


class Joining:
    """state: what a newcomer is told of how things are. clock: Unix seconds."""

    def __init__(
        self,
        members: Members,
        post: Post,
        state: Callable[[], str],
        options: AlertsOptions,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._members, self._post, self._state, self._options, self._clock = members, post, state, options, clock

    def take(self, us: Us, content: bytes) -> None:
        """One message. Raises NotSent and PluginError; then it may be taken again."""
        fields = mail.header(content)
        if mail.value(fields, "Secure-Join") == "vg-request":
            self._requested(us, fields)
        elif armor := mail.armored(content):
            self._read(us, mail.author(fields), armor)

    def _requested(self, us: Us, fields: mail.Parsed) -> None:
        """Step 3: whoever knows the number of a link gets our key."""
        number, sender = mail.value(fields, "Secure-Join-Invitenumber"), mail.autocrypt(fields)
        if not number or sender is None or not self._members.invited(self._clock(), number=number):
            log.info("somebody asks to join without a link that is good")
            return
        with Keyring() as keyring:
            fingerprint = keyring.add(sender.key)
        if fingerprint:
            self._post.answer(us, Person(sender.address, fingerprint, sender.key, 0), "vg-auth-required")

    def _read(self, us: Us, sender: str, armor: bytes) -> None:
        known = next((one for one in self._members.all() if one.address == sender), None)
        if known is None and not self._members.open(self._clock()):
            return  # GnuPG takes a while, and strangers can send any number
        with Keyring() as keyring:
            keyring.add(us.secret)
            if known is not None:
                keyring.add(known.key)
            read = keyring.decrypt(armor)
            if read is None:
                return
            fields = mail.header(read.text)
            if mail.value(fields, "Secure-Join") == "vg-request-with-auth":
                self._joined(us, keyring, armor, fields, sender)
            elif known is not None and read.signer == known.fingerprint:
                self._changed(us, fields)

    def _joined(self, us: Us, keyring: Keyring, armor: bytes, fields: mail.Parsed, sender: str) -> None:
        """Step 6: whoever knows the secret of a link, and has signed this with the key that comes along, is in."""
        auth, claimed = mail.value(fields, "Secure-Join-Auth"), mail.value(fields, "Secure-Join-Fingerprint")
        found = mail.autocrypt(fields)
        if not auth or found is None or found.address != sender or not self._members.invited(self._clock(), auth=auth):
            log.info("somebody asks to join without a link that is good")
            return
        fingerprint = keyring.add(found.key)
        read = keyring.decrypt(armor)
        if not fingerprint or fingerprint != claimed.replace(" ", "").upper() or not _by(read, fingerprint):
            log.warning("somebody asks to join with a key that is not theirs")
            return
        person = Person(found.address, fingerprint, found.key, self._clock())
        others = [one for one in self._members.all() if one.address != person.address]
        if len(others) >= self._options.most_members:
            log.warning("somebody may not join: the group of the operators has most_members=%d", len(others))
            return
        everybody = [*others, person]
        more = [
            ("Secure-Join", "vg-member-added"),
            ("Chat-Group-Member-Added", person.address),
            ("Chat-Group-Member-Added-Fpr", person.fingerprint),
        ]
        self._members.put(person)
        self._post.say(us, everybody, f"Member {person.address} was added.", secrets.token_hex(16), more)
        self._post.say(us, [person] if not others else everybody, self._state(), secrets.token_hex(16))
        log.warning("somebody joined the group of the operators members=%d", len(everybody))

    def _changed(self, us: Us, fields: mail.Parsed) -> None:
        """A member has left, or was removed by another. Who removes the gateway wants no more of it."""
        gone = mail.value(fields, "Chat-Group-Member-Removed").lower()
        if not gone or mail.value(fields, "Chat-Group-ID") != us.group:
            return
        leaving = [one.address for one in self._members.all()] if gone == us.address else [gone]
        for address in leaving:
            if self._members.remove(address):
                log.warning("somebody left the group of the operators members=%d", len(self._members.all()))


def _by(read: Read | None, fingerprint: str) -> bool:
    return read is not None and read.signer == fingerprint
