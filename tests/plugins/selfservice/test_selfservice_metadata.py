"""The account in METADATA, over IMAP, with the page and a second connection beside it."""

import datetime
import html
import json
import logging
import re
import smtplib
import time

import gevent
import pytest
from chatgate_selfservice import SelfService
from imap_trace import Client, Plugin, Theatre
from selfservice_page import QUICK, act

from chatgate.api import Reply, Session, Texts, hookimpl
from chatgate.testing import SHIPPED, imap_client, new_login, pgp_message, smtp_client

ACCOUNT, PASSWORD = "/private/vendor/chatgate/account", "/private/vendor/chatgate/password"


@pytest.fixture
def stage(gateway):
    """Connections to an account that is there."""
    made = Theatre(gateway)
    made.login = new_login(gateway)
    yield made
    made.close()


def noted(stage):
    """The account of connection 1, once its login is noted: that happens beside the login."""
    stage["1"].do("NOOP")
    with gevent.Timeout(60):
        while not (account := stage.gateway.store.account(stage.login[0])).last_login:
            gevent.sleep(0.01)
    return account


def lets_in(stage, password):
    """By a connection of its own, which goes on."""
    client = stage.stranger()
    client.start(f'LOGIN {stage.login[0]} "{password}"')
    answer = client.finish()
    assert answer.startswith((b"OK", b"NO [AUTHENTICATIONFAILED]")), answer
    return client if answer.startswith(b"OK") else None


def remains(stage):
    """A session of the account that does not hear of its end: hints may be lost on the way between processes."""
    stage["1"].do("NOOP")
    return Session("imap", "", tls=True, account=stage.gateway.store.account(stage.login[0]))


def asked(stage, session, password):
    facts = {"mailbox": "", "entry": PASSWORD, "value": password if password is None else password.encode()}
    return stage.gateway.hub.set_metadata(session=session, **facts)


def tells(stage, session):
    return stage.gateway.hub.get_metadata(session=session, mailbox="", entry=ACCOUNT)


def nothing_is_kept(stage):
    store = stage.gateway.store
    account = store.account(stage.login[0])
    assert [store.annotations(account.id, mailbox) for mailbox in ("", "INBOX")] == [{}, {}]


def test_a_new_password_counts_at_once_everywhere(stage):
    stage.play(f"""
        1> SELECT INBOX
        2> GETMETADATA "" {PASSWORD}
        2< OK
        1> SETMETADATA "" ({PASSWORD} "quite another password")
        1< OK
        1> GETMETADATA "" {PASSWORD}
        1! * METADATA
        1< OK
        1! * METADATA
    """)
    (line,) = stage["1"].do(f'GETMETADATA (DEPTH infinity) "" (/private/vendor /private/vendor/chatgate {PASSWORD})')
    assert line.startswith(b'* METADATA "" (%s {' % ACCOUNT.encode()) and b"password" not in line
    assert stage["2"].line().startswith(b"* BYE [EXPIRED] The password was changed") and stage["2"].closed()
    assert not lets_in(stage, stage.login[1]) and lets_in(stage, "quite another password")
    with pytest.raises(smtplib.SMTPAuthenticationError):
        smtp_client(stage.gateway, stage.login)
    smtp_client(stage.gateway, (stage.login[0], "quite another password")).quit()
    nothing_is_kept(stage)


def test_who_found_out_the_old_password_cannot_take_the_account_back(stage):
    """Both sessions were logged in with it; only the one that changed it knows the new one."""
    thief = remains(stage)
    stage["1"].do(f'SETMETADATA "" ({PASSWORD} "the owner\'s new one")')
    assert asked(stage, thief, "the password of a thief").text.startswith("The password was changed")
    assert tells(stage, thief) is None
    stage["1"].do(f'SETMETADATA "" ({PASSWORD} "and once more another")')
    owner = lets_in(stage, "and once more another")
    assert owner and not lets_in(stage, "the password of a thief")
    owner.do(f'SETMETADATA "" ({PASSWORD} "{stage.login[1]}")')
    assert lets_in(stage, stage.login[1])


