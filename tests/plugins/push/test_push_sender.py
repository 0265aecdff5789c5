"""From new mail to the service, with a service that misbehaves, restarts in between, and a clock of the test."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import gevent
import greenlet
import pytest
from chatgate_push.sender import steady
from push_fakes import ERROR, GONE, OK, answer, close, hang, late, session, then_close

from chatgate.testing import until

HOUR = 3600


def rest() -> None:
    """Long enough for anything that should not happen."""
    gevent.sleep(0.15)


# ------------------------------------------------------------------------------------------ who is told of what


def test_each_device_of_each_recipient_is_told(push, service):
    plugin = push()
    plugin.set(1, "phone1", "tablet1")
    plugin.set(2, "phone2")
    plugin.set(3, "phone3")
    plugin.mail(1, 2, 77)
    until(lambda: plugin.count("accepted") == 3)
    rest()
    assert sorted(service.tokens) == ["phone1", "phone2", "tablet1"]


def test_nobody_is_told_of_his_own_message(push, service):
    plugin = push()
    plugin.set(1, "mine")
    plugin.set(2, "theirs")
    plugin.mail(1, 2, sender="User1@Example.org")
    until(lambda: service.requests)
    rest()
    assert service.tokens == ["theirs"]


def test_a_burst_is_exactly_one_request_per_token(push, service, clock):
    plugin = push(clock=clock, coalesce_seconds=0.3)
    plugin.set(1, "a", "b")
    plugin.set(2, "c")
    for _ in range(20):
        plugin.mail(1, 2)
        plugin.advance(0.01)
    assert not service.requests
    plugin.advance(0.3)
    until(lambda: plugin.count("accepted") == 3)
    plugin.advance(0.3)
    rest()
    assert service.count == {"a": 1, "b": 1, "c": 1}
    assert plugin.count("queued") == 3


def test_a_token_shared_by_two_accounts_is_told_once(push, service):
    plugin = push()
    plugin.set(1, "shared")
    plugin.set(2, "shared")
    plugin.mail(1, 2)
    until(lambda: service.requests)
    rest()
    assert service.tokens == ["shared"]


def test_mail_during_a_request_is_told_by_another(push, service):
    service.default = late(0.2)
    plugin = push()
    plugin.set(1, "a")
    plugin.mail(1)
    until(lambda: service.at_once)
    plugin.mail(1)
    plugin.mail(1)
    until(lambda: plugin.count("accepted") == 2)
    rest()
    assert service.tokens == ["a", "a"]
    assert service.most_at_once == 1


def test_an_old_token_is_not_told(push, service, clock):
    plugin = push(clock=clock)
    plugin.set(1, "old")
    clock.now += 91 * 24 * HOUR
    plugin.mail(1)
    plugin.advance(1)
    rest()
    assert not service.requests


# ------------------------------------------------------------------------------------------ answers


@pytest.mark.parametrize(
    "failure",
    [ERROR, answer("404 Not Found"), close, then_close(b"garbage\r\n\r\n"), hang],
    ids=["500", "404", "closed", "garbage", "silence"],
)
def test_a_failure_is_tried_again_until_it_works(push, service, failure):
    service.answers["a"] = [failure, failure, OK]
    plugin = push(first_retry_seconds=0.05, request_seconds=1.0)
    plugin.set(1, "a")
    plugin.mail(1)
    until(lambda: plugin.count("accepted") == 1)
    rest()
    assert service.tokens == ["a", "a", "a"]
    assert (plugin.count("failed"), plugin.count("waiting")) == (2, 0)


def test_the_first_retry_comes_after_two_seconds(push, service, clock):
    service.default = ERROR
    plugin = push(clock=clock)
    plugin.set(1, "a")
    plugin.mail(1)
    plugin.advance(0.1)
    until(lambda: len(service.requests) == 1)
    plugin.advance(1.5)
    rest()
    assert len(service.requests) == 1
    plugin.advance(1)
    until(lambda: len(service.requests) == 2)


def test_after_five_hours_it_is_given_up(push, service, clock, caplog):
    caplog.set_level(logging.INFO)
    service.default = answer("404 Not Found")
    plugin = push(clock=clock)
    plugin.set(1, "secret-token")
    plugin.mail(1)
    for _ in range(30):
        plugin.advance(0.2 * HOUR)
    until(lambda: plugin.count("given_up") == 1)
    assert plugin.count("waiting") == 0
    assert 10 <= len(service.requests) <= 30
    assert plugin.get(1) == "secret-token"  # the next mail begins anew
    assert "given up" in caplog.text and "secret-token" not in caplog.text


def test_410_forgets_the_token_of_all_accounts(push, service):
    service.answers["gone"] = [GONE]
    plugin = push()
    plugin.set(1, "gone", "there")
    plugin.set(2, "gone")
    plugin.mail(1)
    until(lambda: plugin.count("gone") == 1 and plugin.get(1) == "there")
    assert plugin.get(2) == ""
    plugin.mail(1, 2)
    until(lambda: service.count["there"] == 2)
    rest()
    assert service.count["gone"] == 1


def test_a_removed_account_is_not_told_of_what_was_waiting(push, service, clock):
    service.default = ERROR
    plugin = push(clock=clock)
    plugin.set(1, "a")
    plugin.mail(1)
    plugin.advance(1)
    until(lambda: plugin.count("failed") == 1)
    plugin.chatgate_account_removed(session(1).account)
    plugin.advance(10)
    until(lambda: plugin.count("waiting") == 0)
    assert len(service.requests) == 1


@pytest.mark.parametrize("ending, counted", [(OK, "accepted"), (ERROR, "failed"), (GONE, "gone")])
def test_an_account_removed_while_its_request_is_under_way_is_not_told_again(push, service, ending, counted):
    service.default = late(0.2, ending)
    plugin = push(first_retry_seconds=0.05)
    plugin.set(1, "a")
    plugin.mail(1)
    until(lambda: service.at_once)
    plugin.mail(1)
    plugin.chatgate_account_removed(session(1).account)
    until(lambda: plugin.count(counted) == 1 and plugin.count("waiting") == 0)
    rest()
    assert service.tokens == ["a"]


# ------------------------------------------------------------------------------------------ restarts


def test_what_waited_at_the_stop_is_sent_after_the_start(push, service, clock):
    plugin = push(clock=clock, coalesce_seconds=10)
    for account in range(1, 31):
        plugin.set(account, f"token{account}")
        plugin.mail(account)
    plugin.stop()  # at once: nothing was even looked up
    assert not service.requests
    clock.now += 60
    again = push(clock=clock)
    until(lambda: again.count("accepted") == 30)
    rest()
    assert service.count == {f"token{account}": 1 for account in range(1, 31)}
    assert again.count("queued") == 30  # counters go on


def test_retries_go_on_where_they_were(push, service, clock):
    service.default = ERROR
    plugin = push(clock=clock)
    plugin.set(1, "a")
    plugin.mail(1)
    for _ in range(4):
        plugin.advance(40)
    until(lambda: plugin.count("failed") >= 3)
    plugin.stop()
    failed = plugin.count("failed")
    clock.now += 4 * HOUR
    again = push(clock=clock)
    until(lambda: again.count("failed") == failed + 1)
    again.stop()
    clock.now += 2 * HOUR
    last = push(clock=clock)
    assert (last.count("given_up"), last.count("waiting")) == (1, 0)


def test_a_request_under_way_at_the_stop_is_made_again(push, service):
    service.answers["a"] = [hang, OK]
    plugin = push()
    plugin.set(1, "a")
    plugin.mail(1)
    until(lambda: service.requests)
    plugin.stop()
    assert service.at_once == 1  # it did not wait for the answer
    push()
    until(lambda: service.tokens == ["a", "a"])


def test_a_kill_loses_nothing_that_was_told_a_moment_before(push, service, clock, tmp_path):
    plugin = push(clock=clock, coalesce_seconds=10)
    plugin.set(1, "a")
    plugin.mail(1)
    with sqlite3.connect(tmp_path / "data/push.db") as other:  # what a new process would find
        until(lambda: other.execute("SELECT count(*) FROM waiting").fetchone() == (1,))


KILLED = """
import os, signal, sys
from pathlib import Path
from chatgate.testing import until
from push_fakes import Plugin
plugin = Plugin(Path(sys.argv[1]), sys.argv[2], connections=5).start()
for account in range(1, 201):
    plugin.set(account, f"token{account}")
