"""Where invitations are kept: a file, or what another plugin brings; and which domain each one is for."""

import http.client
import json
import re
import sqlite3
import time
from dataclasses import dataclass, replace

import click
import gevent
import pytest
from chatgate_invite import Invite
from chatgate_invite.database import Database
from chatgate_invite.hooks import Token
from chatgate_invite.tokens import draw
from click.testing import CliRunner

from chatgate.api import Account, Credentials, Gateway, Reply, Session, hookimpl
from chatgate.testing import client_tls, new_login, port

CLOSED = {
    "passwordless": {"registration": "closed", "scrypt_cost": 10, "refusal_seconds": 0.0},
    "imap": {"login_failure_seconds": 0.0},
}
REST = "of my own choice"


class Memory:
    """`Invitations` for one process."""

    def __init__(self):
        self._all = {}

    def create(self, token):
        self._all[token.token] = token

    def find(self, token):
        return self._all.get(token)

    def all(self):
        return sorted(self._all.values(), key=lambda one: (one.created, one.token))

    def revoke(self, token):
        return self._all.pop(token, None) is not None

    def take(self, token, now):
        found = self._all.get(token)
        if found is None or (found.uses and found.used >= found.uses) or 0 < found.expires <= now:
            return False
        self._all[token] = replace(found, used=found.used + 1)
        return True

    def give_back(self, token):
        if (found := self._all.get(token)) and found.used:
            self._all[token] = replace(found, used=found.used - 1)

    def forget(self, before):
        gone = [one.token for one in self._all.values() if 0 < one.expires < before]
        return sum(self.revoke(token) for token in gone)


@dataclass(frozen=True)
class NoOptions:
    pass


class Elsewhere:
    """Keeps invitations in memory."""

    Options = NoOptions

    def __init__(self, gateway, options):
        self.memory = Memory()

    @hookimpl(optionalhook=True)
    def chatgate_invitations(self, gateway):
        assert isinstance(gateway, Gateway)
        return self.memory


def login(gateway, address, password):
    return gateway.hub.authenticate(session=Session("imap", "127.0.0.1"), credentials=Credentials(address, password))


def run(gateway, *arguments, code=0):
    group = click.Group()
    gateway.hub.commands.or_raise(cli=group, gateway=gateway)
    result = CliRunner().invoke(group, ["invite", *arguments])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result.output


@pytest.fixture(params=["file", "memory"])
def kept(request, tmp_path):
    yield (made := Database(tmp_path / "invite.db") if request.param == "file" else Memory())
    if isinstance(made, Database):
        made.close()


def test_what_every_place_does(kept):
    day = 86400
    one = Token("b" * 13, uses=2, expires=5 * day, quota=0, note="für alle", created=2, domain="b.example")
    ever, old = Token("a" * 13, uses=0, created=2), Token("c" * 13, expires=day, created=1)
    for token in (one, ever, old):
        kept.create(token)
    assert kept.all() == [old, ever, one] and kept.find(one.token) == one and kept.find("d" * 13) is None
    assert kept.take(one.token, 5 * day - 0.1) and not kept.take(one.token, 5.0 * day)
    assert kept.take(one.token, 0) and not kept.take(one.token, 0), "two uses"
    assert kept.find(one.token) == replace(one, used=2)
    kept.give_back(one.token)
    assert kept.take(one.token, 0) and not kept.take(one.token, 0)
    for _ in range(3):
        kept.give_back(one.token)
    assert kept.find(one.token).used == 0
    assert all(kept.take(ever.token, 1e10) for _ in range(5))
    kept.give_back("d" * 13)
    assert not kept.take("d" * 13, 0)
    assert (kept.forget(day), kept.forget(day + 1), kept.forget(day + 1)) == (0, 1, 0)
    assert kept.revoke(one.token) and not kept.revoke(one.token)
    assert [token.token for token in kept.all()] == [ever.token]


@pytest.fixture(params=["file", "memory"])
def gateway(request, gateway_factory):
    further = {"b.example": {}}
    plugins = ["tls", "maildb", "passwordless", "smtp", "imap", "site", Invite]
    plugins += [Elsewhere] if request.param == "memory" else []
    return gateway_factory(*plugins, core={"hostname": ""}, domains=further, **CLOSED)


