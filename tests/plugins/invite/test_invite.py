"""Invitations on a closed server, by link, QR code, POST /new and typed password over real sockets; their commands."""

import http.client
import imaplib
import json
import logging
import multiprocessing
import re
import shutil
import smtplib
import stat
import subprocess
import time
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote

import gevent
import pytest
from chatgate_invite import Invite, InviteOptions
from chatgate_invite import tokens as tokens_module
from chatgate_invite.database import Database
from chatgate_invite.hooks import Token
from chatgate_invite.tokens import draw, normal
from chatgate_tls import plugin as tls_plugin
from click.testing import CliRunner

from chatgate.api import Account, Credentials, Reply, Session, hookimpl
from chatgate.hosting.registry import PluginError
from chatgate.testing import client_tls, imap_client, new_login, port, smtp_client

CLOSED = {
    "passwordless": {"registration": "closed", "scrypt_cost": 10, "refusal_seconds": 0.0},
    "imap": {"login_failure_seconds": 0.0},
}
REST = "of my own choice"


class Tls(tls_plugin.Tls):
    """Says that an authority signed the certificate."""

    @hookimpl
    def chatgate_certificate(self, domain):
        return replace(super().chatgate_certificate(domain), self_signed=False)


@pytest.fixture
def gateway(gateway_factory):
    return gateway_factory("tls", "maildb", "passwordless", "smtp", "imap", "site", Invite, **CLOSED)


@pytest.fixture
def public(gateway_factory):
    """One whose links are dcaccount: links for everybody."""
    site = {"imap_port": 993, "smtp_port": 465, "url": "https://chat.example.org"}
    return gateway_factory(Tls, "maildb", "passwordless", "smtp", "imap", "site", Invite, site=site, **CLOSED)


def tokens(gateway):
    return gateway.hub.plugin("invite").kept


def create(gateway, **facts):
    token = draw(**facts)
    tokens(gateway).create(token)
    return token


def used(gateway, token):
    return tokens(gateway).find(token.token).used


def ask(gateway, path, method="GET"):
    connection = http.client.HTTPSConnection("127.0.0.1", port(gateway, "https"), timeout=60, context=client_tls())
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer, answer.read().decode()
    finally:
        connection.close()


def dclogin(link):
    """(address, password) of a dclogin: link."""
    address, _, query = link.removeprefix("dclogin:").partition("?")
    return unquote(address), parse_qs(query)["p"][0]


def login(gateway, address, password):
    session = Session("imap", "127.0.0.1")
    return gateway.hub.authenticate(session=session, credentials=Credentials(address, password))


# -------------------------------------------------------------------------------- at first login


def test_without_an_invitation_nobody_gets_in(gateway):
    address, password = new_login(gateway)
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        imap_client(gateway, (address, password))
    with pytest.raises(smtplib.SMTPAuthenticationError, match="takes no new accounts"):
        smtp_client(gateway, (address, password))
    assert gateway.store.accounts() == []


def test_a_typed_password_that_begins_with_the_token(gateway):
    token = create(gateway, uses=2)
    anna, bob, carl = (new_login(gateway)[0] for _ in range(3))
    password = token.token + REST
    imap_client(gateway, (anna, password)).logout()
    assert used(gateway, token) == 1
    smtp_client(gateway, (anna, password)).quit()
    assert used(gateway, token) == 1, "a later login costs nothing"
    smtp_client(gateway, (bob, password)).quit()  # by SMTP first, as some apps do
    with pytest.raises(imaplib.IMAP4.error, match=r"\[NOPERM\] This invitation has been used up"):
        imap_client(gateway, (carl, password))
    assert used(gateway, token) == 2 and len(gateway.store.accounts()) == 2
    imap_client(gateway, (bob, password)).logout()
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        imap_client(gateway, (anna, token.token + "of somebody else"))  # who has the token, too
    assert tokens(gateway).revoke(token.token)
    imap_client(gateway, (anna, password)).logout()


