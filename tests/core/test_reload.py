"""A reload in the process that serves, and what the command makes of its answer."""

import json
import logging
import os
import signal
import stat

import pytest
from click.testing import CliRunner

from chatgate.api import hookimpl
from chatgate.cli import cli
from chatgate.cli import reload as command
from chatgate.hosting import confd
from chatgate.running import serving
from chatgate.running.gateway import Gateway
from chatgate.running.hold import Hold, Holder
from chatgate.running.processes import Place
from chatgate.running.reload import Reload, reload_level
from chatgate.running.serving import Report

ALL_IS_WELL = ["the certificate is the same", "no setting has changed", "nothing waits for a restart"]


class Folder:
    """A gateway's folder with a few plugins, and the gateway that serves from it, but for its listeners."""

    def __init__(self, path):
        self.path = path
        (path / "conf.d").mkdir(parents=True)
        self.set("00-chatgate", domain='"example.org"', hostname='"127.0.0.1"')
        for name in ("10-tls", "20-smtp", "60-maildb", "85-sweeper"):
            self.set(name)
        self.gateway = Gateway(confd.load(path, {}))
        assert self.gateway.tls  # a listener's
        self._reload = Reload(self.gateway)

    def set(self, name, **settings):
        path = self.path / "conf.d" / f"{name}.toml"
        path.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))

    def reload(self):
        self._reload()
        (report,) = serving.reports(self.path, 0.0)
        return report


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "gw")


class Told:
    def __init__(self):
        self.changed = []

    @hookimpl
    def chatgate_reloaded(self, changed):
        self.changed.append(list(changed))


def test_live_settings_are_in_force_and_the_others_wait(folder):
    plugin = Told()
    folder.gateway.hub.load([("told", plugin)])
    assert folder.reload().lines() == ALL_IS_WELL and plugin.changed == []
    folder.set("00-chatgate", domain='"example.org"', hostname='"127.0.0.1"', stop_seconds=3.5, max_message_bytes=30000)
    folder.set("85-sweeper", days=3)
    report = folder.reload()
    assert report.lines() == [
        "the certificate is the same",
        "changed: max_message_bytes, sweeper: days",
        "a restart is needed for stop_seconds",
    ]
    core = folder.gateway.config.core
    assert core.max_message_bytes == 30000 and core.stop_seconds != 3.5
    assert [sorted(names) for names in plugin.changed] == [report.changed]
    again = folder.reload()
    assert (again.changed, again.waiting) == ([], ["stop_seconds"]) and again.began > report.began


@pytest.mark.parametrize(
    "name, settings, told",
    [
        ("85-sweeper", {"days": '"many"'}, "85-sweeper.toml"),
        ("85-sweeper", {"nothing_of_ours": "1"}, "nothing_of_ours"),
        # The file is right, but no gateway would start with it: smtp needs room for the largest message.
        (
            "00-chatgate",
            {"domain": '"example.org"', "hostname": '"127.0.0.1"', "max_message_bytes": "3000000000"},
            "max_inflight_bytes",
        ),
    ],
)
def test_with_a_mistake_anywhere_nothing_changes(folder, name, settings, told):
    folder.set("60-maildb", quota_bytes=77000000)
    folder.set(name, **settings)
    before = folder.gateway.config.core.max_message_bytes
    report = folder.reload()
    assert report.wrong and report.changed == [] and told in " ".join(report.errors)
    assert report.lines()[1:] == ["the configuration has mistakes and is not used"]
    (maildb,) = [one.options for one in folder.gateway.config.plugins if one.name == "maildb"]
    assert maildb.quota_bytes != 77000000 and folder.gateway.config.core.max_message_bytes == before


def test_what_breaks_while_it_loads_is_told_without_its_words(folder, monkeypatch, caplog):
    def broken(*_):
        raise SystemExit("password of somebody")

    monkeypatch.setattr(confd, "load", broken)
    monkeypatch.setattr(folder.gateway.certificates, "reload", broken)
    report = folder.reload()
    assert report.wrong and report.certificate == "kept"
    assert report.errors == [
        "the certificate cannot be read: SystemExit",
        "the configuration cannot be read: SystemExit",
    ]
    assert "somebody" not in "".join(one.getMessage() for one in caplog.records)
    reload_level(folder.gateway.config)  # the process that looks after others lives on, too


