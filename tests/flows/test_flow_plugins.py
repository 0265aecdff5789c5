"""Plugins that cannot be used, as the operator meets them: one line, or left out where that is allowed."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from local_gateway import LocalGateway, Make

HEAD = """
import sys
from dataclasses import dataclass
from chatgate.api import *

@dataclass(frozen=True)
class NoOptions:
    pass
"""

SOUND = """
class Broken:
    "Does nothing."
    Options = NoOptions
    def __init__(self, gateway, options):
        pass
"""


def serving(how: str) -> str:
    """A plugin with a service that fails like this, at this step."""
    return f"""
class Failing:
    name, listening = "failing", []
    def bind(self): pass
    def start(self): pass
    def stop(self, seconds): pass
    {how}

class Broken:
    Options = NoOptions
    def __init__(self, gateway, options): pass
    @hookimpl
    def chatgate_services(self): return [Failing()]
"""


IMPORT = {
    "exits": "sys.exit(5)",
    "raises": "raise RuntimeError('two\\nlines')",
    "no python": "class Broken(:",
    "no module": "import no_such_module_anywhere",
    "no attribute": "Other = 1",
    "no class": "Broken = 7",
    "no options": "class Broken:\n    def __init__(self, gateway, options): pass",
    "other options": "class Broken:\n    Options = dict",
    "odd field": "@dataclass(frozen=True)\nclass O:\n    x: int = 1\nclass Broken:\n    Options = O",
    "odd type": "@dataclass(frozen=True)\nclass O:\n    x: 'Nope' = option(1, 'x')\nclass Broken:\n    Options = O",
    "odd order": SOUND + "    order = 'first'",
}
MAKE = {
    "init exits": SOUND.replace("pass", "sys.exit(5)"),
    "init raises": SOUND.replace("pass", "raise KeyError('two\\nlines')"),
    "init refuses": SOUND.replace("pass", "raise ValueError('low is above high')"),
    "unknown hook": SOUND + "    @hookimpl\n    def chatgate_nope(self): pass",
    "wrapper": SOUND + "    @hookimpl(hookwrapper=True)\n    def chatgate_stored(self): yield",
    "post_init": HEAD.replace("pass", "def __post_init__(self): raise KeyError('odd')") + SOUND,
}
SERVE = {
    "services raise": SOUND + "    @hookimpl\n    def chatgate_services(self): raise RuntimeError('no')",
    "services exit": SOUND + "    @hookimpl\n    def chatgate_services(self): sys.exit()",
    "no services": SOUND + "    @hookimpl\n    def chatgate_services(self): return 'services'",
    "bind": serving("def bind(self): raise RuntimeError('no')"),
    "bind exits": serving("def bind(self): sys.exit(9)"),
    "start": serving("def start(self): raise OSError('no')"),
}


@pytest.fixture
def broken(
    folder: LocalGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., LocalGateway]]:
    """Installs a plugin `broken` with this source and enables it in a folder that was made once."""
    file = folder.folder / "conf.d/60-broken.toml"

    def make(source: str, settings: str = "") -> LocalGateway:
        about = tmp_path / "broken_plugin-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1\n")
        (about / "entry_points.txt").write_text("[chatgate]\nbroken = broken_plugin:Broken\n")
        (tmp_path / "broken_plugin.py").write_text(HEAD + source)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        file.write_text(settings)
        return folder

    kept = {path: path.read_text() for path in file.parent.iterdir()}
    yield make
    folder.__exit__()
    for path in file.parent.iterdir():
        path.unlink()
    for path, text in kept.items():
        path.write_text(text)


def one_line(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert done.returncode == code, done
    (line,) = done.stderr.splitlines()
    assert line.startswith("chatgate: ")
    return line


@pytest.mark.parametrize("source", [*IMPORT.values(), *MAKE.values(), *SERVE.values()], ids=[*IMPORT, *MAKE, *SERVE])
def test_a_plugin_that_cannot_be_used_is_one_line(broken: Make, source: str) -> None:
    assert "broken" in one_line(broken(source).run("serve"), 1 if source in SERVE.values() else 2)


@pytest.mark.parametrize("name", ["exits", "raises", "no attribute", "no options", "odd order"])
def test_it_is_listed_with_its_trouble_and_not_enabled(broken: Make, name: str) -> None:
    gateway = broken(IMPORT[name])
    (gateway.folder / "conf.d/60-broken.toml").unlink()
    assert "'broken'" in one_line(gateway.run("plugins", "enable", "broken"), 1)
    assert not list((gateway.folder / "conf.d").glob("*broken*"))
    listed = {row["name"]: row["about"] for row in json.loads(gateway.run("plugins", "list", "--json").stdout)}
    assert "\n" not in listed["broken"] and listed["broken"]


@pytest.mark.parametrize(
    "name", ["exits", "no options", "init exits", "wrapper", "services raise", "bind exits", "start"]
)
def test_an_optional_plugin_is_left_out_and_everybody_hears_of_it(broken: Make, name: str) -> None:
    gateway = broken((IMPORT | MAKE | SERVE)[name], "optional = true\n").start()
    assert "LEFT OUT  broken: " in gateway.output()
    assert "plugin left out plugin=broken: " in gateway.output() and "Traceback" not in gateway.output()
    gateway.imap(gateway.account()).logout()
    assert gateway.stop() == 0
    if name not in SERVE:
        done = gateway.run("check", "--json")
        assert done.returncode == 0, done
        (problem,) = [p for p in json.loads(done.stdout)["problems"] if "broken" in p["text"]]
        assert problem["level"] == "warning" and "left out" in problem["text"]


def test_what_is_not_installed_or_misconfigured_is_left_out_as_well(broken: Make) -> None:
    gateway = broken(SOUND, "optional = true\nno_such_key = 1\n")
    (gateway.folder / "conf.d/61-nowhere.toml").write_text("optional = true\n")
    texts = [p["text"] for p in json.loads(gateway.run("check", "--json").stdout)["problems"]]
    assert any("broken is left out" in text and "no such key" in text for text in texts)
    assert any("nowhere is left out" in text and "installed" in text for text in texts)


@pytest.mark.parametrize("settings", ["", "no_such_key = 1\n"])
def test_a_plugin_that_refuses_is_never_optional(broken: Make, settings: str) -> None:
    """Were it left out, what it refuses would pass."""
    source = SOUND + "    @hookimpl(specname='chatgate_filter')\n    def refuse(self): pass"
    done = broken(source, "optional = true\n" + settings).run("serve")
    assert done.returncode == 2 and "chatgate_filter" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_key_is_true_or_false(broken: Make) -> None:
    done = broken(SOUND, 'optional = "yes"\n').run("serve")
    assert done.returncode == 2 and "60-broken.toml:1: optional: must be true or false" in done.stderr


def test_a_gate_that_nobody_could_look_at_is_not_left_out(broken: Make) -> None:
    """It cannot be told that it is one; where there is no other gate, nothing is served."""
    gateway = broken(IMPORT["exits"], "optional = true\n")
    assert gateway.run("plugins", "disable", "gate").returncode == 0
    done = gateway.run("serve")
    assert done.returncode == 2 and "it may be the gate" in done.stderr.splitlines()[-1]


def test_a_gateway_without_a_gate_says_so_everywhere(broken: Make) -> None:
    """The sweeper filters too, when the disk is full; that does not make a gate of it."""
    gateway = broken(SOUND)
    assert gateway.run("plugins", "disable", "gate").returncode == 0
    done = gateway.run("check", "--json")
    assert done.returncode == 0
    assert [p["level"] for p in json.loads(done.stdout)["problems"] if "no enabled plugin is a gate" in p["text"]] == [
        "warning"
    ]
    gateway.start()
    said, logged = gateway.output().split("chatgate: ready")[0], gateway.output()
    assert "WARNING: no enabled plugin is a gate" in said
    assert "chatgate.gateway no enabled plugin is a gate" in logged


def test_the_commands_of_others_are_there_when_one_plugin_fails_at_its_own(broken: Make) -> None:
    gateway = broken(SOUND + "    @hookimpl\n    def chatgate_commands(self): raise RuntimeError('no')")
    done = gateway.run("qr", "--help")
    assert done.returncode == 0 and "Usage" in done.stdout
    assert done.stderr.splitlines() == [
        line for line in done.stderr.splitlines() if "plugin broken: commands: " in line
    ]


def test_a_failing_check_is_a_problem_of_its_plugin(broken: Make) -> None:
    gateway = broken(SOUND + "    @hookimpl\n    def chatgate_check(self):\n        import time; time.sleep(1000)")
    gateway.set("chatgate", check_seconds="0.5")
    done = gateway.run("check", "--json")
    assert done.returncode == 1
    problems = json.loads(done.stdout)["problems"]
    assert [p["level"] for p in problems if "plugin broken: check: Timeout" in p["text"]] == ["error"]


def test_nothing_that_a_plugin_raises_anywhere_ends_the_gateway(broken: Make) -> None:
    """Neither in a greenlet of its own nor while it stops."""
    gateway = broken(
        """