def test_first_logins_by_imap_and_smtp_together_cost_one_use(gateway):
    token = create(gateway)
    who = new_login(gateway)[0], token.token + REST
    both = [gevent.spawn(connect, gateway, who) for connect in (imap_client, smtp_client)]
    gevent.joinall(both, timeout=60)
    assert all(g.value for g in both) and used(gateway, token) == 1


def test_the_token_may_be_typed_in_capitals_but_not_alone(gateway):
    token = create(gateway)
    address, _ = new_login(gateway)
    for rest in ("", "too few"):
        answer = login(gateway, address, token.token + rest)
        assert answer.imap == "NOPERM" and "9 more characters" in answer.text
    assert used(gateway, token) == 0
    assert isinstance(login(gateway, address, token.token.upper() + REST), Account)
    assert not isinstance(login(gateway, address, token.token + REST), Account), "the password is what was typed"


def test_an_expired_token(gateway):
    late, soon = (create(gateway, expires=int(time.time()) + seconds) for seconds in (-1, 60))
    for token, welcome in ((late, False), (soon, True)):
        assert isinstance(login(gateway, new_login(gateway)[0], token.token + REST), Account) == welcome


def test_the_second_at_which_a_token_expires(gateway, monkeypatch):
    now, ends = [0.0], int(time.time()) + 1000
    monkeypatch.setattr(tokens_module, "time", SimpleNamespace(time=lambda: now[0]))
    token = create(gateway, uses=0, expires=ends)
    for now[0], welcome in ((ends - 1.0, True), (ends - 0.001, True), (float(ends), False)):
        assert tokens_module.good(tokens(gateway).find(token.token)) == welcome
        assert tokens(gateway).take(token.token, now[0]) == welcome, "what is said and what is done agree"
    assert used(gateway, token) == 2


def test_a_wrong_token_is_a_wrong_password(gateway):
    create(gateway)
    answer = login(gateway, new_login(gateway)[0], "a2b3c4d5e6f7g" + REST)
    assert answer.code == 535 and "takes no new accounts" in answer.text


def test_a_frozen_server_takes_nobody(gateway):
    token = create(gateway)
    gateway.path("no-create").touch()
    address, _ = new_login(gateway)
    assert login(gateway, address, token.token + REST).code == 535
    gateway.path("no-create").unlink()
    assert isinstance(login(gateway, address, token.token + REST), Account)


def test_a_use_is_given_back_when_no_account_came_of_it(gateway, monkeypatch):
    token = create(gateway)
    address, _ = new_login(gateway)

    def full_disk(*_, **__):
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(gateway.store, "create_account", full_disk)
        assert login(gateway, address, token.token + REST).temporary
    assert used(gateway, token) == 0
    assert isinstance(login(gateway, address, token.token + REST), Account)


def test_many_at_one_instant_and_one_use(gateway):
    token = create(gateway, uses=3)
    logins = [gevent.spawn(login, gateway, new_login(gateway)[0], token.token + REST) for _ in range(20)]
    gevent.joinall(logins, timeout=60)
    assert sum(isinstance(g.value, Account) for g in logins) == len(gateway.store.accounts()) == 3
    assert used(gateway, token) == 3


def test_on_an_open_server_an_invitation_brings_its_quota(gateway_factory):
    gateway = gateway_factory("tls", "maildb", "passwordless", Invite)
    token = create(gateway, quota=5_000_000)
    account = login(gateway, new_login(gateway)[0], token.token + REST)
    assert gateway.store.usage(account.id).limit == 5_000_000 and used(gateway, token) == 1
    other = login(gateway, *new_login(gateway))
    assert isinstance(other, Account) and gateway.store.usage(other.id).limit != 5_000_000


def test_policies_are_told_of_an_invitation_at_the_beginning_of_a_password(gateway_factory):
    """With ten characters behind it, it is as long as the passwords of automatic relays."""
    options = {"deny_automatic_relays": True, "max_load1": 0.0, "min_free_memory": 0, "min_free_disk": 0}
    gateway = gateway_factory("tls", "maildb", "passwordless", "policy", Invite, policy=options, **CLOSED)
    token = create(gateway)
    assert isinstance(login(gateway, new_login(gateway)[0], token.token + "of0my0own0"), Account)
    assert used(gateway, token) == 1
    assert "used up" in login(gateway, new_login(gateway)[0], token.token + "of0my0own0").text