def test_a_gateway_that_keeps_them_elsewhere_makes_no_file(gateway, tmp_path):
    made = json.loads(run(gateway, "create", "--uses", "3", "--json"))
    logins = [gevent.spawn(login, gateway, new_login(gateway)[0], made["token"] + REST) for _ in range(6)]
    gevent.joinall(logins, timeout=60)
    assert sum(isinstance(one.value, Account) for one in logins) == 3
    (row,) = json.loads(run(gateway, "list", "--json"))
    assert (row["used"], row["good"], row["domain"]) == (3, False, None)
    assert run(gateway, "revoke", made["token"]) == "Revoked.\n"
    elsewhere = gateway.hub.plugin("elsewhere")
    assert gateway.path("data/invite.db").exists() == (elsewhere is None)
    token = draw(expires=int(time.time()) - 40 * 86400)
    gateway.hub.plugin("invite").kept.create(token)
    assert elsewhere is None or elsewhere.memory.find(token.token) == token
    assert {"expired invitations": 1} in gateway.hub.expire.or_raise(now=time.time())


def test_a_token_of_a_domain_lets_in_only_there(gateway):
    first = gateway.domains.first.name
    made = json.loads(run(gateway, "create", "--domain", "b.example", "--uses", "2", "--json"))
    assert made["domain"] == "b.example" and "b.example" in made["link"]
    address = new_login(gateway)[0]
    name = address.partition("@")[0]
    refusal = login(gateway, address, made["token"] + REST)
    assert isinstance(refusal, Reply) and refusal.text == "This invitation is for addresses at b.example"
    account = login(gateway, f"{name}@b.example", made["token"] + REST)
    assert isinstance(account, Account)
    (row,) = json.loads(run(gateway, "list", "--json"))
    assert (row["used"], row["domain"]) == (1, "b.example")
    assert " b.example" in run(gateway, "list")
    assert "b.example" in run(gateway, "qr", made["token"])
    assert "for b.example only" in run(gateway, "qr", made["token"], "--domain", first, code=1)
    connection = http.client.HTTPSConnection("127.0.0.1", port(gateway, "https"), timeout=60, context=client_tls())
    connection.request("GET", f"/invite/{made['token']}", headers={"Host": first})
    page = connection.getresponse().read().decode()
    connection.close()
    assert re.search(r'href="dclogin:[^"?]+(@|%40)b\.example\?', page), "whatever the host"
    for domain in (first, "b.example"):
        anywhere = json.loads(run(gateway, "create", "--json"))
        address = new_login(gateway)[0].partition("@")[0]
        assert isinstance(login(gateway, f"{address}@{domain}", anywhere["token"] + REST), Account)


def test_a_token_of_a_domain_that_is_no_more(gateway):
    token = draw(domain="gone.example")
    gateway.hub.plugin("invite").kept.create(token)
    assert isinstance(login(gateway, new_login(gateway)[0], token.token + REST), Reply)
    assert "no domain of this gateway" in run(gateway, "qr", token.token, code=1)


def test_a_folder_of_before_keeps_its_tokens(tmp_path):
    path = tmp_path / "invite.db"
    with sqlite3.connect(path) as old:
        old.execute(
            'CREATE TABLE "token" ("token" TEXT NOT NULL PRIMARY KEY, "uses" INTEGER NOT NULL, "used" INTEGER NOT NULL,'
            ' "expires" INTEGER NOT NULL, "quota" BIGINT, "note" TEXT NOT NULL, "created" INTEGER NOT NULL)'
            " WITHOUT ROWID"
        )
        old.execute("INSERT INTO token VALUES ('abcdefghjkmnp', 3, 1, 0, 5, 'club', 20000)")
        old.execute("PRAGMA user_version=1")
    looking = Database(path)
    looking.read_only = True
    looking.look()
    looking.close()
    kept = Database(path)
    before = Token("abcdefghjkmnp", 3, 0, 5, "club", 20000, used=1)
    assert kept.all() == [before] and kept.take(before.token, 0)
    kept.create(further := draw(domain="b.example"))
    kept.close()
    again = Database(path)
    assert again.find(before.token) == replace(before, used=2) and again.find(further.token) == further
    again.close()
