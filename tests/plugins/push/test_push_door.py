"""The tokens may be where another plugin keeps them."""

from __future__ import annotations

import json

import click
import pytest
from chatgate_push import Push
from click.testing import CliRunner
from push_fakes import GONE, Memory, Plugin

from chatgate.api import Account, PluginError
from chatgate.testing import until


@pytest.fixture
def memory():
    return Memory()


def test_phones_are_woken_and_devices_that_are_gone_forgotten(push, service, memory, tmp_path):
    service.answers["gone"] = [GONE]
    plugin = push()
    plugin.set(1, "one", "gone")
    plugin.set(2, "two", "gone")
    plugin.mail(1, 2)
    until(lambda: sorted(service.tokens) == ["gone", "one", "two"])
    until(lambda: plugin.count("gone") == 1 and not plugin.count("waiting"))
    until(lambda: memory.counts() == (2, 2))
    assert (plugin.get(1), plugin.get(2)) == ("one", "two")
    group = click.Group()
    plugin.chatgate_commands(group)
    result = CliRunner().invoke(group, ["push", "status", "--json"])
    assert (json.loads(result.output)["tokens"], json.loads(result.output)["accounts"]) == (2, 2)
    plugin.chatgate_account_removed(Account(1, "user1@example.org"))
    assert memory.counts() == (1, 1)


def test_what_fails_there_is_tried_again_and_said_once(push, service, memory, monkeypatch, caplog):
    monkeypatch.setattr("chatgate_push.sender._PAUSE", 0.02)
    monkeypatch.setattr("chatgate_push.keeper._PAUSE", 0.02)
    service.answers["gone"] = [GONE]
    plugin = push()
    plugin.set(1, "one", "gone")
    calls: list[str] = []
    for name in ("of_accounts", "values", "forget"):
        works = getattr(memory, name)

        def failing(*arguments, name=name, works=works):
            calls.append(name)
            if calls.count(name) < 4:
                raise PluginError("the database is away")
            return works(*arguments)

        monkeypatch.setattr(memory, name, failing)
    plugin.mail(1)
    until(lambda: memory.counts() == (1, 1) and not plugin.count("waiting"))
    assert sorted(service.tokens) == ["gone", "one"]
    for what in ("look-up", "reading", "forgetting"):
        assert caplog.text.count(f"{what} fails: the database is away") == 1
        until(lambda what=what: f"{what} works again" in caplog.text)


def test_options_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match="connections must be more than zero"):
        Plugin(tmp_path, "http://127.0.0.1:1/", connections=0)


def test_the_gateway_says_which_option_is_wrong(gateway_factory):
    with pytest.raises(PluginError, match="url must be"):
        gateway_factory(Push, push={"url": "nonsense"})