plugin.mail(*range(1, 201))
until(lambda: plugin.count("accepted") >= 30)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_amid_a_burst_costs_no_notification(push, service, tmp_path):
    service.default = late(0.01)
    command = [sys.executable, "-c", KILLED, str(tmp_path), service.url]
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    killed = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path})
    until(lambda: killed.poll() is not None)
    assert killed.returncode == -signal.SIGKILL and len(service.requests) < 200
    push()
    until(lambda: len(service.count) == 200)
    rest()
    again = {token for token, times in service.count.items() if times > 1}
    assert len(again) < 60  # those of the last moment, accepted but not noted as such


def test_what_waits_is_told_also_after_the_clock_of_the_system_was_set(push, service, clock):
    """By NTP, hours after the start on a machine without a battery."""
    plugin = push(clock=clock, steady=steady, coalesce_seconds=0.2)
    for account, hours in enumerate((-1, 6, -6)):
        plugin.set(account, f"token{account}")
        plugin.mail(account)
        gevent.sleep(0.1)
        clock.now += hours * HOUR
    until(lambda: plugin.count("accepted") == 3)
    assert service.count == {"token0": 1, "token1": 1, "token2": 1}
    assert plugin.metrics()["stored_to_accepted"]["sum"] < 60


def test_the_clock_for_waiting_is_not_the_one_that_is_set(monkeypatch):
    before, now = steady(), time.time()
    assert abs(before - now) < 60
    monkeypatch.setattr(time, "time", lambda: now + 10 * HOUR)
    assert 0 <= steady() - before < 60


