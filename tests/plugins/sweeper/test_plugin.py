"""The hooks, the service and the command, each as the core uses it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import gevent
import pytest
from chatgate_maildb import MailDb
from chatgate_sweeper import Sweeper, SweeperOptions
from chatgate_sweeper import service as service_module
from chatgate_sweeper.service import Evictor, Service
from click.testing import CliRunner

from chatgate.api import Envelope, NewAccount, Session
from chatgate.testing import imap_client, new_login, pgp_message, smtp_client, until
from tests.plugins.sweeper.conftest import DAY, NOW, People

LARGE = 250_000


# ------------------------------------------------------------------------------------------------ a full disk


def test_below_the_first_mark_only_the_operator_makes_accounts(gateway, disk):
    def create(way):
        return gateway.accounts.create(NewAccount("x@example.org", "p", way))

    assert create("login") is None
    disk.free = 999_999_999
    for way in ("login", "site"):
        reply = create(way)
        assert (reply.code, reply.enhanced, reply.temporary) == (452, "4.3.1", True) and "authentic" not in reply.text
    assert create("operator") is None


def test_below_the_second_mark_large_mail_is_refused_for_now(gateway, disk):
    def judge(octets):
        envelope = Envelope("a@example.org", ["b@example.org"], bytes(octets))
        return gateway.hub.filter(session=Session("mx", "127.0.0.1"), envelope=envelope)

    assert judge(LARGE) is None
    disk.free = 500_000_000
    assert judge(LARGE) is None
    disk.free -= 1
    assert (judge(LARGE).code, judge(LARGE).enhanced) == (452, "4.3.1") and judge(200_000) is None


def test_the_operator_is_told_of_a_disk_that_fills(gateway, disk):
    def told():
        return [one for one in gateway.troubles() if one.key != "gate"]

    assert told() == []
    disk.free = 900_000_000
    (found,) = told()
    assert found.key == "disk" and "900 MB free: nobody can make an account" in found.what
    disk.free = 400_000_000
    (found,) = told()
    assert found.key == "disk" and "400 MB free: large mail and new accounts are refused" in found.what


def test_the_operator_is_told_of_sweeps_that_fail_and_of_what_they_hold_back(gateway, disk, people, monkeypatch):
    plugin = gateway.hub.plugin("sweeper")

    def told():
        return [one.key for one in gateway.troubles() if one.key != "gate"]

    plugin.service.attempt()
    assert told() == []
    report = plugin.service.last
    monkeypatch.setattr(plugin.service, "sweep", lambda: 1 / 0)
    plugin.service.attempt()
    assert told() == ["sweep"] and "ZeroDivisionError" in gateway.troubles()[-1].what
    report.held_back, report.behind = 50, 90 * DAY
    monkeypatch.setattr(plugin.service, "sweep", lambda: report)
    plugin.service.attempt()
    assert told() == ["sweep:idle", "sweep:clock"] and "90 days late" in gateway.troubles()[-1].what


def test_check_names_a_disk_that_fills(gateway, disk):
    def levels():
        return [p.level for found in gateway.hub.check.or_raise(gateway=gateway) for p in found if "sweeper" in p.text]

    assert levels() == []
    disk.free = 900_000_000
    assert levels() == ["warning"]
    disk.free = 400_000_000
    assert levels() == ["error"]


def test_the_disk_is_really_asked(open_gateway):
    gateway = open_gateway(no_accounts_below_bytes=1 << 60, no_large_mail_below_bytes=1 << 60)
    _ = gateway.store
    (problems,) = [found for found in gateway.hub.check.or_raise(gateway=gateway) if found]
    assert "MB are free" in problems[0].text
    assert not [found for found in open_gateway(disk="nowhere").hub.check.or_raise(gateway=gateway) if found]


# ------------------------------------------------------------------------------------------------ the service


@pytest.fixture
def clock():
    return [NOW]


@pytest.fixture
def evictor(gateway, clock, disk):
    made = Evictor(gateway, SweeperOptions(), lambda: clock[0])
    yield made
    made.stop(1)


def test_the_service_sweeps_on_its_timer(gateway, people, clock, disk, monkeypatch):
    monkeypatch.setattr(service_module, "_FIRST", 0.01)
    people.alice.mail(1, 19.5), people.alice.mail(1, 18.5)
    made = Service(gateway, SweeperOptions(every_minutes=0.03 / 60), lambda: clock[0])
    made.start()
    gevent.sleep(0.1)
    assert len(people.alice.left()) == 2
    for left in (1, 0):
        clock[0] += DAY
        until(lambda left=left: len(people.alice.left()) == left)
    made.stop(1)
    people.alice.mail(1, 90)
    gevent.sleep(0.1)
    assert len(people.alice.left()) == 1


def test_the_service_survives_what_goes_wrong(gateway, people, clock, disk, monkeypatch, caplog):
    monkeypatch.setattr(service_module, "_FIRST", 0.01)
    people.alice.mail(1, 30)
    old, failed = gateway.store.old, []

    def fails_once(*args, **more):
        if not failed:
            failed.append(1)
            raise RuntimeError("secret")
        return old(*args, **more)

    monkeypatch.setattr(gateway.store, "old", fails_once)
    made = Service(gateway, SweeperOptions(every_minutes=0.03 / 60), lambda: clock[0])
    made.start()
    until(lambda: failed and people.alice.left() == set())
    made.stop(1)
    assert "sweep failed: RuntimeError" in caplog.text and "secret" not in caplog.text


def test_an_account_that_crosses_the_line_is_evicted_soon_after(gateway, people, evictor):
    gateway.hub.plugin("sweeper").evictor = evictor
    evictor.start()
    old = people.alice.mail(300_000, 2)
    for _ in range(5):
        new = people.alice.mail(100_000, 0.1)
    assert len(people.alice.left()) == 6
    envelope = Envelope("", ["alice+tag@example.org"], b"Subject: x\r\n\r\n")
    assert gateway.intake.accept(Session("mx", "127.0.0.1"), envelope).code == 250
    until(lambda: old not in people.alice.left())
    left = people.alice.left()
    assert old not in left and new in left and len(left) == 6


def test_an_account_that_stays_full_is_not_looked_at_for_each_message(gateway, people, evictor, clock, monkeypatch):
    gateway.hub.plugin("sweeper").evictor = evictor
    evictor.start()
    looked, kept = [], gateway.store.kept
    monkeypatch.setattr(gateway.store, "kept", lambda account_id: (looked.append(account_id), kept(account_id))[1])
    people.alice.mail(800_000, 0.1)

    def arrive():
        envelope = Envelope("", ["alice@example.org"], b"Subject: x\r\n\r\n")
        assert gateway.intake.accept(Session("mx", "127.0.0.1"), envelope).code == 250
        gevent.sleep(0.03)

    arrive()
    until(lambda: looked)
    for _ in range(4):
        arrive()
    assert len(looked) == 1
    clock[0] -= 365 * DAY  # how long ago it was does not depend on the machine's clock
    evictor._tried = {account: tried - 301 for account, tried in evictor._tried.items()}
    arrive()
    until(lambda: len(looked) > 1)
    arrive()
    assert len(looked) == 2


def test_the_gateway_starts_and_stops_it(gateway_factory):
    gateway = gateway_factory("tls", MailDb, Sweeper)
    (service,) = [s for s in gateway.services if s.name == "sweeper"]
    assert service.listening == [] and not service._greenlet.dead
    gateway.stop()
    assert service._greenlet.dead


def test_of_two_gateways_on_one_store_one_sweeps(open_gateway, disk):
    one, two = open_gateway(), open_gateway()
    stores = one.store, two.store
    first, second = (gateway.hub.plugin("sweeper").service for gateway in (one, two))
    for service in (first, second):
        service.start()
    until(stores[0].leases)
    assert [tuple(lease) for lease in stores[1].leases()] == [("sweeper", first.holder)]
    first.stop(1)
    assert stores[0].leases() == []
    second.stop(1)


def test_live_sessions_are_told_expunge(gateway_factory):
    """A whole gateway: mail comes in, a client waits in IDLE, the sweep comes 21 days later."""
    gateway = gateway_factory("tls", MailDb, "passwordless", "smtp", "imap", Sweeper)
    login = new_login(gateway)
    client = imap_client(gateway, login)
    with smtp_client(gateway, login) as sender:
        for _ in range(2):
            sender.sendmail(login[0], [login[0]], pgp_message(login[0], login[0]))
    assert client.select()[1] == [b"2"]
    client.fetch("1:2", "(BODY.PEEK[])")
    client.send(b"a IDLE\r\n")
    assert client.readline().startswith(b"+")
    plugin = gateway.hub.plugin("sweeper")
    plugin.service._rules_time = lambda: time.time() + 21 * DAY
    assert plugin.service.sweep().rules["old"].messages == 2
    assert [client.readline() for _ in range(2)] == [b"* 2 EXPUNGE\r\n", b"* 1 EXPUNGE\r\n"]
    client.send(b"DONE\r\n")
    client.shutdown()


# ------------------------------------------------------------------------------------------------ the command


@pytest.fixture
def run(gateway, disk):
    def run(*arguments):
        cli = click.Group()
        gateway.hub.commands.or_raise(cli=cli, gateway=gateway)
        return CliRunner().invoke(cli, ["sweep", *arguments])

    return run


def test_the_command(people, run):
    stays = people.alice.mail(100, 1)
    people.alice.mail(1_000, 30), people.bob.mail(2_000, 30)
    would = run("--dry-run", "--json")
    report = json.loads(would.stdout)
    assert report["dry_run"] and report["rules"]["old"] == {"messages": 2, "octets": 3_000, "accounts": 0}
    assert set(report["rules"]) == {"idle", "old", "large", "quota", "disk"} and would.exit_code == 0
    assert len(people.bob.left()) == 1
    one = run("--account", "bob")
    assert one.exit_code == 0 and re.search(r"old messages +1 messages, 0\.0 MB", one.stdout)
    assert people.bob.left() == set() and len(people.alice.left()) == 2
    rest = json.loads(run("--json").stdout)
    assert not rest["dry_run"] and rest["rules"]["old"]["messages"] == 1
    assert people.alice.left() == {stays}


def test_the_command_at_another_time(people, run):
    people.alice.mail(1, 0)
    day = time.strftime("%Y-%m-%d", time.gmtime(NOW + 21 * DAY))
    assert json.loads(run("--now", day, "--json").stdout)["rules"]["old"]["messages"] == 1
    assert run("--now", "soon").exit_code == 2


def test_the_command_for_nobody(run):
    answer = run("--account", "nobody")
    assert answer.exit_code == 1 and "no account nobody@example.org" in answer.output


SWEEP = """
import sys
from pathlib import Path
from chatgate_maildb import MailDb, MailDbOptions, removal
from chatgate_sweeper import Sweeper, SweeperOptions
from chatgate_sweeper.sweep import Sweep
from chatgate.hosting.confd import Config, Enabled
from chatgate.hosting.options import CoreOptions
from chatgate.running.gateway import Gateway
removal._MOST = removal._LEAST = 10
plugins = (Enabled("maildb", MailDb, MailDbOptions()), Enabled("sweeper", Sweeper, SweeperOptions()))
gateway = Gateway(Config(Path(sys.argv[1]), CoreOptions(domain="example.org"), plugins))
Sweep(gateway, SweeperOptions(), float(sys.argv[2]), tell=lambda n: print(n, flush=True)).everything()
"""


@pytest.mark.parametrize("lines", [1, 7, 25])
def test_killed_amid_a_sweep(open_gateway, tmp_path, lines):
    """SIGKILL: what was told as removed is removed, and the store is sound."""
    gateway = open_gateway(quota=0)
    people = People(gateway)
    for n in range(300):
        people.alice.mail(10 if n % 10 else 100_000, 30 + n % 3)
    young = people.bob.mail(10, 1)
    gateway.stop()
    root = Path(__file__).parents[3]
    environment = os.environ | {"PYTHONPATH": f"{root / 'plugins'}:{root}"}
    command = [sys.executable, "-c", SWEEP, str(tmp_path), str(NOW)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        told = sum(int(process.stdout.readline()) for _ in range(lines))
        process.send_signal(signal.SIGKILL)
    again = People(gateway)  # opens the store anew
    assert gateway.store.integrity() == [] and again.bob.left() == {young}
    assert len(again.alice.left()) <= 300 - told
