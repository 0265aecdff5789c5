"""How many files the process may have open."""

import dataclasses
import resource

import pytest

from chatgate.api import option
from chatgate.hosting.confd import Enabled
from chatgate.running import files


@dataclasses.dataclass(frozen=True)
class Options:
    listen: tuple[str, ...] = option(("*:25",), "Where.")
    max_connections: int = option(700, "How many.")
    max_unauthenticated: int = option(50, "How many others.")


def plugin(name, **settings):
    return Enabled(name, object, Options(**settings), 50)


@pytest.fixture
def limit(monkeypatch):
    """Sets the hard limit that files.py sees."""

    def make(hard):
        monkeypatch.setattr(resource, "getrlimit", lambda which: (256, hard))

    return make


def test_the_largest_listener_decides(limit):
    plugins = [plugin("small", max_connections=10), plugin("large"), Enabled("none", object, None, 50)]
    limit(949)
    assert files.too_few(plugins).startswith("large may have 750 connections at one listener")
    assert "limit of open files is 949 here" in files.too_few(plugins)
    limit(950)  # with those that are no connections
    assert files.too_few(plugins) == ""


def test_a_listener_that_is_off_needs_none(limit):
    limit(300)
    assert files.too_few([plugin("off", listen=())]) == ""
    assert files.too_few([]) == ""


def test_no_limit_is_enough(limit):
    limit(resource.RLIM_INFINITY)
    assert files.too_few([plugin("huge", max_connections=10**9)]) == ""


def test_the_limit_is_raised_to_what_the_system_allows(limit, monkeypatch):
    limit(4096)
    made = []
    monkeypatch.setattr(resource, "setrlimit", lambda which, pair: made.append((which, pair)))
    files.allow()
    assert made == [(resource.RLIMIT_NOFILE, (4096, 4096))]

    def refused(which, pair):
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refused)
    files.allow()  # it serves all the same
