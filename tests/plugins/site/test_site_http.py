"""The server: framing, limits, redirects, headers, stop; what it logs."""

from __future__ import annotations

import logging
import socket

import gevent
import pytest
from chatgate_site.hooks import chatgate_site_routes
from site_fakes import Enabled, Running, make, raw, unverified

from chatgate.api import hookimpl
from chatgate.testing import until


class Extra:
    """Another plugin's pages."""

    def __init__(self, gateway, options):
        self.seen = []

    @hookimpl(optionalhook=True)
    def chatgate_site_routes(self, app):
        from bottle import request

        app.post("/upload", callback=lambda: str(len(request.body.read())), max_body=500_000)
        app.get("/open", callback=lambda: "open", plain_http=True)
        app.get("/peer", callback=lambda: request.environ["chatgate.session"].peer + str(request.remote_addr))
        app.get("/broken", callback=lambda: {}["secret-thing"])
        app.get("/slow", callback=self.slow)
        app.get("/endless", callback=lambda: gevent.sleep(1000))

    def slow(self):
        self.seen.append("slow")
        gevent.sleep(0.5)
        return "slow"


@pytest.fixture
def extra(start):
    return start("chat.example.org", Enabled("extra", Extra, None), signed=True, url="https://chat.example.org")


def test_every_answer_has_the_security_headers(extra):
    for path in ("/", "/info", "/nothing", "/new", "/broken", "/open", "/qr.png"):
        headers = extra.ask(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["strict-transport-security"].startswith("max-age=")
        assert "server" not in headers and "x-powered-by" not in headers and "set-cookie" not in headers


def test_hsts_only_with_a_real_certificate(start):
    running = start("[127.0.0.1]")
    assert "strict-transport-security" not in running.ask("/").headers
    assert "strict-transport-security" not in running.ask("/", scheme="http").headers


def test_http_leads_to_https(extra):
    answer = extra.ask("/info?a=1&b=%0d%0ax", scheme="http")
    assert answer.status == 301 and answer.headers["location"] == "https://chat.example.org/info?a=1&b=%0d%0ax"
    assert extra.ask("/healthz", scheme="http").text == "ok\n"
    assert extra.ask("/open", scheme="http").text == "open"


def test_http_serves_on_this_computer_and_behind_a_proxy(start):
    assert start("localhost", hostname="127.0.0.1").ask("/", scheme="http").status == 200
    proxied = start("chat.example.org", signed=True, https=(), url="https://chat.example.org")
    assert proxied.ask("/new", "POST", "http").status == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/x", 404), ("DELETE", "/", 405), ("POST", "/", 405)])
def test_errors_are_pages(site, method, path, status):
    answer = site.ask(path, method)
    assert answer.status == status and answer.headers["content-type"].startswith("text/html")
    assert "<h1>" in answer.text
    if status == 405:
        assert answer.headers["allow"]


def test_head(site):
    for path in ("/", "/qr.svg", "/nothing"):
        head, get = site.ask(path, "HEAD"), site.ask(path)
        assert head.body == b"" and head.status == get.status
        assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.body))


def test_a_crash_is_a_page_and_a_line_without_its_text(extra, caplog):
    answer = extra.ask("/broken")
    assert answer.status == 500 and "secret-thing" not in answer.text and "KeyError" not in answer.text
    assert "page failed error=KeyError" in caplog.text and "secret-thing" not in caplog.text
    assert extra.ask("/").status == 200  # the next one is fine


def test_other_plugins_may_take_bodies(extra):
    assert extra.ask("/upload", "POST", body=b"x" * 500_000).text == "500000"
    assert extra.ask("/upload", "POST", body=b"x" * 500_001).status == 413
    chunked = {"body": iter([b"x"]), "headers": {"Transfer-Encoding": "chunked"}, "encode_chunked": True}
    assert extra.ask("/upload", "POST", **chunked).status == 411


def test_the_clients_address_is_for_limits_only(extra):
    assert extra.ask("/peer").text == "127.0.0.1None"


def test_connections_are_kept(site):
    connection = site.connect()
    for path in ("/", "/new", "/info", "/nothing", "/style.css"):
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        first = connection.sock
        assert first is not None
    connection.close()


HOST = b"Host: x\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/9.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X:" + b" " * 10_000 + b"\r \r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 500 + b"\r\n", b"400"),
        (b"GET /\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"POST /new HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n\r\n", b"400"),
        (b"POST /new HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", b"400"),
        (b"POST /new HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", b"400"),
        (b"POST /new HTTP/1.1\r\n" + HOST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"POST /new HTTP/1.1\r\n" + HOST + b"X y: z\r\nContent-Length: 3\r\n\r\nabc", b"400"),
        (b"POST /new HTTP/1.1\r\n" + HOST + b"nonsense\r\nContent-Length: 3\r\n\r\nabc", b"400"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n z\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\rContent-Length: 3\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: y\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", b"400"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"X-Y: " + b"z" * 20000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 3000 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"400"),
        (b"GET http://evil.example/ HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", b"404"),
        (b"GET /%ff%00/../..//etc HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", b"404"),
    ],
)
def test_bad_requests_end_the_connection(site, request_, status, caplog, capfd):
    found = raw(site.port(), request_)
    assert found.split(b" ", 2)[1] == status
    assert b"Traceback" not in found
    assert not caplog.records and capfd.readouterr() == ("", "")


