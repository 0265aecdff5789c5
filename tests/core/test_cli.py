"""The command line: init, check, plugins; each mistake one clear line and the right exit code."""

import dataclasses
import importlib.metadata
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from chatgate.cli import cli
from chatgate.cli.init import PLUGINS, WITH_OTHERS, summary
from chatgate.hosting import confd
from chatgate.hosting.options import CoreOptions, option, render, required

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "gw"

    def invoke(*args, code=0, input=None):
        result = CliRunner().invoke(cli, ["--dir", str(folder), *args], input=input)
        assert code in (None, result.exit_code), result.output + repr(result.exception)
        return result.output

    invoke.folder = folder
    return invoke


def test_init_writes_a_folder_that_check_calls_sound(run):
    run("init", "--domain", "_chat.test", "--local")
    conf = run.folder / "conf.d"
    assert sorted(p.name[3:-5] for p in conf.iterdir()) == sorted([*PLUGINS, "chatgate"])
    assert stat.S_IMODE((run.folder / "data").stat().st_mode) == 0o700
    smtp = next(conf.glob("*-smtp.toml")).read_text()
    for address in ("127.0.0.1:2525", "127.0.0.1:2465", "127.0.0.1:2587"):
        assert address in smtp
    assert "127.0.0.1:2993" in next(conf.glob("*-imap.toml")).read_text()
    assert "127.0.0.1:8443" in next(conf.glob("*-site.toml")).read_text()
    data = json.loads(run("check", "--json"))
    assert data["problems"] == [p for p in data["problems"] if p["level"] == "warning"]


def test_a_gateway_that_is_not_for_this_computer_alone_exchanges_mail_with_others(run):
    run("init", "--domain", "d.test")
    names = sorted(p.name[3:-5] for p in (run.folder / "conf.d").iterdir())
    assert names == sorted([*PLUGINS, *WITH_OTHERS, "chatgate"])


@pytest.mark.parametrize(
    ("given", "needs"),
    [
        (["d.test"], "records in the DNS and a certificate of a known authority:"),
        (["_d.test"], "records in the DNS:"),
        (["203.0.113.7"], ""),
        (["d.test", "--local"], ""),
    ],
)
def test_init_says_what_mail_with_other_servers_needs(run, given, needs):
    said = run("init", "--domain", *given)
    assert needs in said and ("other servers" in said) == bool(needs)


def test_init_refuses_to_overwrite(run):
    run("init", "--domain", "d.test")
    before = {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()}
    assert "nothing was changed" in run("init", "--domain", "e.test", code=1)
    assert before == {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()}


def test_init_listens_on_the_standard_ports_of_one_address(run):
    run("init", "--domain", "d.test", "--listen", "2001:db8::1")
    assert "[2001:db8::1]:465" in next((run.folder / "conf.d").glob("*-smtp.toml")).read_text()


@pytest.mark.parametrize(
    ("given", "domain"),
    [("127.0.0.4", "[127.0.0.4]"), ("2001:db8::1", "[IPv6:2001:db8::1]"), ("Chat.Example.org", "chat.example.org")],
)
def test_the_domain_may_be_an_ip_address(run, given, domain):
    run("init", "--domain", given)
    assert confd.load(run.folder, {}).core.domain == domain


@pytest.mark.parametrize("domain", ["", "a b", "ä.test", "-x.test", "x..test", "_a_b.test/"])
def test_a_domain_that_is_none_is_refused(run, domain):
    assert "neither a host name nor an IP address" in run("init", "--domain", domain, code=2)
    assert not run.folder.exists()


def test_a_mistake_in_conf_d_names_file_line_and_key(run):
    run("init", "--domain", "d.test")
    path = run.folder / "conf.d/00-chatgate.toml"
    path.write_text(path.read_text() + "stop_second = 3\n")
    output = run("check", code=2)
    line = len(path.read_text().splitlines())
    assert f"{path}:{line}: stop_second: no such key; did you mean 'stop_seconds'?" in output
    assert "Commands:" in run("--help"), "help works while the configuration does not"


