"""One request against a service that misbehaves."""

from __future__ import annotations

import contextlib
import socket

import gevent
import pytest
from chatgate_push.client import Client, Outcome
from chatgate_tls import selfsigned
from hypothesis import given, settings
from hypothesis import strategies as st
from push_fakes import ERROR, GONE, OK, Flood, Service, answer, close, drip, hang, late, then, then_close

from chatgate.testing import until

BODY = b"openpgp:" + b"A" * 900


def client(url: str, ca_file: object = "", seconds: float = 60, idle_seconds: float = 60) -> Client:
    return Client(url, str(ca_file), seconds, idle_seconds)


@pytest.mark.parametrize(
    "behaviour, outcome",
    [
        (OK, Outcome.ACCEPTED),
        (answer("200 OK", body="x" * 3000), Outcome.ACCEPTED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Outcome.ACCEPTED),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, Outcome.ACCEPTED),
        (b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, Outcome.ACCEPTED),
        (then_close(b"HTTP/1.0 200 OK\r\n\r\n"), Outcome.ACCEPTED),
        (then_close(b"HTTP/1.1 200 OK\r\nContent-Le"), Outcome.ACCEPTED),  # it said so, and then fell silent
        (then(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", hang), Outcome.ACCEPTED),
        (then(b"HTTP/1.1 200 OK\r\n\r\n", hang), Outcome.ACCEPTED),
        (then(b"HTTP/1.1 410 Gone\r\n\r\n", hang), Outcome.GONE),
        (then_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), Outcome.ACCEPTED),
        (then_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-9999999999999999\r\n"), Outcome.ACCEPTED),
        (GONE, Outcome.GONE),
        (answer("400 Bad Request"), Outcome.REFUSED),
        (answer("404 Not Found"), Outcome.REFUSED),
        (ERROR, Outcome.REFUSED),
        (answer("429 Too Many Requests"), Outcome.ANSWER),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", Outcome.ANSWER),
        (answer("201 Created"), Outcome.ANSWER),
        (answer("302 Found", "Location: http://127.0.0.1:1/"), Outcome.ANSWER),
        (answer("204 No Content"), Outcome.ANSWER),
        (answer("304 Not Modified"), Outcome.ANSWER),
        (answer("503 Service Unavailable"), Outcome.ANSWER),
        (close, Outcome.BROKEN),
        (then_close(b"HTTP/1.1 20"), Outcome.BROKEN),
        (then_close(b"220 mail.example.org ESMTP\r\n"), Outcome.BROKEN),
        (then_close(b"\x00\xff\x16\x03\x01" * 100), Outcome.BROKEN),
        (then_close(b"HTTP/1.1 two hundred\r\n\r\n"), Outcome.BROKEN),
        (then_close(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n"), Outcome.BROKEN),
        (then_close(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"), Outcome.BROKEN),
        (then_close(b"x" * 1_000_000), Outcome.BROKEN),
    ],
)
def test_what_comes_of_an_answer(service, behaviour, outcome):
    service.default = behaviour
    notify = client(service.url)
    assert notify.post(BODY) is outcome
    service.default = OK
    assert notify.post(BODY) is Outcome.ACCEPTED  # whatever was left of the connection does no harm


PIECES = [b"HTTP/1.1 ", b"200 OK", b"410 Gone", b"103", b"\r\n", b"\r\n\r\n", b"\n", b": ", b"Content-Length: "]
PIECES += [b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"]
PIECES += [b"-1", b"5", b"9" * 20, b"0\r\n\r\n", b";", b"\xff\0"]
BEGINNINGS = [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]


@settings(max_examples=300)
@given(st.sampled_from(BEGINNINGS), st.lists(st.sampled_from(PIECES), max_size=10))
def test_whatever_is_answered_has_an_outcome(service, beginning, pieces):
    service.default = then_close(beginning + b"".join(pieces))
    notify = client(service.url)
    assert isinstance(notify.post(BODY), Outcome)
    service.default = OK
    assert notify.post(BODY) is Outcome.ACCEPTED


def test_the_request_is_the_bare_token(service):
    client(service.url).post(BODY)
    ((token, _, head),) = service.requests
    assert token.encode() == BODY
    line, *fields = head.lower().split("\n")
    assert line == "post /notify http/1.1"
    names = {field.partition(":")[0] for field in fields}
    assert names == {"host", "content-length", "accept-encoding", "user-agent"}


@pytest.mark.parametrize(
    "head, again, outcome",
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", Outcome.BROKEN),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", Outcome.BROKEN),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n", Outcome.ACCEPTED),
    ],
    ids=["interim answers", "fields", "trailers"],
)
def test_an_answer_without_end_is_left_before_it_takes_the_process(service, head, again, outcome):
    """While a service sends faster than we read, reading never waits, so that no time limit is looked at."""
    service.default = flood = Flood(head, again)
    assert client(service.url).post(BODY) is outcome
    until(lambda: flood.ended)
    assert flood.pieces < flood.most / 2  # what went out is in the system's buffers


@pytest.mark.parametrize("late_answer", [GONE, answer("408 Request Timeout")])
def test_an_answer_to_no_request_is_not_taken_for_the_next_ones(service, late_answer):
    service.default = then(OK, late(0.02, late_answer))
    notify = client(service.url)
    assert notify.post(b"one") is Outcome.ACCEPTED
    gevent.sleep(0.1)
    service.default = OK
    assert notify.post(b"two") is Outcome.ACCEPTED
    assert service.tokens == ["one", "two"] and service.connections == 2


def test_an_interim_answer_does_not_shift_the_others(service):
    service.default = then(b"HTTP/1.1 103 Early Hints\r\n\r\n", late(0.05, GONE))
    notify = client(service.url)
    assert notify.post(b"one") is Outcome.GONE
    service.default = OK
    assert notify.post(b"two") is Outcome.ACCEPTED
    assert service.connections == 1


@pytest.mark.parametrize("behaviour", [hang, drip], ids=["silent", "an octet at a time"])
def test_the_time_limit_is_for_the_whole_request(service, behaviour):
    service.default = behaviour
    assert client(service.url, seconds=0.3).post(BODY) is Outcome.TIMEOUT
    assert service.at_once == 1  # it would have gone on


def test_nobody_listens(service):
    service.stop()
    assert client(service.url).post(BODY) is Outcome.CONNECT


def test_a_name_that_does_not_exist():
    assert client("http://nobody.invalid/notify").post(BODY) is Outcome.CONNECT


def test_an_address_that_leads_nowhere_is_followed_by_the_next(service, monkeypatch):
    """As with a name that has an IPv6 address, on a machine whose IPv6 does not work."""
    with socket.socket() as full, contextlib.ExitStack() as filling:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):  # from then on the kernel lets connections wait without an answer
            sock = filling.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        addresses = [full.getsockname(), ("127.0.0.1", service.port)]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
        monkeypatch.setattr("gevent.socket.getaddrinfo", lambda *_, **__: found)
        assert client(f"http://push.example.org:{service.port}/", seconds=4).post(BODY) is Outcome.ACCEPTED


def test_a_service_that_accepts_but_shakes_no_hands(certificate):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        assert client(url, certificate[0], seconds=0.3).post(BODY) is Outcome.TIMEOUT


def test_connections_are_kept(service):
    notify = client(service.url)
    for _ in range(20):
        assert notify.post(BODY) is Outcome.ACCEPTED
    assert service.connections == 1


def test_a_connection_that_says_close_is_not_used_again(service):
    service.default = answer("200 OK", "Connection: close")
    notify = client(service.url)
    assert [notify.post(BODY), notify.post(BODY)] == [Outcome.ACCEPTED] * 2
    assert service.connections == 2


def test_the_rest_of_a_long_answer_is_not_read(service):
    service.default = answer("200 OK", body="x" * 1_000_000)
    notify = client(service.url)
    assert [notify.post(BODY), notify.post(BODY)] == [Outcome.ACCEPTED] * 2
    assert service.connections == 2


def test_a_kept_connection_that_the_service_closed_is_no_failure(service):
    service.default = then_close(OK)
    notify = client(service.url)
    for _ in range(3):
        assert notify.post(BODY) is Outcome.ACCEPTED
        gevent.sleep(0.02)
    assert service.connections == 3


def test_connections_unused_for_long_are_closed(service):
    notify = client(service.url, idle_seconds=0.05)
    notify.post(BODY)
    gevent.sleep(0.1)
    notify.post(BODY)
    assert service.connections == 2


def test_each_request_under_way_has_its_own_connection(service):
    service.default = late(0.1)
    notify = client(service.url)
    jobs = [gevent.spawn(notify.post, BODY) for _ in range(5)]
    assert [job.get() for job in jobs] == [Outcome.ACCEPTED] * 5
    assert service.connections == 5


def test_tls_with_a_trusted_certificate(certificate):
    service = Service(certificate)
    notify = client(service.url, certificate[0])
    assert [notify.post(BODY), notify.post(BODY)] == [Outcome.ACCEPTED] * 2
    assert service.connections == 1
    service.stop()


def test_tls_with_an_unknown_certificate_sends_nothing(certificate):
    service = Service(certificate)
    assert client(service.url).post(BODY) is Outcome.TLS
    assert not service.requests
    service.stop()


def test_tls_with_the_certificate_of_another_name_sends_nothing(tmp_path):
    selfsigned.make(tmp_path / "chain.pem", tmp_path / "key.pem", ["notifications.example.org"])
    service = Service((tmp_path / "chain.pem", tmp_path / "key.pem"))
    assert client(service.url, tmp_path / "chain.pem").post(BODY) is Outcome.TLS
    assert not service.requests
    service.stop()


def test_tls_to_a_service_that_speaks_none(service, certificate):
    url = service.url.replace("http:", "https:")
    assert client(url, certificate[0]).post(BODY) is Outcome.TLS


def test_tls_with_a_ca_file_that_is_not_there(certificate, tmp_path):
    service = Service(certificate)
    assert client(service.url, tmp_path / "none.pem").post(BODY) is Outcome.TLS
    service.stop()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://host/x",
        "notifications.delta.chat",
        "https:///notify",
        "http://u:p@host/",
        "https://host:0/",
        "https://host:99999/",
        "https://host:x/",
        "https://[::1",
        "https://host/a b",
        "https://host/\xe4",
    ],
)
def test_urls_that_cannot_be(url):
    with pytest.raises(ValueError, match="url must be"):
        client(url)
