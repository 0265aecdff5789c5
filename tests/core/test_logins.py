"""Sessions end when their login does not hold any more."""

import contextlib
import socket

import gevent
import gevent.event
import pytest

from chatgate.network import logins as logins_module
from chatgate.network.logins import Logins
from chatgate.network.server import Server
from chatgate.network.session import Session
from chatgate.reply import UNAVAILABLE
from chatgate.store.board import LocalBoard, account_key
from chatgate.store.records import Account, StoreError

ANNA = Account(7, "anna@example.org", "secret")


class Stage:
    """Logins over a store of one account that a test changes at will. looked: how often it was looked up."""

    def __init__(self):
        self.now, self.looked, self.board = ANNA, 0, LocalBoard()
        self.logins = Logins(self.board, self.find)

    def find(self, address):
        self.looked += 1
        if isinstance(self.now, Exception):
            raise self.now
        return self.now

    def session(self, account=ANNA):
        """Logged in, without a connection. It keeps what it is told."""
        session = Noting("imap", "", account=account)
        session.told = []
        session.on_stop = lambda: session.told.append(session.ending.text)
        self.logins.enter(session)
        return session

    def change(self, **columns):
        self.now = Account(**{f: getattr(self.now, f) for f in ("id", "address", "secret", "disabled")} | columns)
        self.post()

    def post(self):
        self.board.post(account_key(ANNA.id))
        gevent.sleep(0.001)


class Noting(Session):
    """With room for notes."""

    __slots__ = ("told",)


@pytest.fixture
def stage():
    return Stage()


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (Account(7, ANNA.address, "another"), "The password was changed, log in with the new one"),
        (Account(7, ANNA.address, "secret", disabled="Please call"), "Please call"),
        (Account(8, ANNA.address, "secret"), "This account does not exist any more"),
        (None, "This account does not exist any more"),
        (StoreError("broken"), UNAVAILABLE.text),
    ],
)
def test_a_session_is_told_why_it_ends(stage, now, text):
    one, two = stage.session(), stage.session()
    stage.post()
    assert one.ending is two.ending is None  # something else about the account changed
    stage.now = now
    stage.post(), stage.post()
    assert one.told == two.told == [text] and one.ending == two.ending


def test_nobody_is_looked_up_who_is_not_here(stage):
    session = stage.session()
    stage.logins.leave(session)
    looked = stage.looked
    stage.change(secret="another"), stage.board.post(account_key(8))
    assert (stage.looked, session.ending, list(stage.logins.accounts)) == (looked, None, [])


def test_an_account_that_changed_while_its_password_was_verified(stage):
    stage.now = None
    assert stage.session().told == ["This account does not exist any more"]


def test_who_changes_the_password_goes_on_and_all_others_end(stage):
    own, other = stage.session(), stage.session()
    with stage.logins.changing(own):
        stage.change(secret="another")
        gevent.sleep(0.001)
    assert (own.told, own.account.secret) == ([], "another") and len(other.told) == 1
    stage.change(secret="a third")
    assert len(own.told) == 1


def test_who_changes_the_password_ends_when_the_account_does(stage):
    own = stage.session()
    with stage.logins.changing(own):
        stage.change(secret="another", disabled="Please call")
    assert own.told == ["Please call"]


def test_accounts_are_known_as_long_as_one_session_is_here(stage):
    one, two = stage.session(), stage.session()
    stage.logins.enter(one)  # its account was taken over anew
    stage.logins.leave(one)
    assert list(stage.logins.accounts) == [7]
    stage.logins.leave(two), stage.logins.leave(two)
    assert list(stage.logins.accounts) == []


def test_a_connection_whose_plugin_says_no_goodbye_is_cut(stage, monkeypatch):
    """The door of protocol plugins: `session.account = …` is all they have to do."""
    monkeypatch.setattr(logins_module, "_GRACE", 0.01)
    ended = gevent.event.Event()

    def handle(session, sock):
        session.account = ANNA
        sock.sendall(b"hello")
        with contextlib.suppress(OSError):
            sock.recv(1)
        ended.set()

    server = Server("test", ("127.0.0.1:0",), handle, logins=stage.logins)
    server.bind(), server.start()
    try:
        with socket.create_connection(("127.0.0.1", int(server.listening[0].rpartition(":")[2])), timeout=60) as client:
            assert client.recv(5) == b"hello" and list(stage.logins.accounts) == [7]
            stage.change(secret="another")
            assert ended.wait(5) and client.recv(1) == b""
        while stage.logins.accounts:
            gevent.sleep(0.001)
    finally:
        server.stop(1)