def test_a_new_certificate_is_taken_and_one_that_is_spoilt_is_not(folder):
    found = folder.gateway.certificate()
    other = Folder(folder.path.with_name("other")).gateway.certificate()
    found.chain.write_bytes(other.chain.read_bytes())
    folder.set("85-sweeper", days=3)
    report = folder.reload()  # it does not belong to the key
    assert report.certificate == "kept" and str(found.chain) in report.errors[0]
    assert report.changed == ["sweeper: days"] and not report.wrong
    found.key.write_bytes(other.key.read_bytes())
    report = folder.reload()
    assert (report.certificate, report.errors) == ("new", [])
    assert report.lines()[0] == "new certificate"
    assert folder.reload().certificate == "the same"


def test_the_level_of_the_log_changes(folder):
    config = folder.gateway.config
    folder.set("00-chatgate", domain='"example.org"', hostname='"127.0.0.1"', log_level='"debug"')
    reload_level(config)
    assert logging.getLogger("chatgate").getEffectiveLevel() == logging.DEBUG
    assert config.core.log_level != "debug"  # of others, who compare
    assert folder.reload().changed == ["log_level"]


def test_connections_beyond_the_limit_of_open_files_are_a_warning(folder, monkeypatch):
    monkeypatch.setattr("chatgate.running.files._most", lambda: 1000)
    folder.set("20-smtp", max_connections=1500)
    report = folder.reload()
    assert report.changed == ["smtp: max_connections"] and not report.errors
    (line,) = report.warnings
    assert line.startswith("smtp may have ") and "limit of open files is 1000" in line


# What a process that serves writes into the folder.


def test_the_report_is_for_its_owner_and_holds_no_value(folder):
    folder.set("85-sweeper", days=12345)
    folder.reload()
    (path,) = folder.path.glob(".serving-*")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "12345" not in path.read_text()


def test_a_report_that_cannot_be_written_keeps_nobody_waiting(folder, capfd):
    (folder.path / ".serving-0.json").mkdir()
    folder._reload()
    assert "cannot write what this process does" in capfd.readouterr().err
    assert serving.reports(folder.path, 0.0) is None and serving.differing(folder.gateway.config) is None
    assert [path.name for path in folder.path.glob(".serving-*")] == [".serving-0.json"]


def test_all_processes_are_waited_for(folder):
    gateway = folder.gateway
    for number, report in enumerate([Report(9.0, "new", ["a"]), Report(7.0, "kept"), Report(8.0, "new")]):
        assert serving.reports(folder.path, 7.0) is None
        gateway.place = Place(number, 3)
        serving.note(gateway, report)
    assert serving.reports(folder.path, 7.0) == [Report(9.0, "new", ["a"]), Report(7.0, "kept"), Report(8.0, "new")]
    assert serving.reports(folder.path, 7.5) is None  # one has not looked again
    (folder.path / ".serving-1.json").write_text("{")
    assert serving.reports(folder.path, 7.0) is None
    serving.forget(folder.path)
    assert not list(folder.path.glob(".serving-*"))


def test_the_folder_is_compared_with_what_serves(folder):
    serving.note(folder.gateway, Report())
    assert serving.differing(confd.load(folder.path, {})) == ([], [])
    folder.set("85-sweeper", days=3)
    folder.set("60-maildb", folder='"elsewhere"')
    folder.set("90-ping")
    (folder.path / "conf.d" / "20-smtp.toml").rename(folder.path / "conf.d" / "20-smtp.toml.off")
    (folder.path / "conf.d" / "domains").mkdir()
    (folder.path / "conf.d" / "domains" / "b.example.toml").write_text("[sweeper]\ndays = 5\n")
    changes = serving.differing(confd.load(folder.path, {}))
    assert changes.live == ["sweeper: days"]
    waiting = ["maildb: folder", "smtp (disabled)", "ping (enabled)", "domain b.example"]
    assert sorted(changes.waiting) == sorted(waiting)


