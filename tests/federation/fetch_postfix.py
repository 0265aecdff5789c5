"""Fetch Debian's postfix and opendkim and unpack them into the environment of this Python: `python fetch_postfix.py`.
They are not installed, as a mail server that starts with the machine is not what somebody who runs tests wants. What is
there is not fetched again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = ("postfix", "opendkim")
FILES = Path(sys.prefix) / "postfix"
SECONDS = 90


def missing() -> str:
    """Why there is no postfix here; "" if there is."""
    if os.geteuid() != 0:
        return "postfix needs root, as it runs as several users"
    if not FILES.exists():
        return "no postfix here; `python tests/federation/fetch_postfix.py` fetches it"
    return "" if shutil.which("openssl") else "needs openssl"


def main() -> None:
    if FILES.exists():
        return
    part = FILES.with_name("postfix.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        try:
            needed = _missing_packages(part)
        except subprocess.CalledProcessError:  # a system that knows no packages yet
            _output(part, "apt-get", "update")
            needed = _missing_packages(part)
        # Only when they are on this system already, nothing is to be installed.
        _output(part, "apt-get", "download", *(needed or PACKAGES))
        for package in part.glob("*.deb"):
            _output(part, "dpkg", "--extract", str(package), str(part))
            package.unlink()
        part.rename(FILES)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", "") or error
        print(f"postfix could not be fetched: its tests will be skipped\n{said}", file=sys.stderr)


def _missing_packages(folder: Path) -> list[str]:
    plan = _output(folder, "apt-get", "install", "--simulate", "--no-install-recommends", *PACKAGES)
    return [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]


def _output(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=True)
    return done.stdout


if __name__ == "__main__":
    main()
