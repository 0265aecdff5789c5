"""The socket by which a process that serves answers commands and its siblings."""

import dataclasses
import json
import os
import stat
from types import SimpleNamespace

import gevent
import pytest
from gevent import socket

from chatgate.api import Metric, Trouble, all_metrics, all_troubles
from chatgate.network.listeners import BindError
from chatgate.running.control import Answer, Control, NotServing, ask

LONG = "a" * 60


@pytest.fixture(params=("short", f"{LONG}/{LONG}"))
def folder(request, tmp_path):
    """The path of the second is longer than the address of a socket may be."""
    path = tmp_path / request.param
    path.mkdir(parents=True)
    return path


@pytest.fixture
def serve(folder):
    made = []

    def begin(number=0, **functions):
        control = Control(folder, lambda: number)
        for name, function in functions.items():
            control.answers(name, function)
        control.bind()
        control.start()
        made.append(control)
        return control

    yield begin
    for control in made:
        control.stop(1)


def raw(folder, sent):
    """What comes for these octets."""
    with socket.socket(socket.AF_UNIX) as sock:
        directory = os.open(folder, os.O_PATH)
        sock.connect(f"/proc/self/fd/{directory}/.control-0.sock")
        os.close(directory)
        sock.settimeout(30)
        sock.sendall(sent)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def test_each_process_answers_and_one_that_asks_answers_itself(folder, serve):
    first = serve(0, twice=lambda facts: 2 * facts["number"])
    serve(1, twice=lambda facts: [facts["number"]] * 2)
    both = [Answer(0, 6), Answer(1, [3, 3])]
    assert ask(folder, "twice", {"number": 3}) == both
    assert first.everywhere("twice", {"number": 3}) == both
    assert Control(folder, lambda: 0).everywhere("twice", {"number": 3}) == both  # of a command


def test_only_the_owner_can_reach_it_and_it_goes_at_the_end(folder, serve):
    control = serve(0)
    path = folder / ".control-0.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    control.stop(1)
    assert not path.exists()
    with pytest.raises(NotServing, match="no gateway serves from"):
        ask(folder, "twice")


def test_what_a_killed_process_left_is_replaced_and_harms_nobody(folder, serve):
    left = socket.socket(socket.AF_UNIX)
    directory = os.open(folder, os.O_PATH)
    for number in (0, 1):
        left = socket.socket(socket.AF_UNIX)
        left.bind(f"/proc/self/fd/{directory}/.control-{number}.sock")
        left.close()
    os.close(directory)
    with pytest.raises(NotServing):
        ask(folder, "who")
    serve(0, who=lambda facts: "new")
    assert ask(folder, "who") == [Answer(0, "new")]


def test_the_socket_of_the_next_process_stays(folder, serve):
    first = serve(0)
    serve(0, who=lambda facts: "second")
    first.stop(1)
    assert ask(folder, "who") == [Answer(0, "second")]


def test_failures_are_told_without_what_only_the_log_may_have(folder, serve, caplog):
    def fail(facts):
        raise KeyError("alice@example.org")

    def refuse(facts):
        raise ValueError("which one?")

    serve(0, fail=fail, refuse=refuse)
    assert ask(folder, "fail") == [Answer(0, None, "KeyError, see the log of the gateway")]
    assert "alice" not in caplog.text and "ask=fail error=KeyError" in caplog.text
    assert ask(folder, "refuse") == [Answer(0, None, "which one?")]
    assert ask(folder, "nothing") == [Answer(0, None, "nobody here answers that")]


@pytest.mark.parametrize(
    "sent",
    (
        b"\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"[]\n",
        b'{"ask": 7}\n',
        b'{"ask": "who", "facts": [1]}\n',
        b"[" * 60_000 + b"\n",
        b'{"ask": "\xff"}\n',
    ),
)
def test_what_is_no_question_is_answered_so(folder, serve, sent):
    serve(0, who=lambda facts: "I")
    assert json.loads(raw(folder, sent)) == {"error": "the question is not understood"}
    assert ask(folder, "who") == [Answer(0, "I")]


def test_a_question_without_an_end_is_not_kept(folder, serve):
    serve(0, who=lambda facts: "I")
    with pytest.raises(OSError):
        assert raw(folder, b"x" * 4_000_000) == b""
        raise ConnectionResetError
    assert ask(folder, "who") == [Answer(0, "I")]


def test_who_connects_and_says_nothing_keeps_nobody_waiting(folder, serve):
    serve(0, who=lambda facts: "I")
    directory = os.open(folder, os.O_PATH)
    silent = [socket.socket(socket.AF_UNIX) for _ in range(10)]
    for sock in silent:
        sock.connect(f"/proc/self/fd/{directory}/.control-0.sock")
    os.close(directory)
    with gevent.Timeout(30):
        assert ask(folder, "who") == [Answer(0, "I")]
    for sock in silent:
        sock.close()


def test_a_folder_that_takes_no_socket_is_one_line_for_the_operator(tmp_path):
    with pytest.raises(BindError, match=r"the socket .*/\.control-0\.sock cannot be made"):
        Control(tmp_path / "nowhere", lambda: 0).bind()


def test_what_is_wrong_in_all_processes_is_said_once(folder, serve):
    def process(number, *troubles):
        said = [dataclasses.asdict(Trouble(key, f"seen by {number}", since, "mend it")) for key, since in troubles]
        return serve(number, troubles=lambda facts: said)

    def fail(facts):
        raise KeyError

    first = process(0, ("disk", 0), ("queue", 20.0))
    process(1, ("disk", 30.0), ("queue", 10.0))
    serve(2, troubles=fail)
    found = {one.key: one.what for one in all_troubles(SimpleNamespace(control=first))}
    assert found == {
        "disk": "seen by 1",  # which knows since when
        "queue": "seen by 1",
        "process:2": "process 2 of the gateway does not say how it is: KeyError, see the log of the gateway",
    }


def test_what_a_process_of_another_version_measures_otherwise_is_left_out(folder, serve):
    good = Metric.single("chatgate_good", "x", "gauge", 2)
    first = serve(0, metrics=lambda facts: [good.data(), {**good.data(), "name": "no name"}, {"newer": 1}])
    serve(1, metrics=lambda facts: [good.data()])
    found = all_metrics(SimpleNamespace(control=first))
    assert [(one.name, dict(one.samples)) for one in found] == [("chatgate_good", {(): 4})]