import gevent

class Broken:
    Options = NoOptions
    name, listening = "broken", []
    def __init__(self, gateway, options): pass
    def bind(self): pass
    def start(self):
        gevent.spawn(lambda: sys.exit(7))
        gevent.spawn(lambda: open("/secret of a client"))
        import threading
        threading.Thread(target=lambda: 1 / 0).start()
    def stop(self, seconds): sys.exit(8)
    @hookimpl
    def chatgate_services(self): return [self]
    @hookimpl
    def chatgate_logged_in(self): sys.exit(9)
"""
    ).start()
    alice = gateway.account()
    gateway.imap(alice).logout()
    assert gateway.process.poll() is None
    assert gateway.stop() == 0
    said = gateway.output()
    for of in (
        "greenlet failed plugin=broken error=SystemExit",
        "thread failed plugin=broken error=ZeroDivisionError",
    ):
        assert said.count(of) == 1
    assert said.count("greenlet failed plugin=broken error=FileNotFoundError errno=ENOENT at=") == 1
    assert "secret" not in said and "Traceback" not in said
    assert "service failed to stop service=broken error=SystemExit" in said
    assert "hook failed hook=logged_in plugin=broken error=SystemExit" in said
    assert gateway.run("check").returncode == 0, "the store was closed in good order"


def test_a_plugin_that_computes_for_long_is_named_and_mail_goes_on(
    broken: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And systemd hears that the gateway lives."""
    gateway = broken(
        SOUND
        + """
    @hookimpl
    def chatgate_logged_in(self):
        import time
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            sum(range(1000))
"""
    )
    gateway.set("chatgate", stall_milliseconds="200")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        path = str(gateway.folder / "notify")
        systemd.bind(path)
        systemd.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        monkeypatch.setenv("WATCHDOG_USEC", "3000000")
        gateway.start()
        gateway.imap(gateway.nobody()).logout()
        heard = [systemd.recv(100) for _ in range(4)]
    assert heard[0] == b"READY=1" and set(heard[1:]) == {b"WATCHDOG=1"}
    place = "plugin=broken hook=logged_in in=Broken.chatgate_logged_in@"
    lines = [line for line in gateway.output().splitlines() if "chatgate.stall" in line and place in line]
    assert "hub stands still for=" in lines[0] and "hub turns again after=" in lines[-1]
    assert gateway.stop() == 0


RELOAD = """
    @hookimpl(tryfirst=True)
    def chatgate_certificate(self, domain):
        if self.armed:
            {}
        self.armed = True
    armed = False
"""


@pytest.mark.parametrize(
    "how",
    ["raise RuntimeError('no')", "sys.exit(5)", "raise KeyboardInterrupt", "return 7", "raise PluginError('mine')"],
)
def test_a_plugin_that_fails_at_a_reload_is_named_and_the_gateway_goes_on(broken: Make, how: str) -> None:
    gateway = broken(SOUND + RELOAD.format(how)).start()
    for times in (1, 2):
        gateway.signal(signal.SIGHUP)
        end = time.monotonic() + 60
        while gateway.output().count("reload: ") < times:
            assert time.monotonic() < end, gateway.output()
            time.sleep(0.02)
    assert gateway.output().count("the certificate in use is kept") == 2
    named = "mine" if "mine" in how else "plugin broken: certificate: "
    assert gateway.output().count(named) == 2 and "Traceback" not in gateway.output()
    gateway.imap(gateway.account()).logout()
    assert gateway.stop() == 0
