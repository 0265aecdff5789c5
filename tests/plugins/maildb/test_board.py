"""Every process that serves from the folder is told of what any other one does there, and of what commands do."""

import os
import signal
import stat
import subprocess
import sys

import gevent
import pytest

from chatgate.api import BindError, Delivery
from chatgate.running.folderboard import FolderBoard
from chatgate.testing import until


class Ear:
    """A process that serves."""

    def __init__(self, folder):
        self.heard = []
        self.board = FolderBoard(folder)
        self.board.others._heard = self.hear
        self.board.others.bind()
        self.board.others.start()

    def hear(self, key):
        self.heard.append(key)

    def wait(self, count=1):
        until(lambda: len(self.heard) >= count)
        gevent.sleep(0.01)  # for more than that
        return self.heard

    def stop(self):
        self.board.others.stop(1)


@pytest.fixture
def ears(tmp_path):
    made = [Ear(tmp_path) for _ in range(3)]
    yield made
    for ear in made:
        ear.stop()


def test_all_processes_hear_of_a_change_once(tmp_path, ears):
    own, command = [], FolderBoard(tmp_path)
    command.watch(7, lambda: own.append(7))
    command.post(7), command.post(1 << 40), command.post(-3)
    for ear in ears:
        assert sorted(ear.wait(3)) == [-3, 7, 1 << 40]
    assert own == [7]
    ears[0].board.post(8)
    assert ears[1].wait(4)[3:] == ears[2].wait(4)[3:] == [8]
    assert len(ears[0].heard) == 3, "it knows its own"


def test_what_is_posted_at_once_goes_out_together(tmp_path, ears, monkeypatch):
    others, sent = ears[0].board.others, []
    monkeypatch.setattr(others, "_sent", lambda name, datagram: sent.append(len(datagram)) or True)
    for _ in range(5):
        ears[0].board.post(1), ears[0].board.post(2)
    gevent.sleep(0.01)
    assert sent == [16, 16], "one datagram for each process, a key once"


def test_alone_nothing_is_sent_nor_is_the_folder_read(tmp_path, monkeypatch):
    ear, lists = Ear(tmp_path), []
    old = os.stat(tmp_path / "awake").st_mtime - 60
    os.utime(tmp_path / "awake", (old, old))
    listdir = os.listdir
    monkeypatch.setattr("chatgate.running.folderboard.os.listdir", lambda path: lists.append(path) or listdir(path))
    for key in range(100):
        ear.board.post(key)
    assert len(lists) == 1 and not ear.board.others._unsent and not ear.board.others._scheduled
    ear.stop()


def test_a_path_longer_than_a_socket_may_have(tmp_path):
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    ear = Ear(folder)
    FolderBoard(folder).post(5)
    assert ear.wait() == [5]
    ear.stop()
    assert list((folder / "awake").iterdir()) == []


def test_nobody_listens(tmp_path):
    FolderBoard(tmp_path).post(7)
    FolderBoard(tmp_path / "not there").post(8)


def test_the_socket_of_a_process_that_was_killed_goes(tmp_path, ears):
    code = (
        "import sys, time; from pathlib import Path; from chatgate.running.folderboard import FolderBoard\n"
        "FolderBoard(Path(sys.argv[1])).others.bind(); print('bound', flush=True); time.sleep(600)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"bound\n"
        assert len(list((tmp_path / "awake").iterdir())) == 4
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    ears[0].board.post(9)
    assert ears[1].wait() == [9]
    assert len(list((tmp_path / "awake").iterdir())) == 3


def test_a_full_queue_delays_nobody_and_is_tried_again(tmp_path, ears):
    """The sockets hold ten datagrams or so, and nobody reads while these are sent."""
    command = FolderBoard(tmp_path)
    for key in range(1, 200):
        command.post(key)
        command.others._send()
    for ear in ears:
        until(lambda ear=ear: set(ear.heard) == set(range(1, 200)))


def test_of_a_process_that_does_not_read_no_more_is_kept_than_that(tmp_path, monkeypatch):
    monkeypatch.setattr("chatgate.running.folderboard._MOST", 50)
    deaf, command = FolderBoard(tmp_path), FolderBoard(tmp_path)
    deaf.others.bind()
    for key in range(5000):
        command.post(key)
        command.others._send()
    assert max(len(keys) for keys in command.others._unsent.values()) <= 50
    deaf.others.stop(1)


def test_a_watcher_that_fails_ends_nothing(tmp_path, ears, caplog):
    ears[0].board.others._heard = lambda key: ears[0].hear(1 // (key - 1) * 0 + key)
    command = FolderBoard(tmp_path)
    command.post(1), gevent.sleep(0.01), command.post(2)
    assert ears[0].wait() == [2] and "a watcher failed: ZeroDivisionError" in caplog.text


def test_what_is_no_key_is_passed_over(tmp_path, ears):
    command = FolderBoard(tmp_path)
    for name in os.listdir(tmp_path / "awake"):
        for message in (b"", b"x", bytes(7)):
            command.others._sent(name, message)
    command.post(9)
    assert ears[0].wait() == [9]


def test_a_folder_that_is_not_ours(tmp_path):
    (tmp_path / "awake").write_text("")
    with pytest.raises(BindError, match="cannot be made"):
        FolderBoard(tmp_path).others.bind()


def test_the_socket_of_earlier_versions_goes(tmp_path):
    (tmp_path / "wake").touch()
    ear = Ear(tmp_path)
    assert not (tmp_path / "wake").exists()
    ear.stop()


def test_stores_of_two_gateways(open_gateway, tmp_path):
    serving, command = open_gateway(), open_gateway()
    account = serving.store.create_account("alice@example.org", "")
    box, posts = serving.store.mailbox(account.id, "INBOX").id, []
    service, *_ = serving.hub.services.or_raise(gateway=serving)[0]
    service.bind(), service.start()
    (path,) = (tmp_path / "data" / "awake").iterdir()
    assert stat.S_ISSOCK(os.stat(path).st_mode)
    serving.board.watch(box, lambda: posts.append(1))
    command.store.store(b"x", [Delivery("", box, account.id)])
    until(lambda: posts)
    assert posts == [1]
    service.stop(1)


def test_another_board_takes_its_place(tmp_path):
    from chatgate_maildb import MailDb

    from chatgate.api import LocalBoard, hookimpl
    from chatgate.running.gateway import Gateway
    from chatgate.testing import config

    class Wide(LocalBoard):
        def post(self, key):
            super().post(key)
            posted.append(key)

    class WideBoard:
        order = 10

        def __init__(self, gateway, options):
            pass

        @hookimpl
        def chatgate_board(self):
            return Wide()

    posted = []
    gateway = Gateway(config(tmp_path, MailDb, WideBoard))
    account = gateway.store.create_account("alice@example.org", "")
    box = gateway.store.mailbox(account.id, "INBOX").id
    gateway.store.store(b"x", [Delivery("", box, account.id)])
    assert posted[-1] == box and isinstance(gateway.board, Wide)
    assert all(service.name != "maildb" for said in gateway.hub.services.or_raise(gateway=gateway) for service in said)
    gateway.stop()
