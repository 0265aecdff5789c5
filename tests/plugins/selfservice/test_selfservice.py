"""The page on which people look after their account, over HTTPS, with IMAP and SMTP beside it."""

import contextlib
import http.client
import imaplib
import json
import logging
import re
import smtplib
import socket
import time
from urllib.parse import urlencode

import gevent
import pytest
from chatgate_selfservice import SelfService
from selfservice_page import QUICK, act, ask

from chatgate.api import NewAccount
from chatgate.testing import SHIPPED, client_tls, imap_client, new_login, pgp_message, port, smtp_client


def gone(gateway, login):
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        imap_client(gateway, login)


def test_the_form_needs_no_script_and_goes_nowhere_else(gateway):
    answer, page = ask(gateway, "GET")
    assert answer.status == 200 and '<form method="post" action="/account">' in page and "<script" not in page
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert '<a href="/account" aria-current="page">Your account</a>' in page


def test_what_the_server_keeps(gateway, anna):
    client = imap_client(gateway, anna)
    assert client.xatom("SETMETADATA", 'INBOX (/private/devicetoken "abc")')[0] == "OK"
    client.logout()
    with smtp_client(gateway, anna) as smtp:
        smtp.sendmail(anna[0], [anna[0]], pgp_message(anna[0], anna[0]))
    page = act(gateway, anna)
    usage = gateway.store.usage(gateway.store.account(anna[0]).id)
    assert (
        usage.messages == 1 and "1 message, " in page and "<bdi>INBOX</bdi>: 1<" in page and "there is room for" in page
    )
    assert "1, left by your phone" in page
    day = re.escape(time.strftime("%-d %B %Y", time.gmtime()))
    for what in ("Last login", "Account made"):
        assert re.search(rf"<dt>{what}</dt>\s*<dd>{day}", page)
    assert act(gateway, (anna[0].partition("@")[0], anna[1])).count(anna[0]) >= 1, "the name alone will do"


def test_a_new_password_counts_at_once_everywhere(gateway, anna):
    new = "quite another password ü"
    assert "is changed" in act(gateway, anna, "password", new=new, again=new)
    gone(gateway, anna)
    with pytest.raises(smtplib.SMTPAuthenticationError):
        smtp_client(gateway, anna)
    act(gateway, (anna[0], new))
    with pytest.raises(smtplib.SMTPAuthenticationError):
        smtp_client(gateway, anna)
    assert "9 to 1024" in act(gateway, (anna[0], new), "password", status=400, new="short", again="short")
    assert "not the same" in act(gateway, (anna[0], new), "password", status=400, new="one password", again="another")
    act(gateway, (anna[0], new))


def test_deleting_for_good_whatever_is_online(gateway, anna):
    assert not re.search(r'type="checkbox"[^>]*checked', act(gateway, anna)), "off by default"
    reader = imap_client(gateway, anna)
    reader.select("INBOX")
    with smtp_client(gateway, anna) as smtp:
        smtp.sendmail(anna[0], [anna[0]], pgp_message(anna[0], anna[0]))
    for confirm in ("", "yes", "somebody@example.org"):
        assert "type its address" in act(gateway, anna, "delete", status=400, confirm=confirm)
    page = act(gateway, anna, "delete", confirm=f" {anna[0].upper()} ")
    assert "is deleted" in page and "not with your password either" in page and "get it back" not in page
    assert gateway.store.accounts() == []
    assert gateway.store.tombstone(anna[0]) == "", "no hash of the password is kept"
    # the connection that was there, and those that an app makes in its place
    with pytest.raises(imaplib.IMAP4.abort):
        reader.noop()
    gone(gateway, anna)
    with pytest.raises(smtplib.SMTPAuthenticationError):
        smtp_client(gateway, anna)
    act(gateway, anna, status=403)
    assert gateway.store.accounts() == []


def test_deleting_and_coming_back(gateway, anna):
    page = act(gateway, anna, "delete", confirm=anna[0], may_return="yes")
    assert "get it back" in page and "not with your password either" not in page
    # nobody else gets it, by any way
    thief = anna[0], "the password of a thief"
    gone(gateway, thief)
    with pytest.raises(smtplib.SMTPAuthenticationError):
        smtp_client(gateway, thief)
    facts = {"generated": True, "network": "", "token": ""}
    for way in ("site", "operator"):
        answer = gateway.accounts.create(NewAccount(anna[0], "x" * 22, way, **facts))
        assert (answer.code, answer.imap) == (550, "ALREADYEXISTS")
    act(gateway, anna, status=403)
    assert gateway.store.accounts() == []
    # but its owner, with the same password, to an empty mailbox
    again = imap_client(gateway, anna)
    assert again.select("INBOX") == ("OK", [b"0"])
    gone(gateway, thief)


@pytest.mark.parametrize(("days", "text"), [(0, "afterwards, not even"), (30, "afterwards for 30 days, not even")])
def test_the_pages_say_for_how_long(gateway_factory, days, text):
    gateway = gateway_factory(*SHIPPED, SelfService, maildb={"tombstone_days": days}, **QUICK)
    login = new_login(gateway)
    imap_client(gateway, login).logout()
    assert text in act(gateway, login)
    for may_return in ("yes", ""):
        page = act(gateway, login, "delete", confirm=login[0], may_return=may_return)
        assert ("address for 30 days." in page or "again for 30 days," in page) == bool(days)
        if may_return:
            imap_client(gateway, login).logout()
    assert "no hash is kept unless you ask for it" in ask(gateway, "GET", "/privacy")[1]


