"""`chatgate status`: how the running gateway is, at a glance."""

import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl

import click
import pytest
from chatgate_metrics import glance, watch
from click.testing import CliRunner

from chatgate.api import Distribution, GatewayStatus, Metric, Process, Trouble, hookimpl
from chatgate.testing import new_login, pgp_message, smtp_client

NOW = 1_790_000_000.0
STORE = ("tls", "maildb", "accounts", "passwordless", "gate", "smtp", "imap", "site", "metrics")


class Troubled:
    """A plugin with something to tell."""

    def __init__(self, gateway, options):
        self.troubles = []

    @hookimpl
    def chatgate_troubles(self):
        return self.troubles


def run(gateway, *arguments):
    group = click.Group()
    gateway.hub.commands.or_raise(cli=group, gateway=gateway)
    return CliRunner().invoke(group, ["status", *arguments])


def test_a_gateway_that_serves(gateway_factory):
    gateway = gateway_factory(*STORE, Troubled)
    login = new_login(gateway)
    with smtp_client(gateway, login) as client:
        client.sendmail(login[0], [login[0]], pgp_message(*[login[0]] * 2))
        done = run(gateway, "--json")
        data = json.loads(done.stdout)
        assert data["connections"] == {"submissions": 1} and data["online"] == 1 and data["accounts"] == 1
        assert data["delivery_seconds"]["half"] > 0 and data["free_bytes"] > 0
        assert data["processes"][0]["pid"] == os.getpid() and data["troubles"] == [] and done.exit_code == 0
    text = run(gateway).stdout
    assert "1 accounts" in text and "no trouble is known" in text


def test_trouble_is_told_with_what_to_do_and_an_exit_code_for_monitors(gateway_factory):
    gateway = gateway_factory(*STORE, Troubled)
    plugin = gateway.hub.plugin("troubled")
    plugin.troubles = [Trouble("disk", "the disk is nearly full", time.time() - 7300, "make room")]
    done = run(gateway)
    assert done.exit_code == 3 and "trouble: the disk is nearly full, for 2 hours\n    do: make room" in done.stdout
    plugin.troubles.append(Trouble("certificate:x", "the certificate has expired", 0, "renew it", blocks=True))
    done = run(gateway)
    assert done.exit_code == 1 and done.stdout.index("BAD: the certificate") < done.stdout.index("trouble: the disk")


def test_no_gateway(tmp_path, config_folder):
    command = [sys.executable, "-m", "chatgate", "--dir", str(config_folder), "status"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, f"chatgate: no gateway serves from {config_folder}\n")
    done = subprocess.run([*command, "--json"], capture_output=True, text=True)
    assert json.loads(done.stdout) == {"errors": [f"no gateway serves from {config_folder}"]}
    done = subprocess.run([*command, "--watch"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (2, "chatgate: --watch needs a terminal, and no --json\n")


@pytest.fixture
def config_folder(tmp_path):
    folder = tmp_path / "gateway"
    command = [sys.executable, "-m", "chatgate", "--dir", str(folder), "init", "--domain", "127.0.0.1", "--local"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("end", (b"q", signal.SIGINT, signal.SIGTERM))
def test_the_view_fills_the_terminal_and_leaves_it_as_it_was(config_folder, end):
    reading, writing = pty.openpty()
    ioctl(writing, termios.TIOCSWINSZ, struct.pack("4H", 24, 40, 0, 0))
    before = termios.tcgetattr(writing)
    command = [sys.executable, "-m", "chatgate", "--dir", str(config_folder), "status", "--watch"]
    process = subprocess.Popen(command, stdin=writing, stdout=writing, stderr=subprocess.PIPE, start_new_session=True)
    try:
        shown = until(reading, b"q ends")
        assert b"no gateway serves from" in shown and b"\x1b[?1049h" in shown
        assert max(len(line) for line in shown.decode().replace("\x1b[K", "").split("\r\n")[1:]) <= 40
        if end == b"q":
            os.write(reading, end)
        else:  # the session has no terminal of its own here, so nobody turns the key into a signal
            process.send_signal(end)
        until(reading, b"\x1b[?1049l")
        assert process.wait(60) == 0, process.stderr.read()
        assert termios.tcgetattr(writing) == before
    finally:
        process.kill()
        process.wait()
        os.close(reading)
        os.close(writing)


def until(reading, wanted):
    """What comes, up to this."""
    found, end, poll = b"", time.monotonic() + 60, select.poll()  # select() knows no descriptor beyond 1023
    poll.register(reading, select.POLLIN)
    while wanted not in found:
        assert time.monotonic() < end, found
        if poll.poll(1000):
            found += os.read(reading, 65536)
    return found


# ---------------------------------------------------------------------------------------------- what is said


def status(*metrics, troubles=(), silent=""):
    process = Process(0, silent=silent) if silent else Process(0, 7, NOW - 200_000, "1.2.3")
    return GatewayStatus([process], {one.name: one for one in metrics}, list(troubles))


def no_history(name, labels, since):
    return []


def said(found, rates=no_history):
    return "\n".join(glance.lines(glance.glance(found, rates, NOW), "example.org", NOW))


def test_what_nobody_says_is_not_made_up():
    text = said(status())
    assert text.startswith("example.org: chatgate 1.2.3, up for 2 days\n")
    assert "nobody says" in text and "queue" not in text and "disk" not in text and "certificate" not in text


def test_rates_are_the_average_of_the_last_minutes():
    def rates(name, labels, since):
        assert since == NOW - 600
        return [(NOW - 120, 0.5), (NOW - 60, 1.5)] if name == "chatgate_messages_total" else []

    assert "by minute    taken 60, refused 60\n" in said(status(), rates)


def test_the_queue_the_disk_and_the_certificate():
    text = said(
        status(
            Metric("chatgate_courier_queue", "x", "gauge", ("age",), {("minute",): 2, ("day",): 1}),
            Metric.single("chatgate_courier_oldest_seconds", "x", "gauge", 7400, "seconds"),
            Metric("chatgate_courier_breakers", "x", "gauge", ("state",), {("open",): 1, ("closed",): 5}),
            Metric.single("chatgate_maildb_free_bytes", "x", "gauge", 5e9, "bytes"),
            Metric("chatgate_tls_expires_seconds", "x", "gauge", ("domain",), {("a",): NOW + 90000, ("b",): NOW - 300}),
        )
    )
    assert "queue        3 recipients elsewhere, the oldest for 2 hours; 1 other servers are left alone" in text
    assert "disk         5.0 GB free" in text and "certificate  expired 5 minutes ago" in text


def test_a_process_that_is_silent_is_seen():
    found = status(silent="it does not answer")
    assert glance.glance(found, no_history, NOW)["processes"][0]["silent"] == "it does not answer"


def test_shares_of_a_distribution():
    times = Distribution((0.01, 0.1, 1.0))
    assert glance.quantile(times, 0.5) is None
    for value in [0.005] * 98 + [0.05, 7.0]:
        times.add(value)
    assert glance.quantile(times, 0.5) == 0.01 and glance.quantile(times, 0.99) == 0.1
    assert glance.quantile(times, 1.0) == 1.0


@pytest.mark.parametrize(
    "values, width, shown",
    (([], 5, ""), ([0, 0], 5, "▁▁"), ([0, 7, 14], 5, "▁▅█"), (range(100), 3, "███")),
)
def test_small_plots(values, width, shown):
    assert watch.sparkline(values, width) == shown