# -------------------------------------------------------------------------------- POST /new


def test_post_new_with_a_token(public):
    token = create(public)
    answer, body = ask(public, f"/new?token={token.token}", "POST")
    assert answer.status == 200
    given = json.loads(body)
    assert not given["password"].startswith(token.token)
    imap_client(public, (given["email"], given["password"])).logout()
    for path, reason in (
        (f"/new?token={token.token}", "used up"),
        ("/new?token=a2b3c4d5e6f7g", "no such invitation"),
        ("/new?token=%C3%A4%00", "no such invitation"),
        ("/new", "takes no new accounts"),
    ):
        answer, body = ask(public, path, "POST")
        assert answer.status == 403 and reason in json.loads(body)["reason"], path
    assert len(public.store.accounts()) == 1


def test_a_wrong_token_is_refused_on_an_open_server_too(gateway_factory):
    gateway = gateway_factory("tls", "maildb", "passwordless", "site", Invite)
    assert ask(gateway, "/new?token=a2b3c4d5e6f7g", "POST")[0].status == 403
    assert ask(gateway, "/new", "POST")[0].status == 200


# -------------------------------------------------------------------------------- links, pages, QR codes


def test_the_page_of_a_token_for_one_account_each(gateway):
    token = create(gateway)
    answer, page = ask(gateway, f"/invite/{token.token}")
    assert answer.status == 200 and answer.headers["cache-control"] == "no-store"
    link = re.search(r'class="button" href="(dclogin:[^"]+)"', page)[1].replace("&amp;", "&")
    assert gateway.hub.plugin("site").svg(link) in page
    assert f'begins with <code dir="ltr">{token.token}</code>' in page and "at least 9 more characters" in page
    who = dclogin(link)
    assert len(who[1]) == 35 and who[1].startswith(token.token)
    assert dclogin(re.search(r"dclogin:[^\"<]+", ask(gateway, f"/invite/{token.token}")[1])[0])[0] != who[0]
    imap_client(gateway, who).logout()
    assert used(gateway, token) == 1
    for gone in (token.token, "a2b3c4d5e6f7g", "x", "%00", "<b>"):
        answer, page = ask(gateway, f"/invite/{gone}")
        assert answer.status == 404 and "no such invitation" in page and "dclogin" not in page


def test_a_token_may_be_typed_on_the_page(gateway):
    answer, page = ask(gateway, "/invite")
    assert answer.status == 200 and '<input name="token"' in page and "no such invitation" not in page
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    token = create(gateway)
    answer, page = ask(gateway, f"/invite?token=%20{token.token.upper()}%20")
    assert answer.status == 200 and "You are invited" in page
    answer, page = ask(gateway, "/invite?token=a2b3c4d5e6f7g")
    assert answer.status == 404 and "no such invitation" in page and '<input name="token"' in page


def test_the_page_of_a_token_for_everybody(public):
    token = create(public, uses=5)
    link = f"dcaccount:https://chat.example.org/new?token={token.token}"
    answer, page = ask(public, f"/invite/{token.token.upper()}")
    assert answer.status == 200 and f'href="{link}"' in page and public.hub.plugin("site").svg(link) in page
    answer, _ = ask(public, f"/new?token={token.token}")
    assert (answer.status, answer.headers["location"]) == (302, link)
    assert used(public, token) == 0, "looking costs nothing"


@pytest.mark.skipif(not shutil.which("zbarimg"), reason="zbarimg (Debian: zbar-tools) is not installed")
def test_the_picture_of_a_token_lets_somebody_in(gateway, tmp_path):
    made = json.loads(run(gateway, "create", "--json"))
    run(gateway, "qr", made["token"], "--png", str(tmp_path / "code.png"))
    done = subprocess.run(["zbarimg", "-q", "--raw", tmp_path / "code.png"], capture_output=True, text=True, timeout=60)
    imap_client(gateway, dclogin(done.stdout.strip())).logout()
    assert [a.address for a in gateway.store.accounts()] == [dclogin(done.stdout)[0]]


