"""Sockets that systemd passed, and the listeners that take them."""

import os
import socket

import pytest

from chatgate.network.listeners import BindError, bind, shown
from chatgate.network.passed import Passed


@pytest.fixture
def made():
    """Makes listening sockets, as systemd would; the descriptors are those of who takes them."""

    def listening(host, v6only=True, kind=socket.SOCK_STREAM):
        family = socket.AF_UNIX if host.startswith("/") else socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, kind)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
        sock.bind(host if family == socket.AF_UNIX else (host, port))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        return sock.detach()

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listening.port = port
    return listening


def close(*socks):
    for sock in socks:
        sock.close()


def test_a_listener_takes_the_socket_with_its_address_and_no_other(made, tmp_path):
    numbers = [made("127.0.0.1"), made("127.0.0.2"), made(f"{tmp_path}/one"), made("127.0.0.3", kind=socket.SOCK_DGRAM)]
    file = os.open(os.devnull, os.O_RDONLY)
    passed = Passed(*numbers, file)
    (tcp,) = bind(f"127.0.0.1:{made.port}", passed=passed)
    (unix,) = bind(f"unix:{tmp_path}/one", passed=passed)
    (own,) = bind("127.0.0.1:0", passed=passed)
    assert (tcp.fileno(), unix.fileno()) == (numbers[0], numbers[2])
    assert own.fileno() not in numbers and tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    left = passed.left(shown)
    assert left == [f"127.0.0.2:{made.port}", f"descriptor {numbers[3]}", f"descriptor {file}"]
    for number in (numbers[1], numbers[3], file):
        os.close(number)  # they are open still
    close(tcp, unix, own)


def test_a_name_is_looked_up(made):
    number = made("127.0.0.1")
    (sock,) = bind(f"localhost:{made.port}", passed=Passed(number))
    assert sock.fileno() == number
    sock.close()


@pytest.mark.parametrize("hosts", [["0.0.0.0", "::"], ["::"], ["0.0.0.0"]])
def test_all_addresses_are_two_sockets_and_what_was_not_passed_is_made(made, hosts):
    numbers = {made(host) for host in hosts}
    socks = bind(f"*:{made.port}", passed=Passed(*numbers))
    assert [sock.family for sock in socks] == [socket.AF_INET, socket.AF_INET6]
    assert numbers <= {sock.fileno() for sock in socks}
    close(*socks)


def test_a_socket_that_takes_both_families_is_refused(made):
    number = made("::", v6only=False)
    with pytest.raises(BindError, match="takes IPv4, too; its unit needs BindIPv6Only=ipv6-only"):
        bind(f"*:{made.port}", passed=Passed(number))


@pytest.fixture
def descriptors(monkeypatch):
    """Two that follow each other, in place of 3 and 4, and nothing open behind them."""
    first = next(
        n for n in range(200, 250) if not any(os.path.exists(f"/proc/self/fd/{n + more}") for more in range(3))
    )
    numbers = [first, first + 1]
    file = os.open(os.devnull, os.O_RDONLY)
    for number in numbers:
        os.dup2(file, number, inheritable=True)
    os.close(file)
    monkeypatch.setattr("chatgate.network.passed._FIRST", first)
    yield numbers
    for number in numbers:
        os.close(number)


@pytest.mark.parametrize(
    ("count", "process", "received"),
    [
        ("2", os.getpid(), 2),
        ("1", os.getpid(), 1),
        ("99999999999", os.getpid(), 2),
        ("2", 1, 0),
        ("2", "", 0),
        ("-1", os.getpid(), 0),
        ("x", os.getpid(), 0),
        ("", os.getpid(), 0),
    ],
)
def test_they_are_for_the_process_that_is_named_and_none_that_it_runs(
    descriptors, monkeypatch, count, process, received
):
    monkeypatch.setenv("LISTEN_FDS", count)
    monkeypatch.setenv("LISTEN_PID", str(process))
    monkeypatch.setenv("LISTEN_FDNAMES", "a")
    passed = Passed.received()
    assert passed.left(shown) == [f"descriptor {number}" for number in descriptors[:received]]
    assert [os.get_inheritable(number) for number in descriptors] == [n >= received for n in range(2)]
    assert not [name for name in os.environ if name.startswith("LISTEN")]
