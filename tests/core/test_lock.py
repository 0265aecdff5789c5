"""requirements.lock, which `make serve` installs, is of the ranges in setup.py, and for each Python that they name."""

import ast
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()


def locked(python: str) -> dict[str, str]:
    """The version of each package by its name, for this Python on Linux."""
    facts = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    facts |= {"platform_system": "Linux", "implementation_name": "cpython", "platform_python_implementation": "CPython"}
    found = {}
    for line in re.findall(r"^([a-z].*?) \\$", LOCK, re.M):
        one = Requirement(line)
        if one.marker is None or one.marker.evaluate(facts):
            (exact,) = one.specifier
            assert one.name not in found and exact.operator == "=="
            found[one.name] = exact.version
    return found


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_lock_has_what_setup_py_asks_for(python):
    call = next(node for node in ast.walk(ast.parse((ROOT / "setup.py").read_text())) if is_setup(node))
    (asked,) = [ast.literal_eval(one.value) for one in call.keywords if one.arg == "install_requires"]
    versions = locked(python)
    for wanted in map(Requirement, asked):
        assert versions[wanted.name] in wanted.specifier, f"run `make lock`: {wanted}"


def is_setup(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setup"


def test_the_lock_has_a_hash_of_each_package_and_names_no_server():
    packages = re.split(r"^(?=[a-z])", LOCK, flags=re.M)[1:]
    assert len(packages) > 9 and all("--hash=sha256:" in package for package in packages)
    assert "://" not in LOCK and "index" not in LOCK