def test_mail_that_comes_while_the_gateway_stops_is_saved(push, service):
    plugin = push()
    plugin.set(1, "a")
    plugin.stop()
    plugin.mail(1)
    push()
    until(lambda: service.tokens == ["a"])


# ------------------------------------------------------------------------------------------ a service that is down


def test_a_service_that_is_down_is_left_alone_then_asked_once_then_told_everything(push, service, clock, caplog):
    service.default = answer("503 Service Unavailable")
    plugin = push(clock=clock, failures_in_a_row=5, connections=5, first_retry_seconds=600.0)
    for account in range(1, 41):
        plugin.set(account, f"token{account}")
    plugin.mail(*range(1, 41))
    plugin.advance(1)
    until(lambda: plugin.count("pauses") == 1)
    rest()
    assert len(service.requests) == 5
    assert plugin.metrics()["service_left_alone"]
    plugin.advance(7)
    until(lambda: plugin.count("pauses") == 2)
    rest()
    assert len(service.requests) == 6  # the probe
    (trouble,) = plugin.chatgate_troubles()
    assert trouble.key == "push" and "refuses: phones are not told" in trouble.what
    service.default = OK
    plugin.advance(13)
    until(lambda: plugin.count("accepted") == 40)
    assert service.count.total() == 6 + 40
    assert not plugin.metrics()["service_left_alone"] and plugin.chatgate_troubles() == []
    assert "works again" in caplog.text


def test_a_service_that_comes_back_on_the_same_port(push, service):
    plugin = push(failures_in_a_row=2, first_retry_seconds=0.05, pause_seconds=0.1, max_pause_seconds=0.1)
    plugin.set(1, "a")
    service.stop()
    plugin.mail(1)
    until(lambda: plugin.count("pauses") >= 2)
    service.start()
    until(lambda: plugin.count("accepted") == 1)


