"""Scripts of this folder, run in a namespace by a test."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import namespace
import pytest

HERE = Path(__file__).parent
REASON = namespace.refused()
only_where_possible = pytest.mark.skipif(bool(REASON), reason=REASON)


def needs(*modules: str) -> None:
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"needs the package {module.replace('_', '-')}")


def inside(folder: Path, hosts: dict[str, str], script: str, *arguments: str, seconds: float) -> str:
    """Run one of our scripts in a namespace; its output. Fails with all it printed when it fails."""
    environ = os.environ | {
        # cmping keeps its accounts there; the core's binary lies beside python
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    argv = [sys.executable, str(HERE / script), *arguments, str(folder)]
    with subprocess.Popen(
        namespace.command(folder, hosts, argv),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environ, text=True,
    ) as process:  # fmt: skip
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()  # --kill-child takes everything inside along
            output, _ = process.communicate()
            pytest.fail(f"did not end within {seconds} s:\n{output}")
    print(output)
    assert process.returncode == 0, output
    return output
