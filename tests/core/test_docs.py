"""The pages are held to the code."""

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from chatgate import api
from chatgate.hosting import hookspecs

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/hooks.md").read_text()
SOURCES = [p.read_text() for folder in ("plugins", "contrib") for p in (ROOT / folder).rglob("*.py")]
TESTS = [p.read_text() for p in (ROOT / "tests").rglob("*.py") if p != Path(__file__)]


BROUGHT = [importlib.import_module(f"{path.parent.name}.hooks") for path in sorted(ROOT.glob("plugins/*/hooks.py"))]
HOOKS = {
    name: spec
    for module in (hookspecs, *BROUGHT)
    for name, spec in vars(module).items()
    if name.startswith("chatgate_") and callable(spec)
}


@pytest.mark.parametrize("name", HOOKS)
def test_each_hook_has_a_heading_with_its_signature_a_docstring_a_user_and_a_test(name):
    arguments, _, answer = str(inspect.signature(HOOKS[name])).replace("'", "").partition(" -> ")
    arguments = re.sub(r"(\w+): [^,)]+", r"\1", arguments)
    assert f"### `{name}{arguments} -> {answer}`" in PAGE
    assert HOOKS[name].__doc__
    assert any(f"def {name}(" in source for source in SOURCES), "no shipped or contrib plugin answers it"
    short = name.removeprefix("chatgate_")
    assert any(name in test or f".{short}(" in test or f"{short}=" in test for test in TESTS), "no test"


def test_no_heading_is_left_over():
    assert set(re.findall(r"### `(chatgate_\w+)\(", PAGE)) == set(HOOKS)


PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ids = dict(ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page):
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, **ids)
def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", page.read_text()):
        if not target.startswith(("http:", "https:", "mailto:")):
            there = page.parent / target if target else page
            assert there.exists(), target
            assert not anchor or anchor in anchors(there), f"{target}#{anchor}"


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """Those of the core and of all plugins here, by name; of a group those below it, too: "accounts list"."""
    from chatgate.cli import cli, offered
    from chatgate.hosting import confd
    from chatgate.running.gateway import Gateway
    from chatgate.testing import config

    shipped = (name for name, points in confd.installed().items() if points[0].value.startswith("chatgate_"))
    gateway = Gateway(config(tmp_path_factory.mktemp("gateway"), *shipped))
    every = click.Group(commands=cli.commands | {point.name: point.load() for point in offered()})
    for said in gateway.hub.commands.each(None, cli=every, gateway=gateway):
        assert said.failure is None
    below = {f"{name} {more}" for name, one in every.commands.items() for more in getattr(one, "commands", ())}
    return below | set(every.commands)


# Those of the past, and decisions against something, name what is not there.
@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "CHANGELOG.md" and "decisions" not in p.parts], **ids)
def test_commands_named_in_the_pages_exist(page, commands):
    groups = {name.partition(" ")[0] for name in commands if " " in name}
    two = r"([a-z]+)(?: ([a-z]+(?:\.[a-z]+)?)\b)?"
    named = rf"^ {{4}}(?:\S+/)?chatgate (?:--dir \S+ )?{two}|`chatgate {two}"
    for found in re.findall(named, page.read_text(), re.M):
        name, below = [word for word in found if word] + [""] * (found.count("") - 2)
        assert (f"{name} {below}" if below and name in groups else name) in commands, f"{name} {below}"


def test_what_plugins_may_use_says_what_it_is():
    """Classes, their public methods and functions."""
    silent = []
    for name in api.__all__:
        given = getattr(api, name)
        if inspect.isfunction(given):
            silent += [] if given.__doc__ else [name]
        if not inspect.isclass(given):
            continue
        for member, value in [("", given), *vars(given).items()]:
            function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            if not member.startswith("_") and (inspect.isfunction(function) or not member):
                silent += [] if function.__doc__ else [f"{name}.{member}"]
    assert silent == []


def test_the_page_of_what_plugins_may_use_is_that_of_the_code(tmp_path):
    subprocess.run([sys.executable, ROOT / "contrib/write-api", tmp_path / "api.md"], check=True)
    made = (tmp_path / "api.md").read_text()
    assert (ROOT / "docs/api.md").read_text() == made, "run `make api.md`"
    for heading, below in re.findall(r"^###+ (.*)\n\n(.*)", made, re.M):
        assert below and not below.startswith("#"), f"{heading} says nothing"


@pytest.mark.parametrize("hook", ["get", "set"])
def test_plugins_name_the_entries_they_have(hook):
    """Or GETMETADATA with DEPTH does not find them, and SETMETADATA sets some of several."""
    answering = [source for source in SOURCES if f"def chatgate_{hook}_metadata(" in source]
    silent = [source for source in answering if "def chatgate_metadata_entries(" not in source]
    assert len(answering) > 1 and all("class Accounts" in source for source in silent)


STANDARDS = (ROOT / "docs/standards.md").read_text()


def test_each_module_that_the_page_of_standards_names_is_there():
    for section in STANDARDS.split("\n## ")[1:]:
        folder = re.search(r"\(`(.*?)`\)", section)[1]
        named = [
            name for row in re.findall(r"^\|.*\| (.*) \|$", section, re.M)[2:] for name in re.findall("`(.*?)`", row)
        ]
        assert named
        for name in named:
            assert (ROOT / folder / name).exists(), f"{folder}{name}"


def test_the_page_of_standards_names_each_rfc_that_the_code_names():
    paths = [path for room in ("chatgate", "plugins") for path in (ROOT / room).rglob("*.py")]
    named = {number for path in paths for number in re.findall(r"RFC (\d+)", path.read_text())}
    told = set(re.findall(r"\b\d{4}\b", " ".join(re.findall(r"^\| ([\d, ]+) \|", STANDARDS, re.M))))
    assert named <= told, f"not in docs/standards.md: {named - told}"