def test_without_a_folder_the_next_step_is_named(run):
    assert "init --domain" in run("check", code=2)


def test_plugins_are_listed_disabled_and_enabled_with_their_settings(run):
    run("init", "--domain", "d.test")
    rows = {row["name"]: row for row in json.loads(run("plugins", "list", "--json"))}
    assert rows["site"]["enabled"] and rows["site"]["about"]
    path = run.folder / "conf.d" / rows["site"]["file"]
    path.write_text("# mine\n")
    run("plugins", "disable", "site")
    assert "site" not in confd.files(run.folder)
    run("plugins", "enable", "site")
    assert path.read_text() == "# mine\n"
    assert "enabled already" in run("plugins", "enable", "site", code=1)
    assert "no plugin 'sight'" in run("plugins", "enable", "sight", code=1)
    run("plugins", "disable", "site")
    (run.folder / "conf.d" / (path.name + ".off")).unlink()
    run("plugins", "enable", "site")
    assert path.read_text().startswith("# " + summary(confd.installed()["site"][0].load()))


def test_the_shipped_conf_d_is_what_the_code_says():
    files = {p.name: p.read_text() for p in (ROOT / "conf.d").glob("*.toml")}
    wanted = {"00-chatgate.toml": render(CoreOptions, "The gateway itself.")}
    for name in (*PLUGINS, *WITH_OTHERS):
        factory = confd.installed()[name][0].load()
        wanted[f"{factory.order:02d}-{name}.toml"] = render(factory.Options, summary(factory))
    assert files == wanted, "run: make conf.d"


@pytest.mark.parametrize("command", (["ping"], ["qr"], ["check"], ["accounts", "list"], ["plugins", "enable", "turn"]))
def test_without_a_gateway_every_command_says_so(run, command):
    output = run(*command, code=2)
    assert output.startswith(f"chatgate: no gateway in {run.folder}: ") and output.count("\n") == 1
    assert not run.folder.exists()


def test_a_slip_in_a_command_gets_a_suggestion_with_and_without_a_gateway(run):
    assert "Did you mean 'check'?" in run("chekc", code=2)
    run("init", "--domain", "d.test")
    assert "Did you mean 'check'?" in run("chekc", code=2)
    assert "plugins enable turn" in run("turn", code=2)
    assert "No such command 'nonsense'" in run("nonsense", code=2)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["accounts", "show", "nobody99"], 1),  # nothing is wrong but this
        (["accounts", "create", "x@elsewhere.test"], 1),  # a plugin refuses
        (["accounts", "create"], 2),  # usage
        (["accounts", "list", "--limit", "many"], 2),
        (["accounts", "nonsense"], 2),
        (["accounts", "delete", "nobody99"], 2),  # has no --json
        (["nonsense"], 2),
        (["ping", "--from", "x@elsewhere.test"], 1),  # of a plugin
        (["--nonsense", "accounts", "list"], 2),
    ],
)
def test_errors_of_every_command_are_json_too(run, command, code):
    run("init", "--domain", "d.test")
    (line, *_) = json.loads(run(*command, "--json", code=code))["errors"]
    assert line and not line.startswith("chatgate: ")


@pytest.mark.parametrize(
    ("command", "code", "line"),
    [
        (["check", "--jsn"], 2, "No such option '--jsn'. Did you mean '--json'?; see 'chatgate check --help'"),
        (
            ["accounts", "list", "--idle", "x"],
            2,
            "'x' is not a valid integer range; see 'chatgate accounts list --help'",
        ),
        (["sweep", "--account", "nobody99"], 1, "no account nobody99@d.test"),  # of a plugin
        (["sweep", "--account", "nobody99@D.Test."], 1, "no account nobody99@d.test"),
        (
            ["ping", "--from", "nobody99"],
            1,
            "no terminal to ask for the password of nobody99@d.test: set CHATGATE_PING_FROM",
        ),
        (["qr", "--png", "/nowhere/x"], 1, "cannot write /nowhere/x: No such file or directory"),
    ],
)
def test_every_error_is_one_line_of_the_same_form(run, command, code, line):
    run("init", "--domain", "d.test")
    done = CliRunner().invoke(cli, ["--dir", str(run.folder), *command], prog_name="chatgate")
    assert done.exit_code == code and done.output.startswith("chatgate: ") and done.output.count("\n") == 1
    assert line in done.output


