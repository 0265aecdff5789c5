"""cmping against a gateway. Runs inside a namespace: `python ping.py domain|ip FOLDER`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from stage import GatewayProcess, prepare
from story import WAYS


def main(way: str, folder: Path) -> int:
    kind = WAYS[way]
    with GatewayProcess(folder / "gateway") as gateway:
        prepare(gateway, *kind.init)
        gateway.start()
        done = subprocess.run(["cmping", "-c", "5", "-i", "0.3", kind.imap[0]], timeout=50)
        print(gateway.output()[-3000:])
        return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
