"""`chatgate ping`: the message it makes, and the whole command against a gateway in a process of its own."""

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
from chatgate_gate.check import Kind, inspect
from chatgate_imap.plugin import Imap
from chatgate_maildb.plugin import MailDb
from chatgate_passwordless import Passwordless, PasswordlessOptions
from chatgate_ping import Ping, message, places
from chatgate_ping.clients import Lost, Submitter, Waiter
from chatgate_ping.pgp import Keyring
from chatgate_ping.places import Login, Place, Server, Tls
from chatgate_ping.report import Report, Trip
from chatgate_smtp.plugin import Smtp
from chatgate_tls import Tls as TlsPlugin
from chatgate_tls import TlsOptions

from chatgate.hosting import confd
from chatgate.hosting.confd import Config, Enabled
from chatgate.hosting.options import CoreOptions
from chatgate.hosting.registry import PluginError
from chatgate.running.gateway import Gateway
from tests.ports import free_port

needs_gpg = pytest.mark.skipif(shutil.which("gpg") is None, reason="GnuPG is not installed")


# ---------------------------------------------------------------------------- message


@pytest.fixture(scope="module")
def keys():
    with Keyring("gpg") as keyring:
        yield keyring


@needs_gpg
@pytest.mark.parametrize("size", [1, 1000, 300_000])
def test_the_message_is_what_relays_let_pass(keys, size):
    text = b"y" * size
    message_id = message.new_id()
    content = message.make("ping12345@example.org", message_id, keys.encrypt(text))
    verdict = inspect(content, incoming=False, recipients=["other@example.org"])
    assert (verdict.kind, verdict.sender, verdict.reason) == (Kind.ENCRYPTED, "ping12345@example.org", "")
    assert f"Message-ID: {message_id}\r\n".encode() in content
    assert b"\n" not in content.replace(b"\r\n", b"") and b"other@" not in content
    assert keys.decrypt(message.armored(content)) == text
    assert keys.decrypt(message.armored(content.replace(b"\r\n", b"\n"))) == text


@needs_gpg
def test_what_was_changed_on_the_way_is_noticed(keys):
    content = bytearray(message.make("a@example.org", message.new_id(), keys.encrypt(b"text")))
    middle = content.index(b"-----END") - 100
    content[middle] = ord("A") if content[middle] != ord("A") else ord("B")
    assert keys.decrypt(message.armored(bytes(content))) is None
    assert keys.decrypt(b"") is None
    with Keyring("gpg") as other:
        stranger = other.encrypt(b"text")
    assert keys.decrypt(stranger) is None
    assert message.armored(b"nothing") == b""


@needs_gpg
def test_keys_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(RuntimeError):
        with Keyring("gpg") as keyring:
            assert len(list(tmp_path.glob("ping-*"))) == 1 and keyring.encrypt(b"x")
            raise RuntimeError
    assert not list(tmp_path.glob("ping-*"))  # of others in this process there may be some


def test_without_gnupg_it_says_what_to_install():
    with pytest.raises(PluginError, match="apt install gnupg"):
        Keyring("no-such-gpg")


# ---------------------------------------------------------------------------- report


def test_the_report_reads_like_ping():
    trips = [Trip(1, 1.9, 2.3), Trip(2, 2.0, 4.2), Trip(3, error="not announced within 10 s")]
    report = Report("a@example.org", "b@example.org", trips, 2012.3)
    assert [str(trip) for trip in trips] == [
        "1: 4.2 ms (submit 1.9, to IDLE 2.3)",
        "2: 6.2 ms (submit 2.0, to IDLE 4.2)",
        "3: lost: not announced within 10 s",
    ]
    assert report.lines() == [
        "--- b@example.org ping statistics ---",
        "3 messages sent, 2 received, 33.3333% lost, time 2012 ms",
        "rtt min/avg/max/mdev = 4.2/5.2/6.2/1.0 ms",
    ]
    assert not report.all_arrived and report.data()["loss_percent"] == 33.33
    assert Report("a", "b", trips[2:]).lines()[1:] == ["1 messages sent, 0 received, 100% lost, time 0 ms"]
    assert not Report("a", "b").all_arrived and Report("a", "b").round_trip() == {}