def test_the_page_makes_no_accounts_and_tells_not_who_is_there(gateway, anna):
    pages = set()
    for address in (anna[0], new_login(gateway)[0], "nobody", "", "a@other.example"):
        answer, page = ask(gateway, address=address, password="a wrong password", do="delete", confirm=address)
        assert answer.status == 403 and "Wrong address or password." in page
        pages.add(page.replace(f'value="{address}"', 'value=""'))
    assert len(pages) == 1
    assert [a.address for a in gateway.store.accounts()] == [anna[0]]


def test_a_wrong_password_takes_its_time(gateway_factory):
    slow = QUICK | {"selfservice": {"wrong_password_seconds": 2.0}}
    gateway = gateway_factory("tls", "maildb", "passwordless", "site", SelfService, **slow)
    begin = time.monotonic()
    asked = [gevent.spawn(act, gateway, (f"nobody{n}", "a wrong password"), status=403) for n in range(5)]
    gevent.joinall(asked, timeout=60, raise_error=True)
    assert 2.0 <= time.monotonic() - begin < 9.0, "others do not wait for it: five in a row take 10 s"


def test_guesses_here_and_by_smtp_are_counted_together(gateway_factory):
    """A proxy on this machine names the client (PROXY protocol)."""
    few = QUICK | {"passwordless": {"scrypt_cost": 10, "refusal_seconds": 0.0, "wrong_per_minute": 3}}
    core = {"proxy_protocol_from": ("127.0.0.0/8",)}
    gateway = gateway_factory(*SHIPPED, SelfService, core=core, **few)

    def connect(service, client):
        plain = socket.create_connection(("127.0.0.1", port(gateway, service)), timeout=60)
        plain.sendall(f"PROXY TCP4 {client} 127.0.0.1 40000 443\r\n".encode())
        return client_tls().wrap_socket(plain)

    def smtp(client, login):
        with contextlib.closing(smtplib.SMTP()) as submissions:
            submissions.sock = connect("submissions", client)
            submissions.getreply()
            submissions.ehlo("test")
            try:
                return submissions.login(*login)[0]
            except smtplib.SMTPAuthenticationError as error:
                return error.smtp_code

    def page(client, login):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1")) as https:
            https.sock = connect("https", client)
            form = urlencode({"address": login[0], "password": login[1]})
            https.request("POST", "/account", form, {"Content-Type": "application/x-www-form-urlencoded"})
            return https.getresponse().read().decode()

    anna, ben = new_login(gateway), new_login(gateway)
    guess = anna[0], "a wrong password"
    assert smtp("198.51.100.1", anna) == 235
    assert smtp("198.51.100.2", guess) == 535  # smtplib tries PLAIN and then LOGIN: two guesses
    assert "Wrong address" in page("198.51.100.3", guess)
    assert smtp("198.51.100.4", guess) == 454
    assert "from your network" in page("198.51.100.5", guess)
    assert "What this server keeps" in page("198.51.100.5", anna), "a login that was verified a moment ago"
    assert "Wrong address" in page("203.0.113.1", guess) and smtp("203.0.113.1", ben) == 235


def test_a_disabled_account_is_told_why(gateway, anna):
    gateway.store.set_disabled(gateway.store.account(anna[0]).id, "Too many complaints, write to help@example.org")
    assert "Too many complaints" in act(gateway, anna, "delete", status=403, confirm=anna[0])
    page = act(gateway, (anna[0], "a wrong password"), status=403)
    assert "complaints" not in page and "Wrong address" in page
    assert gateway.store.account(anna[0])


def test_odd_input(gateway, anna):
    assert ask(gateway)[0].status == 403
    page = act(gateway, ('"><script>x</script>', "a wrong password"), status=403)
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert act(gateway, (anna[0], anna[1]), "no such thing")
    assert ask(gateway, address="a" * 20000)[0].status == 413
    answer, _ = ask(gateway, address="\0\r\n", password="\udcff".encode("utf-8", "surrogateescape"))
    assert answer.status == 403


def test_no_password_over_plain_http(gateway_factory):
    gateway = gateway_factory(*SHIPPED, SelfService, core={"hostname": "chat.example.org"}, **QUICK)
    connection = http.client.HTTPConnection("127.0.0.1", port(gateway, "http"), timeout=60)
    connection.request("POST", "/account", urlencode({"address": "a", "password": "b"}))
    assert connection.getresponse().status == 403
    connection.close()


def test_nothing_is_logged(gateway, anna, caplog):
    with caplog.at_level(logging.DEBUG):
        act(gateway, anna)
        act(gateway, (anna[0], "a wrong password"), status=403)
        act(gateway, anna, "delete", confirm=anna[0])
    for text in (*anna, "wrong password"):
        assert text not in caplog.text


def test_check_wants_a_site(gateway_factory):
    gateway = gateway_factory("tls", "maildb", "passwordless", SelfService, **QUICK)
    texts = [p.text for found in gateway.hub.check.or_raise(gateway=gateway) for p in found]
    assert any("needs the plugin site" in text for text in texts), json.dumps(texts)
