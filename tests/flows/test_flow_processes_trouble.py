"""Several processes: what the operator asks for, and what happens when one of them dies or stands still."""

from __future__ import annotations

import imaplib
import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from several import LOGIN, Several, until

from chatgate.testing import pgp_message


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Several]:
    with Several(tmp_path / "gate") as made:
        made.make()
        yield made


def certificate(gateway: Several, client: imaplib.IMAP4_SSL) -> bytes:
    assert isinstance(client.sock, ssl.SSLSocket)
    return client.sock.getpeercert(binary_form=True) or b""


def test_sighup_reloads_in_each_and_in_those_that_come_later(gateway: Several, tmp_path: Path) -> None:
    with Several(tmp_path / "other") as other:  # makes another certificate
        other.make()
        other.start().stop()
    gateway.start()
    old = {pid: certificate(gateway, client) for pid, client in gateway.imaps_of_each().items()}
    assert len(set(old.values())) == 1
    shutil.copytree(tmp_path / "other/tls", gateway.folder / "tls", dirs_exist_ok=True)
    gateway.set("chatgate", log_level='"error"', stop_seconds="3.0")
    gateway.signal(signal.SIGHUP)
    until(lambda: gateway.output().count("reload: ") == 2)
    lines = [line for line in gateway.output().splitlines() if "reload: " in line]
    for line in lines:
        assert "new certificate; changed: log_level; " in line and "chatgate: stop_seconds" not in line
        assert "a restart is needed for stop_seconds" in line
    new = {pid: certificate(gateway, client) for pid, client in gateway.imaps_of_each().items()}
    assert new.keys() == old.keys() and set(new.values()).isdisjoint(old.values()) and len(set(new.values())) == 1
    # One that begins now has the same.
    gone = gateway.children()[1]
    os.kill(gone, signal.SIGKILL)
    gateway.replaced(gone)
    for client in gateway.imaps_of_each().values():
        assert certificate(gateway, client) in new.values()
    gateway.signal(signal.SIGHUP)
    until(lambda: gateway.output().count("no setting has changed") == 2)
    assert gateway.stop() == 0


def test_sighup_ends_nobody_who_is_about_to_start(gateway: Several) -> None:
    gateway.start()
    gone = gateway.children()[0]
    os.kill(gone, signal.SIGKILL)
    until(lambda: len(gateway.children()) == 2 and gone not in gateway.children())
    gateway.signal(signal.SIGHUP)  # the new one has no handler for it yet
    gateway.replaced(gone)
    until(lambda: gateway.output().count("reload: ") == 2)
    assert gateway.output().count("process ended") == 1
    assert gateway.stop() == 0


def test_one_that_stands_still_is_replaced(gateway: Several) -> None:
    gateway.set("chatgate", hang_seconds="5.0")
    gateway.start()
    clients = gateway.idling()
    still, other = clients
    os.kill(still, signal.SIGSTOP)
    gateway.replaced(still)
    assert f"stands still, it is killed process={0 if still < other else 1} pid={still}" in gateway.output()
    gateway.send()
    assert clients[other].readline() == b"* 1 EXISTS\r\n"
    assert gateway.stop() == 0


def test_one_that_stands_still_while_it_starts_is_replaced(gateway: Several) -> None:
    gateway.set("chatgate", hang_seconds="5.0")
    gateway.start()
    pids = set(gateway.children())
    gone = min(pids)
    os.kill(gone, signal.SIGKILL)
    (still,) = until(lambda: set(gateway.children()) - pids)
    os.kill(still, signal.SIGSTOP)
    gateway.replaced(still)
    assert gateway.stop() == 0


def test_a_machine_that_was_paused_loses_none(gateway: Several) -> None:
    gateway.set("chatgate", hang_seconds="5.0")
    gateway.start()
    pids = gateway.children()
    assert gateway.process is not None
    for pid in (gateway.process.pid, *pids):
        os.kill(pid, signal.SIGSTOP)
    time.sleep(9)
    os.kill(gateway.process.pid, signal.SIGCONT)
    time.sleep(0.2)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    assert until(gateway.works) and gateway.children() == pids
    time.sleep(5.5)
    assert gateway.children() == pids and gateway.stop() == 0


