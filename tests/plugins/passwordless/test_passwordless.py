"""Logging in and coming into being: chatgate_passwordless on a gateway with a store in memory."""

import base64
import dataclasses
import datetime
import hashlib
import imaplib
import re
import smtplib

import gevent
import pytest
from chatgate_passwordless import PasswordlessOptions, hashing, memory
from chatgate_passwordless.hashing import Busy, Hasher
from gevent.monkey import get_original
from hypothesis import given, settings
from hypothesis import strategies as st
from passwordless_gate import ADDRESS, PASSWORD, Gate, wrong

from chatgate.api import Domain, Texts
from chatgate.network.session import Session
from chatgate.reply import Reply
from chatgate.store.records import Account
from chatgate.testing import imap_client, new_login, smtp_client


@pytest.fixture
def gate(tmp_path):
    return Gate(tmp_path)


@pytest.fixture
def scrypts(monkeypatch):
    """A list that grows with each scrypt that runs."""
    ran, compute = [], hashing._compute

    def counted(*args):
        ran.append(args[2:])
        return compute(*args)

    monkeypatch.setattr(hashing, "_compute", counted)
    return ran


# -------------------------------------------------------------------------------- first and later logins


def test_the_first_login_makes_the_account_and_owns_it(gate):
    account = gate.login()
    assert isinstance(account, Account) and account.address == ADDRESS
    assert gate.login() == account
    wrong(gate.login(password="another password"))
    assert gate.login() == account
    assert gate.store.made == 1
    assert gate.policy.asked == [(ADDRESS, "login")]


def test_names_are_lower_case(gate):
    account = gate.login("ABCdefGHI@Example.ORG")
    assert account.address == ADDRESS
    assert gate.login(ADDRESS) == account


def test_an_ip_literal_is_a_domain(tmp_path):
    gate = Gate(tmp_path, "[127.0.0.4]")
    assert gate.login("abcdefghi@[127.0.0.4]").address == "abcdefghi@[127.0.0.4]"
    assert gate.login("ABCdefghi@127.0.0.4").address == "abcdefghi@[127.0.0.4]", "as people type it"
    assert gate.store.made == 1
    wrong(gate.login("abcdefghi@127.0.0.5"))


@pytest.mark.parametrize("domain", ["[IPv6:2001:db8::1]", "[ipv6:2001:DB8:0:0::1]", "2001:db8::1"])
def test_an_ipv6_literal_is_a_domain_in_any_spelling(tmp_path, domain):
    gate = Gate(tmp_path, domain)
    for typed in ("[IPv6:2001:db8::1]", "2001:db8::1", "[2001:db8:0::1]", "IPv6:2001:DB8::1"):
        assert gate.login(f"abcdefghi@{typed}").address == "abcdefghi@[ipv6:2001:db8::1]"
    assert gate.store.made == 1


@pytest.mark.parametrize("name", [".bcdefghi", "abcdefgh.", "abc..fghi", "........."])
def test_a_name_that_no_mail_can_reach(gate, name):
    """No new account; who has one from before logs in."""
    address = f"{name}@example.org"
    refusal = wrong(gate.login(address))
    assert "Dots in names of new accounts stand between other characters" in refusal.text
    for way in ("site", "operator"):
        assert gate.create(address, way=way).code == 550
    assert gate.store.made == 0
    gate.store.by_address[address] = Account(7, address, Hasher(10, 1, 1).make(PASSWORD))
    assert gate.login(address).id == 7
    assert wrong(gate.login(address, "a wrong password")).text == refusal.text


def test_a_restart_forgets_no_password(gate, tmp_path):
    account = gate.login()
    after = Gate(tmp_path)
    after.store.by_address = gate.store.by_address
    wrong(after.login(password="another password"))
    assert after.login() == account


