"""The commands about the connection, and logging in: RFC 3501 §6.1 and §6.2, ID, ENABLE, COMPRESS."""

from __future__ import annotations

import base64
import ssl
import zlib

import gevent
import pytest
from chatgate_imap.session.compress import Deflate
from hypothesis import given
from hypothesis import strategies as st
from imap_trace import Client, Plugin

from chatgate.api import UNAVAILABLE, Reply, hookimpl
from chatgate.testing import client_tls

BEFORE_LOGIN = {"IMAP4rev1", "IDLE", "ID", "ENABLE", "LITERAL+", "SASL-IR", "AUTH=PLAIN"}
AFTER_LOGIN = set(
    "IMAP4rev1 IDLE ID ENABLE LITERAL+ SASL-IR XCHATMAIL UIDPLUS MOVE UNSELECT NAMESPACE CHILDREN"
    " ESEARCH SEARCHRES WITHIN SORT THREAD=REFERENCES"
    " MULTIAPPEND UTF8=ACCEPT SPECIAL-USE CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS STATUS=SIZE CONDSTORE QRESYNC"
    " QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE METADATA COMPRESS=DEFLATE APPENDLIMIT=52428800".split()
)


def _words(line: bytes) -> set[str]:
    return set(line.split(b"[CAPABILITY ")[1].split(b"]")[0].decode().split())


def test_capabilities(stage):
    client = stage.stranger("imaps")
    assert _words(client.greeting) == BEFORE_LOGIN
    assert set(client.do("CAPABILITY")[0].decode().split()[2:]) == BEFORE_LOGIN
    client.start('LOGIN "{}" "{}"'.format(*stage.login))
    assert _words(client.finish()) == AFTER_LOGIN
    assert set(client.do("CAPABILITY")[0].decode().split()[2:]) == AFTER_LOGIN


def test_capabilities_of_other_plugins(own_gateway):
    class Extra(Plugin):
        @hookimpl
        def chatgate_capabilities(self, session):
            return ["XLATE"] if session.account else ["XEARLY", "IDLE"]

    client = Client(own_gateway(Extra))
    assert _words(client.greeting) >= {"XEARLY", "IDLE"}
    client.start("LOGIN a@example.org passpass1")
    assert "XLATE" in _words(client.finish())


def test_noop_logout_and_tags_that_repeat(client):
    for tag in (b"A0001", b"A0001", b"!#$&'-,./:;<=>?@[]^_`|}~"):
        client.send(tag + b" NOOP\r\n")
        assert client.line() == tag + b" OK NOOP completed."
    client.send(b"x logout\r\n")
    assert client.line().startswith(b"* BYE ")
    assert client.line().startswith(b"x OK ")
    assert client.closed()


@pytest.mark.parametrize("arguments", ["NIL", "()", '("name" "Delta Chat")', '("a" NIL "b" {{c}})'])
def test_id(stage, arguments):
    assert stage.stranger().do(f"ID {arguments}") == [b"* ID NIL"]
    assert stage["one"].do(f"ID {arguments}") == [b'* ID ("name" "chatgate")']


@pytest.mark.parametrize("arguments", ["", "x", "(", '("a")', '("a" "b"', '("a" "b") x', "(" + '"a" "b" ' * 31 + ")"])
def test_bad_id(client, arguments):
    assert client.fails(f"ID {arguments}").startswith(b"BAD")


@pytest.mark.parametrize(
    "command",
    "SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE LIST LSUB STATUS APPEND NAMESPACE ENABLE IDLE GETQUOTA"
    " GETQUOTAROOT SETQUOTA GETMETADATA SETMETADATA COMPRESS CHECK CLOSE EXPUNGE SEARCH FETCH STORE COPY MOVE UNSELECT"
    " UID".split(),
)
def test_nothing_of_the_account_before_login(stage, command):
    client = stage.stranger()
    rest = " FETCH 1 FLAGS" if command == "UID" else " INBOX"
    assert client.fails(command + rest).startswith(b"BAD")
    client.do("NOOP")