def test_a_group_alone_shows_its_help(run):
    assert "Commands:" in run("plugins", code=2)
    run("init", "--domain", "d.test")
    assert "Commands:" in run("accounts", code=2)


def test_a_folder_inside_the_gateway_s_is_taken_for_a_slip(run):
    run("init", "--domain", "d.test")
    done = CliRunner().invoke(cli, ["--dir", str(run.folder / "conf.d"), "check"])
    assert done.exit_code == 2 and f"but one in {run.folder}: say --dir {run.folder}\n" in done.output


@pytest.mark.parametrize("command", [["check"], ["plugins", "list"], ["plugins", "enable", "turn"], ["ping"]])
def test_another_user_s_folder_is_not_taken_for_an_empty_one(run, monkeypatch, command):
    run("init", "--domain", "d.test")
    listed = os.listdir

    def forbidden(path):
        if Path(path).name == "conf.d":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(confd.os, "listdir", forbidden)
    owner = run.folder.owner()
    told = f"chatgate: cannot read {run.folder}/conf.d, which is for {owner} alone: Permission denied\n"
    assert run(*command, code=2) == told


def with_tiny_files(folder, *command):
    """In a process of its own for which each file is full at ten octets; the pipe of its errors is none."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)); import runpy; {_AS_MAIN}"
    arguments = [sys.executable, "-c", limit, "--dir", str(folder), *command]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    return done.stderr


_AS_MAIN = "runpy.run_module('chatgate', run_name='__main__', alter_sys=True)"


def test_what_could_not_be_written_leaves_nothing_behind(tmp_path):
    folder, conf = tmp_path / "gw", tmp_path / "gw" / "conf.d"
    assert f"cannot write {folder}: File too large" in with_tiny_files(folder, "init", "--domain", "d.test")
    assert not conf.exists(), "or the next init would take it for a gateway"
    conf.mkdir()
    assert f"cannot write {conf}: File too large" in with_tiny_files(folder, "plugins", "enable", "invite")
    assert list(conf.iterdir()) == [], "an empty file would enable the plugin"


def test_a_wrong_configuration_is_json_too(run):
    assert "no gateway" in json.loads(run("check", "--json", code=2))["errors"][0]
    run("init", "--domain", "d.test")
    (run.folder / "conf.d/00-chatgate.toml").write_text('domain = "d.test"\nx = 1\ny = 2\n')
    assert len(json.loads(run("check", "--json", code=2))["errors"]) == 2


def test_a_reader_that_has_enough_of_json_is_no_error(run):
    run("init", "--domain", "d.test")
    command = f"{sys.executable} -m chatgate --dir {run.folder} plugins list --json | head -c 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60)
    assert (done.stdout, done.stderr) == (b"[", b"")


def test_conf_d_is_for_its_owner_s_eyes(run):
    umask = os.umask(0)
    try:
        run("init", "--domain", "d.test")
        run("plugins", "enable", "turn")
    finally:
        os.umask(umask)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (run.folder / "conf.d").iterdir()}
    assert (stat.S_IMODE((run.folder / "conf.d").stat().st_mode), modes) == (0o700, {0o600})


def test_check_warns_of_secrets_that_everybody_can_read(run):
    run("init", "--domain", "d.test")
    run("plugins", "enable", "turn")
    path = next((run.folder / "conf.d").glob("*-turn.toml"))

    def warned():
        problems = json.loads(run("check", "--json", code=None))["problems"]
        return [p["text"] for p in problems if "chmod" in p["text"]]

    path.chmod(0o644)
    assert warned() == [], "no secret is set"
    path.write_text('secret = "hush-a-secret-that-is-long-enough"\n')
    assert warned() == [f"{path}: every user of this machine can read secret; run 'chmod 600 {path}'"]
    path.chmod(0o600)
    assert warned() == []


def test_check_counts_in_english(run):
    run("init", "--domain", "_d.test", "--local")
    assert run("check").endswith("14 plugins enabled, no problems\n")
    (run.folder / "no-create").touch()
    assert run("check").endswith("14 plugins enabled, 1 problem\n")


@pytest.mark.parametrize(
    ("plugin", "what"),
    [
        ("tls", "brings a TLS certificate"),
        ("maildb", "brings a store"),
        ("passwordless", "lets anybody log in"),
    ],
)
def test_check_says_what_a_gateway_does_not_start_without(run, plugin, what):
    run("init", "--domain", "d.test")
    run("plugins", "disable", plugin)
    assert f"error: no enabled plugin {what}" in run("check", code=1)


def test_enabling_a_plugin_says_which_keys_must_be_set(run, monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class Options:
        name: str = required("Who.")
        place: str = required("Where.")
        limit: int = option(3, "How many.")

    class Needy:
        """Needs to be told."""

    Needy.Options = Options
    point = importlib.metadata.EntryPoint("needy", "nowhere:Needy", "chatgate")
    monkeypatch.setattr(importlib.metadata.EntryPoint, "load", lambda self: Needy)
    monkeypatch.setattr(confd, "installed", lambda: {"needy": [point]})
    (run.folder / "conf.d").mkdir(parents=True)
    assert "set name and place in it, then restart" in run("plugins", "enable", "needy")
    path = run.folder / "conf.d/50-needy.toml"
    assert "# name = …  (must be set)" in path.read_text()
    path.write_text('name = "x"\n')
    run("plugins", "disable", "needy")
    assert "set place in it, then" in run("plugins", "enable", "needy")
    path.write_text('name = "x"\nplace = "y"\n')
    run("plugins", "disable", "needy")
    assert run("plugins", "enable", "needy") == f"Enabled by {path}; restart the gateway.\n"


def commands(group, context, path=()):
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from commands(command, context, (*path, name))


def test_help_is_in_whole_sentences_that_fit_the_overview(run):
    run("init", "--domain", "d.test")
    for name in sorted(set(confd.installed()) - {*PLUGINS, *WITH_OTHERS}):
        run("plugins", "enable", name)
    context = click.Context(cli, info_name="chatgate")
    context.params["dir"] = run.folder
    found = dict(commands(cli, context))
    assert {"accounts create", "ping", "invite qr", "turn config", "sweep"} <= set(found)
    for name, command in found.items():
        first = command.help.strip().partition("\n\n")[0]
        assert re.fullmatch(r"[A-Z].*\.", first), f"{name}: {first}"
        assert not command.get_short_help_str(limit=65).endswith("..."), f"{name}: {first}"
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert re.match(r"[A-Z].*\.\Z", parameter.help, re.S), f"{name} {parameter.opts}: {parameter.help}"


def test_every_plugin_and_setting_is_explained_in_whole_sentences():
    for name, (point, *_) in confd.installed().items():
        factory = point.load()
        assert re.match(r"(?s)\S.*\.\Z", summary(factory)), f"{name}: {summary(factory)}"
        for field in dataclasses.fields(factory.Options):
            assert re.search(r"[.…]\Z", field.metadata["help"]), f"{name} {field.name}"


def test_check_warns_of_wake_ups_that_reach_no_other_process(run, monkeypatch):
    """A store of somebody's that does not say who carries them."""
    run("init", "--domain", "example.org", "--local")
    assert "wake-ups" not in run("check")
    monkeypatch.delattr("chatgate_maildb.plugin.MailDb.chatgate_board")
    assert "warning: no enabled plugin carries wake-ups to other processes" in run("check")
