"""The gateway starts everything or nothing, and stops in good order."""

import contextlib
import os
import resource
import socket
import ssl
import sys
from pathlib import Path

import gevent
import pytest

from chatgate.api import BindError, PluginError, Problem, hookimpl
from chatgate.cli.serve import summary
from chatgate.hosting.confd import Config, Enabled
from chatgate.hosting.options import CoreOptions
from chatgate.running import files
from chatgate.running.gateway import UNGUARDED, Gateway
from chatgate.running.systemd import keep_telling, sd_notify
from chatgate.testing import client_tls, config, port


class Recorder:
    """A service that writes down what is done to it."""

    def __init__(self, name, log, fails=False):
        self.name, self._log, self._fails = name, log, fails
        self.listening = []

    def bind(self):
        if self._fails:
            raise BindError("cannot listen on somewhere: taken")
        self._log.append(f"bind {self.name}")

    def start(self):
        self._log.append(f"start {self.name}")

    def stop(self, seconds):
        self._log.append(f"stop {self.name}")


def recording(log, fails=()):
    class Recording:
        def __init__(self, gateway, options):
            pass

        @hookimpl
        def chatgate_services(self, gateway):
            return [Recorder(name, log, name in fails) for name in ("one", "two")]

    return Recording


def test_services_are_all_bound_before_any_starts(gateway_factory):
    log = []
    gateway = gateway_factory("tls", "maildb", recording(log))
    assert log == ["bind one", "bind two", "start one", "start two"]
    gateway.stop()
    assert sorted(log[4:]) == ["stop one", "stop two"]


def test_when_one_cannot_bind_nothing_runs(gateway_factory):
    log = []
    with pytest.raises(BindError):
        gateway_factory("tls", "maildb", recording(log, fails=("two",)))
    assert "start one" not in log and "stop one" in log


@pytest.mark.parametrize(("plugins", "missing"), [(("tls",), "no store"), (("maildb",), "no TLS certificate")])
def test_a_gateway_without_store_or_certificate_says_which_plugin_brings_one(gateway_factory, plugins, missing):
    with pytest.raises(PluginError, match=missing):
        gateway_factory(*plugins)


class Ends:
    """A plugin whose service ends badly, in the way that a test names."""

    def __init__(self, gateway, options):
        self.listening, self.name = [], "ends"

    def bind(self):
        pass

    def start(self):
        pass

    @hookimpl
    def chatgate_services(self):
        return [self]


class Exits(Ends):
    def stop(self, seconds):
        sys.exit(3)


class Raises(Ends):
    def stop(self, seconds):
        raise RuntimeError("secret")


class Hangs(Ends):
    def stop(self, seconds):
        gevent.sleep(1000)


@pytest.mark.parametrize("ends", [Exits, Raises, Hangs])
def test_a_service_that_does_not_stop_keeps_neither_the_others_nor_the_store(
    gateway_factory, ends, caplog, monkeypatch
):
    monkeypatch.setattr("chatgate.running.gateway._GRACE", 0.05)
    log = []
    gateway = gateway_factory("tls", "maildb", ends, recording(log), core={"stop_seconds": 0.2})
    close, closed = gateway.store.close, []
    monkeypatch.setattr(gateway.store, "close", lambda: closed.append(1) or close())
    with gevent.Timeout(60):
        gateway.stop()
    assert sorted(log[4:]) == ["stop one", "stop two"]
    assert closed == [1]
    assert "service=ends" in caplog.text and "secret" not in caplog.text


class Taken(Ends):
    """Its port is taken."""

    def bind(self):
        raise BindError("cannot listen on somewhere: taken")

    def stop(self, seconds):
        pass

    @hookimpl
    def chatgate_capabilities(self):
        return ["XTAKEN"]


def test_an_optional_plugin_that_cannot_start_is_asked_no_more(gateway_factory, caplog):
    with pytest.raises(BindError):
        gateway_factory("tls", "maildb", Taken)
    log = []
    gateway = gateway_factory("tls", "maildb", recording(log), Taken, taken={"optional": True})
    assert [(one.name, one.reason) for one in gateway.left_out] == [("taken", "cannot listen on somewhere: taken")]
    assert "plugin left out plugin=taken: cannot listen on somewhere: taken" in caplog.text
    assert gateway.hub.capabilities(session=None) == [] and not gateway.hub.has("taken")
    assert log == ["bind one", "bind two", "start one", "start two"]
    assert any("taken is left out" in problem.text for problem in gateway.check())
    assert "ends" not in [service.name for service in gateway.services]


class Refuses(Ends):
    @hookimpl(specname="chatgate_connect")
    def anything(self):
        raise AssertionError


def test_a_plugin_that_refuses_cannot_be_optional(gateway_factory):
    with pytest.raises(PluginError, match="chatgate_connect"):
        gateway_factory("tls", "maildb", Refuses, refuses={"optional": True})


