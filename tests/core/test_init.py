"""`chatgate init` on a terminal, and its answers as options."""

import os
import pty
import re
import select
import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner

from chatgate.cli import cli, surroundings
from chatgate.hosting import confd
from chatgate.testing import config


class Terminal:
    """A command in a terminal of its own. answers: (what to wait for, what to type then)."""

    def __init__(self, *command, answers=()):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "chatgate", *map(str, command)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.text, answers = "", list(answers)
        while select.select([ours], [], [], 60)[0]:
            try:
                data = os.read(ours, 4096)
            except OSError:  # EIO: the last one has closed it
                break
            self.text += data.decode().replace("\r\n", "\n")
            while answers and re.search(answers[0][0], self.text):
                os.write(ours, answers.pop(0)[1].encode() + b"\n")
        self.code = process.wait(60)
        os.close(ours)
        assert not answers, (answers, self.text)


def test_it_asks_for_what_it_needs(tmp_path):
    folder = tmp_path / "gw"
    answers = [
        ("Mail domain: ", "http://x"),
        ("(?s)neither.*Mail domain: ", "nobody.invalid"),
        ("Certificate .*: ", "acme"),
        ("Do you agree.*: ", "y"),
    ]
    done = Terminal("--dir", folder, "init", "--listen", "127.0.0.1", answers=answers)
    assert done.code == 0, done.text
    assert "letsencrypt.org" in done.text.split("Do you agree")[0]
    loaded = confd.load(folder)
    options = {plugin.name: plugin.options for plugin in loaded.plugins}
    assert loaded.core.domain == "nobody.invalid" and options["acme"].agree_to_terms is True
    assert re.search(r"nobody\.invalid  MX  10 nobody\.invalid\.\n +required", done.text)
    assert "nobody.invalid has no address in the DNS yet" in done.text or "does not answer" in done.text


@pytest.fixture
def terminal(tmp_path, monkeypatch):
    """`init` in this process, as on a terminal where these lines are typed; (exit code, what is shown)."""
    monkeypatch.setattr("chatgate.cli.questions.terminal", lambda: True)

    def run(*options, typed=()):
        lines = "".join(f"{line}\n" for line in typed)
        done = CliRunner().invoke(cli, ["--dir", str(tmp_path / "gw"), "init", "--no-look", *options], input=lines)
        return done.exit_code, done.output

    return run


def test_who_does_not_agree_has_a_certificate_of_its_own_making(terminal, tmp_path):
    code, text = terminal("--domain", "nobody.invalid", typed=["acme", "n"])
    assert code == 0 and "Then it is self-signed for now" in text and (tmp_path / "gw/tls/cert.pem").exists()
    assert "acme" not in [plugin.name for plugin in confd.load(tmp_path / "gw").plugins]


def test_it_asks_again_until_an_answer_is_right(terminal, tmp_path):
    made = tmp_path / "by-certbot"
    made.mkdir()
    first = CliRunner().invoke(
        cli, ["--dir", str(made), "init", "--no-look", "--self-signed", "--domain=nobody.invalid"]
    )
    assert first.exit_code == 0
    files = [str(made / "tls" / f"{name}.pem") for name in ("cert", "key")]
    typed = ["http://x", "nobody.invalid", "post", "files", str(tmp_path / "gone"), files[0], str(tmp_path), files[1]]
    code, text = terminal(typed=typed)
    assert code == 0
    for complaint in ("neither", "'post' is not one of", "gone: No such file", f"{tmp_path}: Is a directory"):
        assert complaint in text
    tls = next(plugin.options for plugin in confd.load(tmp_path / "gw").plugins if plugin.name == "tls")
    assert [str(tls.certificate), str(tls.key)] == files


def test_who_goes_away_leaves_nothing(terminal, tmp_path):
    code, _ = terminal(typed=["nobody.invalid", "files"])
    assert code == 1 and not (tmp_path / "gw").exists()


def test_with_options_a_terminal_is_asked_nothing(terminal):
    code, text = terminal("--domain", "_x.invalid")
    assert code == 0 and "?" not in text


@pytest.fixture
def init(tmp_path):
    def run(*options):
        done = CliRunner().invoke(cli, ["--dir", str(tmp_path / "gw"), "init", *options])
        return done.exit_code, done.output

    return run


@pytest.mark.parametrize(
    "options, wanted",
    [
        ((), "say --domain D"),
        (("--acme", "--local"), "no authority comes"),
        (("--cert", "/x"), "go together"),
        (("--cert", "/x", "--key", "/y"), "--cert: /x: No such file"),
        (("--acme", "--self-signed"), "one of these"),
    ],
)
def test_without_a_terminal_nothing_is_asked(init, tmp_path, options, wanted):
    code, text = init(*(("--domain", "x.invalid", *options) if options else ()))
    assert code == 2 and wanted in text
    assert not (tmp_path / "gw").exists()


def test_each_answer_can_be_an_option(init, tmp_path):
    assert init("--domain", "x.invalid", "--acme")[0] == 0
    options = {plugin.name: plugin.options for plugin in confd.load(tmp_path / "gw").plugins}
    assert options["acme"].agree_to_terms is True


def test_the_certificate_may_be_in_files(init, tmp_path):
    for domain, folder in (("y.invalid", "other"), ("x.invalid", "gw")):
        files = [f"--{kind}={tmp_path}/other/tls/{kind}.pem" for kind in ("cert", "key")] if folder == "gw" else []
        done = CliRunner().invoke(cli, ["--dir", str(tmp_path / folder), "init", "--domain", domain, *files])
        assert done.exit_code == 0, done.output
    tls = next(plugin.options for plugin in confd.load(tmp_path / "gw").plugins if plugin.name == "tls")
    assert tls.certificate == f"{tmp_path}/other/tls/cert.pem"
    assert not (tmp_path / "gw/tls/cert.pem").exists()


def test_files_that_are_no_certificate_leave_nothing_behind(init, tmp_path):
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    code, text = init("--domain", "x.invalid", "--cert", str(wrong), "--key", str(wrong))
    assert code == 1 and "not a certificate and a key" in text
    assert not list((tmp_path / "gw").iterdir())
    assert init("--domain", "x.invalid")[0] == 0


def test_a_port_that_is_taken_is_told_with_who_has_it(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        made = config(tmp_path, "imap", imap={"imaps": (address,), "imap": ("192.0.2.1:4000",)})
        first, second = surroundings.ports(made)
    assert first.startswith(f"imap: imaps: {address} is taken by ") and f"(process {os.getpid()})" in first
    assert "192.0.2.1:4000" in second


def test_whether_a_name_leads_here(monkeypatch):
    found = []
    monkeypatch.setattr(surroundings.socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (a, 0)) for a in found])
    found[:] = ["127.0.0.1", "::1"]
    assert surroundings.name("a.example") == ""
    found[:] = ["127.0.0.1", "192.0.2.7"]
    assert "leads to 192.0.2.7, which this machine does not have" in surroundings.name("a.example")


def test_the_look_at_a_name_ends_in_time(monkeypatch):
    monkeypatch.setattr(surroundings, "_SECONDS", 0.01)
    monkeypatch.setattr(surroundings.socket, "getaddrinfo", lambda *_, **__: surroundings.gevent.sleep(60))
    assert surroundings.name("a.example") == "a.example: the DNS does not answer"
