import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import smtp_wire  # noqa: E402
from chatgate_smtp.plugin import Smtp  # noqa: E402
from chatgate_tls.plugin import Tls  # noqa: E402


@pytest.fixture
def started(gateway_factory):
    """Start a gateway with SMTP and the stand-in plugin: started(max_recipients=3) -> (gateway, fake)."""

    def make(*plugins, domain="example.org", core=None, **smtp):
        smtp.setdefault("max_user_send_burst_size", 1000)
        smtp.setdefault("lookahead_seconds", 0.05)
        fake = {"domain": domain}
        gateway = gateway_factory(Tls, smtp_wire.Fake, Smtp, *plugins, domain=domain, core=core, smtp=smtp, fake=fake)
        return gateway, gateway.hub.plugin("fake")

    return make


@pytest.fixture
def wire(started):
    """Start a gateway with these options and connect: wire("mx", max_recipients=3) -> Wire, which knows its fake."""
    wires = []

    def make(service="submissions", greeting=True, seconds=60, **settings):
        gateway, fake = started(**settings)
        wire = smtp_wire.Wire(gateway, service, greeting, seconds)
        wire.gateway, wire.fake = gateway, fake
        wires.append(wire)
        return wire

    yield make
    for wire in wires:
        wire.close()


@pytest.fixture
def sender(wire):
    """Logged in as alice at submissions."""

    def make(**settings):
        return wire(**settings).hello().login()

    return make
