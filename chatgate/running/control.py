"""What a process that serves answers to commands, and to the other processes of its gateway: by a socket in the
gateway's folder, which only the folder's owner can reach.

A connection is one question, a line of JSON: {"ask": NAME, "facts": {…}}. The answer is one, too: {"answer": …}, or
{"error": TEXT}.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gevent
from gevent import socket
from gevent.pool import Pool
from gevent.server import StreamServer

from chatgate import faults
from chatgate.network.listeners import BindError
from chatgate.running.sockets import SocketFolder

log = logging.getLogger("chatgate.control")

_MOST_ASKED, _MOST_SAID = 1 << 16, 1 << 24  # octets
_SECONDS = 5.0  # for a question to come, or an answer to go
_AT_ONCE = 20  # questions; further ones wait

Function = Callable[[Mapping[str, Any]], Any]


class NotServing(Exception):
    """No gateway serves from this folder; str() says so in one line."""


class Answer(NamedTuple):
    """What one process answered. number: which it is, from 0. failure: why there is no answer, or ""."""

    number: int
    answer: Any
    failure: str = ""


class Control:
    """A service of each process. folder: the gateway's. number: which process this is."""

    name = "control"
    listening: list[str] = []

    def __init__(self, folder: Path, number: Callable[[], int]) -> None:
        self._folder, self._number = folder, number
        self._functions: dict[str, Function] = {}
        self._server: StreamServer | None = None
        self._inode = 0

    def answers(self, name: str, function: Function) -> None:
        """Have `function` answer questions of this name. It gets the facts of the question and returns data for JSON;
        whoever asked is told of a ValueError in its words, of another exception that it happened.
        """
        self._functions[name] = function

    def everywhere(self, name: str, facts: Mapping[str, Any] | None = None) -> list[Answer]:
        """What this process answers, if it serves, and all others that serve from the folder. Raises NotServing if none
        does.
        """
        if self._server is None:
            return ask(self._folder, name, facts)
        own = self._said(name, facts or {})
        number = self._number()
        return [Answer(number, own.get("answer"), own.get("error", "")), *ask(self._folder, name, facts, but=number)]

    # ------------------------------------------------------------------------------------------ as a service

    def bind(self) -> None:
        """Make the socket, in the place of one that a killed process left. Raises BindError."""
        path = self._path
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            path.unlink(missing_ok=True)
            with SocketFolder(self._folder) as at:
                sock.bind(at.path(path.name))
            path.chmod(0o600)  # before `listen`, without which nobody can connect
            self._inode = path.stat().st_ino
            sock.listen(_AT_ONCE)
        except OSError as error:
            sock.close()
            raise BindError(f"the socket {path} cannot be made: {error.strerror}") from error
        self._server = StreamServer(sock, self._serve, spawn=Pool(_AT_ONCE))

    def start(self) -> None:
        """Answer."""
        assert self._server is not None
        self._server.start()

    def stop(self, seconds: float) -> None:
        """Answer nothing more, and remove the socket unless it is another process's by now."""
        if self._server is not None:
            self._server.stop(timeout=min(seconds, _SECONDS))
            with contextlib.suppress(OSError):
                if self._path.stat().st_ino == self._inode:
                    self._path.unlink()
            self._server = None

    @property
    def _path(self) -> Path:
        return self._folder / _name(self._number())

    def _serve(self, sock: Any, address: Any) -> None:
        sock.settimeout(_SECONDS)
        try:
            with gevent.Timeout(_SECONDS, TimeoutError()):
                asked = _line(sock, _MOST_ASKED)
            said = json.dumps(self._answer(asked)).encode() + b"\n"
            with gevent.Timeout(_SECONDS, TimeoutError()):
                sock.sendall(said)
        except (OSError, _TooLong):
            pass  # whoever asked has gone, or does not ask as our commands do

    def _answer(self, asked: bytes) -> dict[str, Any]:
        try:
            question = json.loads(asked)
            name, facts = question["ask"], question.get("facts", {})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            name, facts = None, None
        if not (isinstance(name, str) and isinstance(facts, dict)):
            return {"error": "the question is not understood"}
        return self._said(name, facts)

    def _said(self, name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        function = self._functions.get(name)
        if function is None:
            return {"error": "nobody here answers that"}
        try:
            return {"answer": function(facts)}
        except ValueError as error:
            return {"error": str(error)}
        except Exception as error:
            kind, at = type(error).__name__, faults.where(error)
            log.error("question failed ask=%s error=%s at=%s", name, kind, at)
            return {"error": f"{kind}, see the log of the gateway"}


def ask(folder: Path, name: str, facts: Mapping[str, Any] | None = None, *, but: int = -1) -> list[Answer]:
    """What each process that serves from this folder answers, by number. but: the number of one that is not asked, as
    it asks. Raises NotServing when there is none to ask, unless `but` is given.
    """
    question = json.dumps({"ask": name, "facts": dict(facts or {})}).encode() + b"\n"
    numbers = [number for number in _there(folder) if number != but]
    found = [said for said in Pool(_AT_ONCE).map(lambda number: _one(folder, number, question), numbers) if said]
    if not found and but < 0:
        raise NotServing(f"no gateway serves from {folder}")
    return found


def _there(folder: Path) -> list[int]:
    """The numbers of the processes that have, or had, a socket."""
    with contextlib.suppress(OSError):
        names = (entry.name for entry in folder.glob(_name("*")))
        return sorted(int(number) for name in names if (number := name.split("-")[1].split(".")[0]).isdecimal())
    return []


def _one(folder: Path, number: int, question: bytes) -> Answer | None:
    """None: the process is not there any more."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(3 * _SECONDS)
        with SocketFolder(folder) as at:
            sock.connect(at.path(_name(number)))
        sock.sendall(question)
        said = json.loads(_line(sock, _MOST_SAID))
        return Answer(number, said.get("answer"), said.get("error", ""))
    except TimeoutError:
        return Answer(number, None, "it does not answer")
    except _TooLong:
        return Answer(number, None, "its answer is too long")
    except ValueError:
        return Answer(number, None, "it ended while it answered")
    except OSError as error:
        if error.errno in (errno.ECONNREFUSED, errno.ENOENT, errno.ECONNRESET, errno.EPIPE):
            return None
        return Answer(number, None, error.strerror or type(error).__name__)
    finally:
        sock.close()


class _TooLong(Exception):
    pass


def _line(sock: Any, most: int) -> bytes:
    """Up to the end of the line, or of what comes. Raises OSError, _TooLong."""
    found = bytearray()
    while b"\n" not in found[-65536:]:
        if len(found) > most:
            raise _TooLong
        piece = sock.recv(65536)
        if not piece:
            break
        found += piece
    return bytes(found)


def _name(number: int | str) -> str:
    return f".control-{number}.sock"