# ---------------------------------------------------------------------------- places


def gateway(folder, smtp=None, imap=None, core=None):
    plugins = [Enabled("tls", TlsPlugin, TlsOptions())]
    if smtp is not None:
        plugins.append(Enabled("smtp", Smtp, Smtp.Options(**smtp)))
    if imap is not None:
        plugins.append(Enabled("imap", Imap, Imap.Options(**imap)))
    return Gateway(Config(folder, CoreOptions(**{"domain": "example.org"} | (core or {})), tuple(plugins)))


def own(*facts):
    made = gateway(*facts)
    return places.own(made, made.domains.first)


def test_the_gateways_own_ports(tmp_path):
    server = own(tmp_path, {}, {})
    assert [str(place) for place in (server.submission, server.imap)] == ["127.0.0.1:465", "127.0.0.1:993"]
    assert server.submission.security == server.imap.security == "ssl"
    server = own(
        tmp_path,
        {"submissions": (), "submission": ("[::1]:2587",)},
        {"imaps": ("unix:/run/x", "192.0.2.1:2993", "*:993")},
    )
    assert (str(server.submission), server.submission.security) == ("[::1]:2587", "starttls")
    assert str(server.imap) == "192.0.2.1:2993"


def test_ports_that_are_not_there(tmp_path):
    with pytest.raises(PluginError, match="'smtp' is not enabled"):
        own(tmp_path, None, {})
    with pytest.raises(PluginError, match="'imap' is not enabled or has no address for imaps or imap"):
        own(tmp_path, {}, {"imaps": (), "imap": ("unix:/run/x",)})


def test_dclogin_links():
    login = places.dclogin("dclogin:u%2Bx@[127.0.0.4]?p=a%26b+c&v=1&ih=127.0.0.4&ip=2993&sh=h&ss=starttls&ic=3")
    assert (login.address, login.password) == ("u+x@[127.0.0.4]", "a&b+c")
    assert "a&b" not in repr(login)
    imap, smtp = login.server.imap, login.server.submission
    assert (imap.host, imap.port, imap.security) == ("127.0.0.4", 2993, "ssl")
    assert (smtp.host, smtp.port, smtp.security) == ("h", 587, "starttls")
    assert imap.tls._context.verify_mode == ssl.CERT_NONE
    login = places.dclogin("DCLOGIN://me@chat.example/?p=x&v=1&is=plain&ss=default")
    assert (login.address, str(login.server.imap)) == ("me@chat.example", "chat.example:143")
    assert str(login.server.submission) == "chat.example:465"
    assert login.server.submission.tls._context.verify_mode == ssl.CERT_REQUIRED
    for bad in ("dclogin:", "dclogin:me?p=x&v=1", "dclogin:me@x?v=1", "dclogin:me@x?p=secret&v=2"):
        with pytest.raises(PluginError) as caught:
            places.dclogin(bad)
        assert "secret" not in str(caught.value)
    with pytest.raises(PluginError):
        places.dclogin("dclogin:me@x?p=x&v=1&ip=many")


# ---------------------------------------------------------------------------- clients against a server that misbehaves


class Script:
    """A server on a free port that plays pairs: what must come (a regex; None: nothing), what to answer."""

    def __init__(self, greeting, *pairs):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.place = Place("127.0.0.1", self.socket.getsockname()[1], "plain", None)
        self.thread = threading.Thread(target=self._play, args=(greeting, pairs), daemon=True)
        self.thread.start()

    def _play(self, greeting, pairs):
        connection, _ = self.socket.accept()
        with connection, connection.makefile("rwb") as file:
            file.write(greeting)
            file.flush()
            for expected, answer in pairs:
                if expected is not None:
                    line = file.readline()
                    assert re.match(expected, line), line
                    answer = answer.replace(b"TAG", line.split(b" ")[0].strip())
                file.write(answer)
                file.flush()
            file.read()

    def login(self):
        return Login("a@example.org", "password of mine", Server(self.place, self.place))


