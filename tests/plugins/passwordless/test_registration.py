"""`registration`: by which ways people get an account without an invitation."""

import dataclasses

import pytest
from chatgate_passwordless.options import PasswordlessOptions

from chatgate.api import Account, Credentials, NewAccount, Reply, Session
from chatgate.hosting import confd
from chatgate.running.gateway import Gateway
from chatgate.testing import config

WAYS = {"open": {"site", "login"}, "site": {"site"}, "login": {"login"}, "closed": set()}
FAST = {"scrypt_cost": 10, "refusal_seconds": 0.0}


@pytest.fixture
def gateway(tmp_path):
    made = Gateway(config(tmp_path, "maildb", "passwordless", passwordless=FAST, domains={"b.example": {}}))
    yield made
    made.store.close()


class People:
    def __init__(self, gateway):
        self.gateway, self.count = gateway, 0

    def _address(self, domain):
        self.count += 1
        return f"nobody{self.count:03}@{domain}"

    def login(self, domain="example.org"):
        wanted = Credentials(self._address(domain), "p" * 22)
        return self.gateway.hub.authenticate(session=Session("imap", "127.0.0.1"), credentials=wanted)

    def site(self, domain="example.org"):
        return self.gateway.accounts.create(NewAccount(self._address(domain), "p" * 22, "site", generated=True))


def general_options(gateway):
    return next(one.options for one in gateway.config.plugins if one.name == "passwordless")


def put(options, value):
    """As `chatgate reload` does."""
    object.__setattr__(options, "registration", value)


def test_each_way_is_open_or_not_and_it_may_change_while_the_gateway_runs(gateway):
    people = People(gateway)
    general = general_options(gateway)
    there = gateway.domains.named("b.example").options(general)
    for value, ways in WAYS.items():
        put(general, value)
        for way in ("login", "site"):
            answer = getattr(people, way)()
            assert isinstance(answer, Account) == (way in ways), (value, way)
        assert gateway.facts(gateway.domains.first).ways == tuple(w for w in ("site", "login") if w in ways)
        assert gateway.facts(gateway.domains.first).closed == ("" if ways else "closed")
        assert isinstance(people.login("b.example"), Account)  # its own
    put(there, "closed")
    put(general, "open")
    assert isinstance(people.site("b.example"), Reply) and isinstance(people.site(), Account)


def test_a_refusal_names_the_other_way_but_not_who_has_an_account(gateway):
    """The answer to an unknown address is that to a wrong password."""
    people, general = People(gateway), general_options(gateway)
    known = people.login()
    put(general, "site")
    wrong = gateway.hub.authenticate(
        session=Session("imap", "127.0.0.1"), credentials=Credentials(known.address, "q" * 22)
    )
    assert people.login() == wrong and "on its website only" in wrong.text
    put(general, "login")
    assert "at the first login only" in people.site().text
    put(general, "closed")
    assert "takes no new accounts" in people.site().text


@pytest.mark.parametrize("value", ["", "web", "OPEN"])
def test_other_words_are_a_mistake(value):
    with pytest.raises(ValueError, match="registration: must be open, site, login, closed"):
        dataclasses.replace(PasswordlessOptions(), registration=value)


def test_the_key_of_before_is_a_mistake_that_names_the_new_one(tmp_path):
    (tmp_path / "conf.d/domains").mkdir(parents=True)
    (tmp_path / "conf.d/00-chatgate.toml").write_text('domain = "a.example"\n')
    (tmp_path / "conf.d/50-passwordless.toml").write_text("open = false\n")
    (tmp_path / "conf.d/domains/b.example.toml").write_text("[passwordless]\nopen = false\n")
    with pytest.raises(confd.ConfigError) as wrong:
        confd.load(tmp_path)
    assert len(wrong.value.problems) in (1, 2)
    for line in wrong.value.problems:
        assert line.endswith('open: has moved: it is registration ("open" or "closed") now')