# -------------------------------------------------------------------------------- commands


def run(gateway, *arguments, code=0):
    import click

    group = click.Group()
    gateway.hub.commands.or_raise(cli=group, gateway=gateway)
    result = CliRunner().invoke(group, ["invite", *arguments])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result.output


def test_the_operator_s_commands(gateway):
    text = run(gateway, "create", "--uses", "3", "--expires", "7d", "--quota", "1.5G", "--note", "für die Familie")
    token = text.splitlines()[0]
    assert normal(token) == token and len(token) == 13
    assert f"/invite/{token}\n" in text and "By hand:" in text and "Link, for one account: dclogin:" in text
    (row,) = json.loads(run(gateway, "list", "--json"))
    assert (row["token"], row["uses"], row["used"], row["good"]) == (token, 3, 0, True)
    assert (row["quota"], row["note"]) == (1_500_000_000, "für die Familie")
    imap_client(gateway, (new_login(gateway)[0], token + REST)).logout()
    assert re.search(rf"^{token} +1/3 +20\d\d-\S+ +1500000000 any    für die Familie$", run(gateway, "list"), re.M)
    shown = run(gateway, "qr", token.upper())
    assert "▄" in shown and "dclogin:" in shown
    assert run(gateway, "revoke", token) == "Revoked.\n"
    assert json.loads(run(gateway, "list", "--json")) == []
    for arguments in (("revoke", token), ("qr", token), ("revoke", "?")):
        assert "no such token" in run(gateway, *arguments, code=1)
    assert not isinstance(login(gateway, new_login(gateway)[0], token + REST), Account)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--expires", "soon"),
        ("--expires", "2026-13-01"),
        ("--expires", "0h"),
        ("--expires", "2020-01-01"),
        ("--expires", "9999-12-31"),
        ("--quota", "much"),
        ("--quota", "-1"),
        ("--quota", "999999999T"),
        ("--uses", "-1"),
        ("--note", "two\nlines"),
        ("--note", "red \x1b[31m"),
        ("--note", "x" * 201),
    ],
)
def test_mistakes_of_the_operator(gateway, arguments):
    assert "Invalid value" in run(gateway, "create", *arguments, code=2)
    assert tokens(gateway).all() == []


def test_days_and_no_limit(gateway):
    made = json.loads(run(gateway, "create", "--expires", "2099-12-31", "--quota", "none", "--uses", "0", "--json"))
    assert (made["expires"], made["quota"], made["uses"]) == ("2100-01-01T00:00Z", 0, 0)
    account = login(gateway, new_login(gateway)[0], made["token"] + REST)
    assert gateway.store.usage(account.id).limit == 0
    assert isinstance(login(gateway, new_login(gateway)[0], made["token"] + REST), Account)


def test_without_a_site_there_are_tokens_but_no_links(gateway_factory):
    gateway = gateway_factory("tls", "maildb", "passwordless", Invite)
    made = json.loads(run(gateway, "create", "--json"))
    assert "link" not in made
    assert "plugin site" in run(gateway, "qr", made["token"], code=1)


# -------------------------------------------------------------------------------- the file


def test_tokens_are_unguessable_and_unambiguous(tmp_path):
    kept = Database(tmp_path / "invite.db")
    made = {draw().token for _ in range(50)}
    for token in made:
        kept.create(Token(token))
    assert len(made) == 50 and not set("".join(made)) & set("ilo01")
    assert len(tokens_module._ALPHABET) ** tokens_module.LENGTH > 2**60
    assert sorted(t.token for t in kept.all()) == sorted(made)
    assert stat.S_IMODE((tmp_path / "invite.db").stat().st_mode) == 0o600
    for text in ("", "x", "é" * 13, "a2b3c4d5e6f7", "a2b3c4d5e6f7gh", "a2b3c4d5e6f7l", "\u212a2b3c4d5e6f7g"):
        assert normal(text) == ""


def _take(path, token, results):
    kept = Database(path)
    results.put(sum(kept.take(token, time.time()) for _ in range(10)))


