"""The document's check, and what a gateway makes of a file that changes."""

import errno
import json
import logging
import os

import pytest
from chatgate_appversions.document import compact
from chatgate_appversions.plugin import ENTRY, AppVersions, AppVersionsOptions
from hypothesis import given
from hypothesis import strategies as st

from chatgate.running.gateway import Gateway
from chatgate.testing import config, imap_client, new_login, session

SOURCE = {
    "sourceId": "gplay",
    "versionInteger": 758,
    "versionString": "2.62.0",
    "downloadUrl": "https://example.org/releases/v2.62.0/app.apk",
}


def document(**changes):
    """The usual document, with these members of its one source changed; … removes one."""
    source = {key: value for key, value in (SOURCE | changes).items() if value is not ...}
    return {"clients": [{"clientId": "deltachat", "sources": [source]}]}


def encoded(data):
    return json.dumps(data, indent=2).encode()


# ------------------------------------------------------------------------------------------------ the document


def test_it_becomes_one_line_with_the_same_meaning():
    line = compact(encoded(document(versionString="2.62 ü")))
    assert json.loads(line) == document(versionString="2.62 ü")
    assert line.isascii() and b"\n" not in line and b": " not in line


ids = st.text("abcdefgh-.", min_size=1, max_size=8)
sources = st.builds(
    dict, sourceId=ids, versionInteger=st.integers(0, 2**32 - 1), versionString=ids, downloadUrl=st.just("http://a/")
)
clients = st.builds(dict, clientId=ids, sources=st.lists(sources, max_size=3, unique_by=lambda s: s["sourceId"]))


@given(st.lists(clients, max_size=3, unique_by=lambda c: c["clientId"]))
def test_all_documents_of_the_shape_pass(clients):
    assert json.loads(compact(encoded({"clients": clients}))) == {"clients": clients}


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ([], "the document"),
        ({}, "the document"),
        ({"clients": [], "more": 1}, "the document"),
        ({"clients": {}}, "clients:"),
        ({"clients": ["deltachat"]}, "clients[0].clientId"),
        ({"clients": [{"clientId": "", "sources": []}]}, "clients[0].clientId"),
        ({"clients": [{"clientId": "a"}]}, "clients[0]:"),
        ({"clients": [{"clientId": "a", "sources": []}, {"clientId": "a", "sources": []}]}, "clients[1].clientId"),
        ({"clients": [{"clientId": "a", "sources": [SOURCE, SOURCE]}]}, "clients[0].sources[1].sourceId"),
        (document(sourceId=7), "clients[0].sources[0].sourceId"),
        (document(versionString=...), "clients[0].sources[0]:"),
        (document(versionstring="2"), "clients[0].sources[0]:"),
        (document(versionInteger="758"), "versionInteger"),
        (document(versionInteger=758.0), "versionInteger"),
        (document(versionInteger=True), "versionInteger"),
        (document(versionInteger=-1), "versionInteger"),
        (document(versionInteger=2**32), "versionInteger"),
        (document(versionString=" "), "versionString"),
        (document(versionString="2\n3"), "versionString"),
        (document(versionString="\ud800"), "versionString"),
        (document(downloadUrl=None), "downloadUrl"),
        (document(downloadUrl="javascript:alert(1)"), "downloadUrl"),
        (document(downloadUrl="https://"), "downloadUrl"),
        (document(downloadUrl="https://[/"), "downloadUrl"),
        (document(downloadUrl="https://a b/"), "downloadUrl"),
    ],
)
def test_each_mistake_is_named_with_its_place(data, place):
    with pytest.raises(ValueError) as raised:
        compact(encoded(data))
    assert place in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b'{"clients": []} x', b'{"clients": [], "clients": []}', b"[" * 60000, b'{"clients": NaN}'],
)
def test_what_is_no_json_is_refused(content):
    with pytest.raises(ValueError):
        compact(content)


names = st.sampled_from(["clients", "clientId", "sources", "sourceId"])
simple = st.none() | st.booleans() | st.integers() | st.text(max_size=5)


@given(st.recursive(simple, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)))
def test_any_json_is_taken_or_refused_but_never_crashes(data):
    try:
        compact(encoded(data))
    except ValueError:
        pass


