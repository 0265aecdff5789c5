"""A clock that is wrong deletes nothing, and an account that is in use stays whatever the clock says."""

import json
import time

import pytest
from chatgate_maildb import MailDb
from chatgate_sweeper import Sweeper, SweeperOptions
from chatgate_sweeper.clock import Clock
from chatgate_sweeper.sweep import Sweep
from hypothesis import given
from hypothesis import strategies as st

from chatgate.api import Delivery
from chatgate.testing import imap_client, new_login, until
from tests.plugins.sweeper.conftest import DAY, NOW

HOUR = 3600.0


class Machine:
    """Its clock, its ticks since the boot and the boot, all set by the test."""

    def __init__(self, path):
        self.path, self.wall, self.ticks, self.boot = path, float(NOW), 1000.0, "first"

    def clock(self):
        """As a process makes it that has just started."""
        return Clock(self.path, lambda: self.wall, lambda: self.ticks, lambda: self.boot)

    def now(self):
        return self.clock().now()

    def lives(self, seconds):
        self.wall, self.ticks = self.wall + seconds, self.ticks + seconds

    def reboots(self, off=60.0):
        self.wall, self.ticks, self.boot = self.wall + off, 5.0, self.boot + "+"


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "clock")


def test_it_goes_with_the_machine_s_clock(machine):
    for _ in range(5):
        assert machine.now() == machine.wall and machine.clock().behind() == 0
        machine.lives(40 * DAY)  # nobody looked for so long, but the machine was on
    assert machine.now() == machine.wall
    machine.reboots(20 * HOUR)
    assert machine.now() == machine.wall


def test_a_leap_moves_it_little(machine):
    was = machine.now()
    machine.wall += 100 * DAY
    assert machine.now() == was and machine.clock().behind() == 100 * DAY
    machine.lives(DAY)
    assert machine.now() == was + 2 * DAY
    machine.wall -= 100 * DAY
    assert machine.now() == machine.wall == was + DAY and machine.clock().behind() == 0


def test_it_catches_up_with_a_clock_that_is_right_after_all(machine):
    """A machine that was off for weeks: people who could not log in get as long to come back."""
    machine.now()
    machine.reboots(60 * DAY)
    behind = [machine.clock().behind()]
    while machine.now() < machine.wall:
        machine.lives(DAY)
        behind.append(machine.clock().behind())
    assert behind == sorted(behind, reverse=True) and 55 <= len(behind) <= 61


def test_a_clock_that_goes_back_and_is_set_right(machine):
    was = machine.now()
    machine.wall -= 300 * DAY
    assert machine.now() == was - 300 * DAY
    machine.lives(HOUR)
    machine.wall += 300 * DAY
    assert machine.now() == was + HOUR


def test_somebody_says_that_it_is_right(machine):
    machine.now()
    machine.wall += 100 * DAY
    assert machine.clock().trust() == machine.wall == machine.now()


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e9, 1e9), st.booleans()), max_size=30))
def test_never_ahead_and_never_fast(tmp_path_factory, steps):
    machine = Machine(tmp_path_factory.mktemp("clock") / "clock")
    reached, allowed = machine.now(), 0.0
    most = reached
    for lived, leap, reboots in steps:
        machine.lives(lived)
        machine.wall += leap
        if reboots:
            machine.reboots()
        allowed = DAY if reboots else 2 * lived
        reached = machine.now()
        assert reached <= machine.wall and reached <= most + allowed + 1
        most = max(most, reached)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"time": "x", "ticks": 1, "boot": ""}', "\0" * 40])
def test_a_spoilt_file_is_made_anew(machine, text, caplog):
    machine.path.write_text(text)
    assert machine.now() == machine.wall and "cannot be read" in caplog.text
    assert json.loads(machine.path.read_text())["time"] == machine.wall


def test_a_folder_that_cannot_be_written(tmp_path, caplog):
    (tmp_path / "nowhere").touch()  # a file, not even root can make anything below it
    machine = Machine(tmp_path / "nowhere" / "clock")
    clock = machine.clock()
    was = clock.now()
    machine.wall += 100 * DAY
    assert clock.now() == was and "cannot be written" in caplog.text


def test_a_leap_removes_neither_accounts_nor_mail(open_gateway, people, gateway, tmp_path):
    account, mail = people.alice.account, people.alice.mail(1, 0)
    wall = [float(NOW)]
    plugin = Sweeper(gateway, SweeperOptions(clock_file=str(tmp_path / "clock")), lambda: wall[0])
    plugin.service.sweep()
    wall[0] += 100 * DAY
    report = plugin.service.sweep()
    assert report.messages == 0 and people.alice.left() == {mail} and gateway.store.account(account.address)
    assert report.behind >= 99 * DAY