@pytest.mark.parametrize("refusal", [answer("400 Bad Request"), ERROR], ids=["400", "500"])
def test_tokens_that_the_service_cannot_use_delay_nobody_else(push, service, clock, refusal):
    """Whoever has an account can set ten of them. The notification service answers 500 to such ones."""
    useless = [f"useless{i}" for i in range(10)]
    service.answers = {token: [refusal] for token in useless}
    plugin = push(clock=clock)
    plugin.set(1, *useless)
    plugin.set(2, "good")
    plugin.mail(1)
    plugin.advance(1)
    until(lambda: plugin.count("failed") == 10)
    plugin.mail(2)
    plugin.advance(3)  # with some retries of the others before it
    until(lambda: plugin.count("accepted") == 1)
    assert plugin.count("pauses") == 0


def test_slow_answers_hold_up_nobody_else(push, service):
    plugin = push(connections=10)
    for i in range(5):
        service.answers[f"slow{i}"] = [hang]
        plugin.set(1, f"slow{i}")
    for account in range(2, 102):
        plugin.set(account, f"token{account}")
    plugin.mail(1)
    plugin.mail(*range(2, 102))
    until(lambda: plugin.count("accepted") == 100)
    assert plugin.count("failed") == 0 and service.at_once == 5  # those are still under way
    assert service.most_at_once <= 10


def test_requests_under_way_are_bounded_and_connections_are_kept(push, service):
    def once_seven_came(sock):
        until(lambda: service.most_at_once >= 7)
        gevent.sleep(0.005)  # time for an eighth
        sock.sendall(OK)
        return True

    service.default = once_seven_came
    plugin = push(connections=7)
    for account in range(1, 201):
        plugin.set(account, f"token{account}")
    plugin.mail(*range(1, 201))
    until(lambda: plugin.count("accepted") == 200)
    assert service.most_at_once == 7 and service.connections == 7


