"""The gate as the intake sees it."""

from types import SimpleNamespace

from chatgate_gate.plugin import Gate, GateOptions

from chatgate.api import ReversePath
from chatgate.domains import Domain, Domains
from chatgate.hosting.hub import Hub
from chatgate.mail.envelope import Envelope
from chatgate.mail.headers import edited
from chatgate.network.session import Session

ALICE, BOB = "alice@example.org", "bob@example.org"


class Asked:
    """What one gate says to messages, behind the core's hub. stored: the last one as it would be kept."""

    def __init__(self, tmp_path, **options):
        domains = Domains(Domain("chat.test"), Domain("other.test"))
        self.gate = Gate(SimpleNamespace(path=tmp_path.joinpath, domains=domains), GateOptions(**options))
        self.hub = Hub(30)
        self.hub.load([("gate", self.gate)])

    def __call__(self, content, *, submitted, sender=ALICE, recipients=(BOB,)):
        self.envelope = Envelope(sender, list(recipients), content, "account" if submitted else "peer")
        session = Session(service="submission" if submitted else "mx", peer="192.0.2.1")
        edits = [e for some in self.hub.receive.all(session=session, envelope=self.envelope) for e in some]
        self.stored = edited(content, [edit for edit in edits if not isinstance(edit, ReversePath)])
        self.bounces_to = next((edit.address for edit in edits if isinstance(edit, ReversePath)), sender)
        reply = self.hub.filter(session=session, envelope=self.envelope)
        return None if reply is None else f"{reply.code} {reply}"
