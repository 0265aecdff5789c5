"""Thousands of connections that say nothing, and people who log in meanwhile."""

from __future__ import annotations

import imaplib
import resource
import smtplib
import socket

import gevent
import pytest
from local_gateway import IMAPS

from chatgate.testing import client_tls, new_login, port

SILENT = 5000


@pytest.fixture
def silent():
    """How many this machine allows; both ends of each connection are in this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield min(SILENT, (before[1] - 500) // 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def from_address(gateway, service, address):
    sock = socket.create_connection(("127.0.0.1", port(gateway, service)), timeout=60)
    sock.sendall(f"PROXY TCP4 {address} {address} 5000 25\r\n".encode())
    return sock


class Imap(imaplib.IMAP4_SSL):
    def __init__(self, gateway, address):
        self.gateway, self.address = gateway, address
        super().__init__("127.0.0.1", ssl_context=client_tls())

    def _create_socket(self, timeout):
        return client_tls().wrap_socket(from_address(self.gateway, "imaps", self.address))


class Smtp(smtplib.SMTP_SSL):
    def __init__(self, gateway, address):
        self.gateway, self.address = gateway, address
        super().__init__("127.0.0.1", 1, context=client_tls(), timeout=60)

    def _get_socket(self, host, port, timeout):
        return client_tls().wrap_socket(from_address(self.gateway, "submissions", self.address))


def test_silent_connections_do_not_take_all_files(local_gateway):
    """However few of them a program may begin with."""
    gateway = local_gateway().start(under=("sh", "-c", 'ulimit -Sn 80; exec "$0" "$@"'))
    silent = [gateway.raw(IMAPS) for _ in range(150)]
    login = gateway.account()
    gateway.submissions(login).quit()
    for sock in silent:
        sock.close()
    assert "ERROR" not in gateway.output()


def test_people_log_in_while_thousands_of_connections_say_nothing(gateway_factory, silent):
    gateway = gateway_factory(
        "tls", "maildb", "passwordless", "smtp", "imap", core={"proxy_protocol_from": ("127.0.0.0/8",)}
    )
    services = {service.name: service for service in gateway.services}
    login = new_login(gateway)
    with Imap(gateway, "198.51.100.1") as there_before:
        there_before.login(*login)
        held = []
        for number in range(silent):
            service = "imaps" if number % 2 else "submissions"
            held.append(from_address(gateway, service, f"192.0.2.{number % 250}"))
            if number % 100 == 0:
                gevent.sleep(0)
        for _ in range(1000):
            if services["submissions"].connections <= 500 and services["imaps"].connections <= 1001:
                break
            gevent.sleep(0.02)
        assert 0 < services["submissions"].connections <= 500 and 0 < services["imaps"].connections <= 1001
        with Imap(gateway, "198.51.100.2") as imap, Smtp(gateway, "198.51.100.2") as smtp:
            assert imap.login(*login)[0] == "OK" and smtp.login(*login)[0] == 235
            assert imap.noop()[0] == "OK" == there_before.noop()[0]
        for sock in held:
            sock.close()