def test_a_unix_socket_is_served_and_comes_back_with_its_process(gateway: Several, tmp_path: Path) -> None:
    path = tmp_path / "s"
    gateway.set("imap", imaps=f'["127.0.0.1:{gateway.imaps}", "unix:{path}"]')

    def greeting() -> bytes:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(60)
            sock.connect(str(path))
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(sock) as tls:
                return tls.recv(100)

    def comes() -> bytes:
        try:
            return greeting()
        except OSError:
            return b""

    gateway.start()
    for _ in range(3):
        assert greeting().startswith(b"* OK")
    first, second = sorted(gateway.children())
    os.kill(second, signal.SIGKILL)
    for _ in range(3):
        assert greeting().startswith(b"* OK")
    gateway.replaced(second)
    os.kill(first, signal.SIGKILL)
    assert until(comes).startswith(b"* OK")
    assert gateway.stop() == 0


class Sender(threading.Thread):
    """Sends until it is stopped; a connection that ends is made anew. sent: what was acknowledged. unsure: what was
    under way when a connection ended.
    """

    def __init__(self, gateway: Several, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.gateway, self.go_on = gateway, True
        self.sent: list[str] = []
        self.unsure: set[str] = set()
        self.problems: list[BaseException] = []

    def run(self) -> None:
        number, client = 0, None
        while self.go_on:
            number += 1
            subject = f"{self.name}-{number}"
            try:
                client = client or self.gateway.smtp()
                self.unsure.add(subject)
                mail = pgp_message(LOGIN[0], LOGIN[0], Message_ID=f"<{subject}@localhost>")
                client.sendmail(LOGIN[0], [LOGIN[0]], mail)
                self.unsure.remove(subject)
                self.sent.append(subject)
            except (OSError, smtplib.SMTPServerDisconnected):
                client = None
            except smtplib.SMTPResponseException as error:
                client = None
                if error.smtp_code // 100 != 4:
                    self.problems.append(error)
                    return


def test_what_was_acknowledged_outlives_a_process_that_is_killed_under_load(gateway: Several) -> None:
    gateway.start()
    clients = gateway.idling()
    victim, other = clients
    senders = [Sender(gateway, f"s{number}") for number in range(4)]
    for sender in senders:
        sender.start()
    kills = 3
    for _ in range(kills):
        goal = sum(len(sender.sent) for sender in senders) + 15
        until(lambda least=goal: sum(len(sender.sent) for sender in senders) > least)  # type: ignore[misc]
        os.kill(victim, signal.SIGKILL)
        gateway.replaced(victim)
        (victim,) = set(gateway.children()) - {other}
    for sender in senders:
        sender.go_on = False
    for sender in senders:
        sender.join(60)
        assert not sender.is_alive() and not sender.problems
    # The session at the other process went on all the time and has heard of each message.
    reader = clients[other]
    reader.send(b"DONE\r\n")
    told = 0
    while not (line := reader.readline()).startswith(b"a OK"):
        assert line
        if found := re.match(rb"\* (\d+) EXISTS", line):
            told = int(found[1])
    checker = gateway.imap()
    assert checker.select()[1] != [b"0"]
    answer = checker.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1]
    there = re.findall(r"<(s\d+-\d+)@", "".join(part[1].decode() for part in answer if isinstance(part, tuple)))
    sent = [subject for sender in senders for subject in sender.sent]
    unsure = {subject for sender in senders for subject in sender.unsure}
    assert len(there) == len(set(there)) and set(sent) <= set(there) <= {*sent, *unsure}
    assert reader.noop()[0] == "OK" and told <= len(there)
    assert len(sent) > 15 * kills
    assert gateway.output().count("signal=9") == kills
    assert gateway.stop() == 0


def test_all_stop_in_good_order(gateway: Several) -> None:
    """Each tells its clients, and finishes what is under way; the one that looks after them is the last."""
    gateway.set("chatgate", stop_seconds="30.0")
    gateway.start()
    pids = gateway.children()
    readers = gateway.idling()
    senders = gateway.of_each(gateway.smtp, lambda client: client.sock.fileno())  # type: ignore[union-attr]
    mail = pgp_message(LOGIN[0], LOGIN[0])
    for sender in senders.values():
        sender.mail(LOGIN[0])
        sender.rcpt(LOGIN[0])
        sender.putcmd("DATA")
        assert sender.getreply()[0] == 354
        sender.send(mail[:500])
    gateway.signal(signal.SIGTERM)
    for reader in readers.values():
        assert reader.readline().startswith(b"* BYE")
    first, second = senders.values()
    first.send(mail[500:] + b".\r\n")
    assert first.getreply()[0] == 250
    until(lambda: len(gateway.children()) == 1)
    assert gateway.process is not None and gateway.process.poll() is None, "it waits for the other one"
    second.send(mail[500:] + b".\r\n")
    assert second.getreply()[0] == 250
    assert gateway.wait() == 0
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    assert "process ended" not in gateway.output()
    gateway.start()
    assert gateway.imap().select()[1] == [b"2"]
    assert gateway.stop() == 0