READY = (
    (b".* CAPABILITY", b"* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n"),
    (b".* LOGIN", b"TAG OK done\r\n"),
    (b".* SELECT", b"* 3 EXISTS\r\n* OK [UIDNEXT 8] next\r\nTAG OK [READ-WRITE] done\r\n"),
)


def test_other_mail_is_left_alone():
    """Another message is announced first; ours comes while we look at it."""
    script = Script(
        b"* OK hello\r\n",
        *READY,
        (b"idle IDLE", b"* 3 EXISTS\r\n+ idling\r\n"),
        (None, b"* OK still here\r\n* 4 EXISTS\r\n"),
        (b"DONE", b"idle OK done\r\n"),
        (
            b".* UID FETCH 8:\\*",
            b"* 4 FETCH (UID 8 BODY[HEADER.FIELDS (MESSAGE-ID)] {2}\r\n\r\n)\r\nTAG OK done\r\n",
        ),
        (b"idle IDLE", b"+ idling\r\n* 5 EXISTS\r\n"),
        (b"DONE", b"idle OK done\r\n"),
        (
            b".* UID FETCH 9:\\*",
            b"* 5 FETCH (BODY[HEADER.FIELDS (MESSAGE-ID)] {22}\r\nMessage-ID: <ours>\r\n\r\n UID 9)\r\nTAG OK done\r\n",
        ),
        (b".* UID FETCH 9 ", b"* 5 FETCH (UID 9 BODY[] {7}\r\ncontent)\r\nTAG OK done\r\n"),
        (b".* UID STORE 9 \\+FLAGS.SILENT \\(\\\\Deleted\\)", b"TAG OK done\r\n"),
        (b".* UID EXPUNGE 9\r\n", b"* 5 EXPUNGE\r\nTAG OK done\r\n"),
    )
    waiter = Waiter(script.login(), 5)
    waiter.idle()
    begin = time.perf_counter()
    announced, content = waiter.wait("<ours>")
    assert content == b"content" and begin <= announced <= time.perf_counter()
    waiter.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"+ idling\r\n", "not announced within 0.3 s"),
        (b"+ idling\r\n* BYE going\r\n", "not announced"),
        (b"idle NO not now\r\n", "IDLE refused: idle NO not now"),
    ],
)
def test_what_does_not_come_is_lost(answer, words):
    script = Script(b"* OK hello\r\n", *READY, (b"idle IDLE", answer))
    waiter = Waiter(script.login(), 0.3)
    with pytest.raises(Lost, match=words):
        waiter.idle()
        waiter.wait("<ours>")


def test_a_refused_login_and_a_closed_port():
    script = Script(b"* OK hello\r\n", READY[0], (b".* LOGIN", b"TAG NO [LIMIT] Too many logins\r\n"))
    with pytest.raises(PluginError, match=r"IMAP login refused: \[LIMIT\] Too many logins") as caught:
        Waiter(script.login(), 5)
    assert "password of mine" not in str(caught.value)
    script = Script(b"220 hello\r\n", (b"ehlo", b"250-x\r\n250 AUTH PLAIN\r\n"), (b"AUTH", b"535 5.7.8 No\r\n"))
    with pytest.raises(PluginError, match=r"SMTP login refused: 535 5.7.8 No"):
        Submitter(script.login(), 5)
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = Place("127.0.0.1", free.getsockname()[1], "plain", None)
    for client in (Submitter, Waiter):
        with pytest.raises(PluginError, match=r"cannot connect: Connection refused \(is the gateway running\?\)"):
            client(Login("a@example.org", "x", Server(place, place)), 5)


