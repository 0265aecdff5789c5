"""The webhook against servers that take, refuse, hang and lie."""

import json
import ssl

import gevent
import gevent.ssl
import pytest
from chatgate_alerts.channels import NotSent
from chatgate_alerts.webhook import Target, Webhook
from chatgate_alerts.words import Message
from chatgate_tls.selfsigned import make
from gevent.server import StreamServer

from chatgate.api import Secret

MESSAGE = Message("abc", "example.org: trouble: disk", "It is full ⚠️", {"id": "abc", "title": "disk", "events": []})
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """answer: octets, or what is done with the socket. got: (request line, header, JSON) of each request."""

    def __init__(self, answer=OK, context=None):
        self.answer, self.got = answer, []
        more = {"ssl_context": context} if context else {}
        self.server = StreamServer(("127.0.0.1", 0), self.serve, **more)
        self.server.start()
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.server.server_port}"

    def serve(self, sock, _):
        file = sock.makefile("rb")
        line, header = file.readline().decode().strip(), {}
        while (field := file.readline().decode().strip()) != "":
            name, _, value = field.partition(": ")
            header[name.lower()] = value
        self.got.append((line, header, json.loads(file.read(int(header["content-length"])))))
        if callable(self.answer):
            self.answer(sock)
        else:
            sock.sendall(self.answer)


@pytest.fixture
def server():
    made = []

    def start(*args, **more):
        made.append(Server(*args, **more))
        return made[-1]

    yield start
    for one in made:
        one.server.stop(0)


def webhook(server, path="/hook", header="", fields=(), ca_file=""):
    return Webhook(Target.of(server.url + path, header, fields), ca_file)


def refusal(hook, seconds=30.0):
    with pytest.raises(NotSent) as error:
        hook.send(MESSAGE, seconds)
    return str(error.value)


def test_it_gets_json_with_the_header_and_the_fields_that_the_operator_names(server):
    one = server()
    secret, fields = Secret("Authorization: Bearer abc 123"), ("topic=chatgate", "priority=4", "click=a=b")
    webhook(one, "/hook?token=1", secret, fields).send(MESSAGE, 30)
    ((line, header, body),) = one.got
    assert line == "POST /hook?token=1 HTTP/1.1" and header["authorization"] == "Bearer abc 123"
    assert header["content-type"] == "application/json" and header["host"].startswith("127.0.0.1:")
    assert body == {
        "id": "abc",
        "title": "disk",
        "events": [],
        "text": MESSAGE.text,
        "message": MESSAGE.text,
        "topic": "chatgate",
        "priority": 4,
        "click": "a=b",
    }


@pytest.mark.parametrize("status", ["301 Moved", "400 Bad", "401 No", "500 Broken", "503 Later"])
def test_no_other_answer_counts_and_no_redirection_is_followed(server, status):
    other = server()
    one = server(f"HTTP/1.1 {status}\r\nLocation: {other.url}/\r\nContent-Length: 0\r\n\r\n".encode())
    assert refusal(webhook(one, header=Secret("X-Key: secret"))) == f"127.0.0.1 answers {status[:3]}"
    assert not other.got


def hang(sock):
    gevent.sleep(60)


def drip(sock):
    while True:
        sock.sendall(b"H")
        gevent.sleep(0.02)


def endless(sock):
    sock.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        sock.sendall(b"x" * 1000)
        gevent.sleep(0)


@pytest.mark.parametrize("answer", [hang, drip])
def test_one_that_hangs_costs_no_more_than_the_time_it_has(server, answer):
    assert refusal(webhook(server(answer)), 0.3) == "127.0.0.1 does not answer within 0.3 s"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 two\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500,
        endless,
    ],
)
def test_what_is_no_answer_is_a_failure_without_its_words(server, answer):
    assert "SSH" not in refusal(webhook(server(answer)))


def test_a_body_without_an_end_is_not_waited_for(server):
    def answer(sock):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 20_000)
        gevent.sleep(60)

    webhook(server(answer)).send(MESSAGE, 30)


def test_nobody_there():
    hook = Webhook(Target.of("http://127.0.0.1:1/", "", ()), "")
    assert "Connection refused" in refusal(hook)


def test_a_certificate_must_be_one_to_trust(server, tmp_path):
    make(tmp_path / "cert.pem", tmp_path / "key.pem", ["127.0.0.1"])
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    one = server(context=context)
    assert "not to be trusted" in refusal(webhook(one)) and not one.got
    webhook(one, ca_file=str(tmp_path / "cert.pem")).send(MESSAGE, 30)
    assert one.got
    assert "No such file" in refusal(webhook(one, ca_file=str(tmp_path / "none.pem")))


@pytest.mark.parametrize(
    "url",
    ["ftp://a/", "https:///x", "https://a b/", "https://u:p@a/", "https://a:99999/", "a", "https://[a/", "https://ä/"],
)
def test_a_url_that_cannot_be_used_is_refused(url):
    with pytest.raises(ValueError, match="webhook: must"):
        Target.of(url, "", ())


@pytest.mark.parametrize("header", ["xyz", "A: b\r\nC: d", "Z:", ": b", "A b: c"])
def test_a_header_that_cannot_be_sent_is_refused_without_repeating_it(header):
    with pytest.raises(ValueError, match="webhook_header: must") as error:
        Target.of("https://a/", header, ())
    assert header not in str(error.value)