@pytest.mark.parametrize(
    "command",
    ["CHECK", "CLOSE", "EXPUNGE", "UNSELECT", "SEARCH ALL", "FETCH 1 FLAGS", "STORE 1 FLAGS x", "COPY 1 INBOX"],
)
def test_nothing_of_a_mailbox_before_select(client, command):
    assert client.fails(command).startswith(b"BAD")
    assert client.fails(f"UID {command}").startswith(b"BAD")


@pytest.mark.parametrize("command", ["LOGIN a b", "AUTHENTICATE PLAIN", "STARTTLS"])
def test_no_second_login(client, command):
    assert client.fails(command).startswith(b"BAD")


@pytest.mark.parametrize(
    "line",
    ["NOOP x", "CAPABILITY x", "LOGOUT x", "LOGIN", "LOGIN a", "LOGIN a b c", "LOGIN (a) b", "UID", "UID NOOP", "FOO"],
)
def test_wrong_arguments(stage, line):
    client = stage.stranger()
    assert client.fails(line).startswith(b"BAD")
    client.do("NOOP")


# ---------------------------------------------------------------------------------------------- login


@pytest.mark.parametrize("form", ['"{}" "{}"', "{} {}", "{{{{{}}}}} {{{{{}}}}}", '"{}" {{{{{}}}}}'])
def test_login_with_atoms_strings_and_literals(stage, form):
    stage["1"]
    client = stage.stranger()
    client.do("LOGIN " + form.format(*stage.login))
    client.do("SELECT INBOX")


def test_login_with_literals_that_wait(stage):
    stage["1"]
    client = stage.stranger()
    address, password = (part.encode() for part in stage.login)
    client.send(b"a LOGIN {%d}\r\n" % len(address))
    assert client.line().startswith(b"+ ")
    client.send(address + b" {%d}\r\n" % len(password))
    assert client.line().startswith(b"+ ")
    client.send(password + b"\r\n")
    assert client.line().startswith(b"a OK [CAPABILITY ")


def _plain(*parts: str) -> str:
    return base64.b64encode("\0".join(parts).encode()).decode()


def test_authenticate_plain(stage):
    stage["1"]
    address, password = stage.login
    client = stage.stranger()
    client.do(f"AUTHENTICATE PLAIN {_plain('', address, password)}")
    client = stage.stranger()
    client.send(b"a authenticate plain\r\n")
    assert client.line() == b"+ "
    client.send(_plain(address, address, password).encode() + b"\r\n")
    assert client.line().startswith(b"a OK [CAPABILITY ")


def test_authenticate_that_fails(stage):
    stage["1"]
    address, password = stage.login
    client = stage.stranger()
    assert client.fails("AUTHENTICATE CRAM-MD5").startswith(b"BAD")
    assert client.fails("AUTHENTICATE LOGIN").startswith(b"BAD")
    assert client.fails("AUTHENTICATE PLAIN =").startswith(b"BAD")
    assert client.fails("AUTHENTICATE PLAIN !!!").startswith(b"BAD")
    assert client.fails(f"AUTHENTICATE PLAIN {_plain('other@example.org', address, password)}").startswith(
        b"NO [AUTHORIZATIONFAILED]"
    )
    client.send(b"a AUTHENTICATE PLAIN\r\n")
    client.line()
    client.send(b"*\r\n")
    assert client.line().startswith(b"a BAD")


def test_wrong_password(stage):
    stage["1"]
    client = stage.stranger()
    for _ in range(3):
        refusal = client.fails(f"LOGIN {stage.login[0]} wrong-password")
        assert refusal.startswith(b"NO [AUTHENTICATIONFAILED] Authentication failed")
    assert client.fails(f"LOGIN {stage.login[0]} wrong-password").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert client.line().startswith(b"* BYE")
    assert client.closed()


def test_credentials_that_are_no_text(stage):
    assert stage.stranger().fails(b"LOGIN {2+}\r\n\xff\xfe x") == b"NO [AUTHENTICATIONFAILED] Authentication failed"