@pytest.mark.parametrize("password", ["pässwörd!", "\udcff\udcfe octets", "nul\0in it", "x" * 1024, "123456789"])
def test_odd_passwords(gate, password):
    account = gate.login(password=password)
    assert isinstance(account, Account)
    wrong(gate.login(password=password[:-1] + "?"))
    gate.gateway.hub.plugin("passwordless")._verified.forget(account)
    assert gate.login(password=password) == account


def test_secrets_are_salted_and_say_how_they_were_made(gate):
    gate.login()
    gate.login("ihgfedcba@example.org")
    first, second = (account.secret for account in gate.store.by_address.values())
    assert first != second
    _, scheme, parameters, salt, digest = first.split("$")
    assert (scheme, parameters) == ("scrypt", "ln=10,r=8,p=1")
    salt, digest = (base64.b64decode(text + "==") for text in (salt, digest))
    assert len(salt) == 16
    assert digest == hashlib.scrypt(PASSWORD.encode(), salt=salt, n=1024, r=8, p=1, dklen=32)


def test_another_cost_leaves_old_accounts_alone(gate, tmp_path):
    account = gate.login()
    dearer = Gate(tmp_path, scrypt_cost=11)
    dearer.store.by_address = gate.store.by_address
    assert dearer.login() == account
    assert "ln=11" in dearer.login("ihgfedcba@example.org").secret


def test_the_default_cost_is_within_scrypts_memory_limit():
    hasher = Hasher(PasswordlessOptions().scrypt_cost, 1, 1)
    secret = hasher.make(PASSWORD)
    assert secret.startswith("$scrypt$ln=14,r=8,p=1$")
    assert hasher.verify(PASSWORD, secret) and not hasher.verify(PASSWORD + "?", secret)
    assert Hasher(16, 1, 1).verify("x", Hasher(16, 1, 1).make("x"))  # past OpenSSL's own limit of 32 MB


# -------------------------------------------------------------------------------- at the same instant


@pytest.fixture(params=["memory", "maildb"])
def any_gate(request, tmp_path):
    """With either store; the real one brings real transactions and native threads."""
    gate = Gate(tmp_path, store=request.param)
    yield gate
    gate.gateway.stop()


def test_fifty_first_logins_with_one_password(any_gate, scrypts):
    logins = [gevent.spawn(any_gate.login) for _ in range(50)]
    gevent.joinall(logins, timeout=60)
    accounts = {login.value for login in logins}
    assert len(accounts) == 1 and isinstance(accounts.pop(), Account)
    assert len(any_gate.store.accounts()) == 1
    assert len(scrypts) == 1


def test_fifty_first_logins_with_fifty_passwords(any_gate):
    logins = [gevent.spawn(any_gate.login, ADDRESS, f"{PASSWORD} {n}") for n in range(50)]
    gevent.joinall(logins, timeout=60)
    winners = [n for n, login in enumerate(logins) if isinstance(login.value, Account)]
    assert len(winners) == 1 and len(any_gate.store.accounts()) == 1
    for n, login in enumerate(logins):
        if n not in winners:
            wrong(login.value)
    assert isinstance(any_gate.login(password=f"{PASSWORD} {winners[0]}"), Account)


def test_removing_and_coming_back_with_the_real_store(tmp_path):
    gate = Gate(tmp_path, store="maildb")
    account = gate.login()
    assert gate.login() == account
    assert gate.gateway.accounts.set_password(account, "a new password") is True
    wrong(gate.login())
    gate.gateway.accounts.delete(account)
    wrong(gate.login())
    wrong(gate.login(password="somebody else's password"))
    for way in ("site", "operator"):
        answer = gate.create(way=way)
        assert (answer.code, answer.imap) == (550, "ALREADYEXISTS") and "not given away again" in answer.text
    assert gate.store.accounts() == []
    back = gate.login(password="a new password")
    assert back.address == ADDRESS and back.id != account.id
    wrong(gate.login(password="somebody else's password"))
    gate.gateway.stop()


def removed(gate, **login):
    account = gate.login(**login)
    gate.gateway.accounts.delete(account)
    return account