@pytest.mark.parametrize("password", ["grüße aus köln", 'with "quotes" and \\', " blanks at both ends "])
def test_whatever_one_can_log_in_with(stage, password):
    literal = b"{%d+}\r\n%s" % (len(password.encode()), password.encode())
    stage["1"].do(b'SETMETADATA "" (/Private/Vendor/ChatGate/PASSWORD %s)' % literal)
    client = stage.stranger()
    client.do(b"LOGIN %s %s" % (stage.login[0].encode(), literal))
    act(stage.gateway, (stage.login[0], password))


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (f'"" ({PASSWORD} "secret-1")', b"NO [CANNOT] Passwords have 9 to 1024 characters"),
        (f'"" ({PASSWORD} "{"secret-1" * 200}")', b"NO [CANNOT] Passwords have 9 to 1024 characters"),
        (f'"" ({PASSWORD} "")', b"NO [CANNOT] Passwords have"),
        (f'"" ({PASSWORD} NIL)', b"NO [CANNOT] Passwords have"),
        (f'"" ({PASSWORD} "{"secret-1" * 600}")', b"NO [METADATA MAXSIZE 4096]"),
        (b'"" (%s {11+}\r\nsecret-1\xff\xfe\xfd)' % PASSWORD.encode(), b"NO [CANNOT] A password is text in UTF-8"),
        (f'INBOX ({PASSWORD} "secret-1 is long enough")', b"NO [NOPERM]"),
        (f'"" ({PASSWORD}/x "secret-1 is long enough")', b"NO [NOPERM]"),
        ('"" (/private/vendor/chatgate/passwort "secret-1 is long enough")', b"NO [NOPERM]"),
        ('"" (/private/vendor/chatgate "secret-1 is long enough")', b"NO [NOPERM]"),
        (f'"" ({ACCOUNT} "secret-1 is long enough")', b"NO [NOPERM]"),
    ],
)
def test_what_is_refused_changes_nothing_and_is_kept_nowhere(stage, caplog, command, answer):
    with caplog.at_level(logging.DEBUG):
        if isinstance(command, str):
            command = command.encode()
        assert stage["1"].fails(b"SETMETADATA " + command).startswith(answer)
    assert "secret-1" not in caplog.text
    assert lets_in(stage, stage.login[1]) and not lets_in(stage, "secret-1 is long enough")
    (line,) = stage["1"].do('GETMETADATA (DEPTH infinity) "" (/private/vendor /private/vendor/chatgate)')
    assert line.startswith(b'* METADATA "" (%s {' % ACCOUNT.encode()) and line.count(b"/private/") == 1
    nothing_is_kept(stage)


def test_others_below_a_name_like_ours_keep_their_notes(stage):
    stage["1"].do('SETMETADATA "" (/private/vendor/chatgates/x "y")')
    (line,) = stage["1"].do('GETMETADATA "" /private/vendor/chatgates/x')
    assert line.endswith(b"\r\ny)")


class Rules(Plugin):
    """A plugin with a say in passwords: one word is refused, another breaks it."""

    order = 40

    @hookimpl
    def chatgate_set_password(self, password):
        if password == "breaks a plugin":
            raise RuntimeError("details")
        return Reply(550, "5.7.1", "Not this word", imap="CANNOT") if password == "a word too many" else None


def test_refusals_are_those_of_the_page(gateway_factory):
    imap = {"login_failure_seconds": 0.0, "plaintext_login": True}
    gateway = gateway_factory(*SHIPPED, SelfService, Rules, **QUICK, imap=imap)
    login = "abcdefghi@example.org", "a password of mine"
    with Client(gateway) as client:
        client.do('LOGIN {} "{}"'.format(*login))
        for new, code in (("a word too many", "CANNOT"), ("breaks a plugin", "UNAVAILABLE"), ("short", "CANNOT")):
            page = act(gateway, login, "password", status=400, new=new, again=new)
            text = html.unescape(re.search(r'role="alert">(.*)\.</p>', page)[1])
            assert client.fails(f'SETMETADATA "" ({PASSWORD} "{new}")').decode() == f"NO [{code}] {text}"
    imap_client(gateway, login).logout()


