"""POST /mxdeliv over real sockets: its form, its statuses, and that it takes the same way as port 25."""

import http.client

import gevent
import pytest
from chatgate_courier.transport.https import HttpsConnection
from chatgate_courier.transport.message import body
from chatgate_courier.transport.options import TransportOptions

from chatgate.api import NewAccount, Reply, hookimpl
from chatgate.testing import SHIPPED, client_tls, imap_client, new_login, pgp_message, port, until
from tests.incoming import Mxdeliv, Port25, connected

ALICE = "alice@a.example"


@pytest.fixture
def make(gateway_factory):
    def made(*plugins, **settings):
        gateway = gateway_factory(*SHIPPED, "courier", *plugins, **settings)
        gateway.people = [new_login(gateway) for _ in range(2)]
        for address, password in gateway.people:
            assert gateway.accounts.create(NewAccount(address, password, "operator"))
        return gateway

    return made


@pytest.fixture
def gateway(make):
    return make()


def names(gateway):
    return [address for address, _ in gateway.people]


def inbox(gateway, number):
    client = imap_client(gateway, gateway.people[number])
    client.select("INBOX")
    found = client.search(None, "ALL")[1][0].split()
    contents = [client.fetch(one, "(BODY.PEEK[])")[1][0][1] for one in found]
    client.logout()
    return contents


@pytest.mark.parametrize("each", [True, False])
def test_a_message_is_on_disk_for_everybody(gateway, each):
    bob, carol = names(gateway)
    door = Mxdeliv(gateway, each=each)
    content = pgp_message(ALICE, bob)
    answers = door(ALICE, [bob, carol], content)
    assert door.status == 200
    assert answers == (["250 OK"] * 2 if not each else answers)
    assert all(answer.startswith("250 ") for answer in answers)
    assert inbox(gateway, 0) == inbox(gateway, 1) == [content]
    assert door(ALICE, [bob], content) and door.status == 200, "the connection goes on"


def test_the_session_is_one_of_a_peer_by_this_way(make):
    seen = []

    class Watcher:
        order = 5

        def __init__(self, gateway, options):
            pass

        @hookimpl
        def chatgate_filter(self, session, envelope):
            seen.append((session.service, session.tls, session.peer, envelope.origin, envelope.sender))

    gateway = make(Watcher, core={"proxy_protocol_from": ("127.0.0.1",)})
    door = Mxdeliv(gateway, peer="203.0.113.9")
    door(ALICE, names(gateway)[:1], pgp_message(ALICE, ALICE))
    assert seen == [("mxdeliv", True, "203.0.113.9", "peer", ALICE)]


def test_a_refused_recipient_does_not_sink_the_others(gateway):
    bob, carol = names(gateway)
    door = Mxdeliv(gateway)
    to = [bob, "nobody@example.org", carol, "far@elsewhere.test", "bad@@example.org"]
    answers = door(ALICE, to, pgp_message(ALICE, bob))
    assert door.status == 207
    assert [answer.split()[0] for answer in answers] == ["250", "550", "250", "550", "553"]
    assert answers[1] == "550 5.1.1 <nobody@example.org>: no such user here"
    assert answers[3] == "550 5.7.1 Relaying denied"
    assert len(inbox(gateway, 0)) == len(inbox(gateway, 1)) == 1


def test_who_understands_one_answer_only_is_refused_as_a_whole_and_nobody_gets_it(gateway):
    bob = names(gateway)[0]
    door = Mxdeliv(gateway, each=False)
    answers = door(ALICE, [bob, "nobody@example.org"], pgp_message(ALICE, bob))
    assert door.status == 400 and "X-MAIL-STATUS" not in door.headers
    assert answers[0] == "550 5.1.1 <nobody@example.org>: no such user here"
    assert inbox(gateway, 0) == []


