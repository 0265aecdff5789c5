"""`chatgate qr`, and what `serve` shows on a terminal."""

from __future__ import annotations

import json
import shutil
import subprocess

import click
import pytest
from click.testing import CliRunner
from site_fakes import make


@pytest.fixture
def run(tmp_path):
    def invoke(domain: str, *arguments: str, **settings):
        gateway = make(tmp_path, domain, **settings)
        group = click.Group()
        gateway.hub.commands.or_raise(cli=group, gateway=gateway)
        return CliRunner().invoke(group, ["qr", *arguments])

    return invoke


def test_the_code_and_the_link(run):
    done = run("example.org", signed=True, https=("*:443",))
    assert done.exit_code == 0
    assert "dcaccount:https://example.org/new\n" in done.output and "https://example.org/\n" in done.output
    assert "█" in done.output and "\x1b" not in done.output
    assert "by many" in done.output


@pytest.mark.skipif(not shutil.which("zbarimg"), reason="zbarimg (Debian: zbar-tools) is not installed")
def test_the_characters_are_the_code(run, tmp_path):
    output = run("example.org", signed=True, https=("*:443",)).output
    lines = [line for line in output.splitlines() if line.strip() and set(line) <= set(" ▀▄█")]
    lit = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
    rows = []
    for line in lines:
        for half in (0, 1):
            rows += [b"".join((b"\xff" if lit[c][half] else b"\0") * 8 for c in line)] * 8
    picture = tmp_path / "terminal.pgm"
    picture.write_bytes(b"P5 %d %d 255\n" % (len(rows[0]), len(rows)) + b"".join(rows))
    done = subprocess.run(["zbarimg", "-q", "--raw", picture], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "dcaccount:https://example.org/new"


def test_json(run):
    found = json.loads(run("[127.0.0.1]", "--json").output)
    assert found["link"].startswith("dclogin:") and found["personal"] is True
    assert set(found) == {"link", "personal", "url"}


def test_files_hold_the_link_that_is_printed(run, tmp_path):
    done = run("[127.0.0.1]", "--png", str(tmp_path / "a.png"), "--svg", str(tmp_path / "a.svg"))
    assert done.exit_code == 0 and done.output.startswith("dclogin:")
    from chatgate_site import invite

    link = done.output.strip()
    assert (tmp_path / "a.png").read_bytes() == invite.png(link)
    assert (tmp_path / "a.svg").read_text() == invite.svg(link)


def test_a_file_that_cannot_be_written(run, tmp_path):
    done = run("example.org", "--png", str(tmp_path / "no" / "a.png"), signed=True)
    assert done.exit_code == 1 and "cannot write" in done.output and "Traceback" not in done.output


def test_on_a_terminal(start):
    running = start("localhost", hostname="127.0.0.1")
    (text,) = running.gateway.hub.ready(gateway=running.gateway)
    assert "\x1b[" in text and "dclogin:" in text and f"http://127.0.0.1:{running.port('http')}/" in text
