"""Sessions of the gateway are told of what a command does beside it."""

import logging
import os
import stat

import gevent
import pytest
from chatgate_maildb.wakeups import Wakeups

from chatgate.api import BindError, Delivery
from chatgate.testing import until


class Ear:
    """The gateway's side."""

    def __init__(self, folder):
        self.heard = []
        self.wakeups = Wakeups(folder, self.hear)
        self.wakeups.bind()
        self.wakeups.start()

    def hear(self, mailbox_id):
        self.heard.append(mailbox_id)

    def wait(self, count=1):
        until(lambda: len(self.heard) >= count)
        gevent.sleep(0.01)  # for more than that
        return self.heard


@pytest.fixture
def ear(tmp_path):
    made = Ear(tmp_path)
    yield made
    made.wakeups.stop(1)


def test_each_process_hears_of_a_change_once(tmp_path, ear):
    own = []
    other = Wakeups(tmp_path, own.append)
    other.post(7), other.post(1 << 40)
    assert ear.wait(2) == [7, 1 << 40] and own == [7, 1 << 40]
    ear.wakeups.post(8)
    assert ear.wait(3)[2:] == [8]


def test_a_path_longer_than_a_socket_may_have(tmp_path):
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    ear = Ear(folder)
    Wakeups(folder, lambda mailbox_id: None).post(5)
    assert ear.wait() == [5]
    ear.wakeups.stop(1)
    assert [path.name for path in folder.iterdir()] == ["wake"]


def test_nobody_listens(tmp_path, ear):
    own = []
    ear.wakeups.stop(1)
    Wakeups(tmp_path, own.append).post(7)
    Wakeups(tmp_path / "not there", own.append).post(8)
    assert own == [7, 8]


def test_a_gateway_that_was_killed_is_no_hindrance(tmp_path, ear):
    following = Ear(tmp_path)
    Wakeups(tmp_path, lambda mailbox_id: None).post(7)
    assert following.wait() == [7] and ear.heard == []
    following.wakeups.stop(1)


def test_a_gateway_that_stops_after_the_next_has_begun_leaves_it_its_socket(tmp_path, ear):
    following = Ear(tmp_path)
    ear.wakeups.stop(1)
    Wakeups(tmp_path, lambda mailbox_id: None).post(7)
    assert following.wait() == [7]
    following.wakeups.stop(1)


def test_a_watcher_that_fails_ends_nothing(tmp_path, ear, caplog):
    ear.wakeups._post = lambda mailbox_id: ear.hear(1 / 0 if mailbox_id == 1 else mailbox_id)
    other = Wakeups(tmp_path, lambda mailbox_id: None)
    other.post(1), other.post(2)
    assert ear.wait() == [2] and "a watcher failed: ZeroDivisionError" in caplog.text


def test_a_flood_delays_nobody(tmp_path, ear):
    """More than the socket holds: hints are lost, commands are not held up."""
    flooding = Wakeups(tmp_path, lambda mailbox_id: None)
    for n in range(10_000):
        flooding.post(n)
    heard = ear.wait()
    assert 0 < len(heard) < 10_000
    until(lambda: flooding.post(77) or heard[-1] == 77)  # again, if there is no room yet


def test_what_is_no_id_is_passed_over(tmp_path, ear):
    other = Wakeups(tmp_path, lambda mailbox_id: None)
    for message in (b"", b"x", bytes(7)):
        other._sending.sendto(message, str(tmp_path / "wake"))
    other.post(9)
    assert ear.wait() == [9]


def test_a_folder_that_is_not_ours(tmp_path):
    (tmp_path / "wake").mkdir()
    with pytest.raises(BindError, match="wake cannot be made"):
        Wakeups(tmp_path, lambda mailbox_id: None).bind()


def test_stores_of_two_processes(open_gateway, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    serving, command = open_gateway(), open_gateway()
    account = serving.store.create_account("alice@example.org", "")
    box, posts = serving.store.mailbox(account.id, "INBOX").id, []
    service, *_ = serving.hub.services.or_raise(gateway=serving)[0]
    service.bind(), service.start()
    assert stat.S_ISSOCK(os.stat(tmp_path / "data" / "wake").st_mode)
    serving.board.watch(box, lambda: posts.append(1))
    command.store.store(b"x", [Delivery("", box, account.id)])
    until(lambda: posts)
    assert posts == [1]
    service.stop(1)
