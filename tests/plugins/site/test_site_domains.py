"""The site of each domain, by the host that a visitor asks for."""

import json
import re
import socket

import click
import pytest
from click.testing import CliRunner
from site_fakes import unverified

from chatgate.testing import SHIPPED, imap_client, port, until


@pytest.fixture
def gateway(gateway_factory, tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages/style.css").write_text("/* of b */")
    further = {
        "b.example": {
            "site": {"title": "The B", "contact": "op@b.example", "comment": "closing soon", "pages": "pages"},
            "maildb": {},
            "passwordless": {"registration": "closed"},
            "max_message_bytes": 7_000_000,
        },
        "_alice.example": {},
        "127.0.0.2": {},
    }
    site = {"https": ("127.0.0.1:0",), "http": ("0.0.0.0:0",), "title": "The First", "contact": "op@example.org"}
    plugins = (*SHIPPED, "selfservice", "invite")
    return gateway_factory(*plugins, core={"hostname": ""}, domains=further, site=site)


def ask(gateway, path, host, method="GET", scheme="https", where="127.0.0.1", sni="", body=b"", **headers):
    """(status, headers, body)"""
    plain = socket.create_connection((where, port(gateway, scheme)), 60)
    sock = unverified().wrap_socket(plain, server_hostname=sni or None) if scheme == "https" else plain
    lines = [f"{method} {path} HTTP/1.1", *([f"Host: {host}"] if host else ["Host:"]), "Connection: close"]
    lines += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    sock.sendall("\r\n".join(lines).encode() + body)
    answer = b""
    while data := sock.recv(65536):
        answer += data
    sock.close()
    head, _, rest = answer.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    found = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
    return int(first.split()[1]), found, rest.decode()


def test_each_page_is_that_of_its_host(gateway):
    for host, title, contact, address in (
        ("example.org", "The First", "op@example.org", "abc123xyz@example.org"),
        ("unknown.example", "The First", "op@example.org", "abc123xyz@example.org"),
        ("b.example:8443", "The B", "op@b.example", "abc123xyz@b.example"),
        ("www.b.example", "The B", "op@b.example", "abc123xyz@b.example"),
        ("_alice.example", "_alice.example", "op@example.org", "abc123xyz@_alice.example"),
        ("127.0.0.2:443", "127.0.0.2", "op@example.org", "abc123xyz@[127.0.0.2]"),
    ):
        status, _, page = ask(gateway, "/info", host)
        assert status == 200 and f"<span>{title}</span>" in page, host
        assert f"mailto:{contact}" in page and f'<code dir="ltr">{address}</code>' in page, host
        assert ("7 MB as it is sent" in page) == (title == "The B")
        assert ("takes no new accounts" in page or "by invitation only" in page) == (title == "The B")
    assert ask(gateway, "/style.css", "b.example")[2] == "/* of b */"
    assert ask(gateway, "/style.css", "example.org")[2] != "/* of b */"
    assert "The B" in ask(gateway, "/nothing", "b.example")[2]


def test_who_names_no_host_of_ours_gets_the_one_that_tls_or_the_address_names(gateway):
    assert "The B" in ask(gateway, "/info", "internal.proxy", sni="b.example")[2]


def test_accounts_and_links_are_those_of_the_host(gateway):
    made = json.loads(ask(gateway, "/new", "_alice.example", "POST")[2])
    assert made["email"].endswith("@_alice.example")
    status, _, body = ask(gateway, "/new", "b.example", "POST")
    assert status == 403 and "takes no new accounts" in json.loads(body)["reason"]
    status, headers, _ = ask(gateway, "/new", "127.0.0.2")
    assert status == 302 and re.match(r"dclogin:\w{9}@\[127\.0\.0\.2\]\?.*&ih=127\.0\.0\.2&", headers["location"])
    assert "@example.org?" in ask(gateway, "/new", "example.org")[1]["location"]


def test_http_sends_to_the_same_host(gateway):
    status, headers, _ = ask(gateway, "/info?x=1", "b.example", scheme="http")
    assert status == 301 and headers["location"] == f"https://b.example:{port(gateway, 'https')}/info?x=1"


def test_autoconfig_is_for_the_address_or_the_host(gateway):
    def asked(host, query=""):
        text = ask(gateway, f"/.well-known/autoconfig/mail/config-v1.1.xml{query}", host)[2]
        return re.search("<domain>(.*)</domain>", text)[1], re.search("<hostname>(.*)</hostname>", text)[1]

    assert asked("b.example") == ("b.example", "b.example")
    assert asked("autoconfig.b.example") == ("b.example", "b.example")
    assert asked("example.org", "?emailaddress=a%40127.0.0.2") == ("[127.0.0.2]", "127.0.0.2")
    assert asked("b.example", "?emailaddress=a%40elsewhere.example") == ("b.example", "b.example")


def test_invitations_lead_to_the_host_where_they_are_shown(gateway):
    group = click.Group()
    gateway.hub.commands.or_raise(cli=group, gateway=gateway)
    token = json.loads(CliRunner().invoke(group, ["invite", "create", "--uses", "0", "--json"]).output)["token"]
    page = ask(gateway, f"/invite/{token}", "b.example")[2]
    assert "The B" in page and re.search(r"dclogin:\w{9}@b\.example\?p=" + token, page)
    shown = CliRunner().invoke(group, ["invite", "create", "--domain", "127.0.0.2", "--json"])
    assert "@[127.0.0.2]?" in json.loads(shown.output)["link"]


def test_an_account_without_its_domain_is_one_of_the_host(gateway):
    for address in ("ninechars@_alice.example", "ninechars@example.org"):
        imap_client(gateway, (address, "a-long-password")).logout()
    form = b"address=ninechars&password=a-long-password&do=look"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    for host in ("_alice.example", "example.org"):
        status, _, page = ask(gateway, "/account", host, "POST", body=form, **kind)
        assert status == 200 and f"ninechars@{host}" in page


def test_apps_are_told_of_the_operator_of_their_domain(gateway):
    client = imap_client(gateway, ("ninechars@_alice.example", "a-long-password"))
    client.xatom("GETMETADATA", '""', "(/shared/admin /shared/comment)")
    told = until(lambda: client.untagged_responses.get("METADATA"))
    assert b"op@example.org" in repr(told).encode() and b"closing" not in repr(told).encode()
    client.logout()


def test_the_command_shows_the_code_of_a_domain(gateway):
    group = click.Group()
    gateway.hub.commands.or_raise(cli=group, gateway=gateway)

    def link(*args):
        return json.loads(CliRunner().invoke(group, ["qr", "--json", *args]).stdout)["link"]

    assert "@example.org?" in link()
    assert "@[127.0.0.2]?" in link("--domain", "127.0.0.2")
    refused = CliRunner().invoke(group, ["qr", "--domain", "x.example"])
    assert refused.exit_code == 2 and "it has example.org, b.example, _alice.example, [127.0.0.2]" in refused.output


def test_check_looks_at_each(gateway):
    texts = [problem.text for problem in gateway.hub.plugin("site").chatgate_check()]
    assert [text for text in texts if "one account" in text] == [
        f"site: {name}: IMAP or SMTP has no standard port, so each QR code is for one account; there is none to print"
        for name in ("example.org", "b.example", "_alice.example")
    ]


def registration(gateway, value):
    """As `chatgate reload` changes it."""
    general = next(one.options for one in gateway.config.plugins if one.name == "passwordless")
    for domain in gateway.domains:
        object.__setattr__(domain.options(general), "registration", value)


def test_pages_show_only_links_that_work(gateway, monkeypatch):
    """By which ways people may come can change while the gateway runs."""
    place = gateway.hub.plugin("site").at()
    monkeypatch.setattr(type(place.inviter), "personal", property(lambda self: False))
    long, short = f"dcaccount:{place.url}/new", "dcaccount:example.org"
    new = {}
    for value, shown, hidden in (
        ("open", [long, f">{short}<"], []),
        ("site", [long], [f">{short}<"]),
        ("login", [f">{short}<"], [long]),
        ("closed", ["by invitation only"], [long, f">{short}<"]),
    ):
        registration(gateway, value)
        _, _, page = ask(gateway, "/", "example.org")
        assert all(text in page for text in shown), (value, page)
        assert not any(text in page for text in hidden), value
        new[value], _, _ = ask(gateway, "/new", "example.org", "POST")
    assert new == {"open": 200, "site": 200, "login": 403, "closed": 403}


def test_where_each_link_makes_its_account_at_the_login_the_site_alone_is_no_way_in(gateway):
    registration(gateway, "site")
    _, _, page = ask(gateway, "/", "127.0.0.2")
    assert "dclogin:" not in page
    assert "need a login" in gateway.hub.plugin("site").at(gateway.domains.named("[127.0.0.2]")).facts().shut_by
    registration(gateway, "login")
    _, _, page = ask(gateway, "/", "127.0.0.2")
    assert "dclogin:" in page
