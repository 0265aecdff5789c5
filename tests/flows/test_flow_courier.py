"""Mail to another server through a whole gateway with the courier, and kills at any point of its way."""

from __future__ import annotations

import email
import json
import random
from collections import Counter
from collections.abc import Iterator

import gevent
import pytest
from elsewhere import Elsewhere
from local_gateway import NO_RATE, LocalGateway, Make, bodies

from chatgate.testing import pgp_message, until


@pytest.fixture
def sending(local_gateway: Make) -> Iterator[tuple[LocalGateway, Elsewhere]]:
    """A gateway whose mail for far.test goes to the other server, by SMTP in clear."""
    gateway = local_gateway(smtp=NO_RATE)
    with Elsewhere(gateway.host) as far:
        settings = f'peers = ["far.test route={far.address} tls=no verify=no"]\nprivate_networks = ["127.0.0.0/8"]\n'
        settings += 'lease_seconds = 1\nretry_seconds = ["0.2"]\n'
        (gateway.folder / "conf.d/40-resolver.toml").write_text('nameservers = ["127.0.0.1:9"]\n')
        (gateway.folder / "conf.d/70-courier.toml").write_text(settings)
        yield gateway, far


def test_there_and_a_notice_of_what_was_refused(sending: tuple[LocalGateway, Elsewhere]) -> None:
    gateway, far = sending
    far.denies = {"yan@far.test"}
    gateway.start()
    alice = gateway.account()
    content = pgp_message(alice[0], "zoe@far.test")
    with gateway.submissions(alice) as client:
        client.sendmail(alice[0], ["zoe@far.test", "yan@far.test"], content)
    until(lambda: far.recipients == ["zoe@far.test"])
    assert far.got[0][0] == alice[0] and b"\r\nSubject: [...]\r\n" in far.got[0][2]
    client = gateway.imap(alice)
    until(lambda: client.select("INBOX") == ("OK", [b"1"]))
    (notice,) = bodies(client).values()
    report = email.message_from_bytes(notice)
    words, status, original = report.get_payload()
    assert report["From"].endswith(f"<mailer-daemon@{gateway.domain}>") and "yan@far.test" in words.get_payload()
    assert "550" in status.as_string() and "zoe" not in notice.decode()
    assert email.message_from_bytes(content)["Message-ID"] in original.as_string()
    queue = json.loads(gateway.run("queue", "list", "--json").stdout)
    assert queue == [] and gateway.stop() == 0


def test_refused_for_now_and_tried_again_when_a_command_says_so(sending: tuple[LocalGateway, Elsewhere]) -> None:
    gateway, far = sending
    far.refuses = {"zoe@far.test"}
    path = gateway.folder / "conf.d/70-courier.toml"
    path.write_text(path.read_text().replace('["0.2"]', '["3600"]'))
    gateway.start()
    alice = gateway.account()
    with gateway.submissions(alice) as client:
        client.sendmail(alice[0], ["zoe@far.test"], pgp_message(alice[0], "zoe@far.test"))

    def waits() -> list[dict[str, object]]:
        return [row for row in json.loads(gateway.run("queue", "list", "--json").stdout) if row["reply"]]

    until(lambda: far.refused)  # before commands are started to see it
    (row,) = until(waits)
    assert "not now" in str(row["reply"])
    far.refuses = set()
    gateway.run("queue", "retry", str(row["trace"]))
    until(lambda: far.recipients == ["zoe@far.test"])
    assert json.loads(gateway.run("trace", str(row["trace"]), "--json").stdout)["tried"] != []


def test_killed_at_any_point_nothing_is_lost(sending: tuple[LocalGateway, Elsewhere]) -> None:
    """Rounds of mail with a kill somewhere in each. What was under way at a kill may come a second time, no more."""
    gateway, far = sending
    far.denies = {"nobody@far.test"}
    gateway.start()
    alice, sent, kills = gateway.account(), list[str](), 4
    chance = random.Random(7)
    for number in range(kills):
        with gateway.submissions(alice) as client:
            for each in range(10):
                name = f"zoe{number}-{each}@far.test"
                client.sendmail(alice[0], [name], pgp_message(alice[0], name, chance.choice((3000, 80_000))))
                sent.append(name)
            client.sendmail(alice[0], ["nobody@far.test"], pgp_message(alice[0], "nobody@far.test"))
        gevent.sleep(chance.random() * 0.2)
        gateway.kill()
        gateway.start()
    until(lambda: set(far.recipients) >= set(sent))
    client = gateway.imap(alice)
    until(lambda: client.select("INBOX") == ("OK", [b"%d" % kills]))
    until(lambda: json.loads(gateway.run("queue", "list", "--json").stdout) == [])
    times = Counter(far.recipients)
    assert times.keys() == set(sent) and max(times.values()) <= 1 + kills
    assert sum(times.values()) <= len(sent) + kills * 10, "a domain has ten under way at a time"
    assert gateway.stop() == 0
    checked = json.loads(gateway.run("check", "--json").stdout)
    assert not [problem for problem in checked["problems"] if problem["text"].startswith("maildb")]