def test_a_refused_message():
    script = Script(
        b"220 hello\r\n",
        (b"ehlo", b"250-x\r\n250 AUTH PLAIN\r\n"),
        (b"AUTH", b"235 ok\r\n"),
        (b"mail", b"450 4.7.1 Too much mail\r\n"),
        (b"rset", b"250 ok\r\n"),
    )
    with pytest.raises(Lost, match="submission refused: 450 4.7.1 Too much mail"):
        Submitter(script.login(), 5).submit("b@example.org", b"x")


def test_a_name_of_its_own_for_tls():
    class Context:
        def wrap_socket(self, sock, server_hostname):
            return sock, server_hostname

    assert Tls(Context(), "example.org").wrap_socket("s", server_hostname="127.0.0.1") == ("s", "example.org")


# ---------------------------------------------------------------------------- the command against a real gateway


class Folder:
    """A gateway's folder and the `chatgate` command for it."""

    def __init__(self, path):
        self.path, self.ports = path, {}
        listeners = {"smtp": ("submissions", "submission"), "imap": ("imaps", "imap")}
        for name in (name for names in listeners.values() for name in names):
            self.ports[name] = free_port()
        (path / "conf.d").mkdir()
        (path / "data").mkdir()
        self.enable("00-chatgate", domain="_ping.test")
        for name in ("10-tls", "10-maildb", "50-passwordless", "30-gate", "50-ping"):
            self.enable(name)
        for plugin, names in listeners.items():
            self.enable(f"20-{plugin}", **{name: [f"127.0.0.1:{self.ports[name]}"] for name in names})
        with open(path / "conf.d/20-smtp.toml", "a") as file:
            file.write("mx = []\n")

    def enable(self, name, **settings):
        lines = [f"{key} = {json.dumps(value)}\n" for key, value in settings.items()]
        (self.path / f"conf.d/{name}.toml").write_text("".join(lines))

    def start(self, *arguments, **options):
        paths = os.pathsep.join(path for path in sys.path if path)
        environment = {**os.environ, "PYTHONPATH": paths, **options.pop("env", {})}
        return subprocess.Popen(
            [sys.executable, "-m", "chatgate", "--dir", str(self.path), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            **options,
        )

    def run(self, *arguments, **options):
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def accounts(self):
        plugins = (
            Enabled("maildb", MailDb, MailDb.Options()),
            Enabled("passwordless", Passwordless, PasswordlessOptions()),
        )
        gateway = Gateway(Config(self.path, CoreOptions(domain="_ping.test"), plugins))
        try:
            return [account.address for account in gateway.store.accounts()]
        finally:
            gateway.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    if "ping" not in confd.installed():
        pytest.skip("the plugins are not installed")
    return Folder(tmp_path_factory.mktemp("ping"))


@pytest.fixture(scope="module")
def served(folder):
    process = folder.start("serve")
    line = ""
    while "ready" not in line:
        line = process.stdout.readline()
        assert line, process.stderr.read()
    yield folder
    process.terminate()
    assert process.wait(20) == 0, process.stderr.read()


def test_a_gateway_that_is_not_running(folder):
    code, out, err = folder.run("ping")
    assert (code, out) == (1, "")
    assert re.fullmatch(
        r"chatgate: 127\.0\.0\.1:\d+: cannot connect: Connection refused \(is the gateway running\?\)\n", err
    )
    assert folder.accounts() == []


def test_no_gnupg(folder, monkeypatch):
    folder.enable("50-ping", gpg="no-such-gpg")
    code, out, err = folder.run("ping")
    folder.enable("50-ping")
    assert (code, out) == (1, "") and err.count("\n") == 1 and "apt install gnupg" in err


@needs_gpg
def test_ping(served):
    code, out, err = served.run("ping", "-c", "3", "-i", "0.1")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    ports = served.ports
    new = r"ping[a-z0-9]{5}@_ping\.test"
    assert re.fullmatch(
        rf"PING {new} from {new}: 127.0.0.1:{ports['submissions']} to 127.0.0.1:{ports['imaps']}, "
        "1000 octets, encrypted",
        lines[0],
    )
    for number, line in enumerate(lines[1:4], 1):
        assert re.fullmatch(rf"{number}: \d+\.\d ms \(submit \d+\.\d, to IDLE \d+\.\d\)", line)
    assert re.fullmatch(r"3 messages sent, 3 received, 0% lost, time \d+ ms", lines[5])
    assert re.fullmatch(r"rtt min/avg/max/mdev = \d+\.\d/\d+\.\d/\d+\.\d/\d+\.\d ms", lines[6])
    assert served.accounts() == []


@needs_gpg
def test_ping_in_json_with_a_large_message(served):
    code, out, err = served.run("ping", "-c", "1", "-s", "200000", "--json")
    data = json.loads(out)
    assert (code, err, data["sent"], data["received"], data["loss_percent"]) == (0, "", 1, 1, 0)
    assert data["messages"][0]["submit_ms"] > 0 and data["rtt_ms"]["mdev"] == 0
    assert served.accounts() == []


@needs_gpg
def test_ping_between_accounts_that_are_there(served):
    for name, password in (("abcdefghi", "password of a"), ("ihgfedcba", "password of i")):
        assert served.run("accounts", "create", name, "--password", password)[0] == 0
    link = (
        f"dclogin:ihgfedcba@_ping.test?p=password%20of%20i&v=1&ih=127.0.0.1&ip={served.ports['imap']}&is=starttls&ic=3"
    )
    environment = {"CHATGATE_PING_FROM_PASSWORD": "password of a"}
    code, out, err = served.run("ping", "-c", "1", "--from", "abcdefghi", "--to", link, env=environment)
    assert (code, err) == (0, "") and "from abcdefghi@_ping.test" in out
    code, out, err = served.run(
        "ping", "--from", "abcdefghi@_ping.test", env={"CHATGATE_PING_FROM_PASSWORD": "another password"}
    )
    assert code == 1 and err.count("\n") == 1 and "SMTP login refused: 535" in err
    code, out, err = served.run("ping", "--from", "abcdefghi@example.net")
    assert code == 1 and "not an address of this gateway" in err
    code, out, err = served.run("accounts", "show", "ihgfedcba", "--json")
    assert json.loads(out)["messages"] == 0
    assert served.accounts() == ["abcdefghi@_ping.test", "ihgfedcba@_ping.test"]
    for name in ("abcdefghi", "ihgfedcba"):
        served.run("accounts", "delete", "--yes", name)


@needs_gpg
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_enough(served, number):
    """A signal ends an endless ping with its summary, and the accounts are gone."""
    process = served.start("ping", "-c", "0", "-i", "30")
    process.stdout.readline()
    assert process.stdout.readline().startswith("1: ")
    assert len(served.accounts()) == 2
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "") and "1 messages sent, 1 received, 0% lost" in out
    assert served.accounts() == []


def test_enough_before_it_began(tmp_path):
    """The accounts go even when the gateway takes the connection and then says nothing."""
    folder = Folder(tmp_path)
    with socket.create_server(("127.0.0.1", folder.ports["submissions"])) as mute:
        process = folder.start("ping")
        mute.settimeout(60)
        connection, _ = mute.accept()
        assert len(folder.accounts()) == 2
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        connection.close()
    assert (process.returncode, out, err.strip()) == (1, "", "chatgate: aborted")
    assert folder.accounts() == []


def test_the_plugin_loads_nothing_for_a_serving_gateway():
    code = (
        "import sys; from chatgate_ping import Ping; import chatgate_smtp\n"
        "assert not {'gnupg', 'imaplib', 'chatgate_ping.run'} & set(sys.modules)"
    )
    paths = os.pathsep.join(path for path in sys.path if path)
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": paths})
    assert Ping.Options().gpg == "gpg"
