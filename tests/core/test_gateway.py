"""The gateway starts everything or nothing, and stops in good order."""

import socket
import ssl
from pathlib import Path

import pytest

from chatgate.api import BindError, PluginError, hookimpl
from chatgate.confd import Config, CoreOptions, Enabled
from chatgate.gateway import Gateway, sd_notify
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


def test_options_that_do_not_fit_together_name_the_file():
    class Picky:
        def __init__(self, gateway, options):
            raise ValueError("low is above high")

    with pytest.raises(PluginError, match="50-picky.toml: low is above high"):
        Gateway(Config(Path("/x"), CoreOptions("d.test"), (Enabled("picky", Picky, None, source="50-picky.toml"),)))


def served(gateway):
    with socket.create_connection(("127.0.0.1", port(gateway, "imaps")), timeout=5) as sock:
        with client_tls().wrap_socket(sock) as tls:
            return ssl.DER_cert_to_PEM_cert(tls.getpeercert(True))


def test_a_new_certificate_is_served_after_a_reload(gateway_factory, tmp_path):
    gateway = gateway_factory("tls", "maildb", "imap")
    before = served(gateway)
    (tmp_path / "tls/cert.pem").unlink()
    gateway.reload_certificate()
    assert served(gateway) != before


def test_the_hostname_of_an_ipv6_literal_is_the_address(tmp_path):
    made = config(tmp_path, "tls", domain="[IPv6:2001:db8::1]", core={"hostname": ""})
    assert Gateway(made).hostname == "2001:db8::1"


def test_systemd_is_told(tmp_path, monkeypatch):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        sd_notify("READY=1")
        assert sock.recv(100) == b"READY=1"
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    sd_notify("READY=1")
