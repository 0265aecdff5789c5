"""The gate as the intake sees it."""

from types import SimpleNamespace

from chatgate_gate.plugin import Gate, GateOptions

from chatgate.api import Delivery, ReversePath
from chatgate.domains import Domain, Domains
from chatgate.hosting.hub import Hub
from chatgate.mail.envelope import Envelope
from chatgate.mail.headers import edited
from chatgate.network.session import Session

ALICE, BOB = "alice@example.org", "bob@example.org"


class Asked:
    """What one gate says to messages, behind the core's hub. opened: the recipients that may get unencrypted mail.
    looked_up: how often the store was asked about one. stored: the last message as it would be kept.
    """

    def __init__(self, tmp_path, opened=(), **options):
        domains = Domains(Domain("chat.test"), Domain("other.test"))
        self._opened, self.looked_up = {address.lower() for address in opened}, 0
        self.gate = Gate(SimpleNamespace(path=tmp_path.joinpath, domains=domains, store=self), GateOptions(**options))
        self.hub = Hub(30)
        self.hub.load([("gate", self.gate)])

    def annotations(self, account_id, mailbox):
        self.looked_up += 1
        address = self.envelope.recipients[account_id]
        return {"/private/vendor/chatgate/cleartext": b"on"} if address.lower() in self._opened else {}

    def rcpt(self, *recipients, sender=ALICE, peer="192.0.2.1"):
        """What the gate says of each recipient of one transaction; those it takes go on to be the message's."""
        self.envelope = Envelope(sender)
        said = []
        for address in recipients:
            reply = self.hub.recipient(session=Session("mx", peer), envelope=self.envelope, address=address)
            said.append(reply and f"{reply.code} {reply}")
            if reply is None:
                self.envelope.recipients.append(address)
        return said

    def __call__(self, content, *, submitted, sender=ALICE, recipients=(BOB,), peer="192.0.2.1"):
        self.envelope = Envelope(sender, list(recipients), content, "account" if submitted else "peer")
        goes = {address: Delivery(address, 1, number) for number, address in enumerate(recipients)}
        self.envelope.destinations.update(goes)
        session = Session(service="submission" if submitted else "mx", peer=peer)
        edits = [e for some in self.hub.receive.all(session=session, envelope=self.envelope) for e in some]
        self.stored = edited(content, [edit for edit in edits if not isinstance(edit, ReversePath)])
        self.bounces_to = next((edit.address for edit in edits if isinstance(edit, ReversePath)), sender)
        reply = self.hub.filter(session=session, envelope=self.envelope)
        return None if reply is None else f"{reply.code} {reply}"