def test_a_delivery_never_waits(push, service, caplog):
    """Neither for a service that hangs nor for a database that another process keeps locked. Without a switch to other
    greenlets there is no waiting, and none for the database, whose work is done in another thread.
    """
    service.default = hang
    plugin = push(connections=3)
    for account in range(1, 11):
        plugin.set(account, f"token{account}")
    plugin.mail(*range(1, 11))
    until(lambda: service.at_once == 3)
    switches: list[str] = []
    with sqlite3.connect(plugin._database.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(20):
            before = greenlet.settrace(lambda event, _: switches.append(event))
            plugin.mail(*range(1, 11))
            greenlet.settrace(before)
            gevent.sleep(0.005)
        other.execute("COMMIT")
    assert not switches
    rest()
    assert not caplog.messages  # had the whole process waited, the database's patience would have ended


def test_too_many_are_dropped_with_one_word(push, service, clock, caplog):
    plugin = push(clock=clock, max_waiting=10)
    for account in range(1, 31):
        plugin.set(account, f"token{account}")
        plugin.mail(account)
        gevent.sleep(0.03)
    until(lambda: plugin.count("dropped") == 20)
    assert plugin.count("waiting") == 10
    assert caplog.text.count("too many notifications wait") == 1
    plugin.advance(1)
    until(lambda: plugin.count("accepted") == 10)


def test_a_database_that_fails_now_and_then_costs_only_time(push, service, caplog, monkeypatch):
    service.answers["gone"] = [GONE]
    plugin = push()
    plugin.set(1, "a", "gone")
    run, calls = plugin._database.run, []

    def broken(work, writes):
        calls.append(work)
        if len(calls) < 3 or len(calls) % 3:
            raise sqlite3.OperationalError("disk I/O error")
        return run(work, writes=writes)

    monkeypatch.setattr("chatgate_push.sender._PAUSE", 0.02)
    monkeypatch.setattr("chatgate_push.keeper._PAUSE", 0.02)
    monkeypatch.setattr(plugin._database, "run", broken)
    plugin.mail(1)
    until(lambda: sorted(service.tokens) == ["a", "gone"])
    rest()
    monkeypatch.undo()
    assert "disk I/O error" in caplog.text and len(calls) > 5
    plugin.stop()
    again = push()  # what was done is known as done
    assert (again.count("waiting"), again.get(1)) == (0, "a")


def test_while_the_disk_is_full_phones_are_woken_and_the_log_says_it_once(push, service, caplog):
    plugin = push()
    everybody = range(1, 301)
    for account in everybody:
        plugin.set(account, f"token{account}")

    def pages(limit: int) -> None:
        plugin._database.run(lambda database: database.execute_sql(f"PRAGMA max_page_count={limit}"))

    pages(1)  # which means: no more than there are
    for burst in (1, 2):
        plugin.mail(*everybody)
        until(lambda count=300 * burst: plugin.count("accepted") == count)
    assert set(service.count.values()) == {2}
    assert caplog.text.count("saving fails: database or disk is full") == 1 and len(caplog.messages) == 1
    pages(1 << 30)
    plugin.mail(1)
    until(lambda: "saving works again" in caplog.text)


def test_a_database_that_is_locked_keeps_neither_phones_asleep_nor_the_gateway_from_stopping(
    push, service, caplog, monkeypatch
):
    monkeypatch.setattr("chatgate_push.sender._LAST_SAVING", 0.1)
    plugin = push()
    plugin.set(1, "a")
    with sqlite3.connect(plugin._database.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        plugin.mail(1)
        until(lambda: plugin.count("accepted") == 1)
        assert plugin.get(1) == "a"
        caplog.clear()
        plugin.mail(1)
        plugin.stop()
        assert not caplog.messages  # it ended before the database's patience did
        other.execute("COMMIT")


# ------------------------------------------------------------------------------------------ what is counted and logged


def test_the_histogram_counts_from_stored_to_accepted(push, service, clock):
    service.answers["a"] = [ERROR, OK]
    plugin = push(clock=clock)
    plugin.set(1, "a")
    plugin.mail(1)
    plugin.advance(0.2)
    until(lambda: plugin.count("failed") == 1)
    plugin.advance(4)
    until(lambda: plugin.count("accepted") == 1)
    histogram = plugin.metrics()["stored_to_accepted"]
    assert histogram["sum"] == pytest.approx(4.2)
    assert histogram["buckets"][histogram["bounds"].index(5.0)] == 1 == sum(histogram["buckets"])


@pytest.mark.parametrize(
    "behaviour",
    [
        OK,
        GONE,
        ERROR,
        close,
        answer("500 token-abcdef", "X: token-abcdef", body="token-abcdef"),
        then_close(b"token-abcdef\r\n\r\n"),
        then_close(b"HTTP/1.1 200 token-abcdef\r\ntoken-abcdef token-abcdef\r\n : token-abcdef\r\n\r\n"),
        then_close(b"HTTP/1.1 token-abcdef\r\n\r\n"),
    ],
)
def test_tokens_and_addresses_are_never_logged(push, service, behaviour, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    service.default = behaviour
    plugin = push(first_retry_seconds=0.01, failures_in_a_row=2, pause_seconds=0.05)
    plugin.set(1, "token-abcdef")
    plugin.mail(1)
    until(lambda: plugin.count("requests") >= 1)
    rest()
    plugin.stop()
    assert "token-abcdef" not in caplog.text and "user1" not in caplog.text
    captured = capfd.readouterr()
    assert "token-abcdef" not in captured.out + captured.err


# ------------------------------------------------------------------------------------------ mistakes of ours


@pytest.mark.parametrize(("where", "named"), [("keeper._look_up", "push-saving"), ("queue.next_due", "push-sending")])
def test_what_dies_is_named_and_goes_on(push, service, monkeypatch, caplog, where, named):
    monkeypatch.setattr("chatgate.running.background.Background.shortest", 0.01)
    plugin = push()
    plugin.set(1, "a")
    place, name = where.split(".")
    owner = getattr(plugin.sender, place)
    right = getattr(owner, name)

    def fails(*args):
        monkeypatch.setattr(owner, name, right)
        raise RuntimeError("secret")

    monkeypatch.setattr(owner, name, fails)
    plugin.mail(1)
    until(lambda: f"service ended service={named} error=RuntimeError" in caplog.text)
    plugin.mail(1)
    until(lambda: service.tokens)
    assert "secret" not in caplog.text
