"""chatgate_policy: who is refused, who is not, and what is forgotten."""

import logging
import os
import smtplib
import socket
import types

import gevent
import pytest
from chatgate_policy import Policy, PolicyOptions
from chatgate_policy import plugin as policy_plugin
from chatgate_policy.limits import Load

from chatgate.api import Account, Credentials, NewAccount, Reply, Session, hookimpl
from chatgate.hosting.confd import Config, Enabled
from chatgate.hosting.options import CoreOptions
from chatgate.running.gateway import Gateway
from chatgate.testing import client_tls, imap_client, new_login, port

ANY = {"max_load1": 0.0, "min_free_memory": 0, "min_free_disk": 0}
BUSY = {"min_free_memory": 1 << 60}


class Maker:
    """Stands for passwordless: makes accounts, or answers something else."""

    answer = "account"

    def __init__(self, gateway, options):
        self.made = 0

    @hookimpl(trylast=True)
    def chatgate_create_account(self, request):
        gevent.sleep(0)
        if self.answer != "account":
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer
        self.made += 1
        return Account(self.made, request.address)


class Door:
    def __init__(self, folder, **options):
        plugins = (
            Enabled("policy", Policy, PolicyOptions(**ANY | options)),
            Enabled("maker", Maker, None),
        )
        self.gateway = Gateway(Config(folder, CoreOptions(domain="example.org"), plugins))
        self.maker = self.gateway.hub.plugin("maker")

    def ask(self, peer="192.0.2.1", password="x" * 22, way="login", token=""):
        network = Session("imap", peer).network
        return self.gateway.accounts.create(NewAccount("a@example.org", password, way, network=network, token=token))


def refused(answer, code, imap):
    assert isinstance(answer, Reply) and (answer.code, answer.imap) == (code, imap), answer
    assert "authentication" not in answer.text.lower() and answer.text.isascii()
    return answer.text


def test_without_limits_everybody_comes_in(tmp_path):
    door = Door(tmp_path)
    assert all(isinstance(door.ask(), Account) for _ in range(50))


# -------------------------------------------------------------------------------- load


@pytest.mark.parametrize(
    ("limit", "options"),
    [
        ("load", {"max_load1": 3.0}),
        ("memory", {"min_free_memory": 1 << 60}),
        ("disk", {"min_free_disk": 1 << 60}),
    ],
)
def test_a_busy_machine_takes_nobody_new(tmp_path, monkeypatch, caplog, limit, options):
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(os, "getloadavg", lambda: (3.1, 0.0, 0.0))
    door = Door(tmp_path, **options)
    with caplog.at_level(logging.WARNING):
        assert "busy" in refused(door.ask(), 451, "LIMIT")
        refused(door.ask(way="site"), 451, "LIMIT")
    assert [r.getMessage() for r in caplog.records] == [f"new accounts refused limit={limit}"], "one line, no facts"
    assert isinstance(door.ask(way="operator"), Account)
    (problem,) = door.gateway.hub.check.or_raise(gateway=door.gateway)[0]
    assert problem.level == "warning" and limit in problem.text
    monkeypatch.setattr(os, "getloadavg", lambda: (2.9, 9.0, 9.0))
    assert isinstance(door.ask(), Account) == (limit == "load")


