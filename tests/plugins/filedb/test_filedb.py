"""The library for plugins that keep a small SQLite file."""

import logging
import sqlite3
import stat

import gevent
import peewee
import pytest
from chatgate_filedb import ERRORS, FileDatabase
from gevent.monkey import get_original

from chatgate.api import PluginError

thread_id = get_original("threading", "get_ident")


class Note(peewee.Model):
    text = peewee.TextField(unique=True)


def add(text):
    return lambda database: Note.insert(text=text).execute(database)


def texts(database):
    return [text for (text,) in Note.select(Note.text).order_by(Note.id).tuples().execute(database)]


@pytest.fixture
def make(tmp_path):
    made = []

    def make(**options):
        made.append(FileDatabase("notes", tmp_path / "data" / "notes.db", [Note], **options))
        return made[-1]

    yield make
    for database in made:
        database.close()


def test_what_was_written_is_there_for_the_next_process(make, tmp_path):
    first, second = make(), make(durable=False)
    assert first.run(add("one")) == 1 and second.run(add("two")) == 2
    first.close()
    assert first.run(texts, writes=False) == ["one", "two"]
    for path in (tmp_path / "data").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_job_that_fails_changes_nothing(make):
    database = make()

    def work(db):
        add("two")(db)
        add("one")(db)

    database.run(add("one"))
    with pytest.raises(ERRORS, match="UNIQUE"):
        database.run(work)
    assert database.run(texts) == ["one"]


def test_a_mistake_in_a_job_is_its_caller_s(make, capfd):
    database = make()
    with pytest.raises(ZeroDivisionError):
        database.run(lambda db: (add("one")(db), 1 / 0))
    assert database.run(texts) == []


@pytest.mark.parametrize("durable", [True, False])
def test_the_promise_of_durability(make, durable):
    (value,) = make(durable=durable).run(lambda db: db.execute_sql("PRAGMA synchronous").fetchone())
    assert value == (2 if durable else 1)


def test_a_full_disk_is_named(make):
    database = make()
    pages = database.run(lambda db: db.execute_sql("PRAGMA page_count").fetchone()[0])
    database.run(lambda db: db.execute_sql(f"PRAGMA max_page_count={pages + 3}").fetchall())
    with pytest.raises(ERRORS, match="full"):
        for _ in range(10):
            database.run(lambda db: add("x" * 5000 + str(len(texts(db))))(db))
    assert database.run(texts) != []


def test_work_is_done_off_the_hub_and_one_job_at_a_time(make):
    database, threads, inside = make(), set(), []

    def work(db):
        threads.add(thread_id())
        inside.append(len(inside))
        db.execute_sql("SELECT 1").fetchall()

    gevent.joinall([gevent.spawn(database.run, work) for _ in range(5)], raise_error=True)
    assert len(threads) == 1 and thread_id() not in threads and inside == list(range(5))


def test_another_process_that_writes(make, tmp_path):
    database = make(busy_seconds=0.05)
    database.run(add("one"))
    with sqlite3.connect(tmp_path / "data" / "notes.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ERRORS, match="locked"):
            database.run(add("two"))
        assert database.run(texts, writes=False) == ["one"]
        other.execute("COMMIT")
    other.close()
    assert database.run(add("two")) == 2


def test_a_newer_file_is_refused(make):
    newer = make(migrations=["SELECT 1"])
    newer.bind()
    newer.stop(1)
    with pytest.raises(PluginError, match=r"notes: .*notes.db was written by a newer program \(schema 2\)"):
        make().run(texts)


def test_an_older_file_is_brought_up_to_date_once_and_keeps_its_rows(make):
    made = make()
    made.run(add("one"))
    made.close()
    first, second = "ALTER TABLE note ADD COLUMN day INTEGER NOT NULL DEFAULT 7", "UPDATE note SET day = day + 1"
    for steps in ([first], [first], [first, second]):
        newer = make(migrations=steps)
        found = newer.run(lambda db: db.execute_sql("SELECT text, day FROM note").fetchall())
        newer.close()
        assert found == [("one", 6 + len(steps))]


def test_a_migration_that_fails_changes_nothing(make):
    made = make()
    made.run(add("one"))
    made.close()
    with pytest.raises(PluginError, match="cannot be opened"):
        make(migrations=["DELETE FROM note", "no SQL"]).run(texts)
    assert make().run(texts) == ["one"]


@pytest.mark.parametrize("spoil", ["garbage", "folder"])
def test_a_file_that_cannot_be_used_is_one_line(make, tmp_path, spoil):
    path = tmp_path / "data" / "notes.db"
    if spoil == "garbage":
        path.parent.mkdir()
        path.write_bytes(b"no database" * 1000)
    else:
        path.mkdir(parents=True)
    with pytest.raises(PluginError, match="^notes: ") as error:
        make().run(texts)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_nothing_of_it_is_logged(make, caplog):
    caplog.set_level(logging.DEBUG)
    make().run(add("secret"))
    assert "secret" not in caplog.text


def test_a_file_that_cannot_be_used_is_named_at_start_and_stops_nobody(make, tmp_path, caplog):
    path = tmp_path / "data" / "notes.db"
    path.mkdir(parents=True)
    database = make()
    database.bind()
    assert "goes on without: notes: " in caplog.text and str(path) in caplog.text
    path.rmdir()
    assert database.run(texts) == []


@pytest.mark.parametrize("when", ["at start", "while it is used"])
def test_a_spoilt_file_is_set_aside_where_what_it_holds_comes_back(make, tmp_path, caplog, when):
    path = tmp_path / "data" / "notes.db"
    database = make(replaceable=True)
    if when == "while it is used":
        database.bind()
        database.run(add("one"))
        database.close()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"no database" * 1000)
    if when == "at start":
        database.bind()
    assert database.run(texts) == []
    database.run(add("two"))
    assert (tmp_path / "data" / "notes.db.spoilt").read_bytes().startswith(b"no database")
    assert "set aside as notes.db.spoilt" in caplog.text


def test_a_page_that_turns_out_to_be_spoilt(make, tmp_path):
    database = make(replaceable=True)
    database.bind()
    for number in range(2000):
        database.run(add(f"a text long enough to fill pages {number}"))
    database.close()
    path = tmp_path / "data" / "notes.db"
    octets = bytearray(path.read_bytes())
    octets[4096:] = b"\xff" * (len(octets) - 4096)  # all but the page with the schema
    path.write_bytes(octets)
    with pytest.raises(ERRORS):
        database.run(texts)
    assert database.run(texts) == []


def test_only_the_gateway_replaces_a_spoilt_file(make, tmp_path):
    path = tmp_path / "data" / "notes.db"
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(PluginError):
        make(replaceable=True).run(texts)
    with pytest.raises(PluginError):
        make().run(texts)
    assert path.read_bytes().startswith(b"no database")


def test_what_is_deleted_is_overwritten(make, tmp_path):
    database = make()
    database.run(add("a secret of somebody"))
    database.run(lambda db: Note.delete().execute(db))
    database.run(lambda db: db.execute_sql("SELECT 1"))
    database.close()
    assert b"a secret of somebody" not in (tmp_path / "data" / "notes.db").read_bytes()