def test_a_slow_header_is_cut(start):
    running = start("chat.example.org", signed=True, idle_seconds=0.3)
    with socket.create_connection(("127.0.0.1", running.port("http")), timeout=60) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nX: ")

        def drip():
            while True:
                gevent.sleep(0.05)
                sock.sendall(b"y")

        dripping = gevent.spawn(drip)
        assert sock.recv(100).startswith(b"HTTP/1.1 408")
        dripping.kill()


def test_an_idle_connection_is_closed(start):
    running = start("chat.example.org", signed=True, idle_seconds=0.2)
    assert raw(running.port(), b"") == b""


def test_a_slow_request_ends(start, caplog):
    running = start("chat.example.org", Enabled("extra", Extra, None), signed=True, request_seconds=0.2)
    assert running.ask("/endless").status == 500


def test_stop_ends_idle_connections_and_lets_requests_finish(tmp_path):
    gateway = make(tmp_path, "chat.example.org", Enabled("extra", Extra, None), signed=True, stop_seconds=1000.0)
    gateway.start()
    running = Running(gateway)
    idle = [running.connect("https"), running.connect("https")]
    for connection in idle:
        connection.request("GET", "/style.css")
        connection.getresponse().read()
    fresh = socket.create_connection(("127.0.0.1", running.port()), timeout=60)
    silent = unverified().wrap_socket(fresh)
    slow = gevent.spawn(running.ask, "/slow")
    until(lambda: gateway.hub.plugin("extra").seen)
    with gevent.Timeout(60):  # it does not wait for stop_seconds
        gateway.stop()
    assert slow.get(timeout=60).text == "slow"
    silent.close()
    for connection in idle:
        connection.close()


def test_nothing_is_logged_of_visits(site, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    for path in ("/", "/new", "/nothing"):
        site.ask(path)
    account = site.ask("/new", "POST").json
    text = caplog.text + "".join(capfd.readouterr())
    assert account["password"] not in text and account["email"] not in text and "127.0.0.1" not in text


def test_the_hook_is_documented():
    assert "max_body" in chatgate_site_routes.__doc__ and "plain_http" in chatgate_site_routes.__doc__


def test_too_many_requests_of_one_client_get_a_short_answer(start):
    running = start("chat.example.org", signed=True, requests_per_minute=3, forwarded_for_from=("127.0.0.1",))

    def ask(peer):
        return running.ask("/healthz", headers={"X-Forwarded-For": peer})

    answers = [ask("192.0.2.1") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[3].body == b"" and answers[3].headers["retry-after"] == "60"
    assert ask("192.0.2.2").status == 200


def test_many_requests_at_once_leave_others_their_turn(site):
    """They are all in one buffer: reading the next one waits for nobody."""
    turns, running = [0], [True]

    def turn():
        while running[0]:
            turns[0] += 1
            gevent.sleep(0)

    others = gevent.spawn(turn)
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    answers = raw(site.port(), request * 200 + b"GET /healthz HTTP/1.0\r\n\r\n")
    running[0] = False
    others.join()
    assert answers.count(b"HTTP/1.1 200 OK") == 201 and turns[0] >= 5


def test_the_end_of_tls_is_said_to_browsers_too(site):
    with socket.create_connection(("127.0.0.1", site.port()), timeout=60) as plain:
        with unverified().wrap_socket(plain, suppress_ragged_eofs=False) as sock:
            sock.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            while sock.recv(65536):  # raises SSLEOFError where it is not
                pass


@pytest.mark.parametrize(("octets", "writes"), [(0, 1), (10, 1), (16384, 1), (16385, 2), (500_000, 2)])
def test_a_short_answer_goes_out_in_one_piece(tmp_path, monkeypatch, octets, writes):
    from chatgate_site.http import _Connection
    from gevent.pywsgi import WSGIHandler

    written = []
    monkeypatch.setattr(WSGIHandler, "_sendall", lambda self, data: written.append(bytes(data)))
    answer = _Connection.__new__(_Connection)
    answer._held, answer.status, answer.response_headers, answer.headers_sent = None, b"200 OK", [(b"A", b"b")], False
    answer.finalize_headers = lambda: None
    answer.response_use_chunked = False
    answer._write_with_headers(b"x" * octets)
    answer._write(b"more")
    assert b"".join(written) == b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n" + b"x" * octets + b"more"
    assert len(written) == writes + 1


@pytest.mark.parametrize("trusted", [True, False])
def test_who_came_to_a_proxy_by_https_is_not_sent_there_again(start, trusted):
    proxies = ("127.0.0.1",) if trusted else ("192.0.2.1",)
    running = start("chat.example.org", signed=True, url="https://chat.example.org", forwarded_for_from=proxies)

    def ask(proto):
        headers = {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": proto}
        answer = running.ask("/info", scheme="http", headers=headers)
        return answer.status, "strict-transport-security" in answer.headers

    assert ask("https") == ((200, True) if trusted else (301, False))
    for proto in ("http", "https, http", "HTTPS\thttp", ""):  # each proxy adds its own at the end
        assert ask(proto) == (301, False)