def test_the_owner_comes_back_whatever_policies_and_the_door_say_of_newcomers(tmp_path, scrypts):
    gate = Gate(tmp_path, store="maildb")
    account = removed(gate)
    gate.gateway.stop()
    gate = Gate(tmp_path, store="maildb", registration="closed")
    gate.policy.answer = Reply(451, "4.3.2", "Busy", imap="LIMIT")
    del scrypts[:]
    wrong(gate.login(password="another password"))
    wrong(gate.login(password=PASSWORD + "x" * 2000))
    assert len(scrypts) == 2, "the time does not tell of a tombstone"
    assert gate.login().secret == account.secret
    assert not gate.policy.asked
    del scrypts[:]
    assert isinstance(gate.login(), Account) and not scrypts
    gate.gateway.stop()


def test_not_even_the_owner_comes_back_while_all_is_frozen(tmp_path):
    gate = Gate(tmp_path, store="maildb")
    removed(gate)
    (tmp_path / "no-create").touch()
    wrong(gate.login())
    (tmp_path / "no-create").unlink()
    assert isinstance(gate.login(), Account)
    gate.gateway.stop()


@pytest.mark.parametrize("settings", [{}, {"registration": "closed"}], ids=["open", "closed"])
def test_after_a_final_deletion_every_password_is_a_wrong_one(tmp_path, scrypts, settings):
    gate = Gate(tmp_path, store="maildb", **settings)
    other = gate.create("somebody1@example.org", "some other password", way="operator")
    account = gate.create(way="operator")
    assert gate.login() == account, "verified, and remembered"
    gate.gateway.accounts.delete(account, final=True)
    gate.policy.asked.clear()
    for password in (PASSWORD, "another password", PASSWORD + "x" * 2000, "", "short"):
        del scrypts[:]
        assert wrong(gate.login(password=password)) == wrong(gate.login(other.address, password))
        assert len(scrypts) == 2, "one each"
    for way in ("site", "operator"):
        assert gate.create(way=way).imap == ("NOPERM" if settings and way == "site" else "ALREADYEXISTS")
    assert not [asked for asked in gate.policy.asked if asked[1] == "login"], "nobody is a newcomer there"
    assert gate.store.accounts() == [other] and gate.store.tombstone(ADDRESS) == ""
    gate.gateway.stop()


def test_an_address_whose_owner_left_it_free(tmp_path):
    gate = Gate(tmp_path, store="maildb")
    account = gate.login()
    gate.gateway.accounts.delete(account, tombstone=False)
    assert gate.login(password="a new owner's password").address == ADDRESS
    gate.gateway.stop()


# -------------------------------------------------------------------------------- disabled accounts


def test_a_disabled_account_hears_why_once_it_proved_who_it_is(tmp_path, scrypts):
    gate = Gate(tmp_path, store="maildb")
    account = gate.login()
    gate.store.set_disabled(account.id, "Too many complaints")
    for _ in range(2):  # remembered, then hashed
        answer = gate.login()
        assert (answer.code, answer.enhanced, answer.imap) == (525, "5.7.13", "CONTACTADMIN")
        assert answer.text == "Too many complaints"
        gate.gateway.hub.plugin("passwordless")._verified.forget(account)
    assert "complaints" not in wrong(gate.login(password="another password")).text
    gate.store.set_disabled(account.id, "")
    assert gate.login() == account
    gate.gateway.stop()


def test_a_disabled_account_over_the_wire(gateway_factory):
    """No word that makes Delta Chat tell of a wrong password."""
    gateway = gateway_factory("tls", "maildb", "passwordless", "smtp", "imap", imap={"login_failure_seconds": 0.0})
    who = new_login(gateway)
    imap_client(gateway, who).logout()
    gateway.store.set_disabled(gateway.store.account(who[0]).id, "Too many complaints")
    with pytest.raises(imaplib.IMAP4.error) as imap:
        imap_client(gateway, who)
    assert str(imap.value) == "b'[CONTACTADMIN] Too many complaints'"
    with pytest.raises(smtplib.SMTPAuthenticationError) as smtp:
        smtp_client(gateway, who)
    assert (smtp.value.smtp_code, smtp.value.smtp_error) == (535, b"5.7.13 Too many complaints")