@pytest.mark.parametrize("starts_so", [True, False])
def test_what_comes_while_the_clock_is_behind_is_not_old_when_it_is_set_right(gateway, people, tmp_path, starts_so):
    """Such as after a boot, before the network tells the time: it all went with the next sweep."""
    wall = [float(NOW)]
    options = SweeperOptions(clock_file=str(tmp_path / "clock"))
    plugin = Sweeper(gateway, options, lambda: wall[0])
    used = gateway.store.create_account("used@example.org", "", created=1, last_login=NOW // DAY - 89)
    plugin.chatgate_services()
    if starts_so:
        wall[0] -= 365 * DAY
        plugin = Sweeper(gateway, options, lambda: wall[0])
        plugin.chatgate_services()
    # The clock of the store is that of this machine, which is right: as if it were behind.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(time, "time", lambda: NOW - 365.0 * DAY)
        new = gateway.store.create_account("new@example.org", "")
        inbox = gateway.store.mailbox(new.id, "INBOX")
        gateway.store.store(b"x", [Delivery("new@example.org", inbox.id, new.id)])
        gateway.hub.plugin("accounts").chatgate_logged_in(used)
        until(lambda: gateway.store.account("used@example.org").last_login > NOW // DAY - 89)
    wall[0] = NOW + 2.0 * DAY
    report = plugin.service.sweep()
    assert report.messages == report.rules["idle"].accounts == 0
    assert gateway.store.account("used@example.org") and gateway.store.status(inbox.id).messages == 1


def test_a_first_look_goes_by_when_the_accounts_were_in_use_last(open_gateway, gateway, tmp_path):
    """A folder without the clock's file: of an older version, or from a backup."""
    for name, day in (("idle", 200), ("used", 3), ("older", 120)):
        gateway.store.create_account(f"{name}@example.org", "", created=NOW // DAY - day)
    gateway.stop()
    file, leapt = tmp_path / "data" / "sweeper.clock", NOW + 300 * DAY
    assert not file.exists()
    gateway = open_gateway()
    plugin = Sweeper(gateway, SweeperOptions(), lambda: leapt)
    plugin.chatgate_services()  # looks before anybody can log in
    assert json.loads(file.read_text())["time"] == (NOW // DAY - 3 + 2) * DAY, (
        "the end of that day, and a day for a stop"
    )
    gateway.store.create_account(
        "new@example.org", "", created=leapt // DAY
    )  # what the wrong clock says proves nothing
    assert plugin.service.sweep().rules["idle"].accounts == 2
    assert gateway.store.account("used@example.org") and plugin.clock.behind() > 300 * DAY
    file.unlink()
    gateway.read_only = True
    again = Sweeper(gateway, SweeperOptions(), lambda: leapt)
    assert again.chatgate_check() == [], "it cannot know, and must not open the store"


@pytest.mark.parametrize("text", ["", "{", "null"])
def test_a_spoilt_file_is_as_none(gateway, people, tmp_path, text):
    assert people.alice.account
    file = tmp_path / "data" / "sweeper.clock"
    file.write_text(text)
    plugin = Sweeper(gateway, SweeperOptions(), lambda: NOW + 100 * DAY)
    assert plugin.clock.behind() > 98 * DAY and plugin.clock.now() <= NOW + 2 * DAY


def test_a_new_server_takes_the_clock_as_it_is(gateway):
    plugin = Sweeper(gateway, SweeperOptions(), lambda: NOW + 100 * DAY)
    assert plugin.clock.now() == NOW + 100 * DAY and plugin.clock.behind() == 0


# ------------------------------------------------------------------------------------------------ too many at one time


@pytest.fixture
def many(gateway):
    def many(idle, others):
        for n in range(idle):
            gateway.store.create_account(f"idle{n}@example.org", "", created=NOW // DAY - 200)
        for n in range(others):
            gateway.store.create_account(f"other{n}@example.org", "")

    return many


def swept(gateway, force=False, **options):
    report = Sweep(gateway, SweeperOptions(**options), NOW, force=force).everything()
    return report.rules["idle"].accounts, report.held_back


@pytest.mark.parametrize(
    ("idle", "others", "expected"),
    [(30, 30, (0, 30)), (21, 0, (0, 21)), (20, 0, (20, 0)), (3, 0, (3, 0)), (25, 100, (25, 0)), (26, 100, (0, 26))],
)
def test_when_most_would_go_none_does(gateway, many, disk, idle, others, expected):
    many(idle, others)
    assert swept(gateway) == expected
    assert gateway.store.count_accounts() == idle + others - expected[0]
    assert swept(gateway, force=True) == (idle - expected[0], 0)


def test_the_share_is_an_option(gateway, many, disk):
    many(30, 30)
    assert swept(gateway, most_idle_percent=49) == (0, 30)
    assert swept(gateway, few_idle_accounts=30) == (30, 0)


def test_check_and_the_log_say_so(gateway, many, disk, caplog):
    many(30, 30)
    problems = gateway.hub.plugin("sweeper").chatgate_check()
    assert [p.level for p in problems] == ["error"] and "30 of 60 accounts are idle" in problems[0].text
    gateway.hub.plugin("sweeper").service.sweep()
    assert "30 accounts are idle at one time: none is removed" in caplog.text


# ------------------------------------------------------------------------------------------------ accounts in use


def test_a_last_login_never_goes_back(people, gateway):
    account = people.alice.account
    for day, noted in ((20000, 20000), (19000, 20000), (20001, 20001), (0, 20001)):
        gateway.store.set_last_login(account.id, day)
        assert gateway.store.account(account.address).last_login == noted


def test_a_connected_account_is_not_idle(gateway_factory, disk):
    """By the session, for a sweep of this process, and by the database, for that of another."""
    gateway = gateway_factory("tls", MailDb, "passwordless", "imap", Sweeper)
    here, away = new_login(gateway), new_login(gateway)
    client = imap_client(gateway, here)
    imap_client(gateway, away).logout()
    gateway.store.writer.run(lambda tx: tx.execute("UPDATE account SET last_login=1, created=1"))
    assert swept(gateway) == (1, 0)
    assert gateway.store.account(here[0]).last_login == NOW // DAY and gateway.store.account(away[0]) is None
    gateway.store.writer.run(lambda tx: tx.execute("UPDATE account SET last_login=1"))
    gateway.hub.plugin("accounts").note_present()
    assert gateway.store.account(here[0]).last_login >= NOW // DAY
    assert client.noop()[0] == "OK"
