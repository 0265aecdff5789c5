"""chatgate behind Debian's nginx, haproxy and caddy, run with the snippets of contrib/proxy as they are."""

from __future__ import annotations

import json
import shutil
import smtplib
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import network  # noqa: E402
from stage import HOST, SNIPPETS, Stage, settings  # noqa: E402

from chatgate.hosting.confd import installed  # noqa: E402
from chatgate.testing import client_tls  # noqa: E402

pytestmark = pytest.mark.skipif(bool(network.refused()), reason=network.refused())

ONE, OTHER = "198.51.100.7", "203.0.113.9"
FEW = {"imap": {"max_connections_per_address": 2}, "smtp": {"max_connections_per_address": 2}}


@pytest.fixture(scope="module", autouse=True)
def _network() -> Iterator[None]:
    with network.own(ONE, OTHER):
        yield


@pytest.fixture
def stage() -> Iterator[Callable[..., Stage]]:
    made: list[Stage] = []
    # Not pytest's own folder, which the user of the proxies cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="chatgate-proxy-"))

    def begin(snippet: str, **more: dict) -> Stage:
        folder.chmod(0o755)
        made.append(Stage(folder, snippet, **more))
        return made[-1]

    yield begin
    for one in made:
        one.end()
    shutil.rmtree(folder, ignore_errors=True)


