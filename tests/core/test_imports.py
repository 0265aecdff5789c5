"""The direction of imports: the core knows no plugin, protocol or database; its rooms stand one above the other; a
plugin knows only chatgate.api; nothing imports itself in a circle.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE_MAY_IMPORT = {"pluggy", "gevent", "certifi", "click", "chatgate"}
# Their modules in the standard library: what the core must not speak.
PROTOCOLS = {"smtplib", "imaplib", "http", "urllib", "sqlite3", "email", "asyncio", "wsgiref", "poplib"}
# What plugins may share beside chatgate.api; no plugins themselves.
LIBRARIES = {"chatgate_filedb", "chatgate_resolver"}
# From the ground up: each may use itself and what comes before it. What types need is no use.
ROOMS = ["", "store", "network", "mail", "hosting", "running", "cli"]
# Above all rooms: the door for plugins, the start, and the kit for tests, which brings clients along.
ABOVE = {"chatgate.api", "chatgate.__main__", "chatgate.testing"}


def _modules() -> dict[str, Path]:
    """What is ours, by the name it is imported by."""
    found = {}
    for root in (ROOT, ROOT / "plugins"):
        for folder in ("chatgate*", "contrib"):
            for path in sorted(path for top in root.glob(folder) for path in top.rglob("*.py")):
                parts = path.relative_to(root).with_suffix("").parts
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


def _statements(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import, in functions too; not those for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        yield from _statements(node)


def imported(name: str) -> set[str]:
    names, path, package = set(), MODULES[name], name.split(".")
    if path.name != "__init__.py":
        package.pop()
    for node in _statements(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        else:
            parts = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*parts, node.module] if node.module else parts)
            names |= {one if (one := f"{module}.{alias.name}") in MODULES else module for alias in node.names}
    return names


USES = {name: imported(name) & MODULES.keys() for name in MODULES}
CORE = [name for name in MODULES if name.partition(".")[0] == "chatgate"]


def _above(name: str) -> bool:
    return any(name == top or name.startswith(top + ".") for top in ABOVE)


def _room(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else ""


@pytest.mark.parametrize("name", [name for name in CORE if not name.startswith("chatgate.testing")])
def test_the_core_imports_no_plugin_protocol_or_database(name):
    tops = {used.partition(".")[0] for used in imported(name)}
    assert not tops & PROTOCOLS
    assert tops - set(sys.stdlib_module_names) <= CORE_MAY_IMPORT


@pytest.mark.parametrize("name", [name for name in CORE if not _above(name)])
def test_a_room_uses_only_those_below_it(name):
    height = ROOMS.index(_room(name))
    assert not {used for used in USES[name] if _above(used) or ROOMS.index(_room(used)) > height}


def test_every_room_is_known():
    folders = {path.parent.name for path in (ROOT / "chatgate").glob("*/__init__.py")}
    assert folders == {*ROOMS, "testing"} - {""}


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("chatgate_")])
def test_a_plugin_imports_the_core_by_its_one_door(name):
    own = name.partition(".")[0]
    for used in imported(name):
        top = used.partition(".")[0]
        if top == "chatgate":
            assert used == "chatgate.api", f"{name} imports {used}"
        if top.startswith("chatgate_") and top not in LIBRARIES | {own}:
            raise AssertionError(f"{name} imports another plugin, {used}")


def test_nothing_imports_itself_in_a_circle():
    """What is left when all that uses nothing (more) is taken away uses each other."""
    left = {name: set(used) - {name} for name, used in USES.items()}
    while free := [name for name, used in left.items() if not used]:
        for name in free:
            del left[name]
        for used in left.values():
            used.difference_update(free)
    assert not left, f"circles among {sorted(left)}, or above them"
