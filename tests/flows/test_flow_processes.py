"""One folder, several processes that serve it."""

import imaplib
import os
import re
import signal
import smtplib
import ssl
import time
from collections import Counter

import pytest
from chatgate_maildb.leases import held
from gateway_process import GatewayProcess

from chatgate.testing import client_tls, pgp_message
from tests.ports import free_port

LOGIN = "alice1234@example.org", "a-password-of-some-length"


def children(gateway):
    """pids of those that serve."""
    path = f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children"
    with open(path) as file:
        return [int(pid) for pid in file.read().split()]


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)
    return answer


@pytest.fixture
def gateway(tmp_path):
    with GatewayProcess(tmp_path / "gate") as made:
        made.init("--domain", "example.org", "--local")
        made.imaps, made.submissions = free_port(), free_port()
        made.set("imap", imaps=f'["127.0.0.1:{made.imaps}"]')
        made.set("smtp", submissions=f'["127.0.0.1:{made.submissions}"]')
        made.set("chatgate", processes="2", stop_seconds="2.0", log_level='"debug"')
        made.start()
        yield made


def imap(gateway):
    client = imaplib.IMAP4_SSL("127.0.0.1", gateway.imaps, ssl_context=client_tls(), timeout=60)
    client.login(*LOGIN)
    return client


def owner(client):
    """Which process has this connection: the one with the other end of it."""
    here = client.sock.getsockname()[1]
    for line in open("/proc/net/tcp").read().splitlines()[1:]:
        fields = line.split()
        if fields[2].endswith(f":{here:04X}") and fields[3] == "01":
            return fields[9]
    return None


def process_of(gateway, client):
    inode = owner(client)
    for pid in children(gateway):
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                if os.readlink(f"/proc/{pid}/fd/{name}") == f"socket:[{inode}]":
                    return pid
            except FileNotFoundError:
                pass
    return None


def send(gateway):
    with smtplib.SMTP_SSL("127.0.0.1", gateway.submissions, context=client_tls(), timeout=60) as client:
        client.login(*LOGIN)
        client.sendmail(LOGIN[0], [LOGIN[0]], pgp_message(LOGIN[0], LOGIN[0]))


def test_mail_by_one_process_wakes_idle_in_each_and_a_killed_one_comes_back(gateway):
    assert len(children(gateway)) == 2
    clients = [imap(gateway)]
    while len({process_of(gateway, client) for client in clients}) < 2:  # the system deals them out
        assert len(clients) < 40
        clients.append(imap(gateway))
    for client in clients:
        client.select()
        client.send(b"a IDLE\r\n")
        assert client.readline().startswith(b"+")
    send(gateway)
    for client in clients:
        assert client.readline() == b"* 1 EXISTS\r\n"
    (lease,) = held(gateway.folder / "data" / "leases")
    assert lease.name == "sweeper"
    holder = int(re.search(r"process (\d+)", lease.holder)[1])
    assert holder in children(gateway)
    # The one that sweeps dies.
    os.kill(holder, signal.SIGKILL)
    wait(lambda: len(children(gateway)) == 2 and holder not in children(gateway))
    assert Counter(gateway.output().split())[f"pid={holder}"] == 1 and "signal=9" in gateway.output()
    wait(lambda: [one for one in held(gateway.folder / "data" / "leases") if f"process {holder} " not in one.holder])
    send(gateway)

    def answers():
        try:
            client = imap(gateway)
            return client.select()[1]
        except (OSError, ssl.SSLError, imaplib.IMAP4.error):
            return None

    assert wait(answers) == [b"2"]
    assert gateway.stop() == 0


def test_none_outlives_the_one_that_looks_after_them(gateway):
    pids = children(gateway)
    gateway.kill()
    wait(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))
    gateway.start()
    assert len(children(gateway)) == 2
    assert gateway.stop() == 0


def test_what_keeps_one_from_starting_ends_all(gateway, tmp_path):
    second = gateway.run("serve")
    assert second.returncode == 1 and "serves from" in second.stderr
    assert gateway.stop() == 0
    gateway.set("imap", imaps='["192.0.2.1:1"]')
    failed = gateway.run("serve")
    assert failed.returncode == 1 and failed.stderr.count("cannot listen") == 1
