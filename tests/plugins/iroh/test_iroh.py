"""The address of the relay, and whether something answers there."""

import http.server
import threading
import time

import gevent
import pytest
from chatgate_iroh.plugin import ENTRY, ENTRY1, Iroh, IrohOptions

from chatgate.hosting.reading import read as read_options
from chatgate.running.gateway import Gateway
from chatgate.testing import config, imap_client, new_login, session

URL = "https://iroh.example.org"


@pytest.fixture
def relay():
    """An HTTP server; `relay.status` is what it answers to /ping (0: nothing), `relay.asked` what it was asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            if not self.server.status:
                time.sleep(1000)
                return
            self.send_response(self.server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.status, server.asked, server.url = 200, [], f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def checked(folder, url, **iroh):
    gateway = Gateway(config(folder, Iroh, iroh={"url": url, "check_seconds": 60.0} | iroh))
    return [(p.level, p.text) for answer in gateway.hub.check.or_raise(gateway=gateway) for p in answer]


def asked(gateway, mailbox="", entry=ENTRY):
    return gateway.hub.get_metadata(session=session("imap"), mailbox=mailbox, entry=entry)


def test_it_is_told_over_imap(gateway_factory):
    gateway = gateway_factory("tls", "maildb", "passwordless", "imap", Iroh, iroh={"url": URL})
    with imap_client(gateway, new_login(gateway)) as client:
        client.xatom("GETMETADATA", f'"" ({ENTRY})')
        assert client.response("METADATA")[1] == [(b'"" (%s {24}' % ENTRY.encode(), URL.encode()), b")"]


def test_only_the_servers_own_entry_is_answered(tmp_path):
    gateway = Gateway(config(tmp_path, Iroh, iroh={"url": URL}))
    assert asked(gateway) == URL.encode()
    assert asked(gateway, mailbox="INBOX") is None
    assert asked(gateway, entry="/shared/vendor/deltachat/turn") is None


def test_without_a_url_nothing_is_told(tmp_path):
    gateway = Gateway(config(tmp_path, Iroh))
    assert asked(gateway) is None
    [(level, text)] = checked(tmp_path, "")
    assert level == "warning" and "url is empty" in text


@pytest.mark.parametrize(
    "url",
    ["https://iroh.example.org", "http://127.0.0.1:3340", "https://[2001:db8::1]:444/", "https://a.example/iroh/"],
)
def test_good_urls(url):
    assert IrohOptions(url=url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "iroh.example.org",
        "ftp://iroh.example.org",
        "https://",
        "https:///relay",
        "https://host:port",
        "https://host:0",
        "https://host:99999",
        "https://[::1",
        "https://a b.example",
        "https://a.example/\r\nx",
        "https://bücher.example",
        "https://a.example/" + "x" * 1000,
        "https://me:hunter2@a.example",
        "https://hunter2@a.example",
        "https://a.example/?token=hunter2",
        "https://a.example/#hunter2",
    ],
)
def test_bad_urls_are_one_line_that_repeats_no_secret(tmp_path, url):
    path, problems = tmp_path / "75-iroh.toml", []
    path.write_text("url = '''" + url.replace("\r\n", "\n") + "'''")
    assert read_options(path, IrohOptions, problems, {}) is None
    assert len(problems) == 1 and "url: must" in problems[0] and "hunter2" not in problems[0]


def test_check_asks_the_relay(tmp_path, relay):
    assert checked(tmp_path, relay.url) == checked(tmp_path, relay.url + "/") == []
    assert relay.asked == ["/ping", "/ping"]


@pytest.mark.parametrize("status", [204, 404, 500])
def test_check_says_that_something_else_answers(tmp_path, relay, status):
    relay.status = status
    [(level, text)] = checked(tmp_path, relay.url)
    assert level == "warning" and str(status) in text


def test_check_says_that_nothing_answers(tmp_path, relay):
    relay.status = 0
    with gevent.Timeout(60):
        [(level, text)] = checked(tmp_path, relay.url, check_seconds=1.0)
    assert level == "warning" and "does not answer" in text
    relay.shutdown()
    relay.server_close()
    [(level, text)] = checked(tmp_path, relay.url)
    assert level == "warning" and "Connection refused" in text


def test_a_certificate_that_nobody_trusts_is_a_warning(tmp_path, gateway_factory):
    """iroh refuses such ones too."""
    site = gateway_factory("tls", "maildb", "passwordless", "site")
    [https] = [s for s in site.services if s.name == "https"]
    [(level, text)] = checked(tmp_path, f"https://{https.listening[0]}")
    assert level == "warning" and "SSL" in text


def test_the_relay_of_iroh_1_is_named_apart(tmp_path):
    gateway = Gateway(config(tmp_path, Iroh, iroh={"url": URL, "url1": "https://one.example.org"}))
    assert asked(gateway) == URL.encode() and asked(gateway, entry=ENTRY1) == b"https://one.example.org"
    assert asked(gateway, "INBOX", ENTRY1) is None


def test_the_option_that_is_wrong_is_named():
    with pytest.raises(ValueError, match="url1: must"):
        IrohOptions(url1="nonsense")
