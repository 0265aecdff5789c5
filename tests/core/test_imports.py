"""The direction of imports: the core knows no plugin, protocol or database; a plugin knows only chatgate.api."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE_MAY_IMPORT = {"pluggy", "gevent", "click", "chatgate"}
# Their modules in the standard library: what the core must not speak.
PROTOCOLS = {"smtplib", "imaplib", "http", "urllib", "sqlite3", "email", "asyncio", "wsgiref", "poplib"}
# What plugins may share beside chatgate.api; no plugins themselves.
LIBRARIES = {"chatgate_filedb"}
# For tests only; it brings clients along.
TESTING = ROOT / "chatgate/testing.py"


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", sorted((ROOT / "chatgate").rglob("*.py")), ids=str)
def test_the_core_imports_no_plugin_protocol_or_database(path):
    if path == TESTING:
        pytest.skip("the test kit")
    tops = {name.partition(".")[0] for name in imported(path)}
    assert not tops & PROTOCOLS
    assert tops - set(sys.stdlib_module_names) <= CORE_MAY_IMPORT


@pytest.mark.parametrize("path", sorted((ROOT / "plugins").rglob("*.py")), ids=str)
def test_a_plugin_imports_the_core_by_its_one_door(path):
    own = path.relative_to(ROOT / "plugins").parts[0]
    for name in imported(path):
        top = name.partition(".")[0]
        if top == "chatgate":
            assert name == "chatgate.api", f"{path} imports {name}"
        if top.startswith("chatgate_") and top not in LIBRARIES | {own}:
            raise AssertionError(f"{path} imports another plugin, {name}")
