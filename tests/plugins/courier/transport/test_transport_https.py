"""POST /mxdeliv to servers that behave well, and badly in each way."""

from __future__ import annotations

import gevent
import pytest
from chatgate_courier.policy import Policy
from chatgate_courier.transport.https import Response, judge
from hypothesis import given
from hypothesis import strategies as st
from peers import DAY, World, codes, response, text

OK = {"bob": (250, "")}
BOB = ("bob@peer.test",)


def endless(sock, head, body):
    sock.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        sock.sendall(b"X: y\r\n" * 100)


def long_line(sock, head, body):
    while True:
        sock.sendall(b"HTTP/1.1 200 OK" * 100)


def interim(sock, head, body):
    while True:
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def drip(sock, head, body):
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        sock.sendall(b"x")
        gevent.sleep(0.02)


def close(sock, head, body):
    raise OSError


def test_a_message_is_handed_on_in_wire_form(world: World):
    web = world.web()
    outcome = world.deliver(content=b".Subject: x\r\n\r\n.dot\r\nend")
    assert codes(outcome) == OK
    assert (outcome.host, outcome.way, outcome.until) == ("mx.peer.test", "https", 0)
    ((_, head, body),) = web.requests
    assert head.split("\r\n") == [
        "POST /mxdeliv HTTP/1.1",
        f"Host: mx.peer.test:{web.port}",
        "X-MAIL-FROM: alice@example.org",
        "X-MAIL-TO: bob@peer.test",
        "Content-Type: application/octet-stream",
        f"Content-Length: {len(body)}",
    ]
    assert body == b"..Subject: x\r\n\r\n..dot\r\nend\r\n"


def test_the_null_sender_is_not_named(world: World):
    web = world.web()
    world.transports.deliver(world.mail()._replace(sender=""))
    assert "X-MAIL-FROM" not in web.requests[0][1]


def test_one_connection_serves_one_message_after_the_other(world: World):
    web = world.web()
    for _ in range(5):
        assert codes(world.deliver()) == OK
    assert web.connections == 1 and len(web.requests) == 5


def test_a_connection_that_was_closed_while_unused_costs_nothing(world: World):
    web, mx = world.web(), world.mx()
    world.deliver()
    web.answer = lambda sock, head, body: close(sock, head, body) if web.connections == 1 else response("200 OK", "OK")
    assert world.deliver().way == "https"
    assert web.connections == 2 and not mx.connections


def test_each_recipient_has_its_own_line(world: World):
    web = world.web()
    web.answer = response("207 Multi-Status", "250 2.0.0 OK\r\n550 5.1.1 nobody\r\n", "X-MAIL-STATUS: each")
    outcome = world.deliver("bob@peer.test", "no@peer.test")
    assert codes(outcome) == {"bob": (250, "2.0.0"), "no": (550, "5.1.1")}
    ((_, head, _),) = web.requests
    assert "X-MAIL-TO: bob@peer.test\r\nX-MAIL-TO: no@peer.test\r\nX-MAIL-STATUS: each" in head


def test_many_recipients_go_in_several_requests(world: World):
    web = world.web()
    outcome = world.deliver(*[f"u{i}@peer.test" for i in range(200)])
    assert len(outcome.replies) == 200 and {reply.code for reply in outcome.replies.values()} == {250}
    assert [head.count("X-MAIL-TO") for _, head, _ in web.requests] == [90, 90, 20] and web.connections == 1


def test_a_server_that_refuses_all_for_one_gets_each_by_itself(world: World):
    web = world.web()

    def answer(sock, head, body):
        return (
            response("400 Bad Request", "523 Encryption Needed") if "strict@" in head else response("200 OK", "250 OK")
        )

    web.answer = answer
    outcome = world.deliver("bob@peer.test", "strict@peer.test", "eve@peer.test")
    assert codes(outcome) == {**OK, "strict": (523, ""), "eve": (250, "")}
    assert len(web.requests) == 4


def test_a_refusal_of_the_message_is_not_asked_for_again(world: World):
    web = world.web()
    web.answer = response("400 Bad Request", "554 5.7.1 No valid DKIM signature found")
    assert set(codes(world.deliver("bob@peer.test", "eve@peer.test")).values()) == {(554, "5.7.1")}
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (response("200 OK", "250 OK\r\n"), (250, "")),
        (response("200 OK", "OK"), (250, "2.0.0")),
        (response("200 OK"), (250, "2.0.0")),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n250\r\n3;x=y\r\n OK\r\n0\r\nA: b\r\n\r\n",
            (250, ""),
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + response("200 OK", "250 OK"), (250, "")),
        (b"HTTP/1.0 200 OK\r\n\r\n250 2.0.0 OK", (250, "2.0.0")),
        (response("400 Bad Request", "550 5.1.1 nobody"), (550, "5.1.1")),
        (response("400 Bad Request", "451 4.3.0 later"), (451, "4.3.0")),  # servers that say 400 to everything
        (response("413 Too Large", "552 Message exceeds maximum size"), (552, "")),
        (response("503 Unavailable", "451 4.7.1 later", "Retry-After: 60"), (451, "4.7.1")),
        (response("503 Unavailable", "<html>", "Retry-After: 60"), (451, "4.3.2")),
    ],
)
def test_what_is_an_answer_to_mail(world: World, answer: bytes, code: tuple[int, str]):
    web, mx = world.web(), world.mx()
    web.answer = answer + (b"" if b"HTTP/1.0" not in answer else b"")
    if answer.startswith(b"HTTP/1.0"):
        web.answer = lambda sock, head, body: (sock.sendall(answer), close(sock, head, body))
    outcome = world.deliver()
    assert codes(outcome) == {"bob": code} and outcome.way == "https"
    assert outcome.until == (world.now + 60 if b"Retry-After" in answer else 0)
    assert not mx.connections


