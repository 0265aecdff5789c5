"""The listener: what Prometheus, proxies and monitors get."""

import re
import socket

import pytest
from chatgate_metrics.options import MetricsOptions
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as older

from chatgate.api import Metric, Trouble, hookimpl
from chatgate.testing import new_login, pgp_message, port, smtp_client

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
STORE = ("tls", "maildb", "accounts", "passwordless", "gate", "smtp", "site", "metrics")


class Hostile:
    """A plugin that gives away what it must not."""

    def __init__(self, gateway, options):
        self.troubles = []

    @hookimpl
    def chatgate_metrics(self):
        return [Metric("chatgate_hostile", "x", "counter", ("who",), {("alice@example.org",): 1})]

    @hookimpl
    def chatgate_troubles(self):
        return self.troubles


@pytest.fixture
def gateway(gateway_factory):
    return gateway_factory(*STORE, Hostile, metrics={"listen": ("127.0.0.1:0",), "request_seconds": 60.0})


def raw(gateway, request):
    with socket.create_connection(("127.0.0.1", port(gateway, "metrics")), timeout=60) as sock:
        sock.sendall(request)
        found = b""
        while more := sock.recv(65536):
            found += more
    return found


def ask(gateway, path, *fields, method="GET"):
    request = "\r\n".join((f"{method} {path} HTTP/1.1", "Host: x", *fields, "", "")).encode()
    head, _, body = raw(gateway, request).partition(b"\r\n\r\n")
    return head.decode(), body.decode()


def test_both_formats_can_be_read_and_say_the_same(gateway):
    login = new_login(gateway)
    with smtp_client(gateway, login) as client:
        client.sendmail(login[0], [login[0]], pgp_message(*[login[0]] * 2))
        ask(gateway, "/metrics")  # from now on the failure of Hostile is a trouble
        head, new = ask(gateway, "/metrics", f"Accept: {OPENMETRICS}")
        assert "200 OK" in head and "application/openmetrics-text" in head and new.endswith("# EOF\n")
        head, old = ask(gateway, "/metrics")
        assert "text/plain" in head
    names = {sample.name for family in openmetrics(new) for sample in family.samples}
    assert {sample.name for family in older(old) for sample in family.samples} == names
    found = {
        (one.name, *sorted(one.labels.items())): one.value for family in openmetrics(new) for one in family.samples
    }
    assert found["chatgate_messages_total", ("origin", "account"), ("outcome", "taken")] == 1
    assert found["chatgate_delivery_seconds_bucket", ("le", "+Inf")] == found["chatgate_delivery_seconds_count",] == 1
    assert found["chatgate_connections", ("known", "yes"), ("service", "submissions")] == 1
    assert login[0] not in new and login[0].partition("@")[0] not in new and "127.0.0.1" not in new


def test_a_plugin_whose_metrics_are_hostile_gives_none_and_is_named(gateway, caplog):
    assert "hostile" not in ask(gateway, "/metrics", f"Accept: {OPENMETRICS}")[1].replace('plugin="hostile"', "")
    assert "hook failed hook=metrics plugin=hostile" in caplog.text and "alice" not in caplog.text
    found = re.search(
        r'chatgate_hook_failures_total{hook="metrics",plugin="hostile"} (\d)', ask(gateway, "/metrics")[1]
    )
    assert found and int(found[1]) >= 1


def test_alive_and_ready(gateway):
    assert ask(gateway, "/healthz")[1] == "ok\n" and ask(gateway, "/readyz")[1] == "ok\n"
    hostile = gateway.hub.plugin("hostile")
    hostile.troubles = [Trouble("breaker:x", "x is away", 0, "wait")]
    assert ask(gateway, "/readyz")[1] == "ok\n"
    hostile.troubles.append(Trouble("disk", "the disk is full", 0, "df", blocks=True))
    head, body = ask(gateway, "/readyz")
    assert "503" in head and body == "the disk is full\n"
    assert "200" in ask(gateway, "/healthz")[0]


def test_a_store_that_does_not_answer(gateway, monkeypatch):
    from chatgate.api import StoreUnavailable

    def away(address):
        raise StoreUnavailable

    monkeypatch.setattr(gateway.store, "account", away)
    head, body = ask(gateway, "/readyz")
    assert "503" in head and body == "the store does not answer\n"
    assert "503" in ask(gateway, "/healthz")[0]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /x HTTP/1.1\r\n\r\n", b"404"),
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"hello\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/2.0\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\nA: " + b"x" * 9000 + b"\r\n\r\n", b"431"),
        (b"GET /healthz?a=b HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /metrics HTTP/1.1\r\nAccept: ,;q=x;version=,=,/\r\n\r\n", b"200"),
        (b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;version=9;escaping=x\r\n\r\n", b"200"),
    ],
)
def test_other_requests_get_a_clear_answer(gateway, request_, status):
    assert raw(gateway, request_).startswith(b"HTTP/1.1 " + status)


def test_head_has_no_body(gateway):
    head, body = ask(gateway, "/healthz", method="HEAD")
    assert "200 OK" in head and "Content-Length: 3" in head and body == ""


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
@settings(max_examples=200)
def test_no_accept_field_breaks_the_text(accept):
    from chatgate_metrics.exposition import text

    kind, _ = text([], accept)
    assert re.match(r"(text/plain|application/openmetrics-text)", kind) and "\n" not in kind


def test_it_is_off_by_default_and_warns_when_anybody_may_read(gateway_factory):
    gateway = gateway_factory(*STORE)
    assert "metrics" not in [one.name for one in gateway.services if one.listening]
    plugin = gateway.hub.plugin("metrics")
    assert not plugin.chatgate_check()
    plugin._options = MetricsOptions(listen=("127.0.0.1:9464", "*:9464"))
    (found,) = plugin.chatgate_check()
    assert found.level == "warning" and "no password" in found.text


def test_the_site_answers_whether_it_is_ready_without_saying_why(gateway):
    from chatgate.testing import client_tls

    def readyz():
        with socket.create_connection(("127.0.0.1", port(gateway, "https")), timeout=60) as plain:
            with client_tls().wrap_socket(plain, server_hostname="localhost") as sock:
                sock.sendall(b"GET /readyz HTTP/1.0\r\nHost: x\r\n\r\n")
                found = b""
                while more := sock.recv(65536):
                    found += more
        return found

    assert b"200 OK" in readyz()
    gateway.hub.plugin("hostile").troubles = [Trouble("disk", "the disk is full", 0, "df", blocks=True)]
    answer = readyz()
    assert b"503" in answer and b"disk" not in answer
