"""What a gateway tells its users and its operator, asked over IMAP and by the command line's hooks."""

import base64
import hashlib
import hmac
import ipaddress
import logging
import stat
import time

import click
import gevent
import pytest
from chatgate_turn import plugin as turn_plugin
from chatgate_turn.plugin import ENTRY, Turn, TurnOptions
from click.testing import CliRunner
from turn_fakes import SECRET, metadata

from chatgate.api import Secret
from chatgate.hosting.reading import read as read_options
from chatgate.hosting.registry import PluginError
from chatgate.running.gateway import Gateway
from chatgate.testing import config, session, until

PLUGINS = ("tls", "maildb", "passwordless", "imap", Turn)


@pytest.fixture
def started(gateway_factory, fake):
    def make(**turn):
        settings = {"port": fake.port, "secret": Secret(SECRET), "test_every_seconds": 1.0, "test_seconds": 1.0}
        return gateway_factory(*PLUGINS, turn=settings | turn)

    return make


def unstarted(folder, fake=None, **turn):
    """A gateway as commands have it."""
    settings = {"port": fake.port, "secret": Secret(SECRET), "test_seconds": 1.0} if fake else {}
    core = {"hostname": turn.pop("hostname", "127.0.0.1")}
    return Gateway(config(folder, "tls", Turn, core=core, turn=settings | turn))


def checked(gateway):
    found = [problem for answer in gateway.hub.check.or_raise(gateway=gateway) for problem in answer]
    return [(problem.level, problem.text) for problem in found if "turn" in problem.text]


def test_the_value_is_what_delta_chat_reads(started, fake):
    fake.start()
    gateway = started(life_seconds=1000.0)
    plugin = gateway.hub.plugin("turn")
    assert until(lambda: plugin.self_test.passed)
    plugin.clock = lambda: 1_900_000_000.999999
    password = base64.b64encode(hmac.new(SECRET.encode(), b"1900001000", hashlib.sha1).digest()).decode()
    assert metadata(gateway) == f"127.0.0.1:{fake.port}:1900001000:{password}"


def test_credentials_last_five_days(started, fake):
    fake.start()
    gateway = started()
    assert until(lambda: gateway.hub.plugin("turn").self_test.passed)
    expires = int(metadata(gateway).split(":")[2])
    assert abs(expires - time.time() - 5 * 86400) < 60
    plugin = gateway.hub.plugin("turn")
    for now in (1_900_000_000.0, 1_900_000_000.5, 1_900_000_000.99999):
        plugin.clock = lambda now=now: now
        assert int(metadata(gateway).split(":")[2]) == 1_900_000_000 + 5 * 86400, "apps check their clocks by it"


def test_only_the_servers_own_entry_is_answered(started, fake):
    fake.start()
    gateway = started()
    assert until(lambda: gateway.hub.plugin("turn").self_test.passed)

    def ask(mailbox, entry):
        return gateway.hub.get_metadata(session=session("imap"), mailbox=mailbox, entry=entry)

    assert ask("", ENTRY)
    assert ask("INBOX", ENTRY) is None
    assert ask("", ENTRY + "x") is None


def test_it_is_told_while_the_turn_server_works_and_each_change_is_logged_once(started, fake, caplog):
    caplog.set_level(logging.INFO, "chatgate.turn")
    gateway = started()
    assert until(lambda: "self-test" in caplog.text)
    assert metadata(gateway) is None
    fake.start()
    assert until(lambda: metadata(gateway))
    fake.stop()
    assert until(lambda: not metadata(gateway))
    gevent.sleep(1.5)
    words = [message.partition(",")[0] for message in caplog.messages if "self-test" in message]
    assert words == ["self-test failed", "self-test passed", "self-test failed"]
    assert SECRET not in caplog.text and str(fake.port) not in caplog.text


def test_a_turn_server_that_hangs_delays_neither_start_nor_answer_nor_stop(started, fake):
    fake.silent = True
    fake.start()
    gateway = started(test_seconds=60.0)
    assert metadata(gateway) is None
    gateway.stop()


def test_a_fault_of_the_test_itself_takes_the_offer_back(started, fake, monkeypatch, caplog):
    fake.start()
    gateway = started()
    plugin = gateway.hub.plugin("turn")
    assert until(lambda: plugin.self_test.passed)
    with monkeypatch.context() as patch:
        patch.setattr(turn_plugin, "probe", lambda *_: 1 / 0)
        assert until(lambda: not plugin.self_test.passed)
        assert "ZeroDivisionError" in caplog.text
    assert until(lambda: plugin.self_test.passed)


def test_nothing_is_told_before_the_service_runs_and_after_it_stopped(started, fake, tmp_path):
    fake.start()
    asked = {"session": session("imap"), "mailbox": "", "entry": ENTRY}
    assert unstarted(tmp_path, fake).hub.get_metadata(**asked) is None
    gateway = started()
    assert until(lambda: gateway.hub.plugin("turn").self_test.passed)
    gateway.stop()
    assert gateway.hub.get_metadata(**asked) is None


