"""What the pages say, and that it is true."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import gevent
import pytest
from site_fakes import ImapOptions, Silent, make

from chatgate.api import Facts, Problem, Session, hookimpl
from chatgate.hosting.confd import Enabled


class Page(HTMLParser):
    """Elements by tag with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


PATHS = ["/", "/info", "/privacy", "/nothing"]


@pytest.mark.parametrize("path", PATHS)
def test_pages_need_no_script_and_nothing_from_elsewhere(site, path):
    answer = site.ask(path)
    page = Page(answer.text)
    assert not page.all("script") and not page.all("iframe") and not page.all("style")
    for _, attributes in page.found:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("src", "data", "srcset"):
            assert (attributes.get(name) or "/").startswith("/")
    assert [link["href"] for link in page.all("link")] == ["/style.css", "/icon.svg"]
    for link in page.all("link"):
        assert site.ask(link["href"]).status == 200


@pytest.mark.parametrize("path", PATHS)
def test_pages_are_accessible(site, path):
    page = Page(site.ask(path).text)
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    assert all("alt" in image for image in page.all("img"))
    assert page.all("meta")[1]["content"] == "width=device-width, initial-scale=1"
    levels = [int(tag[1]) for tag, _ in page.found if tag in ("h1", "h2", "h3")]
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    for local in [a["href"] for a in page.all("a") if a["href"].startswith("/")]:
        assert site.ask(local).status == (404 if local.startswith("/nothing") else 200)


def test_the_landing_page_has_code_button_and_link(site):
    answer = site.ask("/")
    page = Page(answer.text)
    button = next(a for a in page.all("a") if a.get("class") == "button")
    assert button["href"] == "dcaccount:https://chat.example.org/new"
    assert page.all("svg")[0]["role"] == "img" and page.all("svg")[0]["aria-label"]
    assert "chat.example.org" in page.text and "dcaccount:chat.example.org" in page.text
    assert answer.headers["cache-control"] == "max-age=300"
    assert site.ask("/qr.svg").text in answer.text


def test_a_page_asks_once_for_the_facts(start):
    asked = []

    class Counts(Silent):
        @hookimpl
        def chatgate_facts(self):
            asked.append(1)

    site = start("chat.example.org", Enabled("counts", Counts, None), signed=True, url="https://chat.example.org")
    for path, times in (("/", 1), ("/info", 1), ("/privacy", 1), ("/qr.svg", 1)):
        site.ask(path)
        asked.clear()
        assert site.ask(path).status == 200 and len(asked) == times, path


def test_a_page_with_a_password_is_never_kept(start):
    running = start("[127.0.0.1]")
    for path in ("/", "/qr.svg", "/qr.png"):
        assert running.ask(path).headers["cache-control"] == "no-store"
    links = set()
    for _ in range(2):
        answer = running.ask("/", scheme="http")
        button = next(a for a in Page(answer.text).all("a") if a.get("class") == "button")
        assert button["href"].startswith("dclogin:") and button["href"].endswith("&ic=3")
        links.add(button["href"])
    assert len(links) == 2
    assert "from this computer only" in answer.text and "on your phone" not in answer.text


def test_the_operators_words_are_escaped(start):
    running = start("chat.example.org", signed=True, title="<b>Us</b>", about="1 < 2", contact="us@example.org")
    html = running.ask("/").text
    assert "<b>Us" not in html and "&lt;b&gt;Us" in html and "1 &lt; 2" in html
    assert 'href="mailto:us@example.org"' in html


SETTINGS = Facts(
    quota_octets=300_000_000,
    quota_messages=40_000,
    tombstone_days=0,
    keeps_days=True,
    mail_days=11.0,
    large_days=3.0,
    inactive_days=44.0,
    pushes="push.example.net",
    token_days=77.0,
    cleartext=True,
    keeps=("Bodies lie in a warehouse.",),
)


class Guard(Silent):
    gate = True

    @hookimpl
    def chatgate_filter(self):
        return None


def test_privacy_and_info_tell_the_settings(start):
    running = start("chat.example.org", Enabled("gate", Guard, SETTINGS), signed=True, max_message_bytes=7_000_000)
    privacy, info = Page(running.ask("/privacy").text).text, Page(running.ask("/info").text).text
    retention = "for 11 days at most. Large ones go 3 days after they were fetched."
    for told in (retention, "300 MB", "deleted address", "day your account was made", "After 44 days without a login"):
        assert told in privacy
    for told in ("7 MB", "300 MB", "40000 messages at most", "Messages are kept 11 days", "3 days once fetched"):
        assert told in info
    for told in ("44 days after the last login", "are refused"):
        assert told in info
    assert (
        "Notification tokens" in privacy
        and "push.example.net" in privacy
        and "no app has set it for 77 days" in privacy
    )
    assert "Bodies lie in a warehouse." in privacy
    assert "are refused" in privacy and "accounts that the operator has opened for such mail" in privacy
    assert "no addresses" in privacy


def test_privacy_promises_nothing_that_is_not_set(start):
    running = start("chat.example.org", signed=True, log_level="debug")
    privacy = Page(running.ask("/privacy").text).text
    assert "until the app removes them" in privacy and "addresses are in its log" in privacy
    for untold in ("days", "Notification", "are refused", " MB"):
        assert untold not in privacy


def test_info_shows_the_ports(start):
    text = Page(start("x.example.org", signed=True, imap=ImapOptions(("*:2993",), ())).ask("/info").text).text
    assert "2993" in text and "465" in text and "143" not in text