@pytest.mark.parametrize(
    "answer",
    [
        response("404 Not Found", "<html>"),
        response("405 Method Not Allowed", "Method Not Allowed"),
        response("403 Forbidden", "550 no"),
        response("413 Too Large", "<html>"),
        response("400 Bad Request", "<html>"),
        response("400 Bad Request", "250 OK"),
        response("503 Unavailable", "<html>"),
        response("502 Bad Gateway"),
        response("500 Oops", "451 x"),
        response("301 Moved", "", "Location: /"),
        response("204 No Content"),
        response("200 OK", "<html>Welcome</html>"),
        response("200 OK", '{"ok": true}'),
        response("200 OK", "550 no"),
        b"SSH-2.0\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Length: 7\r\n\r\n250 OK",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        endless,
        long_line,
        interim,
        drip,
        close,
        lambda sock, head, body: None,
    ],
)
def test_what_is_none_makes_mail_go_by_smtp(world: World, answer):
    world.options["https_seconds"] = 0.5
    web, mx = world.web(), world.mx()
    web.answer = answer
    outcome = world.deliver()
    assert codes(outcome) == {"bob": (250, "2.0.0")} and outcome.way == "smtp"
    assert len(mx.mails) == 1
    assert world.deliver().way == "smtp" and len(web.requests) == 1  # it is not asked again


def test_the_other_way_is_not_asked_again_for_half_an_hour(world: World):
    web, mx = world.web(), world.mx()
    web.answer = response("404 Not Found", "<html>")
    for _ in range(3):
        assert world.deliver().way == "smtp"
    assert len(web.requests) == 1 and len(mx.mails) == 3
    world.now += 1801
    web.answer = response("200 OK", "OK")
    assert world.deliver().way == "https"


def test_but_at_once_when_smtp_cannot_connect_any_more(world: World):
    web, mx = world.web(), world.mx()
    web.answer = response("404 Not Found", "<html>")
    assert world.deliver().way == "smtp"
    web.answer = response("200 OK", "OK")
    mx.stop()
    world.transports.close()
    assert codes(world.deliver()) == {"bob": (451, "4.4.1")}
    assert world.deliver().way == "https"


@pytest.mark.parametrize("names", [("other.test",), ("mx.peer.test",)])
def test_an_invalid_certificate_is_not_used(world: World, names: tuple[str, ...]):
    expired = names == ("mx.peer.test",)
    context = world.authority.context(*names, begins=-3 * DAY, ends=-DAY if expired else DAY)
    web, mx = world.web(context=context), world.mx()
    assert world.deliver().way == "smtp"
    assert not web.requests and len(mx.mails) == 1


def test_both_ways_closed_say_both(world: World):
    world.web().stop()
    outcome = world.deliver()
    smtp, https = world.options["smtp_port"], world.options["https_port"]
    assert text(outcome) == (
        f"mx.peer.test refuses connections at port {smtp}; by HTTPS: mx.peer.test refuses connections at port {https}"
    )


def test_one_way_only_where_the_operator_says_so(world: World):
    web, mx = world.web(), world.mx()
    world.policies["peer.test"] = Policy(way="smtp")
    assert world.deliver().way == "smtp"
    world.policies["peer.test"] = Policy(way="https")
    assert world.deliver().way == "https"
    web.answer = response("404 Not Found")
    assert text(world.deliver()) == "mx.peer.test answers 404 to a POST of mail"
    assert mx.connections == 1


def test_a_large_message_does_not_hold_up_others(world: World):
    web = world.web()
    turns = [0]

    def count():
        while True:
            turns[0] += 1
            gevent.sleep(0)

    counting = gevent.spawn(count)
    assert codes(world.deliver(content=b"x" * 5_000_000 + b"\r\n")) == OK
    counting.kill()
    assert turns[0] > 20 and len(web.requests[0][2]) == 5_000_002


def test_an_answer_before_the_end_of_the_message(world: World):
    """Many servers refuse what is too large as soon as they see its length, and close."""
    web, mx = world.web(), world.mx()
    mx.offers = ["PIPELINING"]
    web.early = response("413 Too Large", "552 5.3.4 too large", "Connection: close")
    outcome = world.deliver(content=b"x" * 20_000_000 + b"\r\n")
    assert codes(outcome)["bob"] in {(552, "5.3.4"), (250, "2.0.0")}


@given(
    st.sampled_from([200, 207, 400, 404, 413, 503, 500]),
    st.binary(max_size=200)
    | st.lists(st.sampled_from([b"250 OK", b"550 5.1.1 no", b"451 x", b"354 x"])).map(b"\r\n".join),
    st.sampled_from(["", "60", "-1", "٣", "Fri, 31 Dec 1999 23:59:59 GMT", "9" * 30]),
    st.sampled_from(["", "each"]),
    st.integers(1, 3),
)
def test_no_answer_says_yes_but_one_that_does(status: int, body: bytes, after: str, each: str, count: int):
    recipients = [f"u{i}@peer.test" for i in range(count)]
    answers = judge(Response(status, {"retry-after": after, "x-mail-status": each}, body, True), recipients, 3600.0)
    if answers is None:
        return
    assert list(answers.replies) == recipients and 0 <= answers.wait <= 3600
    for reply in answers.replies.values():
        assert reply.text.isascii() and reply.text.isprintable()
        if reply.accepts:
            assert 200 <= reply.code < 300 and (status == 200 or each)
            assert b"2" in body or body.strip().upper() in (b"", b"OK")