# ------------------------------------------------------------------------------------------------ the secret


def test_a_random_secret_is_made_at_the_first_start_and_kept(started, tmp_path):
    gateway = started(secret=Secret(""))
    path = tmp_path / "data/turn-secret"
    made = path.read_text().strip()
    assert len(made) == 64 and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert gateway.hub.plugin("turn").secret == made
    assert [p.name for p in path.parent.glob(".turn*")] == []
    gateway.stop()
    assert started(secret=Secret("")).hub.plugin("turn").secret == made


def test_no_two_gateways_have_the_same_secret(tmp_path):
    first, second = (unstarted(tmp_path / name).hub.plugin("turn").secret for name in "ab")
    assert first != second


@pytest.mark.parametrize("content", ["", "short\n", "two words that are long enough\n", "ä" * 30])
def test_a_spoilt_secret_file_is_named_and_not_replaced(started, tmp_path, content):
    path = tmp_path / "data/turn-secret"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(PluginError, match="turn-secret"):
        started(secret=Secret(""))
    assert path.read_text() == content
    assert checked(unstarted(tmp_path))[0][0] == "error"


def test_the_secret_shows_in_no_repr():
    assert SECRET not in repr(TurnOptions(secret=Secret(SECRET)))


# ------------------------------------------------------------------------------------------------ options


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("port = 0", "port"),
        ("port = 65536", "port"),
        ("life_seconds = 5", "life_seconds"),
        ("test_seconds = 0", "test_seconds"),
        ("test_every_seconds = 0.5", "test_every_seconds"),
        ('secret = "north"', "secret"),
        ('secret = "north north north north"', "secret"),
    ],
)
def test_options_that_cannot_be_are_refused_without_the_secret(tmp_path, text, key):
    path, problems = tmp_path / "75-turn.toml", []
    path.write_text(text)
    assert read_options(path, TurnOptions, problems, {}) is None
    assert f"{key}: must" in problems[0] and "north" not in problems[0]


@pytest.mark.parametrize("host", ["2001:db8::1", "turn.example.org:3478", "a b", "http://turn"])
def test_a_host_that_apps_cannot_be_told_is_refused(tmp_path, host):
    with pytest.raises(PluginError, match="name or an IPv4 address"):
        unstarted(tmp_path, host=host)


def test_an_ipv6_gateway_needs_a_host_for_it(tmp_path):
    with pytest.raises(PluginError, match="2001:db8::1"):
        unstarted(tmp_path, hostname="2001:db8::1")
    assert unstarted(tmp_path, hostname="2001:db8::1", host="turn.example.org")


# ------------------------------------------------------------------------------------------------ check and command


def test_check_finds_nothing_wrong_with_a_sound_server(tmp_path, fake):
    fake.start()
    assert checked(unstarted(tmp_path, fake)) == []


def test_check_says_what_is_wrong(tmp_path, fake):
    [(level, text)] = checked(unstarted(tmp_path, fake))
    assert level == "warning" and f"127.0.0.1:{fake.port}: Connection refused" in text


def test_check_makes_no_secret(tmp_path, fake):
    [(level, text)] = checked(unstarted(tmp_path, fake, secret=Secret("")))
    assert level == "warning" and "turn config" in text
    assert not (tmp_path / "data/turn-secret").exists()


def test_check_sees_a_secret_that_everybody_can_read(tmp_path, fake):
    fake.start()
    gateway = unstarted(tmp_path, fake, secret=Secret(""))
    fake.secret = gateway.hub.plugin("turn").secret
    (tmp_path / "data/turn-secret").chmod(0o644)
    [(level, text)] = checked(gateway)
    assert level == "warning" and "can read" in text


@pytest.mark.parametrize(("host", "wrong"), [("8.8.8.8", True), ("127.0.0.1", False)])
def test_check_sees_a_missing_external_ip(tmp_path, fake, host, wrong):
    """The host is asked by `test_host`; nothing is sent to the public address."""
    fake.relayed = ipaddress.ip_address("192.168.1.7")
    fake.start()
    found = checked(unstarted(tmp_path, fake, host=host, test_host="127.0.0.1"))
    assert ["external-ip" in text for _, text in found] == [True] * wrong


def test_the_command_prints_what_coturn_needs(tmp_path):
    gateway = unstarted(tmp_path, hostname="chat.example.org", port=3479)
    group = click.Group()
    gateway.hub.commands.or_raise(cli=group, gateway=gateway)
    done = CliRunner().invoke(group, ["turn", "config"])
    secret = (tmp_path / "data/turn-secret").read_text().strip()
    assert done.output == f"listening-port=3479\nrealm=chat.example.org\nstatic-auth-secret={secret}\n"
