"""A gateway of two processes, and clients that know which of the two serves them."""

from __future__ import annotations

import imaplib
import os
import smtplib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gateway_process import GatewayProcess

from chatgate.testing import client_tls, pgp_message
from tests.ports import free_port

T = TypeVar("T")

LOGIN = "alice1234@example.org", "a-password-of-some-length"


class Several(GatewayProcess):
    """Two processes that serve IMAP and submission on two ports, which are the same in each run."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.imaps, self.submissions = free_port(), free_port()

    def make(self, **core: str) -> None:
        self.init("--domain", "example.org", "--local")
        self.set("imap", imaps=f'["127.0.0.1:{self.imaps}"]')
        self.set("smtp", submissions=f'["127.0.0.1:{self.submissions}"]', max_user_send_per_minute="1000000")
        self.set("chatgate", **({"processes": "2", "stop_seconds": "2.0", "log_level": '"debug"'} | core))

    def children(self) -> list[int]:
        """pids of those that serve, or are to serve soon."""
        assert self.process is not None
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def imap(self) -> imaplib.IMAP4_SSL:
        client = imaplib.IMAP4_SSL("127.0.0.1", self.imaps, ssl_context=client_tls(), timeout=60)
        client.login(*LOGIN)
        return client

    def smtp(self) -> smtplib.SMTP_SSL:
        client = smtplib.SMTP_SSL("127.0.0.1", self.submissions, context=client_tls(), timeout=60)
        client.login(*LOGIN)
        return client

    def send(self) -> None:
        with self.smtp() as client:
            client.sendmail(LOGIN[0], [LOGIN[0]], pgp_message(LOGIN[0], LOGIN[0]))

    def of_each(self, connect: Callable[[], T], sock: Callable[[T], int]) -> dict[int, T]:
        """Connections until each process has one: by the pid of the process. sock: the descriptor of a connection."""
        found: dict[int, T] = {}
        for _ in range(60):  # the system deals them out
            made = connect()
            found.setdefault(self.server_of(sock(made)), made)
            if len(found) == len(self.children()):
                return found
        raise AssertionError("one process gets no connections")

    def imaps_of_each(self) -> dict[int, imaplib.IMAP4_SSL]:
        return self.of_each(self.imap, lambda client: client.sock.fileno())

    def idling(self) -> dict[int, imaplib.IMAP4_SSL]:
        """A client in IDLE at each process."""
        clients = self.imaps_of_each()
        for client in clients.values():
            client.select()
            client.send(b"a IDLE\r\n")
            assert client.readline().startswith(b"+")
        return clients

    def server_of(self, descriptor: int) -> int:
        """The process that has the other end of this connection."""
        inode = until(lambda: _other_end(descriptor))
        for pid in self.children():
            for name in os.listdir(f"/proc/{pid}/fd"):
                try:
                    if os.readlink(f"/proc/{pid}/fd/{name}") == f"socket:[{inode}]":
                        return pid
                except FileNotFoundError:
                    pass
        raise AssertionError("nobody has the connection")

    def works(self) -> bool:
        """Is somebody there who is served from beginning to end?"""
        try:
            client = self.imap()
            return client.select()[0] == "OK"
        except (OSError, imaplib.IMAP4.error):
            return False

    def replaced(self, pid: int) -> list[int]:
        """Wait until there are two again without this one, and both serve."""
        until(lambda: len(self.children()) == 2 and pid not in self.children())
        until(lambda: len({self.server_of(client.sock.fileno()) for client in self._some()}) == 2)
        return self.children()

    def _some(self) -> list[imaplib.IMAP4_SSL]:
        clients = []
        for _ in range(12):
            try:
                clients.append(self.imap())
            except (OSError, imaplib.IMAP4.error):
                pass
        return clients


def _other_end(descriptor: int) -> str:
    """The inode of the other end of a connection within this machine."""
    here = int(os.readlink(f"/proc/self/fd/{descriptor}").partition("[")[2].rstrip("]"))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours = next((row for row in rows if row[9] == str(here)), None)
    return next((row[9] for row in rows if ours and row[1] == ours[2] and row[2] == ours[1] and row[9] != "0"), "")


def until(condition: Callable[[], T], seconds: float = 60) -> T:
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)
    return answer
