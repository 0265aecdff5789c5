"""Debian's coturn, run with contrib/coturn/turnserver.conf and what `chatgate turn config` prints."""

import ipaddress
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from chatgate_turn import stun
from chatgate_turn.plugin import Turn
from turn_fakes import metadata

from chatgate.testing import config, until
from tests.ports import free_port

CONF = Path(__file__).parents[3] / "contrib/coturn/turnserver.conf"
REQUESTED_ADDRESS_FAMILY = 0x0017
PLUGINS = ("tls", "maildb", "passwordless", "imap", Turn)

pytestmark = pytest.mark.skipif(not shutil.which("turnserver"), reason="turnserver (Debian: coturn) is not installed")


class Coturn:
    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(socket.SOCK_DGRAM), None

    def start(self, lines, log=False):
        """With the shipped file as it is but for the addresses, and for the log if there shall be one."""
        here = ["listening-ip=127.0.0.1", "relay-ip=127.0.0.1", "relay-ip=::1"]
        here += [f"pidfile={self.folder}/pid", f"userdb={self.folder}/turndb"]
        text = CONF.read_text()
        if log:
            text = text.replace("log-file=/dev/null", f"log-file={self.folder}/turn.log")
        path = self.folder / "turnserver.conf"
        path.write_text("\n".join([text, *lines, *here]) + "\n")
        command = ["turnserver", "-c", str(path)]
        with (self.folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def said(self, name):
        return (self.folder / name).read_text()


@pytest.fixture
def coturn(tmp_path_factory):
    server = Coturn(tmp_path_factory.mktemp("coturn"))
    yield server
    server.stop()


@pytest.fixture
def started(gateway_factory, coturn):
    def make(**turn):
        settings = {"port": coturn.port, "test_every_seconds": 1.0, "test_seconds": 1.0}
        return gateway_factory(*PLUGINS, turn=settings | turn)

    return make


class Client:
    """A TURN client with (username, password), as far as a test needs one."""

    def __init__(self, port, username, password):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(60)
        self.sock.connect(("127.0.0.1", port))
        self.username, self.password, self.login, self.key = username, password, [], b""
        challenge = self.ask(stun.ALLOCATE, [(stun.REQUESTED_TRANSPORT, stun.UDP)])
        assert challenge.error == 401
        realm = challenge.get(stun.REALM)
        self.login = [(stun.USERNAME, username.encode()), (stun.REALM, realm), (stun.NONCE, challenge.get(stun.NONCE))]
        self.key = stun.long_term_key(username, realm, password)

    def ask(self, method, attributes):
        transaction = os.urandom(12)
        self.sock.send(stun.build(method, transaction, [*attributes, *self.login], self.key))
        return stun.parse(self.sock.recv(2048))

    def allocate(self, *more):
        return self.ask(stun.ALLOCATE, [(stun.REQUESTED_TRANSPORT, stun.UDP), *more])

    def permit(self, peer):
        """Ask to relay to this address; 0 or the error."""
        transaction = os.urandom(12)
        address = stun.xor_address(ipaddress.ip_address(peer), 0, transaction)
        request = stun.build(
            stun.CREATE_PERMISSION, transaction, [(stun.XOR_PEER_ADDRESS, address), *self.login], self.key
        )
        self.sock.send(request)
        return stun.parse(self.sock.recv(2048)).error

    def close(self):
        self.sock.close()


@pytest.fixture
def client_for():
    clients = []

    def make(value):
        _, port, username, password = value.split(":")
        clients.append(Client(int(port), username, password))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def test_coturn_allocates_for_whoever_the_gateway_gave_credentials(started, coturn, client_for):
    gateway = started()
    plugin = gateway.hub.plugin("turn")
    assert metadata(gateway) is None
    coturn.start(plugin.config_lines())
    value = until(lambda: metadata(gateway))
    assert value and value.startswith(f"127.0.0.1:{coturn.port}:")

    client = client_for(value)
    answer = client.allocate()
    assert answer.error == 0
    relayed, port = answer.address(stun.XOR_RELAYED_ADDRESS)
    assert str(relayed) == "127.0.0.1" and 49152 <= port <= 50151

    address, port, username, password = value.split(":")
    stranger = client_for(f"{address}:{port}:{username}:{'x' * 28}")
    assert stranger.allocate().error == 401
    expired = plugin.credentials.__func__
    plugin.clock = lambda: time.time() - 6 * 86400
    assert client_for(":".join((address, port, *expired(plugin)))).allocate().error == 401

    coturn.stop()
    assert until(lambda: not metadata(gateway))


INSIDE = """0.0.0.1 10.1.2.3 100.64.0.1 127.0.0.1 169.254.169.254 172.16.0.1 192.0.0.9 192.168.1.1 198.18.0.1 224.0.0.1
    255.255.255.255""".split()
INSIDE_6 = (
    "::1 ::7f00:1 ::ffff:127.0.0.1 64:ff9b::a01:203 2001::1 2002:a01:203::1 fc00::1 fd12::1 fe80::1 ff02::1".split()
)


def test_the_shipped_configuration_relays_to_the_internet_only(started, coturn, client_for):
    gateway = started()
    coturn.start(gateway.hub.plugin("turn").config_lines())
    value = until(lambda: metadata(gateway))
    client = client_for(value)
    assert client.allocate().error == 0
    assert client.permit("203.0.113.5") == 0
    assert {peer: client.permit(peer) for peer in INSIDE} == dict.fromkeys(INSIDE, 403)
    client = client_for(value)
    if client.allocate((REQUESTED_ADDRESS_FAMILY, b"\2\0\0\0")).error:
        pytest.skip("IPv4 is as said; this machine has no IPv6")
    assert client.permit("2600::5") == 0
    assert {peer: client.permit(peer) for peer in INSIDE_6} == dict.fromkeys(INSIDE_6, 403)


def test_another_secret_is_noticed_and_named(started, coturn, tmp_path):
    gateway = started()
    lines = gateway.hub.plugin("turn").config_lines()
    coturn.start([*lines[:-1], "static-auth-secret=0123456789abcdef0123456789abcdef"])
    settings = {"port": coturn.port, "test_seconds": 2.0}
    again = type(gateway)(config(tmp_path, "tls", Turn, turn=settings))

    def said():
        return [p.text for found in again.hub.check.or_raise(gateway=again) for p in found if "another one" in p.text]

    assert until(said)
    assert metadata(gateway) is None


def test_coturn_knows_all_of_the_configuration(started, coturn):
    gateway = started()
    coturn.start(gateway.hub.plugin("turn").config_lines(), log=True)
    assert until(lambda: metadata(gateway))
    log = coturn.said("turn.log")
    assert "Listener address to use: 127.0.0.1" in log
    assert "Bad configuration" not in log and "rror" not in log


def test_as_shipped_coturn_writes_no_log(started, coturn):
    gateway = started()
    coturn.start(gateway.hub.plugin("turn").config_lines())
    assert until(lambda: metadata(gateway))
    assert coturn.said("output") == ""
    assert {path.name for path in coturn.folder.iterdir()} <= {"output", "pid", "turndb", "turnserver.conf"}
