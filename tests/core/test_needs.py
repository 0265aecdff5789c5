"""Plugins that others cannot do without are enabled along."""

import importlib.metadata
import json
from dataclasses import dataclass
from typing import ClassVar

import pytest
from click.testing import CliRunner

from chatgate.cli import cli
from chatgate.hosting import confd
from chatgate.hosting.confd import ConfigError
from chatgate.hosting.options import option
from chatgate.testing import config


@dataclass(frozen=True)
class Nothing:
    pass


@dataclass(frozen=True)
class WheelOptions:
    spokes: int = option(32, "How many.")


@dataclass(frozen=True)
class BikeOptions:
    moved_to: ClassVar = {"spokes": "wheel"}
    gears: int = option(7, "How many.")


class Tyre:
    """Rubber."""

    Options, order = Nothing, 10

    def __init__(self, gateway, options):
        pass


class Wheel(Tyre):
    """Round."""

    Options, order, requires = WheelOptions, 20, ("tyre",)


class Bike(Tyre):
    """Goes by foot."""

    Options, order, requires = BikeOptions, 30, ("wheel",)


class Wrong(Tyre):
    """Names no tuple."""

    requires = "wheel"


CLASSES = {"tyre": Tyre, "wheel": Wheel, "bike": Bike, "wrong": Wrong}


@pytest.fixture
def installed(monkeypatch):
    """The names of the plugins that are installed; they can be removed."""
    names = set(CLASSES)
    monkeypatch.setattr(importlib.metadata.EntryPoint, "load", lambda self: CLASSES[self.name])
    point = importlib.metadata.EntryPoint
    monkeypatch.setattr(confd, "installed", lambda: {n: [point(n, f"bikes:{n}", "chatgate")] for n in sorted(names)})
    return names


@pytest.fixture
def folder(tmp_path, installed):
    (tmp_path / "conf.d").mkdir()

    def write(**files):
        for name, text in ({"00-chatgate.toml": 'domain = "d.test"'} | files).items():
            (tmp_path / "conf.d" / name).write_text(text)
        return tmp_path

    write.path = tmp_path
    return write


def plugins(folder):
    return [(one.name, one.order, one.needed_by) for one in confd.load(folder, {}).plugins]


def problems(folder):
    with pytest.raises(ConfigError) as caught:
        confd.load(folder, {})
    return [line.replace(f"{folder}/conf.d/", "") for line in caught.value.problems]


def test_what_a_plugin_needs_is_enabled_along_with_what_that_needs_at_their_own_places(folder):
    assert plugins(folder(**{"90-bike.toml": ""})) == [("tyre", 10, "wheel"), ("wheel", 20, "bike"), ("bike", 90, "")]


def test_a_file_of_its_own_decides(folder):
    found = plugins(folder(**{"90-bike.toml": "", "95-wheel.toml": "spokes = 3"}))
    assert found == [("tyre", 10, "wheel"), ("bike", 90, ""), ("wheel", 95, "")]


def test_nobody_needs_it_nobody_gets_it(folder):
    assert plugins(folder(**{"10-tyre.toml": ""})) == [("tyre", 10, "")]


@pytest.mark.parametrize(
    ("optional", "told"),
    [(False, "30-bike.toml: 'bike' needs the plugin 'wheel', which is not installed"), (True, None)],
)
def test_one_that_is_not_installed_is_one_clear_line(folder, installed, optional, told):
    installed.remove("wheel")
    where = folder(**{"30-bike.toml": "optional = true" if optional else ""})
    if optional:
        made = confd.load(where, {})
        assert (made.plugins, [one.name for one in made.left_out]) == ((), ["bike"])
    else:
        assert problems(where) == [told]


def test_one_that_is_disabled_is_one_clear_line(folder):
    assert problems(folder(**{"30-bike.toml": "", "20-wheel.toml.off": ""})) == [
        "30-bike.toml: 'bike' needs the plugin 'wheel', which is disabled: 20-wheel.toml.off; "
        "'chatgate plugins enable wheel' turns it on"
    ]


def test_one_that_is_left_out_is_missed(folder):
    found = problems(folder(**{"30-bike.toml": "", "20-wheel.toml": "optional = true\nspokes = 'x'"}))
    assert found == ["30-bike.toml: 'bike' needs the plugin 'wheel', which is left out"]


def test_mistakes_in_its_own_file_are_told_once(folder):
    found = problems(folder(**{"30-bike.toml": "", "20-wheel.toml": "spokes = 'x'"}))
    assert found == ["20-wheel.toml:1: spokes: must be a whole number"]


def test_a_key_that_is_another_plugins_now_holds_until_that_has_a_file(folder):
    where = folder(**{"30-bike.toml": "gears = 3\nspokes = 28"})
    options = {one.name: one.options for one in confd.load(where, {}).plugins}
    assert options == {"tyre": Nothing(), "wheel": WheelOptions(28), "bike": BikeOptions(3)}
    folder(**{"20-wheel.toml": ""})
    assert problems(where) == ["30-bike.toml:2: spokes: has moved: it is spokes of 20-wheel.toml now"]


def test_mistakes_in_such_a_key_name_its_line(folder):
    found = problems(folder(**{"30-bike.toml": "gears = 3\nspokes = 'x'"}))
    assert found == ["30-bike.toml:2: spokes: must be a whole number"]


def test_a_class_says_what_it_needs_as_a_tuple(folder):
    assert "requires is no tuple" in problems(folder(**{"30-wrong.toml": ""}))[0]


def test_commands_tell_why_it_is_enabled(folder):
    def run(*args, code=0):
        done = CliRunner().invoke(cli, ["--dir", str(folder.path), *args])
        assert done.exit_code == code, done.output
        return done.output

    folder(**{"30-bike.toml": ""})
    rows = {row["name"]: row for row in json.loads(run("plugins", "list", "--json"))}
    assert (rows["wheel"]["enabled"], rows["wheel"]["file"], rows["wheel"]["needed_by"]) == (True, None, "bike")
    assert rows["bike"]["needed_by"] is None and not rows["wrong"]["enabled"]
    assert "on   wheel          Round.  (enabled, as bike needs it)\n" in run("plugins", "list")
    assert "wheel: enabled, as bike needs it\n" in run("check", code=1)
    assert "'wheel' cannot be disabled, as bike needs it" in run("plugins", "disable", "wheel", code=1)
    assert run("plugins", "enable", "wheel").startswith("Enabled by")
    assert "as bike needs it" not in run("plugins", "list").partition("wheel")[2].partition("\n")[0]
    assert "'wheel' cannot be disabled, as bike needs it" in run("plugins", "disable", "wheel", code=1)


def test_the_kit_for_tests_enables_them_too(tmp_path, installed):
    made = config(tmp_path, Bike, "tyre", wheel={"spokes": 20})
    assert [(one.name, one.order) for one in made.plugins] == [("tyre", 10), ("wheel", 20), ("bike", 30)]
    assert made.plugins[1].options == WheelOptions(20)