def test_autoconfig(start):
    running = start("example.org", hostname="mx.example.org", signed=True)
    for path in ("/.well-known/autoconfig/mail/config-v1.1.xml", "/mail/config-v1.1.xml"):
        answer = running.ask(path + "?emailaddress=abc%40example.org")
        assert answer.headers["content-type"].startswith("text/xml")
        found = [
            tuple(server.findtext(name) for name in ("hostname", "port", "socketType", "username", "authentication"))
            for server in ET.fromstring(answer.body).iter()
            if server.tag in ("incomingServer", "outgoingServer")
        ]
        rest = ("%EMAILADDRESS%", "password-cleartext")
        assert found == [
            ("mx.example.org", "993", "SSL", *rest),
            ("mx.example.org", "143", "STARTTLS", *rest),
            ("mx.example.org", "465", "SSL", *rest),
            ("mx.example.org", "587", "STARTTLS", *rest),
        ]
        assert ET.fromstring(answer.body).findtext("emailProvider/domain") == "example.org"


def test_autoconfig_names_the_port_of_https_for_mail_where_clients_reach_it(start):
    def found(**settings):
        xml = start("example.org", hostname="mx.example.org", signed=True, **settings).ask("/mail/config-v1.1.xml").body
        servers = [one for one in ET.fromstring(xml).iter() if one.tag in ("incomingServer", "outgoingServer")]
        return [(one.get("type"), one.findtext("port"), one.findtext("socketType")) for one in servers]

    assert found(alpn_port=443) == [
        ("imap", "993", "SSL"),
        ("imap", "143", "STARTTLS"),
        ("imap", "443", "SSL"),
        ("smtp", "465", "SSL"),
        ("smtp", "587", "STARTTLS"),
        ("smtp", "443", "SSL"),
    ]
    assert found(alpn_port=443, imap_port=443, smtp_port=443) == [("imap", "443", "SSL"), ("smtp", "443", "SSL")]
    wide = found(https=("*:0",))
    assert len(wide) == 6 and wide[2][1] == wide[5][1] and wide[2][2] == "SSL"
    assert len(found(https=("*:0",), imap=ImapOptions((), ("*:143",)))) == 4  # it has no TLS from the start


def test_healthz(site):
    assert site.ask("/healthz")[::2] == (200, b"ok\n")
    assert site.accounts.store.asked
    site.accounts.store.broken = True
    answer = site.ask("/healthz")
    assert answer.status == 503 and "disk" not in answer.text
    site.accounts.store.broken = False
    site.gateway.stopping.set()
    assert site.ask("/healthz").status == 503


def test_health_does_not_wait_for_ever(site, monkeypatch):
    monkeypatch.setattr("chatgate.running.ready._SECONDS", 0.1)
    site.accounts.store.account = lambda address: gevent.sleep(5)
    assert site.ask("/healthz").status == 503


def test_pages_of_the_operators_own(start, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "privacy.html").write_text("% rebase('layout.html', title='Ours')\n<h1>{{domain}} rules</h1>\n")
    (own / "style.css").write_text("body { color: red }")
    running = start("chat.example.org", signed=True, pages=str(own))
    assert "<h1>chat.example.org rules</h1>" in running.ask("/privacy").text
    assert running.ask("/style.css").text == "body { color: red }"
    assert running.ask("/").status == 200


def test_metadata(start):
    running = start("chat.example.org", signed=True, comment="Back at 9", contact="us@example.org")
    session = Session("imaps", "127.0.0.1")

    def ask(entry, mailbox=""):
        return running.gateway.hub.get_metadata(session=session, mailbox=mailbox, entry=entry)

    assert ask("/shared/comment") == b"Back at 9" and ask("/shared/admin") == b"mailto:us@example.org"
    assert ask("/shared/comment", "INBOX") is None and ask("/shared/other") is None
    bare = start("chat.example.org", signed=True)
    assert bare.gateway.hub.get_metadata(session=session, mailbox="", entry="/shared/comment") is None


def test_check(tmp_path):
    def check(*args, **settings) -> list[Problem]:
        gateway = make(tmp_path, *args, **{"https": ("*:443",), "http": ("*:80",)} | settings)
        return [p for found in gateway.hub.check.or_raise(gateway=gateway) for p in found if "site" in p.text]

    assert check("example.org", signed=True) == [] == check("[127.0.0.1]")
    assert "self-signed" in check("example.org")[0].text
    assert check("example.org", signed=True, pages="nowhere")[0].level == "error"
    moved = check("example.org", signed=True, imap=ImapOptions(("*:2993",), ()))
    assert "standard port" in moved[0].text
    hidden = ImapOptions(("127.0.0.1:1993 proxy",), ())
    assert "set imap_port" in check("example.org", signed=True, imap=hidden)[0].text
    assert not check("example.org", signed=True, imap=hidden, imap_port=993)
    assert not check("example.org", signed=True, imap=ImapOptions(("*:993", *hidden.imaps), ()))
    assert not check("example.org", signed=True, http=("127.0.0.1:8080 proxy",))
    for address in ("127.0.0.1:8080", "[::1]:8080", "unix:/run/site"):
        (behind,) = check("example.org", signed=True, http=(address,))
        assert behind.level == "warning" and "limits per client cannot work" in behind.text
        assert not check("example.org", signed=True, http=(address,), forwarded_for_from=("127.0.0.1", "unix"))


@pytest.mark.parametrize(
    "wrong",
    [{"url": "example.org"}, {"forwarded_for_from": ("proxy",)}, {"contact": "us"}, {"contact": "a <b@c.example>"}],
)
def test_wrong_settings_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        make(tmp_path, "example.org", **wrong)