@pytest.mark.parametrize(
    "reply,answer",
    [
        (UNAVAILABLE, b"NO [UNAVAILABLE] Temporary server problem, please try again later"),
        (Reply(454, "4.7.0", "Too many logins", imap="LIMIT"), b"NO [LIMIT] Too many logins"),
        (Reply(535, "5.7.8", "Authentication failed: so"), b"NO [AUTHENTICATIONFAILED] Authentication failed: so"),
        (Reply(550, "5.7.1", "Closed for the summer", imap="CONTACTADMIN"), b"NO [CONTACTADMIN] Closed for the summer"),
    ],
)
def test_refusals_of_other_plugins(own_gateway, reply, answer):
    class Doorman(Plugin):
        order = 1

        @hookimpl
        def chatgate_authenticate(self, credentials):
            return reply

    refused = Client(own_gateway(Doorman)).fails("LOGIN a@example.org passpass1")
    assert refused == answer
    assert (b"authentication" in refused.lower()) == (reply.code == 535)


def test_a_crashing_plugin_is_a_temporary_problem(own_gateway):
    class Broken(Plugin):
        order = 1

        @hookimpl
        def chatgate_authenticate(self, credentials):
            raise RuntimeError("secret details")

    refused = Client(own_gateway(Broken)).fails("LOGIN a@example.org passpass1")
    assert (
        refused.startswith(b"NO [UNAVAILABLE]")
        and b"secret" not in refused
        and b"authentication" not in refused.lower()
    )


def test_turned_away_at_the_door(own_gateway):
    class Doorman(Plugin):
        @hookimpl
        def chatgate_connect(self, session):
            return Reply(554, "5.7.1", "Not you")

    client = Client(own_gateway(Doorman))
    assert client.greeting == b"* BYE Not you"
    assert client.closed()


def test_no_login_in_clear(own_gateway):
    client = Client(own_gateway(imap={"plaintext_login": False}))
    assert _words(client.greeting) >= {"STARTTLS", "LOGINDISABLED"} and "AUTH=PLAIN" not in _words(client.greeting)
    assert client.fails("LOGIN a@example.org passpass1").startswith(b"NO [PRIVACYREQUIRED]")
    assert client.fails("AUTHENTICATE PLAIN").startswith(b"NO [PRIVACYREQUIRED]")
    client.do("STARTTLS")
    client.sock = client_tls().wrap_socket(client.sock)
    words = set(client.do("CAPABILITY")[0].decode().split())
    assert "AUTH=PLAIN" in words and not words & {"STARTTLS", "LOGINDISABLED"}
    assert client.fails("STARTTLS").startswith(b"BAD")
    client.do("LOGIN a@example.org passpass1")


def test_starttls_forgets_what_came_in_clear(stage):
    """Else a man in the middle could put commands in front of the client's (CVE-2011-0411 and its kin)."""
    client = stage.stranger()
    client.send(b"a STARTTLS\r\nb CAPABILITY\r\n")
    assert client.line().startswith(b"a OK")
    client.sock = client_tls().wrap_socket(client.sock)
    client.send(b"c NOOP\r\n")
    assert client.line().startswith(b"c OK")


def test_starttls_with_a_client_that_speaks_no_tls(stage):
    client = stage.stranger()
    client.do("STARTTLS")
    client.send(b"x NOOP\r\nthis is no handshake, is it?\r\n")
    try:
        assert b"OK" not in client.receive()
    except (ConnectionError, ssl.SSLError):
        pass


def test_login_must_not_take_for_ever(own_gateway):
    client = Client(own_gateway(imap={"login_seconds": 1.5}))
    for _ in range(4):
        client.send(b"x")
        gevent.sleep(0.2)
    assert client.line().startswith(b"* BYE Disconnected for inactivity")
    assert client.closed()


def test_inactivity(own_gateway):
    client = Client(own_gateway(imap={"command_seconds": 1.5}))
    client.do("LOGIN a@example.org passpass1")
    assert client.line().startswith(b"* BYE Disconnected for inactivity")