def test_a_refusal_for_now_is_503_with_a_time(make):
    gateway = make(maildb={"quota_bytes": 3000})
    bob, carol = names(gateway)
    door = Mxdeliv(gateway)
    answers = door(ALICE, [bob], pgp_message(ALICE, bob, 8000))
    assert door.status == 503 and int(door.headers["Retry-After"]) > 0
    assert answers[0].startswith("452 4.2.2 ")
    answers = door(ALICE, [bob, "nobody@example.org"], pgp_message(ALICE, bob, 8000))
    assert door.status == 503 and [answer[:3] for answer in answers] == ["452", "550"]
    plain = Mxdeliv(gateway, each=False)
    assert plain(ALICE, ["nobody@example.org", carol], pgp_message(ALICE, bob, 8000))[0][:3] == "452"
    assert plain.status == 503


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"no end", "554 5.6.0 Message refused: its last line does not end with CR LF"),
        (b"bare\n.\r\n", "554 5.6.0 Message refused: a bare CR or LF in it, lines end with CR LF"),
        (b"bare\r.\r\n\r\n", "554 5.6.0 Message refused: a bare CR or LF in it, lines end with CR LF"),
        (b".\r\n", "554 5.6.0 Message refused: a line that is a single dot, which must be doubled"),
        (b"a\r\n.\r\n", "554 5.6.0 Message refused: a line that is a single dot, which must be doubled"),
        (b"a\r\n.\r\nMAIL FROM:<x@y.test>\r\n", "554 5.6.0 Message refused: a line that is a single dot"),
        (b"x" * 9000 + b"\r\n", "554 5.6.0 Message refused: a line in it is too long"),
        (b"", "554 5.6.0 "),
    ],
)
def test_bodies_that_are_no_wire_form(gateway, body, text):
    door = Mxdeliv(gateway)
    (answer,) = door(ALICE, [names(gateway)[0]], body)
    assert door.status == 400 and answer.startswith(text)
    assert inbox(gateway, 0) == []
    assert door(ALICE, [names(gateway)[0]], pgp_message(ALICE, ALICE))[0][:3] == "250"


def test_dots_are_taken_away_where_they_were_added(gateway):
    bob = names(gateway)[0]
    gateway.store.annotate(gateway.store.account(bob).id, "", {"/private/vendor/chatgate/cleartext": b"on"})
    content = b"From: <alice@a.example>\r\nSubject: dots\r\n\r\n.\r\n..\r\n.x\r\n"
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    for door in (Mxdeliv(gateway), Port25(gateway)):
        assert door(ALICE, [bob], stuffed)[0][:3] == "250"
    assert inbox(gateway, 0) == [content] * 2


@pytest.mark.parametrize("sender", ["", "<>", None])
def test_the_null_sender(gateway, sender):
    bob = names(gateway)[0]
    content = pgp_message(ALICE, bob)
    fields = [("Content-Length", str(len(content))), ("X-MAIL-TO", bob)]
    fields += [("X-MAIL-FROM", sender)] if sender is not None else []
    door = Mxdeliv(gateway)
    assert door.post(fields, content) == "250 OK"


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ([("Content-Length", "2")], 400, "501 5.5.4 X-MAIL-TO is missing"),
        ([("Content-Length", "2"), ("X-MAIL-TO", "")], 400, "501 5.5.4 X-MAIL-TO is missing"),
        ([("Content-Length", "2"), ("X-MAIL-FROM", "a b"), ("X-MAIL-TO", "x@example.org")], 400, "553 5.1.3 Malformed"),
        ([("Content-Length", "2"), ("X-MAIL-TO", "j\xf6@example.org")], 400, "553 5.6.7 Addresses must be ASCII"),
        ([("X-MAIL-TO", "x@example.org")], 411, ""),
        ([("Transfer-Encoding", "chunked"), ("X-MAIL-TO", "x@example.org")], 411, ""),
    ],
)
def test_requests_that_are_wrong(gateway, fields, status, text):
    door = Mxdeliv(gateway)
    body = b"" if status == 411 else b"x\n"
    assert door.post(fields, body).startswith(text) and door.status == status


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_other_methods(gateway, method):
    door = Mxdeliv(gateway)
    door.post([], b"", method)
    assert door.status == 405 and door.headers["Allow"] == "POST"


def test_off_it_is_not_there(make):
    gateway = make(courier={"mxdeliv": False})
    door = Mxdeliv(gateway)
    door.post([("Content-Length", "0"), ("X-MAIL-TO", names(gateway)[0])], b"")
    assert door.status == 404


