"""The man page, and what the shell completes: both from the commands as they are."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from chatgate.cli import cli

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("man") / "gw"
    assert CliRunner().invoke(cli, ["--dir", str(folder), "init", "--domain", "d.test", "--local"]).exit_code == 0
    return folder


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    target = tmp_path_factory.mktemp("man") / "chatgate.1"
    subprocess.run([sys.executable, ROOT / "contrib/write-man", target], check=True)
    return target


def commands(context):
    """Each with its context."""
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            found = context.command.get_command(context, name)
            yield from commands(click.Context(found, info_name=name, parent=context))


def test_every_command_and_option_is_in_the_page(page, folder):
    sections = dict(
        re.findall(r"^\.SS (chatgate [a-z\\ .-]+?)(?: [^a-z\n][^\n]*)?\n(.*?)(?=^\.S[SH] )", text(page), re.M | re.S)
    )
    context = click.Context(cli, info_name="chatgate")
    context.params["dir"] = str(folder)
    seen = set()
    for one in commands(context):
        if one.parent is None:
            continue
        seen.add(one.command_path)
        for option in one.command.params:
            if isinstance(option, click.Option):
                assert all(name in sections[one.command_path] for name in option.opts), one.command_path
    assert {"chatgate serve", "chatgate accounts create", "chatgate backup"} <= seen <= sections.keys()


def text(page):
    return page.read_text().replace(r"\-", "-")


def test_groff_finds_nothing_wrong_and_shows_it(page):
    if shutil.which("groff") is None:
        pytest.skip("needs groff")
    done = subprocess.run(["groff", "-ww", "-man", "-Tascii", page], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "chatgate accounts create [OPTIONS] ADDRESS" in re.sub("\x1b\\[[0-9]*m|.\b", "", done.stdout)


def complete(folder, *words):
    """What bash would offer for the last of the words."""
    environ = {
        "CHATGATE_DIR": str(folder),
        "_CHATGATE_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["chatgate", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = CliRunner().invoke(cli, [], env=environ, prog_name="chatgate")
    assert done.stderr == "" and done.exit_code == 0, done.exception
    return {line.partition(",")[2] for line in done.stdout.split()}


def test_the_shell_completes_commands_of_the_gateways_plugins(folder):
    assert complete(folder, "acc") == {"accounts"}
    assert complete(folder, "accounts", "cre") == {"create"}
    assert "--quota" in complete(folder, "accounts", "create", "--")


def test_without_a_gateway_and_with_a_mistake_in_its_folder_it_completes_the_rest(folder, tmp_path):
    for name in ("empty", "none"):
        assert complete(tmp_path / name, "se") == {"serve"}
        assert complete(tmp_path / name, "accounts", "cre") == set()
    shutil.copytree(folder, tmp_path / "broken")
    (tmp_path / "broken/conf.d/99-none.toml").write_text("not TOML")
    assert complete(tmp_path / "broken", "se") == {"serve"}
    assert complete(tmp_path / "broken", "accounts", "cre") == set()


def test_the_documented_lines_for_shells_make_completion():
    shells = re.findall(r"_CHATGATE_COMPLETE=(\w+)_source", (ROOT / "docs/operate/every-day.md").read_text())
    assert shells == ["bash", "zsh", "fish"]
    for shell in shells:
        if shell != "bash" or shutil.which("bash"):  # click asks bash for its version
            done = CliRunner().invoke(cli, [], env={"_CHATGATE_COMPLETE": f"{shell}_source"}, prog_name="chatgate")
            assert "_chatgate_completion" in done.stdout and done.stderr == ""
