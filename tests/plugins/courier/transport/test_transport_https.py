"""POST /mxdeliv to servers that behave well, and badly in each way."""

from __future__ import annotations

from peers import World, response


def codes(outcome):
    return {one: (reply.code, reply.enhanced) for one, reply in outcome.replies.items()}


def test_a_message_is_handed_on_in_wire_form(world: World):
    web = world.web()
    outcome = world.deliver(content=b"Subject: x\r\n\r\n.dot\r\nend\r\n")
    assert codes(outcome) == {"bob@peer.test": (250, "")}
    assert (outcome.host, outcome.way) == ("mx.peer.test", "https")
    (_, head, body), *_ = web.requests
    assert head.split("\r\n")[:1] == ["POST /mxdeliv HTTP/1.1"]
    assert "X-MAIL-FROM: alice@example.org" in head and "X-MAIL-TO: bob@peer.test" in head
    assert body == b"Subject: x\r\n\r\n..dot\r\nend\r\n"


def test_one_connection_serves_one_message_after_the_other(world: World):
    web = world.web()
    for _ in range(5):
        world.deliver()
    assert web.connections == 1 and len(web.requests) == 5


def test_each_recipient_has_its_own_line(world: World):
    web = world.web()
    web.answer = response("207 Multi-Status", "250 2.0.0 OK\r\n550 5.1.1 nobody\r\n", "X-MAIL-STATUS: each")
    outcome = world.deliver("bob@peer.test", "no@peer.test")
    assert codes(outcome) == {"bob@peer.test": (250, "2.0.0"), "no@peer.test": (550, "5.1.1")}
    assert len(web.requests) == 1


def test_a_server_without_mxdeliv_gets_it_by_smtp_and_is_not_asked_again_for_a_while(world: World):
    web, mx = world.web(), world.mx()
    web.answer = response("404 Not Found", "<html>")
    for _ in range(3):
        assert world.deliver().way == "smtp"
    assert len(web.requests) == 1 and len(mx.mails) == 3
    world.now += 1801
    web.answer = response("200 OK", "OK")
    assert world.deliver().way == "https"
