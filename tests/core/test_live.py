"""Options that change while the gateway runs."""

import dataclasses
import gc

import gevent
import pytest

from chatgate.api import hookimpl, option
from chatgate.hosting import confd, live
from chatgate.hosting.options import CoreOptions, is_live
from chatgate.running.gateway import Gateway
from chatgate.testing import config

SHIPPED = sorted(name for name, points in confd.installed().items() if points[0].value.startswith("chatgate_"))


class Reads:
    """Which options of these classes are read while `names` is a set, in this greenlet: what services do in theirs once
    they run is no copy made at the start.
    """

    def __init__(self, monkeypatch, options):
        self.names, self.greenlet = None, gevent.getcurrent()
        for name, one in options.items():
            keys = {field.name for field in dataclasses.fields(one)}

            def get(this, key, name=name, keys=keys):
                if self.names is not None and key in keys and gevent.getcurrent() is self.greenlet:
                    self.names.add((name, key))
                return object.__getattribute__(this, key)

            monkeypatch.setattr(type(one), "__getattribute__", get)


def test_no_plugin_keeps_a_copy_of_a_live_option(tmp_path, monkeypatch):
    """What is read when plugins and services are made must be read again when they are told of a reload."""
    made = config(tmp_path, *SHIPPED, domains={"b.example": {}})
    options = {"chatgate": made.core} | {plugin.name: plugin.options for plugin in made.plugins}
    reads = Reads(monkeypatch, options)
    at_start = reads.names = set()
    gateway = Gateway(made)
    gateway.start()
    again = reads.names = set()
    gateway.options_changed(["every one"])
    reads.names = None
    gateway.stop()
    alive = {(name, f.name) for name, one in options.items() for f in dataclasses.fields(one) if is_live(f)}
    assert len(alive) > 150
    used_at_start = {("push", "give_up_hours")}  # which of the notifications that waited are too old
    assert (at_start & alive) - again == used_at_start


def test_no_plugin_makes_something_of_a_live_option_when_it_is_first_asked(tmp_path):
    """A property that is computed once would not see the new value: none of those reads a live option."""
    plugins = config(tmp_path, *SHIPPED).plugins
    properties = [found for found in gc.get_objects() if type(found).__name__ == "cached_property"]
    for plugin in plugins:
        keys = {f.name for f in dataclasses.fields(plugin.options) if is_live(f)}
        package = type(plugin.options).__module__.partition(".")[0]
        for found in properties:
            if found.func.__module__.startswith(package):
                assert not keys & set(found.func.__code__.co_names), f"{package}: {found.func.__qualname__}"


@dataclasses.dataclass(frozen=True)
class OneOptions:
    most: int = option(5, "How many.", live=True, per_domain=True)
    least: int = option(1, "How few.", live=True)
    port: int = option(1, "Where.", per_domain=True)
    secret: str = option("", "What nobody may see.")

    def __post_init__(self):
        if self.least > self.most:
            raise ValueError("least must not be more than most")


class One:
    Options = OneOptions

    def __init__(self, gateway, options):
        self.gateway, self.options, self.told = gateway, options, []

    @hookimpl
    def chatgate_reloaded(self, changed):
        self.told.append((changed, self.options.most))


def folder(tmp_path, domains=None, core=None, **one):
    return config(tmp_path, One, one=one, domains=domains, core=core)


def test_values_change_in_the_objects_that_plugins_hold(tmp_path):
    old = folder(tmp_path, most=5, port=1)
    held = old.plugins[0].options
    new = folder(tmp_path, most=7, port=2, core={"log_level": "info"})
    assert live.compare(old, new) == (["log_level", "one: most"], ["one: port"])
    live.apply(old, new)
    assert (held.most, held.port, old.core.log_level) == (7, 1, "info")
    assert live.compare(old, new) == ([], ["one: port"])


def test_nothing_changes_when_new_and_old_values_do_not_fit(tmp_path):
    old = folder(tmp_path, most=5)
    new = folder(tmp_path, most=9, least=8, domains={})
    object.__setattr__(new.plugins[0].options, "most", 4)  # as with a limit that waits for a restart
    with pytest.raises(confd.ConfigError, match="one: least must not be more than most; this fits"):
        live.apply(old, new)
    assert old.plugins[0].options == OneOptions()


@pytest.mark.parametrize(
    "before, after, most, names",
    [
        ({}, {}, 7, ["one: most"]),
        ({}, {"most": 5}, 5, ["one: most"]),  # set now to what the first domain had before
        ({"most": 5}, {}, 7, ["one: most", "b.example: one: most"]),
        ({"most": 3}, {"most": 4}, 4, ["one: most", "b.example: one: most"]),
        ({"most": 3}, {"most": 3}, 3, ["one: most"]),
    ],
)
def test_each_domain_has_its_own(tmp_path, before, after, most, names):
    old = folder(tmp_path, most=5, domains={"b.example": {"one": before}})
    (domain,) = old.domains
    held = domain.options(old.plugins[0].options)
    new = folder(tmp_path, most=7, domains={"b.example": {"one": after}})
    found = live.compare(old, new).live
    assert set(names) - {"b.example: one: most"} <= set(found) <= {"one: most", "b.example: one: most"}
    live.apply(old, new)
    assert domain.options(old.plugins[0].options) is held and held.most == most
    assert old.plugins[0].options.most == 7
    assert live.compare(old, new) == ([], [])


def test_plugins_and_domains_that_come_and_go_wait(tmp_path):
    old = config(tmp_path, "ping", domains={"b.example": {}})
    new = config(tmp_path, "iroh", domains={"c.example": {}})
    assert live.compare(old, new).waiting == [
        "ping (disabled)",
        "domain b.example",
        "iroh (enabled)",
        "domain c.example",
    ]


def test_plugins_are_told(gateway_factory):
    gateway = gateway_factory("maildb", "tls", One)
    core = {"observer_seconds": 2.5, "hook_seconds": 4.0}
    new = config(gateway.config.folder, "maildb", "tls", One, one={"most": 9}, core=core)
    changes = live.compare(gateway.config, new)
    live.apply(gateway.config, new)
    gateway.options_changed(changes.live)
    told = frozenset({"one: most", "observer_seconds", "hook_seconds"})
    assert [(told, 9)] == [(changed & told, most) for changed, most in gateway.hub.plugin("one").told]


def test_the_files_say_which_options_are_live():
    from chatgate.hosting.options import render

    text = render(CoreOptions, "")
    assert "MiB. (per domain) (live)\n# max_message_bytes" in text
    assert "(live)" not in text.split("# processes =")[0].rpartition("\n# ")[2]