def test_one_plugins_check_does_not_hide_what_the_others_found(gateway_factory):
    class Bad:
        def __init__(self, gateway, options):
            pass

        @hookimpl
        def chatgate_check(self):
            sys.exit(1)

    class Slow(Bad):
        @hookimpl
        def chatgate_check(self):
            gevent.sleep(1000)

    class Good(Bad):
        @hookimpl
        def chatgate_check(self):
            return [Problem("error", "found")]

    gateway = gateway_factory("tls", "maildb", Bad, Slow, Good, core={"check_seconds": 0.1})
    with gevent.Timeout(60):
        texts = {problem.text: problem.level for problem in gateway.check()}
    assert texts.pop("found") == "error"
    for name in ("bad", "slow"):
        assert [level for text, level in texts.items() if f"plugin {name}: check: " in text] == ["error"]


def test_a_gateway_without_a_gate_warns_at_start_and_every_day(gateway_factory, caplog, monkeypatch):
    monkeypatch.setattr("chatgate.running.gateway._DAY", 0.01)
    gateway = gateway_factory("tls", "maildb")
    with gevent.Timeout(60):
        while caplog.text.count(UNGUARDED) < 3:
            gevent.sleep(0.01)
    assert Problem("warning", UNGUARDED) in gateway.check()


@pytest.mark.parametrize("most,warned", [(10_199, True), (10_200, False), (resource.RLIM_INFINITY, False)])
def test_connections_that_the_system_does_not_allow_are_warned_of(gateway_factory, caplog, monkeypatch, most, warned):
    """Each is an open file. Beyond the limit nobody gets in, which looks like a gateway that hangs."""
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, most))
    off = {"submissions": (), "submission": (), "mx": (), "max_connections": 50_000}
    gateway = gateway_factory("tls", "maildb", "gate", "imap", "smtp", imap={"max_connections": 9000}, smtp=off)
    text = files.too_few(gateway.config.plugins)
    assert bool(text) == warned and (not warned or text in caplog.text)
    assert (Problem("warning", text) in gateway.check()) == warned
    if warned:
        assert "is 10199 here" in text and f"  WARNING: {text}" in summary(gateway)


def test_a_gateway_with_a_gate_has_nothing_to_say(gateway_factory, caplog):
    gateway = gateway_factory()
    assert gateway.hub.guarded and UNGUARDED not in caplog.text
    assert UNGUARDED not in [problem.text for problem in gateway.check()]


def test_options_that_do_not_fit_together_name_the_file():
    class Picky:
        def __init__(self, gateway, options):
            raise ValueError("low is above high")

    with pytest.raises(PluginError, match="50-picky.toml: low is above high"):
        Gateway(Config(Path("/x"), CoreOptions("d.test"), (Enabled("picky", Picky, None, source="50-picky.toml"),)))


def served(gateway):
    with socket.create_connection(("127.0.0.1", port(gateway, "imaps")), timeout=60) as sock:
        with client_tls().wrap_socket(sock) as tls:
            return ssl.DER_cert_to_PEM_cert(tls.getpeercert(True))


def test_a_new_certificate_is_served_after_a_reload(gateway_factory, tmp_path):
    gateway = gateway_factory("tls", "maildb", "imap")
    before = served(gateway)
    (tmp_path / "tls/cert.pem").unlink()
    gateway.certificates.reload()
    assert served(gateway) != before


def test_the_hostname_of_an_ipv6_literal_is_the_address(tmp_path):
    made = config(tmp_path, "tls", domain="[IPv6:2001:db8::1]", core={"hostname": ""})
    assert Gateway(made).domains.first.hostname == "2001:db8::1"


def test_systemd_is_told(tmp_path, monkeypatch):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        sd_notify("READY=1")
        assert sock.recv(100) == b"READY=1"
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    sd_notify("READY=1")


@pytest.mark.parametrize(
    ("pid", "told"), [(None, True), (str(os.getpid()), True), ("1", False)], ids=("any", "this", "other")
)
def test_the_watchdog_of_systemd_is_told_as_often_as_it_wants(tmp_path, monkeypatch, pid, told):
    path, waits = str(tmp_path / "notify"), []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            raise gevent.GreenletExit

    monkeypatch.setattr("chatgate.running.systemd.gevent.sleep", sleep)
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    if pid:
        monkeypatch.setenv("WATCHDOG_PID", pid)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        with contextlib.suppress(gevent.GreenletExit):
            keep_telling()
        sock.setblocking(False)
        heard = []
        with contextlib.suppress(BlockingIOError):
            while True:
                heard.append(sock.recv(100))
    assert heard == [b"WATCHDOG=1"] * (3 if told else 0)
    assert waits == [10.0] * len(heard)