def nginx(stage: Stage, around: str) -> None:
    """around: the parts of nginx.conf that a snippet does not have."""
    if not shutil.which("nginx"):
        pytest.skip("needs nginx")
    tmp = stage.folder / "tmp"
    paths = "".join(f"{kind}_temp_path {tmp}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    text = around.replace("SNIPPET", stage.text()).replace("PATHS", paths + "access_log off;")
    for name, own in (("fullchain.pem", "cert.pem"), ("privkey.pem", "key.pem")):
        text = text.replace(f"/etc/letsencrypt/live/{HOST}/{name}", str(stage.folder / own))
    modules = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;" if "stream {" in text else ""
    top = f"{modules} daemon off; pid {tmp}/pid; error_log stderr; events {{ }}\n"
    conf = stage.written("nginx.conf", top + text)
    ports = (443, 993, 25) if "stream {" in text else (443,)
    stage.run(["nginx", "-e", "stderr", "-c", conf], ports)


def haproxy(stage: Stage) -> None:
    if not shutil.which("haproxy"):
        pytest.skip("needs haproxy")
    text = stage.text().replace(f"/etc/haproxy/{HOST}.pem", str(stage.folder / "both.pem"))
    stage.run(
        ["haproxy", "-db", "-f", stage.written("haproxy.cfg", "global\n    maxconn 500\n" + text)], (443, 993, 465)
    )


def holds_by_client(stage: Stage, port: int, alpn: str) -> None:
    """Limits are for the client, not for the proxy."""
    with ExitStack() as open_ones:
        for _ in range(2):
            assert open_ones.enter_context(stage.tls(port, ONE, alpn)).recv(4) in (b"* OK", b"220 ")
        with stage.tls(port, OTHER, alpn) as other:
            assert other.recv(4) in (b"* OK", b"220 ")
        # The oldest one of this client gives its place up.
        third = open_ones.enter_context(stage.tls(port, ONE, alpn))
        assert third.recv(4) in (b"* OK", b"220 ")
        seats = next(
            s for s in stage.gateway.services if s.name == ("imaps" if alpn == "imap" else "submissions")
        ).seats
        assert seats.taken[0] <= 3


def every_port(stage: Stage) -> None:
    """The proxy has all ports, and TLS is the gateway's."""
    stage.mail_goes_round((465, ""), (993, ""), ONE)
    stage.mail_goes_round((443, "smtp"), (443, "imap"), OTHER)
    seen = stage.witness.seen
    assert {("submissions", ONE, True), ("imaps", ONE, True)} <= set(seen)
    assert {("submissions", OTHER, True), ("imaps", OTHER, True)} <= set(seen)
    for alpn in ("", "http/1.1", "h2"):
        assert json.loads(stage.ask("/witness", ONE, alpn=alpn)[1]) == ["https", ONE, True, HOST]
    status, body = stage.ask("/new", OTHER, "POST")
    assert status == 200 and json.loads(body)["email"].endswith(f"@{HOST}")
    for port, alpn in ((993, "imap"), (443, "imap"), (443, "smtp")):
        holds_by_client(stage, port, alpn)
    with smtplib.SMTP("127.0.0.1", 25, source_address=(ONE, 0)) as mx:
        mx.starttls(context=client_tls())
        assert mx.ehlo()[0] == 250
    assert ("mx", ONE, False) in stage.witness.seen
    for port, greeting in ((143, b"* OK"), (587, b"220 ")):
        with socket.create_connection(("127.0.0.1", port), source_address=(ONE, 0)) as client:
            assert client.recv(4) == greeting
    with socket.create_connection(("127.0.0.1", 80), source_address=(ONE, 0)) as client:
        client.sendall(f"GET /witness HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        assert f'["http", "{ONE}", false'.encode() in client.makefile("rb").read()
    xml = stage.ask("/.well-known/autoconfig/mail/config-v1.1.xml", ONE)[1].decode()
    assert [xml.count(f"<port>{port}</port>") for port in (993, 465, 443, 1993, 8443)] == [1, 1, 2, 0, 0]


def test_nginx_passes_tls_through_and_splits_by_alpn(stage):
    behind = stage("nginx-stream.conf", **FEW)
    nginx(behind, "SNIPPET")
    every_port(behind)


def test_haproxy_passes_tls_through_and_splits_by_alpn(stage):
    behind = stage("haproxy-tcp.cfg", **FEW)
    haproxy(behind)
    every_port(behind)


def test_haproxy_ends_tls(stage):
    behind = stage("haproxy-tls.cfg", **FEW)
    haproxy(behind)
    behind.mail_goes_round((465, ""), (993, ""), ONE)
    behind.mail_goes_round((443, "smtp"), (443, "imap"), OTHER)
    assert set(behind.witness.seen) == {(name, who, True) for name in ("submissions", "imaps") for who in (ONE, OTHER)}
    assert json.loads(behind.ask("/witness", ONE)[1]) == ["https", ONE, True, HOST]
    holds_by_client(behind, 993, "imap")


def ends_tls_for_the_site(stage: Stage, root: str = "") -> None:
    def told(source: str, **headers: str) -> list:
        return json.loads(stage.ask(root + "/witness", source, **headers)[1])

    assert told(ONE) == ["http", ONE, True, HOST]
    # What a client says of itself counts for nothing.
    for name in ("X-Forwarded-For", "X_Forwarded_For", "Forwarded"):
        assert told(ONE, **{name: OTHER})[1] == ONE
        assert told(ONE, **{name: f"{OTHER}, 127.0.0.1"})[1] == ONE
    assert told(ONE, **{"X-Forwarded-Proto": "http"})[2] is True
    status, body = stage.ask(root + "/new", OTHER, "POST")
    assert status == 200 and json.loads(body)["email"].endswith(f"@{HOST}")
    page = stage.ask(root + "/", ONE)[1].decode()
    assert f'href="{root}/style.css"' in page
    assert stage.ask(root + "/style.css", ONE)[0] == 200
    assert stage.ask("/.well-known/autoconfig/mail/config-v1.1.xml", ONE)[0] == 200
    assert f"POST https://{HOST}{root}/new" in stage.ask(root + "/info", ONE)[1].decode()
    # The limit for a client is not one for the proxy.
    statuses = [stage.ask(root + "/new", ONE, "POST")[0] for _ in range(4)]
    assert statuses == [200, 200, 429, 429] and stage.ask(root + "/new", OTHER, "POST")[0] == 200


SITE = {"site": {"new_per_network": 2}}


def test_nginx_ends_tls_for_the_site(stage):
    behind = stage("nginx-http.conf", **SITE)
    nginx(behind, "http { PATHS SNIPPET }")
    ends_tls_for_the_site(behind)


def test_nginx_has_the_site_below_a_path(stage):
    behind = stage("nginx-prefix.conf", **SITE)
    server = f"listen 443 ssl; ssl_certificate {behind.folder}/cert.pem; ssl_certificate_key {behind.folder}/key.pem;"
    nginx(behind, f"http {{ PATHS server {{ {server} location = / {{ return 204; }} SNIPPET }} }}")
    ends_tls_for_the_site(behind, "/chat")
    assert behind.ask("/", ONE)[0] == 204 and behind.ask("/info", ONE)[0] == 404
    assert behind.ask("/mxdeliv", ONE)[0] == 404  # ours: the courier is not enabled


def test_caddy_ends_tls_for_the_site(stage):
    if not shutil.which("caddy"):
        pytest.skip("needs caddy")
    behind = stage("Caddyfile", **SITE)
    top = "{\n\tadmin off\n\tlocal_certs\n\tskip_install_trust\n\tauto_https disable_redirects\n}\n"
    behind.run(
        ["caddy", "run", "--adapter", "caddyfile", "--config", behind.written("Caddyfile", top + behind.text())], (443,)
    )
    ends_tls_for_the_site(behind)


def test_each_snippet_names_options_that_exist():
    """Also of the one that no program here can read."""
    for path in SNIPPETS.iterdir():
        for plugin, values in settings(path.name).items():
            options = installed()[plugin][0].load().Options
            options(**values)