# -------------------------------------------------------------------------------- guessing


def test_a_network_that_guesses_has_to_wait(tmp_path, scrypts):
    gate, now = Gate(tmp_path, wrong_per_minute=3), [60.0]
    gate.guesses._clock = lambda: now[0]
    guesser, neighbour, other = "192.0.2.1", "192.0.2.200", "192.0.3.1"
    account = gate.login(peer=guesser)
    for n in range(3):
        wrong(gate.login(password=f"wrong guess {n}", peer=guesser))
    del scrypts[:]
    answer = gate.login(password=PASSWORD + "!", peer=neighbour)
    assert answer.temporary and answer.imap == "LIMIT" and "authentication" not in answer.text.lower()
    assert gate.login("abcdefg99@example.org", peer=guesser) == answer, "a new address costs a hash, too"
    assert scrypts == []
    assert gate.login(peer=neighbour) == account, "a login that is remembered costs nothing"
    wrong(gate.login(password="wrong guess", peer=other))
    for _ in range(5):
        wrong(gate.login(password="wrong guess"))  # from this machine: a proxy, and all who come by it
    now[0] = 120.0
    wrong(gate.login(password="wrong guess", peer=guesser))


def test_right_logins_and_failures_of_ours_are_no_guesses(tmp_path):
    gate, peer = Gate(tmp_path, wrong_per_minute=2, remember_logins=0), "2001:db8::1"
    for _ in range(5):
        assert isinstance(gate.login(peer=peer), Account)
    gate.policy.answer = Reply(451, "4.3.2", "Busy", imap="LIMIT")
    for n in range(5):
        assert gate.login(f"newcomer{n}@example.org", peer=peer) == gate.policy.answer
    wrong(gate.login(password="wrong guess", peer=peer))
    assert isinstance(gate.login(peer=peer), Account)
    assert dict(gate.guesses._counts) == {Session("imap", peer).network: 1}


def test_guesses_at_one_instant(tmp_path, scrypts):
    gate = Gate(tmp_path, wrong_per_minute=4)
    gate.login()
    del scrypts[:]
    guesses = [gevent.spawn(gate.login, ADDRESS, f"wrong guess {n}", "192.0.2.1") for n in range(30)]
    gevent.joinall(guesses, timeout=60, raise_error=True)
    assert len(scrypts) == 4


# -------------------------------------------------------------------------------- invitations


class Ticket:
    """An invitation, and what was done with it."""

    token = "token"

    def __init__(self, left=1, quota=None):
        self.left, self.quota, self.log = left, quota, []

    def take(self):
        self.log.append("take")
        self.left -= 1
        return self.left >= 0

    def give_back(self):
        self.log.append("give back")
        self.left += 1


def test_an_invitation_opens_a_closed_door(tmp_path):
    gate = Gate(tmp_path, store="maildb", registration="closed")
    ticket = gate.policy.invitation = Ticket(2, quota=12345)
    wrong(gate.login())
    account = gate.login(password="token and more")
    assert gate.store.usage(account.id).limit == 12345
    assert isinstance(gate.create("ihgfedcba@example.org", token="token"), Account)
    assert gate.create("third9999@example.org", token="token").text == "This invitation has been used up"
    assert ticket.log == ["take", "take", "take"] and gate.policy.asked[0] == (ADDRESS, "login")
    assert "no such invitation" in gate.create("fourth999@example.org", token="of another kind").text
    assert isinstance(gate.create("operators@example.org", way="operator"), Account)
    gate.gateway.stop()


