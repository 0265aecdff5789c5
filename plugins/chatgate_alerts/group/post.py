"""Messages of the gateway to the group, handed in like those of any account."""

from __future__ import annotations

import email.utils
import secrets
from collections.abc import Sequence

from chatgate.api import Envelope, Gateway, PluginError, Reply, Session
from chatgate_alerts.channels import NotSent
from chatgate_alerts.group import mail
from chatgate_alerts.group.members import Person, Us
from chatgate_alerts.group.openpgp import Keyring


class Post:
    """name: of the group."""

    def __init__(self, gateway: Gateway, name: str) -> None:
        self._gateway, self.name = gateway, name

    def say(
        self, us: Us, members: Sequence[Person], text: str, name: str, more: Sequence[tuple[str, str]] = ()
    ) -> None:
        """A message in the group. name: of the message, which a second one with the same name does not repeat on the
        screen. more: further fields of the header inside. Raises NotSent.
        """
        message_id = f"<{name}@localhost>"
        fields = [
            ("From", f'"{self.name}" <{us.address}>'),
            ("To", ", ".join(f"<{one.address}>" for one in members)),
            ("Subject", mail.words(self.name)),
            ("Date", email.utils.formatdate()),
            ("Message-ID", message_id),
            ("Chat-Version", "1.0"),
            ("Chat-Group-ID", us.group),
            ("Chat-Group-Name", mail.words(self.name)),
            ("Chat-Group-Member-Timestamps", " ".join(str(int(one.since)) for one in members)),
            ("Chat-Group-Member-Fpr", " ".join(one.fingerprint for one in members)),
            *more,
            mail.with_key("Autocrypt", us.address, us.public),
            *(mail.with_key("Autocrypt-Gossip", one.address, one.key) for one in members),
        ]
        self._send(us, members, message_id, mail.inner(fields, text))

    def answer(self, us: Us, person: Person, step: str) -> None:
        """A step of a join, for this person alone. Raises NotSent."""
        message_id = f"<{secrets.token_hex(16)}@localhost>"
        fields = [
            ("From", f"<{us.address}>"),
            ("To", f"<{person.address}>"),
            ("Subject", "Secure-Join"),
            ("Date", email.utils.formatdate()),
            ("Message-ID", message_id),
            ("Chat-Version", "1.0"),
            ("Secure-Join", step),
            mail.with_key("Autocrypt", us.address, us.public),
            mail.with_key("Autocrypt-Gossip", person.address, person.key),
        ]
        self._send(us, [person], message_id, mail.inner(fields, f"Secure-Join: {step}"))

    def _send(self, us: Us, members: Sequence[Person], message_id: str, inside: bytes) -> None:
        try:
            with Keyring() as keyring:
                keyring.add(us.secret)
                readers = [fingerprint for one in members if (fingerprint := keyring.add(one.key))]
                armor = keyring.encrypt(inside, readers, us.fingerprint)
        except PluginError as error:
            raise NotSent(str(error)) from None
        self._submit(us, [one.address for one in members], mail.outer(us.address, message_id, armor))

    def _submit(self, us: Us, recipients: list[str], content: bytes) -> None:
        """As an account's mail by SMTP: the gate looks at it, and what goes elsewhere is signed."""
        gateway = self._gateway
        account = gateway.store.account(us.address)
        if account is None or account.disabled:
            raise NotSent(
                "the account of the alerts is gone or disabled: chatgate alerts off, then chatgate alerts join"
            )
        session = Session("submission", "", tls=True, account=account)
        envelope = Envelope(us.address, [], b"", "account")
        for recipient in recipients:
            answer = gateway.intake.resolve(session, envelope, recipient)
            if isinstance(answer, Reply) and answer.temporary:
                raise NotSent(f"a member is refused for now: {answer.code}")
            if answer is not None and not isinstance(answer, Reply):
                envelope.recipients.append(recipient)
        if not envelope.recipients:
            raise NotSent("no member of the group can be reached: chatgate alerts members")
        reply = gateway.intake.accept(session, envelope.with_content(content))
        if not reply.accepts:
            raise NotSent(f"this gateway refuses its own message: {reply.code} {reply}")
