"""Mail to a mailbox here and to an address elsewhere: one promise for both, whoever dies in between."""

from __future__ import annotations

import hashlib
import hmac
import json
import smtplib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from elsewhere import Elsewhere
from local_gateway import MX, NO_RATE, LocalGateway, Make, bodies

from chatgate.testing import client_tls, pgp_message, until

EXAMPLE = Path(__file__).parents[2] / "contrib/examples/chatgate_smarthost"


@pytest.fixture
def smarthost(local_gateway: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGateway]:
    """A gateway that hands mail for far.test to `gateway.far`."""
    about = tmp_path / "smarthost-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: smarthost\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[chatgate]\nsmarthost = chatgate_smarthost:Smarthost\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{EXAMPLE}")
    gateway = local_gateway(smtp=NO_RATE)
    with Elsewhere(gateway.host) as far:
        gateway.far = far  # type: ignore[attr-defined]
        settings = f'host = "{far.address}"\ndomains = ["far.test"]\nseal_key = "k"\n'
        settings += "retry_seconds = 0.2\nlease_seconds = 2\ntimeout_seconds = 2"
        (gateway.folder / "conf.d/70-smarthost.toml").write_text(settings)
        yield gateway


def test_here_and_elsewhere_in_one_transaction(smarthost: LocalGateway) -> None:
    far, gateway = smarthost.far, smarthost.start()  # type: ignore[attr-defined]
    alice, bob = gateway.account(), gateway.account()
    content = pgp_message(alice[0], bob[0])
    with gateway.submissions(alice) as client:
        client.sendmail(alice[0], [bob[0], "zoe@far.test", "yan@far.test"], content)
        refused = client.docmd("MAIL", f"FROM:<{alice[0]}>"), client.docmd("RCPT", "TO:<x@other.test>")
        assert refused[1][0] == 550
    until(lambda: len(far.got) == 1)
    sender, recipients, sent = far.got[0]
    assert (sender, recipients) == (alice[0], ["zoe@far.test", "yan@far.test"])
    client = gateway.imap(bob)
    client.select("INBOX")
    seal, _, signed = sent.partition(b"\r\n")
    assert list(bodies(client).values()) == [signed], "the same octets, here and, signed, there"
    wanted = hmac.new(b"k", signed, hashlib.sha256).hexdigest()
    assert seal == f"Relay-Seal: v=1; hmac-sha256={wanted}".encode()
    assert b"\r\nSubject: [...]\r\n" in signed
    with smtplib.SMTP(gateway.host, MX) as peer:
        peer.starttls(context=client_tls())
        with pytest.raises(smtplib.SMTPRecipientsRefused, match="Relaying"):
            peer.sendmail("x@y.test", ["zoe@far.test"], content)
    assert gateway.stop() == 0


def test_killed_behind_the_250_nothing_is_lost(smarthost: LocalGateway) -> None:
    """Rounds of mail while the other server hangs, with a kill behind each 250 and amid each delivery."""
    far, sent = smarthost.far, []  # type: ignore[attr-defined]
    far.hangs = True
    gateway = smarthost.start()
    alice, bob = gateway.account(), gateway.account()
    for number in range(3):
        with gateway.submissions(alice) as client:
            octets = 80_000 if number == 1 else 3000  # a file
            client.sendmail(alice[0], [bob[0], f"zoe{number}@far.test"], pgp_message(alice[0], bob[0], octets))
            sent.append(f"zoe{number}@far.test")
            if number % 2:
                began = far.began
                until(lambda began=began: far.began > began)
            gateway.kill()
        gateway.start()
    far.hangs = False
    gateway.kill()  # who holds a lease
    gateway.start()
    until(lambda: set(far.recipients) >= set(sent))
    client = gateway.imap(bob)
    client.select("INBOX")
    here = sorted(bodies(client).values())
    there = {content.partition(b"\r\n")[2] for _, _, content in far.got}  # without the seal
    assert len(here) == 3 and sorted(there) == here
    assert gateway.stop() == 0
    checked = json.loads(gateway.run("check", "--json").stdout)
    assert not [problem for problem in checked["problems"] if problem["text"].startswith("maildb")]


def test_refused_for_now_it_is_tried_again_for_those_alone(smarthost: LocalGateway) -> None:
    far, gateway = smarthost.far, smarthost.start()  # type: ignore[attr-defined]
    far.refuses = {"zoe@far.test"}
    alice = gateway.account()
    with gateway.submissions(alice) as client:
        client.sendmail(alice[0], ["zoe@far.test", "yan@far.test"], pgp_message(alice[0], alice[0]))
    until(lambda: far.recipients == ["yan@far.test"])
    time.sleep(0.3)
    far.refuses = set()
    until(lambda: len(far.recipients) == 2)
    assert far.recipients == ["yan@far.test", "zoe@far.test"]