def test_the_machine_s_numbers_are_read(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable:      5 kB\n")
    for memory, wanted in ((5120, []), (5121, ["memory"])):
        assert list(Load(0, memory, 0, tmp_path, tmp_path / "meminfo").exceeded()) == wanted
    assert list(Load(1e9, 1, 1, tmp_path).exceeded()) == [], "this machine has an octet of each"


def test_what_cannot_be_read_is_ignored_with_one_line(tmp_path, caplog):
    (tmp_path / "meminfo").write_text("no such thing\n")
    load = Load(0, 1, 1, tmp_path / "missing", tmp_path / "meminfo")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert list(load.exceeded()) == []
    lines = [r.getMessage() for r in caplog.records]
    assert len(lines) == 2 and "limit=memory" in lines[0] and "limit=disk" in lines[1]


def test_existing_accounts_go_on(gateway_factory):
    """Over the wire: under load a known account logs in, an unknown one is refused with a reason and no blame."""
    gateway = gateway_factory("tls", "maildb", "passwordless", "smtp", "imap", Policy, policy=ANY | {"max_load1": 1.0})
    policy = gateway.hub.plugin("policy")
    policy._load._limits["load"] = (True, lambda: False)
    known = new_login(gateway)
    imap_client(gateway, known).logout()
    policy._load._limits["load"] = (True, lambda: True)
    imap_client(gateway, known).logout()
    with pytest.raises(Exception, match=r"\[LIMIT\] .*very busy"):
        imap_client(gateway, new_login(gateway))
    assert len(gateway.store.accounts()) == 1


# -------------------------------------------------------------------------------- budgets


def test_the_budget_of_an_hour_counts_accounts_not_attempts(tmp_path):
    door = Door(tmp_path, accounts_per_hour=3)
    door.maker.answer = Reply(550, "5.7.1", "closed")
    for _ in range(10):
        assert door.ask() == door.maker.answer
    door.maker.answer = RuntimeError("boom")
    for _ in range(10):
        assert door.ask().temporary
    door.maker.answer = "account"
    assert [isinstance(door.ask(), Account) for _ in range(5)] == [True, True, True, False, False]
    assert "this hour" in refused(door.ask(), 451, "LIMIT")
    assert isinstance(door.ask(way="operator"), Account)


def test_attempts_at_one_instant_cannot_overspend(tmp_path):
    door = Door(tmp_path, accounts_per_hour=5)
    asked = [gevent.spawn(door.ask) for _ in range(40)]
    gevent.joinall(asked, timeout=60)
    assert sum(isinstance(g.value, Account) for g in asked) == door.maker.made == 5


def test_the_budget_of_a_network(tmp_path):
    door = Door(tmp_path, accounts_per_hour_per_network=2)
    for first, neighbour, other in (
        ("192.0.2.1", "192.0.2.200", "192.0.3.1"),
        ("2001:db8:1::1", "2001:db8:1:ffff::9", "2001:db8:2::1"),
    ):
        assert isinstance(door.ask(first), Account) and isinstance(door.ask(neighbour), Account)
        assert "network" in refused(door.ask(first), 451, "LIMIT")
        assert isinstance(door.ask(other), Account)
    assert all(isinstance(door.ask("127.0.0.1"), Account) for _ in range(5)), "a proxy of ours is no network"


# -------------------------------------------------------------------------------- automatic relays


def test_the_automatic_relay_mark(tmp_path):
    mark = "aB3" * 7 + "aB"
    assert len(mark) == 23
    assert isinstance(Door(tmp_path).ask(password=mark), Account), "off by default"
    door = Door(tmp_path, deny_automatic_relays=True)
    assert "by themselves" in refused(door.ask(password=mark), 550, "NOPERM")
    for password in (mark[:22], mark + "x", mark[:22] + " "):
        assert isinstance(door.ask(password=password), Account)
    assert isinstance(door.ask(password=mark, way="operator"), Account)
    assert isinstance(door.ask(password=mark, way="site"), Account)


def test_a_flood_of_refusals_is_one_line_a_minute(tmp_path, monkeypatch, caplog):
    clock = [1000.0]
    monkeypatch.setattr(policy_plugin, "time", types.SimpleNamespace(monotonic=lambda: clock[0]))
    door = Door(tmp_path, **BUSY)
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            door.ask()
        assert len(caplog.records) == 1
        clock[0] += 61
        door.ask()
    assert len(caplog.records) == 2


# -------------------------------------------------------------------------------- what a network is


def test_a_network_is_told_by_a_keyed_hash():
    def network(peer):
        return Session("imap", peer).network

    assert network("192.0.2.1") == network("192.0.2.254") == network("::ffff:192.0.2.7") != network("192.0.3.1")
    assert network("2001:db8::1") == network("2001:db8:0:ffff::") != network("2001:db8:1::")
    assert network("fe80::1%eth0") == network("fe80::2")
    assert network("") == network("127.9.9.9") == network("::1") == ""
    assert "192" not in network("192.0.2.1") and len(network("192.0.2.1")) == 16


def test_the_client_s_network_reaches_the_policy_over_the_wire(gateway_factory):
    """A proxy on this machine names the client (PROXY protocol)."""
    core = {"proxy_protocol_from": ("127.0.0.0/8",)}
    options = ANY | {"accounts_per_hour_per_network": 1}
    gateway = gateway_factory("tls", "maildb", "passwordless", "smtp", Policy, core=core, policy=options)

    def login(peer, credentials):
        plain = socket.create_connection(("127.0.0.1", port(gateway, "submissions")), timeout=60)
        plain.sendall(f"PROXY TCP4 {peer} 127.0.0.1 40000 465\r\n".encode())
        client = smtplib.SMTP()
        client.sock = client_tls().wrap_socket(plain)
        client.getreply()
        client.ehlo("test")
        try:
            return client.login(*credentials)[0]
        except smtplib.SMTPAuthenticationError as error:
            return error.smtp_code, error.smtp_error
        finally:
            client.close()

    one = new_login(gateway)
    assert login("198.51.100.1", one) == 235
    code, text = login("198.51.100.77", new_login(gateway))
    assert code == 454 and b"from your network" in text
    assert login("198.51.100.77", one) == 235, "an account that is there already"
    assert login("203.0.113.1", new_login(gateway)) == 235
    assert isinstance(
        gateway.hub.authenticate(session=Session("imap", "198.51.100.3"), credentials=Credentials(*one)), Account
    )