def test_what_came_to_nothing_is_given_back(tmp_path, monkeypatch):
    gate = Gate(tmp_path, registration="closed")
    ticket = gate.policy.invitation = Ticket()
    gate.policy.answer = Reply(451, "4.3.2", "Busy", imap="LIMIT")
    assert gate.login(password="token and more") == gate.policy.answer and ticket.log == []
    gate.policy.answer = None
    gate.create(way="operator")
    assert gate.create(token="token").imap == "ALREADYEXISTS"
    assert ticket.log == ["take", "give back"]
    monkeypatch.setattr(gate.store, "create_account", lambda *_: 1 / 0)
    assert gate.login("ihgfedcba@example.org", "token and more").temporary and ticket.left == 1


def test_an_invitation_that_is_not_good_any_more_says_so(tmp_path, scrypts):
    gate = Gate(tmp_path, registration="closed")
    gate.create(way="operator")
    gate.policy.invitation = Reply(550, "5.7.1", "Too late", imap="NOPERM")
    del scrypts[:]
    assert gate.login("ihgfedcba@example.org", "token and more") == gate.policy.invitation
    assert len(scrypts) == 1
    assert "Too late" not in wrong(gate.login(password="token and more")).text
    assert len(scrypts) == 2


FROZEN = "This server takes no new accounts at the moment, please come back later"


def test_the_freeze_file_is_for_everybody_but_the_operator(gate, tmp_path):
    ticket = gate.policy.invitation = Ticket()
    (tmp_path / "no-create").touch()
    wrong(gate.login(password="token and more"))
    assert gate.create(token="token").text == FROZEN
    assert ticket.log == []
    assert isinstance(gate.create(way="operator"), Account)


def test_first_logins_by_imap_and_smtp_together(gateway_factory):
    """As Delta Chat does it, over the wire."""
    gateway = gateway_factory("tls", "maildb", "passwordless", "smtp", "imap")

    def login(connect, credentials):
        client = connect(gateway, credentials)
        (client.quit if hasattr(client, "quit") else client.logout)()
        return True

    people = [new_login(gateway) for _ in range(5)]
    logins = [gevent.spawn(login, connect, who) for who in people for connect in (smtp_client, imap_client)]
    gevent.joinall(logins, timeout=60)
    assert all(greenlet.value for greenlet in logins)
    assert len(gateway.store.accounts()) == 5
    address, _ = people[0]
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        imap_client(gateway, (address, "another password"))
    with pytest.raises(smtplib.SMTPAuthenticationError, match="wrong address or password"):
        smtp_client(gateway, (address, "another password"))


def test_another_process_wins_the_race(gate):
    """The account appears between our look and our creation."""
    hasher = Hasher(10, 1, 1)
    for password, welcome in ((PASSWORD, True), ("of another person", False)):
        gate.store.by_address = {}
        real = gate.store.create_account

        def late(address, secret, quota=None, password=password, real=real):
            real(address, hasher.make(password))
            return real(address, secret)

        gate.store.create_account = late
        answer = gate.login()
        gate.store.create_account = real
        if welcome:
            assert answer == gate.store.account(ADDRESS)
        else:
            wrong(answer)


def test_an_interrupted_login_leaves_no_one_waiting(gate):
    leader = gevent.spawn(gate.login)
    gevent.sleep(0)
    gevent.sleep(0)
    follower = gevent.spawn(gate.login)
    gevent.sleep(0)
    gevent.sleep(0)
    leader.kill()
    answer = follower.get(timeout=60)
    assert isinstance(answer, Account) or answer.temporary
    assert isinstance(gate.login(), Account)


def test_a_flood_is_told_to_come_back(tmp_path, monkeypatch):
    gate = Gate(tmp_path, hash_threads=1, hash_queue=3)
    compute, sleep = hashing._compute, get_original("time", "sleep")

    def once_the_others_are_refused(*args):
        while sum(login.ready() for login in logins) < 26:
            sleep(0.001)
        return compute(*args)

    monkeypatch.setattr(hashing, "_compute", once_the_others_are_refused)
    logins = [gevent.spawn(gate.login, f"flood{n:04}@example.org") for n in range(30)]
    gevent.joinall(logins, timeout=60)
    answers = [login.value for login in logins]
    refused = [answer for answer in answers if isinstance(answer, Reply)]
    assert sum(isinstance(answer, Account) for answer in answers) == 4 and len(refused) == 26
    for reply in refused:
        assert (reply.code, reply.imap) == (454, "LIMIT") and "authentication" not in reply.text.lower()
    assert isinstance(gate.login(), Account)  # the queue is free again


