"""Fetch the older Delta Chat cores named in cores.txt: `python fetch_cores.py`. Each gets a folder of its own in the
environment of this Python, as only one version can be installed in it. What is there is not fetched again.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

SECONDS = 90  # for all of them together, each of 12 MB; what is missing then is tried the next time
CORES = Path(sys.prefix) / "cores"
VERSIONS = tuple(Path(__file__).with_name("cores.txt").read_text().split())


def program(version: str) -> Path:
    """Where the core of this version is, fetched or not."""
    return CORES / version / "deltachat_rpc_server" / "deltachat-rpc-server"


def main() -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--no-deps", "--no-compile"]
    running = {}
    for version in VERSIONS:
        if not program(version).exists():
            part = CORES / f"{version}.part"
            shutil.rmtree(part, ignore_errors=True)
            running[version] = subprocess.Popen([*pip, "--target", str(part), f"deltachat-rpc-server=={version}"])
    end = time.monotonic() + SECONDS
    for version, process in running.items():
        try:
            code = process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if code == 0:
            (CORES / f"{version}.part").rename(CORES / version)
        else:
            print(f"Delta Chat core {version} could not be fetched: its tests will be skipped", file=sys.stderr)


if __name__ == "__main__":
    main()