# ------------------------------------------------------------------------------------------------ the file


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "data/appversions.json"
    found.parent.mkdir()
    return found


@pytest.fixture
def plugin(tmp_path):
    """Looks at the file at every question."""
    return Gateway(config(tmp_path, AppVersions, appversions={"look_seconds": 0.0})).hub.plugin("appversions")


def told(plugin):
    value = plugin.chatgate_get_metadata("", ENTRY)
    return value and json.loads(value)


def put(path, data):
    """As an editor does it: a new file in the place of the old one."""
    fresh = path.with_name("fresh")
    fresh.write_bytes(data if isinstance(data, bytes) else encoded(data))
    fresh.replace(path)


def test_it_is_told_over_imap_as_a_literal(gateway_factory, path):
    put(path, document())
    gateway = gateway_factory("tls", "maildb", "passwordless", "imap", AppVersions)
    line = compact(encoded(document()))
    with imap_client(gateway, new_login(gateway)) as client:
        client.xatom("GETMETADATA", f'"" ({ENTRY})')
        assert client.response("METADATA")[1] == [(b'"" (%s {%d}' % (ENTRY.encode(), len(line)), line), b")"]
    ask = {"session": session("imap"), "mailbox": "INBOX", "entry": ENTRY}
    assert gateway.hub.get_metadata(**ask) is None


def test_a_change_is_noticed(plugin, path):
    put(path, document())
    assert told(plugin) == document()
    put(path, document(versionInteger=759))
    assert told(plugin) == document(versionInteger=759)
    before = path.stat()
    path.write_bytes(encoded(document(versionInteger=760)))  # in place, of the same size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert told(plugin) == document(versionInteger=760)


def test_an_unchanged_file_is_not_read_again(plugin, path, monkeypatch):
    put(path, document())
    assert told(plugin)
    monkeypatch.setattr("chatgate_appversions.plugin.load", lambda *_: 1 / 0)
    assert told(plugin) == document()


def test_a_broken_file_changes_nothing_and_is_logged_once(plugin, path, caplog):
    put(path, document())
    assert told(plugin) == document()
    for broken in (b'{"clients":', b" " * 65537):
        caplog.clear()
        put(path, broken)
        assert told(plugin) == told(plugin) == document()
        assert len(caplog.messages) == 1 and "the one before is" in caplog.messages[0]
    put(path, document(versionInteger=1))
    assert told(plugin) == document(versionInteger=1)


def test_a_removed_file_is_told_no_more(plugin, path, caplog):
    assert told(plugin) is None and told(plugin) is None
    assert len(caplog.messages) == 1
    put(path, document())
    assert told(plugin) == document()
    path.unlink()
    assert told(plugin) is None


def test_a_file_that_cannot_be_read_is_logged_with_the_reason(plugin, path, caplog, monkeypatch):
    put(path, document())

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "/secret/place")

    monkeypatch.setattr("chatgate_appversions.plugin.load", refuse)
    assert told(plugin) is None
    assert caplog.messages == [f"{path} is not used: Permission denied"]


def test_a_pipe_is_not_waited_for(plugin, path, caplog):
    os.mkfifo(path)
    assert told(plugin) is None
    assert "not a file" in caplog.messages[0]


def test_the_file_is_looked_at_every_few_seconds_only(tmp_path, path):
    now = 1000.0
    plugin = AppVersions(Gateway(config(tmp_path)), AppVersionsOptions(), lambda: now)
    put(path, document())
    assert told(plugin) == document()
    put(path, document(versionInteger=1))
    now += 4.9
    assert told(plugin) == document()
    now += 0.2
    assert told(plugin) == document(versionInteger=1)


def test_check(tmp_path, path, caplog):
    caplog.set_level(logging.DEBUG)
    gateway = Gateway(config(tmp_path, AppVersions))

    def checked():
        return [(p.level, p.text) for [p] in filter(None, gateway.hub.check.or_raise(gateway=gateway))]

    [(level, text)] = checked()
    assert level == "warning" and f"there is no {path}" in text
    put(path, document(versionInteger=-1))
    [(level, text)] = checked()
    assert level == "warning" and "clients[0].sources[0].versionInteger" in text
    put(path, document())
    assert checked() == []