def test_the_hub_goes_on_while_passwords_are_hashed(tmp_path):
    gate = Gate(tmp_path, scrypt_cost=16)
    login, turns = gevent.spawn(gate.login), 0
    while not login.ready():
        gevent.sleep(0.001)
        turns += 1
    assert isinstance(login.value, Account) and turns > 10


# -------------------------------------------------------------------------------- remembered logins


def test_a_verified_login_costs_no_hash(gate, scrypts):
    account = gate.login()
    assert len(scrypts) == 1
    for _ in range(5):
        assert gate.login() == account
    assert len(scrypts) == 1
    wrong(gate.login(password="another password"))
    assert len(scrypts) == 2


def test_memory_is_short_and_bounded(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(memory.time, "monotonic", lambda: clock[0])
    known = memory.Verified(60, 3)
    accounts = [Account(n, f"{n}@example.org", f"secret{n}") for n in range(5)]
    for account in accounts:
        known.add(account, "pw")
    assert len(known) == 3
    assert [(account, "pw") in known for account in accounts] == [False, False, True, True, True]
    assert (accounts[4], "other") not in known
    assert (dataclasses.replace(accounts[4], secret="changed"), "pw") not in known
    known.forget(accounts[4])
    assert (accounts[4], "pw") not in known
    clock[0] += 61
    assert (accounts[3], "pw") not in known


def test_memory_holds_neither_passwords_nor_plain_hashes():
    one, two = memory.Verified(60, 3), memory.Verified(60, 3)
    account = Account(1, ADDRESS, "secret")
    one.add(account, PASSWORD)
    two.add(account, PASSWORD)
    assert one._known[1][1] != two._known[1][1]
    assert PASSWORD not in repr(one._known)


def test_a_changed_password(gate, scrypts):
    account = gate.login()
    ask = gate.gateway.hub.set_password
    assert ask(account=account, password="a new password") is True
    wrong(gate.login())
    assert gate.login(password="a new password").id == account.id
    refusal = ask(account=account, password="short")
    assert not refusal.accepts and "9 to 1024" in refusal.text
    assert gate.login(password="a new password").id == account.id


def test_a_removed_account_is_forgotten_and_its_address_free(gate):
    account = gate.login()
    gate.gateway.accounts.delete(account)
    assert len(gate.gateway.hub.plugin("passwordless")._verified) == 0
    new = gate.login(password="a new owner's password")
    assert new.id != account.id
    wrong(gate.login())


def test_an_address_that_got_a_new_owner_in_another_process(gate):
    account = gate.login()
    gate.store.delete_account(account.id)
    gate.store.by_address[ADDRESS] = Account(account.id, ADDRESS, Hasher(10, 1, 1).make("somebody else's"))
    wrong(gate.login())


# -------------------------------------------------------------------------------- the price of "no"


def test_no_costs_the_same_for_known_and_unknown(tmp_path, scrypts):
    gate = Gate(tmp_path)
    gate.login()
    drawn = "x" * 22
    assert gate.create("generated@example.org", drawn, generated=True).secret.startswith("$sha256$")
    gate.create("op@example.org", way="operator")
    (tmp_path / "no-create").touch()

    def price(address, password):
        del scrypts[:]
        reply = wrong(gate.login(address, password))
        assert set(scrypts) == {(1024, 8, 1, 32)}
        return len(scrypts), reply

    for password in ("a wrong password", "short", "x" * 5000):
        known, generated, unknown = (
            price(f"{name}@example.org", password) for name in ("abcdefghi", "generated", "nobodyhas")
        )
        assert known == generated == unknown and known[0] == 1
        assert price("op@example.org", password) == price("no@example.org", password)
        assert price("nobody@example.com", password)[0] == price("@", password)[0] == price("", password)[0] == 1


def test_the_texts_say_what_helps(tmp_path):
    gate = Gate(tmp_path)
    gate.login()
    assert wrong(gate.login(password="wrong password")).text == "Authentication failed: wrong address or password"
    assert "9 characters of a-z 0-9 . _ -" in wrong(gate.login("bob@example.org")).text
    assert "end in @example.org" in wrong(gate.login("bob")).text
    assert "9 to 1024" in wrong(gate.login("ihgfedcba@example.org", "short")).text
    (tmp_path / "no-create").touch()
    assert wrong(gate.login("ihgfedcba@example.org")).text.endswith(f"wrong address or password. {FROZEN}")


# -------------------------------------------------------------------------------- freeze, closed, policy


def test_freezing_and_thawing(gate, tmp_path):
    account = gate.login()
    (tmp_path / "no-create").touch()
    assert gate.login() == account
    wrong(gate.login("ihgfedcba@example.org"))
    assert gate.create("ihgfedcba@example.org").text == FROZEN
    assert gate.store.made == 1
    (warning,) = gate.gateway.hub.check.or_raise(gateway=gate.gateway)[0]
    assert warning.level == "warning" and "no-create" in warning.text
    (tmp_path / "no-create").unlink()
    assert isinstance(gate.login("ihgfedcba@example.org"), Account)


def test_a_closed_server_lets_the_operator_in_and_nobody_else(tmp_path):
    gate = Gate(tmp_path, registration="closed")
    wrong(gate.login())
    assert not gate.create().accepts
    assert gate.store.made == 0
    account = gate.create(way="operator")
    assert gate.login() == account
    gate.policy.answer = Reply(550, "5.7.1", "Too many")
    del gate.policy.asked[:]
    assert wrong(gate.login("ihgfedcba@example.org")) == wrong(gate.login(password="another password"))
    assert gate.policy.asked == []  # its words would tell that nobody has the address


def test_a_server_that_is_closed_until_a_day(tmp_path):
    today = datetime.datetime.now(datetime.UTC).date()
    tomorrow, domain = today + datetime.timedelta(1), Domain("example.org")
    gate = Gate(tmp_path, closed_until=str(tomorrow))
    wrong(gate.login())
    refused = gate.create()
    assert not refused.accepts and refused.text.endswith(f"before {Texts().date(tomorrow)}")
    told = gate.gateway.hub.plugin("passwordless").chatgate_facts(domain)
    assert (told.closed, told.closed_until, told.ways) == ("closed", tomorrow, ()) and str(tomorrow) in told.closed_by
    assert isinstance(gate.create(way="operator"), Account)
    gate = Gate(tmp_path / "later", closed_until=str(today))
    assert isinstance(gate.login(), Account)
    told = gate.gateway.hub.plugin("passwordless").chatgate_facts(domain)
    assert (told.closed, told.closed_until, told.ways) == ("", None, ("site", "login"))
    gate = Gate(tmp_path / "for good", closed_until=str(tomorrow), registration="closed")
    assert gate.gateway.hub.plugin("passwordless").chatgate_facts(domain).closed_until is None
    with pytest.raises(ValueError, match="closed_until"):
        PasswordlessOptions(closed_until="tomorrow")


@pytest.mark.parametrize("code", [450, 550])
def test_a_policy_refuses_in_its_own_words(gate, scrypts, code):
    account = gate.login()
    del scrypts[:]
    gate.policy.answer = Reply(code, "4.7.1", "Enough accounts for today", imap="LIMIT")
    assert gate.login("ihgfedcba@example.org") == gate.policy.answer
    assert len(scrypts) == (code == 550)
    assert gate.login() == account
    assert gate.store.made == 1


def test_a_policy_that_fails_refuses_for_now(gate):
    gate.policy.answer = RuntimeError("boom")
    reply = gate.login()
    assert reply.temporary and "authentication" not in reply.text.lower()
    assert gate.store.made == 0


# -------------------------------------------------------------------------------- accounts by other ways


def test_generated_passwords_cost_no_scrypt(gate, scrypts):
    hasher = Hasher(14, 1, 1)
    secrets = {hasher.make("x" * 22, generated=True) for _ in range(200)}
    assert len(secrets) == 200
    account = gate.create(password="k3b5j2h4g6f8d1s9a7p0q2", generated=True)
    assert not scrypts
    assert gate.login(password="k3b5j2h4g6f8d1s9a7p0q2") == account
    assert not scrypts
    wrong(gate.login(password="k3b5j2h4g6f8d1s9a7p0qx"))


def test_what_is_short_is_stretched_whatever_the_caller_says(gate):
    assert gate.create(password="x" * 16, generated=True).secret.startswith("$scrypt$")


def test_the_operator_may_give_short_names(gate):
    account = gate.create("Bo@example.org", way="operator")
    assert account.address == "bo@example.org" and gate.login("bo@example.org") == account
    for bad in ("b o@example.org", "@example.org", "x" * 65 + "@example.org", "bo@example.net", "bo"):
        assert gate.create(bad, way="operator").code == 550
    assert gate.create("bo@example.org", way="operator").imap == "ALREADYEXISTS"
    assert "1 to 64" in gate.create("b+o@example.org", way="operator").text


@pytest.mark.parametrize(
    "options",
    [
        {"name_min_length": 0},
        {"name_min_length": 10},
        {"name_max_length": 65},
        {"password_min_length": 0},
        {"password_max_length": 8},
        {"scrypt_cost": 9},
        {"scrypt_cost": 21},
    ],
)
def test_options_that_make_no_sense(options):
    with pytest.raises(ValueError):
        PasswordlessOptions(**options)


def test_check_warns_when_clients_inventions_are_refused(tmp_path):
    def texts(**options):
        gateway = Gate(tmp_path, **options).gateway
        return [p.text for problems in gateway.hub.check.or_raise(gateway=gateway) for p in problems]

    assert texts() == texts(name_min_length=1, name_max_length=64) == []
    assert "names of 9" in texts(name_max_length=20, name_min_length=10)[0]
    assert "passwords of 22" in texts(password_min_length=23)[0]


# -------------------------------------------------------------------------------- any name at all


@pytest.fixture(scope="module")
def wide_gate(tmp_path_factory):
    return Gate(tmp_path_factory.mktemp("names"), name_min_length=6, name_max_length=12)


@settings(max_examples=200)
@given(name=st.one_of(st.from_regex(r"[a-zA-Z0-9._-]{5,14}", fullmatch=True), st.text(max_size=14)))
def test_names(wide_gate, name):
    answer = wide_gate.login(f"{name}@example.org")
    if re.fullmatch(r"(?=.{6,12}\Z)[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*", name):
        assert answer.address == f"{name.lower()}@example.org"
    else:
        wrong(answer)


@settings(max_examples=200)
@given(secret=st.text())
def test_a_spoilt_secret_lets_nobody_in(secret):
    assert not Hasher(10, 1, 1).verify("x", secret)


@given(st.text(min_size=1), st.text(min_size=1), st.booleans())
@settings(max_examples=50)
def test_a_hash_knows_its_password(password, other, generated):
    hasher = Hasher(10, 1, 1)
    secret = hasher.make(password, generated)
    assert hasher.verify(password, secret)
    assert hasher.verify(other, secret) == (other == password)


def test_the_bound_of_waiting_hashes():
    hasher = Hasher(15, 1, 0)
    first = gevent.spawn(hasher.make, PASSWORD)
    gevent.sleep(0.01)
    with pytest.raises(Busy):
        hasher.make(PASSWORD)
    assert hasher.verify(PASSWORD, first.get())
