"""What a process holds after large uploads that came to nothing."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from local_gateway import LocalGateway

from chatgate.testing import until

MB = 1_000_000
BLOCK = (b"x" * 98 + b"\r\n") * 1000


def resident(gateway: LocalGateway) -> int:
    """Octets of memory that the process has now."""
    assert gateway.process is not None
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]


@pytest.mark.parametrize("service", ["submissions", "imaps"])
def test_the_memory_of_uploads_that_are_cut_off_goes_back_to_the_system(gateway, service):
    """RSS stayed at the highest that it had ever been."""
    login = gateway.account()
    clients = []
    before = resident(gateway)
    for _ in range(6):
        if service == "imaps":
            client = gateway.imap(login)
            client.send(b"x1 APPEND INBOX {20000000}\r\n")
            assert client.readline().startswith(b"+")
        else:
            client = gateway.submissions(login)
            for line, code in ((f"MAIL FROM:<{login[0]}>", 250), (f"RCPT TO:<{login[0]}>", 250), ("DATA", 354)):
                assert client.docmd(line)[0] == code
        for _ in range(100):
            client.sock.sendall(BLOCK)
        clients.append(client)
    assert resident(gateway) - before > 40 * MB, "it is there first"
    for client in clients:
        client.sock.shutdown(socket.SHUT_RDWR)
    until(lambda: resident(gateway) - before < 25 * MB)