# The command.


class Beside:
    """`chatgate reload` in this process, with somebody who answers the signal."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.reports, self.signals = folder, [Report(1e12, "the same")], []
        monkeypatch.setattr(command, "holder", lambda path: 4711)
        monkeypatch.setattr(os, "kill", self._killed)

    def _killed(self, process, number):
        self.signals.append((process, number))
        for place, report in enumerate(self.reports):
            self.folder.gateway.place = Place(place, len(self.reports))
            serving.note(self.folder.gateway, report)

    def __call__(self, *arguments):
        return CliRunner().invoke(cli, ["--dir", str(self.folder.path), "reload", *arguments])


@pytest.fixture
def beside(folder, monkeypatch):
    return Beside(folder, monkeypatch)


def test_the_command_prints_what_was_done(beside):
    # What an earlier reload said is no answer to this one, however its clock went.
    serving.note(beside.folder.gateway, Report(1e15, "new", ["older"]))
    done = beside()
    assert (done.exit_code, done.stdout.splitlines(), done.stderr) == (0, ALL_IS_WELL, "")
    assert beside.signals == [(4711, signal.SIGHUP)]


def test_what_several_processes_say_is_one_answer(beside):
    beside.reports = [
        Report(1e12, "new", ["a"], ["w"], warnings=["few files"]),
        Report(1e12, "the same", ["a", "b"], ["w"], warnings=["few files"]),
        Report(1e12, "kept", ["b"], errors=["no certificate"]),
    ]
    done = beside("--json")
    assert done.exit_code == 1 and json.loads(done.stdout) == {
        "processes": 3,
        "certificate": "kept",
        "changed": ["a", "b"],
        "waiting": ["w"],
        "warnings": ["few files"],
        "errors": ["no certificate"],
    }
    done = beside()
    assert done.stdout.splitlines() == [
        "warning: few files",
        "the certificate in use is kept",
        "changed: a, b",
        "a restart is needed for w",
    ]
    assert (done.exit_code, done.stderr) == (1, "chatgate: no certificate\n")
    beside.reports[:] = [Report(1e12, "new"), Report(1e12, "the same", wrong=True, errors=["x"])]
    assert (beside().exit_code, json.loads(beside("--json").stdout)["certificate"]) == (2, "new")


def test_the_command_tells_why_there_is_no_answer(beside, monkeypatch, tmp_path):
    beside.reports = []
    done = beside("--wait", "0.01")
    assert done.exit_code == 1 and "no answer from process 4711 in 0.01 seconds" in done.stderr

    def gone(process, number):
        raise ProcessLookupError(3, "No such process")

    monkeypatch.setattr(os, "kill", gone)
    done = beside()
    assert done.exit_code == 1 and "cannot be told: No such process" in done.stderr
    for found, words in ((None, "no gateway serves from"), (Holder.HIDDEN, "is it in a container?")):
        monkeypatch.setattr(command, "holder", lambda path, found=found: found)
        done = beside()
        assert done.exit_code == 1 and words in done.stderr
    done = CliRunner().invoke(cli, ["--dir", str(tmp_path / "none"), "reload"])
    assert done.exit_code == 2 and str(tmp_path / "none") in done.stderr


def test_nobody_is_sent_a_signal_who_does_not_hold_the_folder(folder):
    hold = Hold(folder.path)
    # A process that has the lock not open, as when one in a container wrote its number.
    (folder.path / ".serving").write_text(f"{os.getppid():<20}")
    done = CliRunner().invoke(cli, ["--dir", str(folder.path), "reload"])
    assert done.exit_code == 1 and "is it in a container?" in done.stderr
    hold.release()
    done = CliRunner().invoke(cli, ["--dir", str(folder.path), "reload"])
    assert done.exit_code == 1 and "no gateway serves from" in done.stderr