def test_without_tls_nothing_is_taken(make):
    gateway = make()
    bob = names(gateway)[0]
    door = Mxdeliv(gateway)
    door.client = http.client.HTTPConnection("127.0.0.1", port(gateway, "http"), timeout=60)
    content = pgp_message(ALICE, bob)
    fields = [("Content-Length", str(len(content))), ("X-MAIL-TO", bob)]
    assert door.post(fields, content) == "530 5.7.0 TLS is required: use https" and door.status == 403
    assert inbox(gateway, 0) == []


def test_behind_a_proxy_that_ended_tls(make):
    gateway = make(site={"forwarded_for_from": ("127.0.0.1",)})
    bob = names(gateway)[0]
    content = pgp_message(ALICE, bob)
    for scheme, status in (("http", 403), ("https", 200)):
        door = Mxdeliv(gateway)
        door.client = http.client.HTTPConnection("127.0.0.1", port(gateway, "http"), timeout=60)
        fields = [("Content-Length", str(len(content))), ("X-MAIL-TO", bob)]
        fields += [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", scheme)]
        door.post(fields, content)
        assert door.status == status


def test_too_large(make):
    gateway = make(core={"max_message_bytes": 20000})
    bob = names(gateway)[0]
    for size, length in ((20001, None), (50000, None)):
        door = Mxdeliv(gateway)
        content = pgp_message(ALICE, bob)
        content = content + b"\r\n" * ((size - len(content)) // 2 + 1)
        (answer,) = door(ALICE, [bob], content)
        assert answer == "552 5.3.4 Message exceeds maximum size" and door.status == 413, length
    assert inbox(gateway, 0) == []


def test_an_announced_body_is_not_waited_for_when_nobody_would_get_it(gateway):
    """The client waits for 100 Continue, and hears the refusal instead."""
    sock = client_tls().wrap_socket(connected(gateway, "https"))
    sock.sendall(
        b"POST /mxdeliv HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n"
        b"X-MAIL-TO: nobody@example.org\r\n\r\n"
    )
    file = sock.makefile("rb")
    assert file.readline().startswith(b"HTTP/1.1 400 ")
    assert b"550 5.1.1 " in file.read(), "and the connection ends"


def test_a_body_that_is_wanted_is_asked_for(gateway):
    bob, content = names(gateway)[0], pgp_message(ALICE, ALICE)
    sock = client_tls().wrap_socket(connected(gateway, "https"))
    head = f"POST /mxdeliv HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\nExpect: 100-continue\r\n"
    sock.sendall(f"{head}X-MAIL-TO: {bob}\r\n\r\n".encode())
    file = sock.makefile("rb")
    assert (file.readline(), file.readline()) == (b"HTTP/1.1 100 Continue\r\n", b"\r\n")
    sock.sendall(content)
    assert file.readline() == b"HTTP/1.1 200 OK\r\n"


def test_a_body_that_stops_amid_gives_its_memory_back(make):
    gateway = make(site={"request_seconds": 1.0})
    uploads = gateway.hub.plugin("smtp").receiving.uploads[False]
    free = uploads.free
    bob = names(gateway)[0]
    sock = client_tls().wrap_socket(connected(gateway, "https"))
    head = f"POST /mxdeliv HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\nX-MAIL-TO: {bob}\r\n\r\n".encode()
    sock.sendall(head + b"x" * 100000)
    until(lambda: uploads.free < free)
    file = sock.makefile("rb")
    assert file.readline().startswith(b"HTTP/1.1 408 ")
    until(lambda: uploads.free == free)
    gone = client_tls().wrap_socket(connected(gateway, "https"))
    gone.sendall(head + b"x" * 100000)
    until(lambda: uploads.free < free)
    gone.close()
    until(lambda: uploads.free == free)


def test_both_ways_share_one_budget_of_memory(make):
    gateway = make(core={"max_message_bytes": 200_000}, smtp={"max_inflight_bytes_mx": 200_000})
    bob = names(gateway)[0]
    uploads = gateway.hub.plugin("smtp").receiving.uploads[False]
    slow = Port25(gateway)
    assert slow.say(f"MAIL FROM:<{ALICE}>")[:3] == slow.say(f"RCPT TO:<{bob}>")[:3] == "250"
    assert slow.say("DATA")[:3] == "354"
    slow.client.send(b"x" * 7000 + b"\r\n" + b"y" * 150_000)
    until(lambda: uploads.free < 50_000)
    door = Mxdeliv(gateway)
    (answer,) = door(ALICE, [bob], pgp_message(ALICE, bob, 100_000))
    slow.client.send(b"\r\n.\r\n")
    code, text = slow.client.getreply()
    assert sum(said.startswith("452 4.3.1 ") for said in (answer, f"{code} {text.decode()}")) == 1, "one gave way"


def test_a_large_body_does_not_hold_the_hub(make):
    """Others have turns while it comes as fast as it can."""
    gateway = make()
    bob = names(gateway)[0]
    turns, done = 0, False

    def count():
        nonlocal turns
        while not done:
            turns += 1
            gevent.sleep(0)

    counter = gevent.spawn(count)
    door = Mxdeliv(gateway)
    before = turns
    assert (
        door(ALICE, [bob], b"From: <alice@a.example>\r\n\r\n" + b"x" * 98 + b"\r\n" + b"y\r\n" * 2_000_000)[0][:3]
        == "523"
    )
    done = True
    counter.join()
    assert turns - before > 20


def test_many_recipients_do_not_hold_the_hub(make):
    turns, seen, done = 0, [], False

    class Watcher:
        order = 5

        def __init__(self, gateway, options):
            pass

        @hookimpl
        def chatgate_recipient(self):
            seen.append(turns)

    def count():
        nonlocal turns
        while not done:
            turns += 1
            gevent.sleep(0)

    gateway = make(Watcher)
    counter = gevent.spawn(count)
    assert Mxdeliv(gateway)(ALICE, [f"nobody{number}@example.org" for number in range(300)], b"x\r\n")
    done = True
    counter.join()
    assert len(seen) == 300 and len(set(seen)) > 3


def test_requests_of_one_peer_are_not_counted_as_those_of_visitors(make):
    gateway = make(core={"proxy_protocol_from": ("127.0.0.1",)}, site={"requests_per_minute": 3})
    to = ["nobody@example.org"]
    door = Mxdeliv(gateway, peer="203.0.113.9")
    for _ in range(6):
        door(ALICE, to, b"x\r\n")
        assert door.status == 400


def test_a_connection_refused_by_a_plugin(make):
    class Shut:
        order = 5

        def __init__(self, gateway, options):
            pass

        @hookimpl
        def chatgate_connect(self, session):
            return Reply(554, "5.7.1", "Not you") if session.service == "mxdeliv" else None

    gateway = make(Shut)
    door = Mxdeliv(gateway)
    assert door(ALICE, [names(gateway)[0]], b"x\r\n") == ["554 5.7.1 Not you"] and door.status == 400


def test_a_hundred_recipients_fit_into_one_request(gateway):
    door = Mxdeliv(gateway)
    to = [f"nobody{number:03}@example.org" for number in range(200)]
    assert all(answer.startswith("550 5.1.1 ") for answer in door(ALICE, to, b"x\r\n"))


@pytest.mark.parametrize("address", ["bob@[127.0.0.4]", "bob@127.0.0.4", "<Bob@[127.0.0.4]>"])
def test_a_domain_that_is_an_ip_address(gateway_factory, address):
    gateway = gateway_factory(*SHIPPED, "courier", domain="[127.0.0.4]")
    gateway.store.create_account("bob@[127.0.0.4]", "")
    assert Mxdeliv(gateway)(ALICE, [address], pgp_message(ALICE, "bob@[127.0.0.4]"))[0][:4] == "250 "


def test_our_own_sender_understands_every_answer(gateway):
    bob, carol = names(gateway)
    sock = client_tls().wrap_socket(connected(gateway, "https"))
    connection = HttpsConnection(TransportOptions(), sock, "127.0.0.1", 443)
    content = body(pgp_message(ALICE, bob))
    to = [bob, "nobody@example.org", carol, *(f"gone{number}@example.org" for number in range(95))]
    answers = connection.send(ALICE, to, content)
    assert [answers.replies[one].code for one in to] == [250, 550, 250] + [550] * 95
    assert str(answers.replies["nobody@example.org"]) == "5.1.1 <nobody@example.org>: no such user here"
    assert connection.send(ALICE, [bob], body(b"From: <a@b.test>\r\n\r\nclear\r\n")).replies[bob].code == 523
    assert connection.send("", [bob, carol], content).replies[carol].accepts and connection.reusable
    assert len(inbox(gateway, 0)) == 2
