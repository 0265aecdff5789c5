"""`gateway.accounts`: one door for all that makes, changes or removes accounts."""

import re
import smtplib
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from chatgate_policy import Policy, PolicyOptions

from chatgate.api import UNAVAILABLE, Account, Credentials, NewAccount, PluginError, Reply, Session, hookimpl
from chatgate.hosting.confd import Config, Enabled
from chatgate.hosting.options import CoreOptions
from chatgate.running.gateway import Gateway
from chatgate.testing import client_tls, config, imap_client, new_login, port, smtp_client

NO = Reply(550, "5.7.1", "Not today", imap="NOPERM")


class Watch:
    """Refuses what it is told to, makes accounts without a hash, and writes down what it is asked and told."""

    def __init__(self, gateway, options):
        self.gateway, self.seen, self.refusal, self.trouble = gateway, [], None, None

    def _note(self, what):
        self.seen.append(what)
        if self.trouble == what:
            raise RuntimeError("hidden")

    @hookimpl
    def chatgate_admit(self, request):
        self._note("admit")
        return self.refusal

    @hookimpl
    def chatgate_create_account(self, request):
        self._note("create")
        return self.gateway.store.create_account(request.address, "a secret")

    @hookimpl
    def chatgate_account_attempted(self, request, account):
        self._note(("attempted", account and account.address))

    @hookimpl
    def chatgate_account_removed(self, account):
        self._note(("removed", account.address))

    @hookimpl
    def chatgate_account_facts(self, account):
        notes = len(self.seen)
        self._note("facts")
        return {"notes": notes}

    @hookimpl
    def chatgate_set_password(self, account, password):
        self._note("password")
        return True


@pytest.fixture
def gateway(tmp_path):
    made = Gateway(config(tmp_path, "maildb", Watch))
    yield made
    made.stop()


@pytest.fixture
def watch(gateway):
    return gateway.hub.plugin("watch")


def wanted(way="login"):
    return NewAccount("alice@example.org", "a good password", way)


def test_all_are_asked_whether_before_anybody_makes_it(gateway, watch):
    account = gateway.accounts.create(wanted())
    assert gateway.store.account("alice@example.org") == account
    assert watch.seen == ["admit", "create", ("attempted", account.address)]


@pytest.mark.parametrize("way", ["login", "site", "operator"])
def test_who_is_refused_is_not_made(gateway, watch, way):
    watch.refusal = NO
    assert gateway.accounts.create(wanted(way)) == NO
    assert watch.seen == ["admit", ("attempted", None)] and gateway.store.accounts() == []


def test_an_accepting_answer_lets_nobody_pass_the_next(gateway, watch):
    watch.refusal = Reply(250, "2.0.0", "As far as I am concerned")
    assert isinstance(gateway.accounts.create(wanted()), Account)


@pytest.mark.parametrize("trouble", ["admit", "create"])
def test_a_plugin_that_fails_refuses_for_now_and_the_operator_hears_why(gateway, watch, trouble, caplog):
    watch.trouble = trouble
    assert gateway.accounts.create(wanted()) == UNAVAILABLE
    assert watch.seen[-1] == ("attempted", None) and "hidden" not in caplog.text
    with pytest.raises(PluginError, match="plugin watch: .*hidden"):
        gateway.accounts.create(wanted("operator"))
    assert watch.seen[-1] == ("attempted", None)


def test_nobody_makes_accounts(tmp_path):
    assert Gateway(config(tmp_path, "tls")).accounts.create(wanted()) is None


def test_what_a_newcomer_gave_is_in_no_repr():
    assert "good password" not in repr(wanted()) and "alice" in repr(wanted())


def test_everybody_is_told_of_a_removal(gateway, watch):
    account = gateway.accounts.create(wanted())
    gateway.accounts.delete(account, final=True)
    assert gateway.store.account(account.address) is None and gateway.store.tombstone(account.address) == ""
    assert watch.seen[-1] == ("removed", account.address)
    gateway.accounts.delete(gateway.accounts.restore(Account(0, "bob@example.org", "s")), tombstone=False)
    assert gateway.store.tombstone("bob@example.org") is None


def test_what_is_kept_about_an_account_is_said_by_all_or_not_at_all(gateway, watch):
    account = gateway.accounts.create(wanted())
    facts = gateway.accounts.facts(account)
    assert facts["notes"] == 3 and facts["address"] == account.address and "a secret" not in facts.values()
    watch.trouble = "facts"
    with pytest.raises(PluginError, match="watch"):
        gateway.accounts.facts(account)


def test_who_is_restored_has_all_he_had(gateway, watch):
    was = Account(77, "bob@example.org", "s", 20000, 19000, "Too many complaints", 5)
    now = gateway.accounts.restore(was)
    assert now == gateway.store.account(was.address) and now == replace(was, id=now.id)
    assert watch.seen == []


