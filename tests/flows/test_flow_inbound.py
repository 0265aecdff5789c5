"""Mail from other servers and SIGKILL: what was answered 250 is there, once, by whatever way it came."""

from __future__ import annotations

import http.client
import smtplib
import threading

import pytest
from local_gateway import HTTPS, MX, LocalGateway, Make, bodies

from chatgate.testing import client_tls, pgp_message

ALICE = "alice@a.example"


@pytest.fixture
def gateway(local_gateway: Make) -> LocalGateway:
    made = local_gateway()
    (made.folder / "conf.d/70-courier.toml").write_text("")
    return made.start()


def by_https(gateway: LocalGateway, to: str, content: bytes) -> bool:
    client = http.client.HTTPSConnection(gateway.host, HTTPS, context=client_tls(), timeout=60)
    client.request("POST", "/mxdeliv", content, {"X-MAIL-FROM": ALICE, "X-MAIL-TO": to})
    answer = client.getresponse()
    return answer.read() == b"250 OK" and answer.status == 200


def by_smtp(gateway: LocalGateway, to: str, content: bytes) -> bool:
    with smtplib.SMTP(gateway.host, MX, timeout=60) as client:
        client.starttls(context=client_tls())
        return client.sendmail(ALICE, [to], content) == {}


@pytest.mark.parametrize("way", [by_https, by_smtp])
def test_killed_behind_the_250_and_before_it(gateway: LocalGateway, way) -> None:  # type: ignore[no-untyped-def]
    bob = gateway.account()
    promised: list[bytes] = []
    for number in range(3):
        content = pgp_message(ALICE, bob[0], 80_000 if number == 1 else 3000)
        assert way(gateway, bob[0], content)
        promised.append(content)
        gateway.kill()
        gateway.start()

    def send_on() -> None:
        while True:
            content = pgp_message(ALICE, bob[0], 3000)  # each has a Message-ID of its own
            try:
                assert way(gateway, bob[0], content)
            except (OSError, http.client.HTTPException, smtplib.SMTPException):
                return  # no answer: who sends would try again
            promised.append(content)
            enough.set()

    enough = threading.Event()
    sender = threading.Thread(target=send_on)
    sender.start()
    assert enough.wait(60)
    gateway.kill()
    sender.join(60)
    gateway.start()
    client = gateway.imap(bob)
    client.select("INBOX")
    there = list(bodies(client).values())
    assert all(there.count(content) == 1 for content in promised)
    assert len(there) <= len(promised) + 1, "one may have come without its answer"
    assert gateway.stop() == 0