def test_connections_of_one_account(own_gateway):
    gateway = own_gateway(imap={"max_connections_per_account": 2})
    first, second, third = (Client(gateway) for _ in range(3))
    for client in (first, second):
        client.do("LOGIN a@example.org passpass1")
    assert third.fails("LOGIN a@example.org passpass1").startswith(b"NO [LIMIT]")
    first.do("LOGOUT")
    assert first.closed()
    third.do("LOGIN a@example.org passpass1")


# ---------------------------------------------------------------------------------------------- enable, compress


def test_enable(client):
    assert client.do("ENABLE CONDSTORE X-UNKNOWN") == [b"* ENABLED CONDSTORE"]
    assert client.do("ENABLE UTF8=ONLY") == [b"* ENABLED"]
    assert client.fails("ENABLE").startswith(b"BAD")


class Compressed(Client):
    """After COMPRESS."""

    def begin(self) -> None:
        self._pack = zlib.compressobj(9, zlib.DEFLATED, -15)
        self._unpack = zlib.decompressobj(-15)

    def send(self, data: bytes) -> None:
        if hasattr(self, "_pack"):
            data = self._pack.compress(data) + self._pack.flush(zlib.Z_SYNC_FLUSH)
        super().send(data)

    def receive(self) -> bytes:
        data = super().receive()
        return self._unpack.decompress(data) if data and hasattr(self, "_unpack") else data


def _compressed(gateway, login) -> Compressed:
    client = Compressed(gateway)
    client.do('LOGIN "{}" "{}"'.format(*login))
    client.do("COMPRESS DEFLATE")
    client.begin()
    return client


def test_compress(stage):
    with _compressed(stage.gateway, stage.login) as client:
        client._count = 0  # Delta Chat begins its tags anew here
        message = b"Subject: long\r\n\r\n" + b"".join(b"line %d\r\n" % n for n in range(20000))
        client.append(message)
        assert client.do("SELECT INBOX")
        assert client.fetch("BODY.PEEK[]").endswith(message)
        for number in range(2, 6):
            client.start("IDLE")
            assert client.line() == b"+ idling"
            stage["other"].append(b"Subject: x\r\n\r\n")
            assert client.line() == b"* %d EXISTS" % number
            client.send(b"DONE\r\n")
            client.finish()
        assert client.fails("COMPRESS DEFLATE").startswith(b"NO [COMPRESSIONACTIVE]")


def test_compress_with_something_else(client):
    assert client.fails("COMPRESS BZIP2").startswith(b"NO")
    assert client.fails("COMPRESS").startswith(b"BAD")
    client.do("NOOP")


def test_garbage_after_compress_ends_only_this_connection(stage):
    client = stage["1"]
    client.do("COMPRESS DEFLATE")
    client.send(b"\xff" * 50)
    assert client.closed()
    stage["2"].do("NOOP")


def test_a_zip_bomb_goes_off_in_small_pieces(stage):
    with _compressed(stage.gateway, stage.login) as client:
        try:
            client.send(b"a" * 50_000_000)
            assert client.line().startswith(b"* BYE [TOOBIG]")
        except (ConnectionError, EOFError):
            pass
    stage["2"].do("NOOP")


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=12), st.booleans())
def test_states_can_be_dropped_at_any_rest(texts, resting):
    server = Deflate(3)
    pack, unpack = zlib.compressobj(9, zlib.DEFLATED, -15), zlib.decompressobj(-15)
    for text in texts:
        received = server.unpack(pack.compress(text * 20) + pack.flush(zlib.Z_SYNC_FLUSH), 1000)
        while server.pending:
            received += server.unpack(b"", 1000)
        assert received == text * 20
        assert unpack.decompress(server.pack(received)) == received
        if resting:
            server.rest()


@pytest.mark.parametrize("answer", ["alice@example.org", 7, True, Reply(250)])
def test_a_plugin_at_fault_is_no_wrong_password(own_gateway, answer):
    class Broken(Plugin):
        order = 1

        @hookimpl
        def chatgate_authenticate(self, credentials):
            return answer

    client = Client(own_gateway(Broken))
    assert client.fails("LOGIN a@example.org passpass1").startswith(b"NO [UNAVAILABLE] ")