def test_disabling_wants_a_reason_that_can_be_told(gateway):
    account = gateway.accounts.restore(Account(0, "bob@example.org", "s", quota=5))
    for reason in ("", "two\nlines", "Authentication failed"):
        with pytest.raises(ValueError):
            gateway.accounts.disable(account, reason)
    gateway.accounts.disable(account, "Too many complaints")
    assert gateway.store.account(account.address).disabled == "Too many complaints"
    gateway.accounts.enable(account)
    assert gateway.store.account(account.address) == account


def test_passwords_and_secrets(gateway, watch):
    account = gateway.accounts.restore(Account(0, "bob@example.org", "s"))
    assert gateway.accounts.set_password(account, "another") is True and watch.seen == ["password"]
    gateway.accounts.set_secret(account, "t")
    assert gateway.store.account(account.address).secret == "t"
    watch.trouble = "password"
    assert gateway.accounts.set_password(account, "another") == UNAVAILABLE
    with pytest.raises(PluginError):
        gateway.accounts.set_password(account, "another", operator=True)


class Directory:
    """As one that asks a directory of people would be: it knows who is right, hashes nothing and repeats no policy."""

    def __init__(self, gateway, options):
        self.gateway, self.people = gateway, {"alice@example.org": "a good password"}

    @hookimpl
    def chatgate_authenticate(self, session, credentials):
        if self.people.get(credentials.address) != credentials.password:
            return None
        account = self.gateway.store.account(credentials.address)
        return account or self.gateway.accounts.create(
            NewAccount(credentials.address, credentials.password, "login", network=session.network)
        )

    @hookimpl
    def chatgate_create_account(self, request):
        return self.gateway.store.create_account(request.address, "in the directory")


def test_another_authenticator_gets_the_policies_for_nothing(tmp_path):
    plugins = config(tmp_path, "maildb", Directory).plugins
    limits = PolicyOptions(max_load1=0, min_free_memory=0, min_free_disk=0, accounts_per_hour=1)
    made = Gateway(Config(tmp_path, CoreOptions("example.org"), (Enabled("policy", Policy, limits), *plugins)))
    try:
        made.hub.plugin("directory").people["bob@example.org"] = "b"

        def login(address, password):
            session = Session("imap", "192.0.2.1")
            return made.hub.authenticate(session=session, credentials=Credentials(address, password, "PLAIN"))

        assert login("alice@example.org", "wrong") is None
        assert login("alice@example.org", "a good password").secret == "in the directory"
        assert login("alice@example.org", "a good password").address == "alice@example.org"
        assert login("bob@example.org", "b").code == 451, "one account an hour"
    finally:
        made.stop()


def test_there_is_no_second_way():
    """Only who makes accounts, or their passwords, asks the store for it: else some would not be told."""
    behind = re.compile(
        r"(?<!accounts)\.(?:create_account|delete_account|set_disabled|set_secret)\(|\"account_removed\""
    )
    plugins = Path(__file__).parents[2] / "plugins"
    found = {
        path.relative_to(plugins).as_posix()
        for path in plugins.rglob("*.py")
        if path.parent.name != "chatgate_maildb" and behind.search(path.read_text())
    }
    # The last two: the same password with another hash, and a name that is given to nobody.
    assert found == {"chatgate_passwordless/plugin.py", "chatgate_passwordless/login.py", "chatgate_movein/moving.py"}


class Doorman:
    """Writes down how credentials came, and knows nobody."""

    def __init__(self, gateway, options):
        self.mechanisms = []

    @hookimpl
    def chatgate_authenticate(self, credentials):
        self.mechanisms.append(credentials.mechanism)


def test_credentials_say_how_they_came(gateway_factory):
    at_once = {"imap": {"login_failure_seconds": 0.0}, "selfservice": {"wrong_password_seconds": 0.0}}
    gateway = gateway_factory("tls", "maildb", "smtp", "imap", "site", "selfservice", Doorman, **at_once)
    name, password = new_login(gateway)
    smtp, imap = smtp_client(gateway), imap_client(gateway)
    smtp.ehlo()
    for method in (smtp.auth_plain, smtp.auth_login):
        smtp.user, smtp.password = name, password
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.auth(method.__name__.removeprefix("auth_").upper(), method)
    with pytest.raises(imap.error):
        imap.login(name, password)
    with pytest.raises(imap.error):
        imap.authenticate("PLAIN", lambda _: f"\0{name}\0{password}".encode())
    form = urllib.parse.urlencode({"address": name, "password": password, "do": "look"}).encode()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"https://127.0.0.1:{port(gateway, 'https')}/account", form, context=client_tls())
    assert gateway.hub.plugin("doorman").mechanisms == ["PLAIN", "LOGIN", "login", "PLAIN", "form"]