def test_a_disabled_account_is_told_why(stage):
    session = remains(stage)
    account = session.account
    stage.gateway.store.set_disabled(account.id, "Too many complaints")
    for value in ("quite another password", None):
        answer = asked(stage, session, value)
        assert (answer.imap, answer.text) == ("CONTACTADMIN", "Too many complaints")
    assert tells(stage, session) is None
    assert stage["1"].line() == b"* BYE [CONTACTADMIN] Too many complaints"
    assert stage.gateway.store.account(stage.login[0]).secret == account.secret


def test_a_connection_of_a_deleted_account_has_no_power_over_the_next(stage):
    session, store = remains(stage), stage.gateway.store
    store.delete_account(store.account(stage.login[0]).id, tombstone=False)
    for made in (lambda: None, lambda: imap_client(stage.gateway, (stage.login[0], "of the next one")).logout()):
        made()
        answer = asked(stage, session, "quite another password")
        assert (answer.imap, answer.text) == ("NOPERM", "This account does not exist any more")
        assert tells(stage, session) is None
    assert stage["1"].line() == b"* BYE This account does not exist any more"
    assert lets_in(stage, "of the next one")


def told(client):
    """The inside of the answer."""
    (line,) = client.do(f'GETMETADATA "" {ACCOUNT}')
    head, _, value = line.partition(b"\r\n")
    assert head.startswith(b'* METADATA "" (%s {' % ACCOUNT.encode()) and value.endswith(b")")
    assert b"\n" not in value and value.isascii()
    return json.loads(value[:-1])


def test_what_is_kept_in_one_line(stage):
    day = time.strftime("%Y-%m-%d", time.gmtime())
    client, account, store = stage["1"], noted(stage), stage.gateway.store
    fresh = {
        "address": stage.login[0], "created": day, "last_login": day, "messages": 0, "octets": 0,
        "quota_octets": 500_000_000, "own_quota": False, "disabled": None, "cleartext": False,
        "mailboxes": {}, "notification_tokens": 0,
    }  # fmt: skip
    assert told(client) == fresh
    client.do("CREATE Gel&APY-scht")
    for mailbox in ("INBOX", "INBOX", "Gel&APY-scht"):
        client.append(pgp_message("a@example.org", stage.login[0]), mailbox)
    client.do('SETMETADATA INBOX (/private/devicetoken "abc")')
    store.set_quota(account.id, 0)
    store.writer.run(lambda tx: tx.execute("UPDATE account SET last_login=0"))
    usage = store.usage(account.id)
    assert told(client) == fresh | {
        "last_login": None, "messages": 3, "octets": usage.octets, "quota_octets": None, "own_quota": True,
        "mailboxes": {"INBOX": 2, "Gelöscht": 1}, "notification_tokens": 1,
    }  # fmt: skip
    assert usage.octets > 9000
    assert client.do(f"GETMETADATA INBOX {ACCOUNT}") == []


def test_the_page_tells_the_same(stage):
    """Each value by itself, and so the page and the line come from one place."""
    client, number, store = stage["1"], noted(stage).id, stage.gateway.store
    client.do('SETMETADATA INBOX (/private/devicetoken "abc")')
    for _ in range(3):
        client.append(b"Subject: x\r\n\r\n" + b"x" * 2000)
    store.writer.run(lambda tx: tx.execute("UPDATE account SET last_login=20000"))
    store.set_quota(number, 7_000_000)
    facts, text = told(client), re.sub(r"<[^>]+>|\s+", " ", html.unescape(act(stage.gateway, stage.login)))
    text = re.sub(r" +", " ", text)
    assert f"3 messages, {facts['octets'] / 1000:.3g} kB of the 7 MB there is room for" in text
    assert f" INBOX : {facts['mailboxes']['INBOX']} " in text and facts["messages"] == 3
    assert "Last login 4 October 2024 Only the day" in text and facts["last_login"] == "2024-10-04"
    assert (
        f"Account made {Texts().date(datetime.date.fromisoformat(facts['created']))} " in text
        and f"{facts['address']} " in text
    )
    assert f"Notification tokens {facts['notification_tokens']}, left" in text
