"""The doctor's probe takes the way of a delivery, and names the step at which it ends."""

from __future__ import annotations

import pytest
from peers import DAY, TROUBLE, World, response


def probe(
    world: World, way: str = "smtp", mail: bool = False, recipient: str = "bob@peer.test"
) -> list[tuple[str, bool]]:
    world.steps = []
    made = world.mail()._replace(recipients=(recipient,)) if mail else None
    world.transports.probe("peer.test", recipient, way, world.steps.append, made)
    return [(step.name, step.ok) for step in world.steps]


GOOD = [(name, True) for name in ("resolve", "connect", "greeting", "TLS", "EHLO", "MAIL", "RCPT")]


def up_to(name: str) -> list[tuple[str, bool]]:
    place = GOOD.index((name, True))
    return [*GOOD[:place], (name, False)]


def test_all_is_well(world: World):
    mx = world.mx()
    assert probe(world) == GOOD
    assert "DATA" not in mx.commands() and not mx.mails
    assert all(not step.advice for step in world.steps)
    assert probe(world, mail=True) == [*GOOD, ("DATA", True)] and len(mx.mails) == 1


def test_by_https(world: World):
    web = world.web()
    web.answer = lambda sock, head, body: response(*(("200 OK", "250 OK") if body else ("400 Bad", "554 empty")))
    assert probe(world, "https") == [("resolve", True), ("connect", True), ("TLS", True), ("POST", True)]
    assert probe(world, "https", mail=True)[-1] == ("POST", True)
    web.answer = response("404 Not Found", "<html>")
    assert probe(world, "https")[-1] == ("POST", False)
    assert world.steps[-1].advice
    web.answer = response("400 Bad Request", "550 5.1.1 nobody")
    assert probe(world, "https", mail=True)[-1] == ("POST", False)


def test_no_kept_connection_serves_it_and_no_pause_stops_it(world: World):
    world.options["failures_in_a_row"] = 1
    mx = world.mx()
    world.deliver()
    probe(world)
    assert mx.connections == 2
    mx.stop()
    world.transports.close()
    world.deliver()
    assert world.transports.down_until("peer.test")
    assert probe(world) == up_to("connect")


def no_name(world: World):
    del world.dns.exchanges["peer.test"]


def dns_trouble(world: World):
    world.dns.exchanges["peer.test"] = TROUBLE


def null_mx(world: World):
    world.dns.exchanges["peer.test"] = ((0, ""),)


def says(**answers: bytes):
    def fault(world: World):
        world.mx().says |= {key.replace("dot", "."): said for key, said in answers.items()}

    return fault


@pytest.mark.parametrize(
    ("fault", "step", "word"),
    [
        (no_name, "resolve", "does not exist"),
        (dns_trouble, "resolve", "DNS does not answer"),
        (null_mx, "resolve", "null MX"),
        (lambda world: world.dns.hosts.pop("mx.peer.test"), "resolve", "has no IP address"),
        (lambda world: None, "connect", "refuses connections"),
        (says(greeting=b"554 5.7.1 go away\r\n"), "greeting", "go away"),
        (lambda world: world.mx(context=None), "TLS", "does not offer STARTTLS"),
        (
            lambda world: world.mx(context=world.authority.context("mx.peer.test", begins=-2 * DAY, ends=-DAY)),
            "TLS",
            "expired",
        ),
        (lambda world: world.mx(context=world.authority.context("other.test")), "TLS", "another name"),
        (says(EHLO=b"550 5.7.1 bad name\r\n"), "EHLO", "bad name"),
        (says(MAIL=b"451 4.7.1 later\r\n"), "MAIL", "451 4.7.1 later"),
        (says(RCPT=b"550 5.1.1 no such user\r\n"), "RCPT", "550 5.1.1 no such user"),
        (says(RCPT=b"451 4.7.1 greylisted\r\n"), "RCPT", "451 4.7.1 greylisted"),
        (says(dot=b"554 5.7.1 No valid DKIM signature found\r\n"), "DATA", "No valid DKIM signature found"),
    ],
)
def test_the_step_at_which_it_ends(world: World, fault, step: str, word: str):
    world.dns.exchanges["peer.test"] = ((10, "mx.peer.test"),)
    world.dns.hosts["mx.peer.test"] = ("127.0.0.1",)
    fault(world)
    told = probe(world, mail=True)
    last = world.steps[-1]
    assert (last.name, last.ok) == (step, False) and word in last.detail and last.advice
    if "DKIM" in word:
        assert last.advice.endswith("chatgate dns --check")
    assert all(ok for _, ok in told[:-1])
