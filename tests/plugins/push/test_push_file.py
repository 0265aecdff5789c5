"""push.db: who writes to it, who may read it, and what becomes of one that cannot be used."""

from __future__ import annotations

import sqlite3

import gevent
import pytest

from chatgate.api import PluginError


def test_setting_it_again_on_the_same_day_writes_nothing(push, tmp_path):
    plugin = push()
    plugin.set(1, "one")
    with sqlite3.connect(tmp_path / "data/push.db") as other:
        before = other.execute("PRAGMA data_version").fetchall()
        plugin.set(1, "one")
        assert other.execute("PRAGMA data_version").fetchall() == before
        plugin.set(1, "two")
        assert other.execute("PRAGMA data_version").fetchall() != before


def test_two_programs_may_write_at_the_same_time(push):
    """As a command does beside the gateway."""
    plugins = [push(), push()]

    def work(plugin, first):
        for account in range(first, first + 300):
            plugin.set(account, "one")

    gevent.joinall([gevent.spawn(work, plugin, i * 1000) for i, plugin in enumerate(plugins)], raise_error=True)
    assert plugins[0].get(1299) == plugins[1].get(299) == "one"


def test_only_we_may_read_the_file(push, tmp_path):
    push().set(1, "one")
    files = list((tmp_path / "data").iterdir())
    assert len(files) >= 2  # with its -wal
    assert {file.stat().st_mode & 0o077 for file in files} == {0}


def test_a_file_of_a_newer_program_is_left_alone_and_stops_no_mail(push, tmp_path, caplog):
    push().stop()
    with sqlite3.connect(tmp_path / "data/push.db") as other:
        other.execute("PRAGMA user_version=2")
    with pytest.raises(PluginError, match="newer program"):
        push().set(1, "one")
    assert "goes on without: push: " in caplog.text


def test_a_spoilt_file_is_replaced_and_clients_set_their_tokens_again(push, tmp_path, caplog):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/push.db").write_bytes(b"no database at all" * 1000)
    plugin = push()
    assert "set aside as push.db.spoilt" in caplog.text
    plugin.set(1, "one")
    assert plugin.get(1) == "one"
