"""Sockets that outlive the gateway, as systemd passes them: who connects while it is down is served by the next one."""

from __future__ import annotations

import socket
import sys

import pytest
from local_gateway import HTTPS, IMAPS, SUBMISSIONS, LocalGateway, Make

from chatgate.testing import client_tls

# What systemd does between fork and exec. The first socket may have the number that the second one is to get.
PASS = """
import fcntl, os, sys
count = int(sys.argv[1])
kept = [fcntl.fcntl(int(number), fcntl.F_DUPFD_CLOEXEC, 100) for number in sys.argv[2:2 + count]]
for number, sock in enumerate(kept, 3):
    os.dup2(sock, number)
os.environ |= {"LISTEN_FDS": str(count), "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
"""


def start(gateway: LocalGateway, socks: list[socket.socket]) -> None:
    numbers = [sock.fileno() for sock in socks]
    gateway.start(under=(sys.executable, "-c", PASS, str(len(numbers)), *map(str, numbers)), passing=numbers)


def imap(sock: socket.socket, host: str) -> bytes:
    """The greeting, by TLS on a connection that is there already."""
    with client_tls().wrap_socket(sock, server_hostname=host) as tls:
        return tls.recv(100)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_who_connects_while_it_is_down_is_served_by_the_next_one(local_gateway: Make, processes: str) -> None:
    gateway = local_gateway(chatgate={"processes": processes})
    socks = [socket.create_server((gateway.host, port)) for port in (IMAPS, SUBMISSIONS, 2000)]
    try:
        start(gateway, socks)
        login = gateway.account()
        gateway.submissions(login).quit()
        assert gateway.output().count("nobody is served at") == 1
        assert f"sockets of systemd that conf.d does not name: {gateway.host}:2000\n" in gateway.output()
        assert gateway.stop() == 0
        waiting = [gateway.raw(IMAPS) for _ in range(3)]
        with pytest.raises(ConnectionRefusedError):
            gateway.raw(HTTPS)  # which it makes itself
        start(gateway, socks)
        assert [imap(sock, gateway.domain)[:4] for sock in waiting] == [b"* OK"] * 3
        gateway.raw(HTTPS).close()
        assert gateway.stop() == 0
    finally:
        for sock in socks:
            sock.close()
