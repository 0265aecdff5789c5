"""`chatgate accounts purge`, beside sessions that are open."""

import json

import pytest
from chatgate_accounts.purge import purge
from click.testing import CliRunner

from chatgate.api import Account, Delivery
from chatgate.testing import imap_client

DAY = 86400
ADDRESS = "ann567890@example.org"


@pytest.fixture
def gateway(gateway_factory):
    return gateway_factory("tls", "maildb", "accounts", "passwordless", "imap", passwordless={"scrypt_cost": 10})


class Mail:
    """Of one account: five messages of 100 octets in INBOX and one in Other; the first two of INBOX are read, the
    first, third and the one in Other are ten days old.
    """

    def __init__(self, gateway):
        self.gateway, store = gateway, gateway.store
        self.client = imap_client(gateway, (ADDRESS, "a password of hers"))
        self.account: Account = store.account(ADDRESS)
        now = store.now()
        other = store.create_mailbox(self.account.id, "Other")
        inbox = store.mailbox(self.account.id, "INBOX")
        for box, old in ((inbox, 1), (inbox, 0), (inbox, 1), (inbox, 0), (inbox, 0), (other, 1)):
            store.store(b"x" * 100, [Delivery(ADDRESS, box.id, self.account.id, date=now - old * 10 * DAY)])
        self.client.select()
        self.client.fetch("1:2", "(BODY[])")

    def run(self, *args, code=0, input=None):
        done = CliRunner().invoke(purge, ["ann567890", *args], input=input, obj=self.gateway)
        assert done.exit_code == code, done.output
        return done.output

    def left(self):
        self.client.noop()
        return [int(uid) for uid in self.client.uid("search", None, "ALL")[1][0].split()]


@pytest.fixture
def mail(gateway):
    return Mail(gateway)


@pytest.mark.parametrize(
    "what, left, messages",
    [
        (["--read"], [3, 4, 5], 2),
        (["--older", "5"], [2, 4, 5], 3),
        (["--read", "--older", "5"], [2, 3, 4, 5], 1),
        (["--older", "0"], [], 6),
        (["--all"], [], 6),
    ],
)
def test_it_removes_what_is_meant_and_the_rest_stays(mail, what, left, messages):
    dry = json.loads(mail.run(*what, "--dry-run", "--json"))
    assert (dry["messages"], dry["octets"], dry["octets_left"]) == (messages, messages * 100, 600)
    assert mail.left() == [1, 2, 3, 4, 5]
    done = json.loads(mail.run(*what, "--json"))
    assert (done["messages"], done["messages_left"]) == (messages, 6 - messages)
    assert mail.gateway.store.usage(mail.account.id).octets == done["octets_left"] == 600 - messages * 100
    assert mail.left() == left
    assert mail.gateway.store.account(ADDRESS).id == mail.account.id


def test_an_open_session_hears_of_it(mail):
    mail.run("--read", "--yes")
    mail.client.noop()
    assert sorted(mail.client.response("EXPUNGE")[1]) in ([b"1", b"1"], [b"1", b"2"])


def test_it_asks_and_wants_to_know_what(mail):
    for wrong in ([], ["--all", "--read"], ["--all", "--older", "3"]):
        assert "say what" in mail.run(*wrong, code=2)
    mail.run("--all", code=1, input="n\n")
    assert mail.left() == [1, 2, 3, 4, 5]
    assert "Removed 6 messages of ann567890@example.org, 600 octets." in mail.run("--all", input="y\n")
    assert "Removed 0 messages" in mail.run("--all")


def test_nothing_is_made_for_a_stranger(mail):
    done = CliRunner().invoke(purge, ["nobody678", "--all", "--yes"], obj=mail.gateway)
    assert done.exit_code == 1 and mail.gateway.store.account("nobody678@example.org") is None