def test_several_processes_spend_no_use_twice(tmp_path):
    kept = Database(tmp_path / "invite.db")
    kept.create(draw(uses=15))
    (token,) = (one.token for one in kept.all())
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [context.Process(target=_take, args=(tmp_path / "invite.db", token, results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    assert sum(results.get(timeout=60) for _ in workers) == 15
    for worker in workers:
        worker.join(60)
    assert kept.find(token).used == 15
    kept.give_back(token)
    assert kept.take(token, time.time()) and not kept.take(token, time.time())


def test_expired_tokens_are_forgotten_after_a_while(gateway):
    now, day = time.time(), 86400
    old, recent, eternal = (create(gateway, expires=int(e)) for e in (now - 31 * day, now - 29 * day, 0))
    counts = gateway.hub.expire.or_raise(now=now)
    assert {"expired invitations": 1} in counts
    assert {t.token for t in tokens(gateway).all()} == {recent.token, eternal.token} and old.token


def test_a_file_that_cannot_be_used_is_named_at_start_and_stops_no_mail(gateway_factory, tmp_path, caplog):
    """It holds what only the operator can restore, so it is left as it is."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/invite.db").write_text("this is not a database" * 100)
    gateway = gateway_factory("tls", "maildb", "passwordless", Invite)
    assert "goes on without: invite: " in caplog.text and "invite.db" in caplog.text
    with pytest.raises(PluginError, match=r"invite: .*invite\.db"):
        tokens(gateway).all()
    assert (tmp_path / "data/invite.db").read_text().startswith("this is not")


def test_a_newer_file_is_left_alone(tmp_path):
    database = Database(tmp_path / "invite.db")
    database.run(lambda db: db.execute_sql("PRAGMA user_version=99"))
    database.stop(1)
    with pytest.raises(PluginError, match="newer program"):
        database.all()


def test_nothing_of_a_token_is_logged(gateway, caplog):
    with caplog.at_level(logging.DEBUG):
        token = create(gateway, note="a note")
        login(gateway, new_login(gateway)[0], token.token + REST)
        ask(gateway, f"/invite/{token.token}")
        ask(gateway, f"/new?token={token.token}", "POST")
    assert token.token not in caplog.text and REST not in caplog.text


def test_a_failing_plugin_lets_nobody_in(gateway, monkeypatch):
    def broken(token):
        raise RuntimeError("boom")

    token = create(gateway)
    monkeypatch.setattr(tokens(gateway), "find", broken)
    answer = login(gateway, new_login(gateway)[0], token.token + REST)
    assert isinstance(answer, Reply) and answer.temporary and "authentication" not in answer.text.lower()


def test_check_wants_somebody_who_asks_for_invitations(gateway_factory):
    gateway = gateway_factory("tls", "maildb", Invite, invite=vars(InviteOptions()))
    texts = [p.text for found in gateway.hub.check.or_raise(gateway=gateway) for p in found]
    assert any("passwordless" in text for text in texts)


def test_the_landing_page_of_a_closed_server_leads_to_the_invitations(gateway, gateway_factory):
    _, page = ask(gateway, "/")
    assert 'href="/invite"' in page and "by invitation only" in page
    assert "dclogin:" not in page and "<svg" not in page
    gateway.stop()
    without = gateway_factory("tls", "maildb", "passwordless", "smtp", "imap", "site", **CLOSED)
    _, page = ask(without, "/")
    assert 'href="/invite"' not in page and "takes no new accounts." in page and "by invitation" not in page


def test_the_pages_of_a_frozen_server_promise_nothing(public):
    token = create(public)
    public.path("no-create").touch()
    for path, text in (
        ("/", "takes no new accounts at the moment"),
        ("/info", "autoconfig</a>."),
        (f"/invite/{token.token}", "come back later"),
    ):
        answer, page = ask(public, path)
        assert answer.status == 200 and text in page, path
        assert not any(way in page for way in ("Create account", "<svg", "dcaccount:", "/new")), path
    public.path("no-create").unlink()
    assert "Create account" in ask(public, f"/invite/{token.token}")[1]
