"""Debian's pebble, an authority for tests, that comes to look at ports of ours and asks a nameserver of ours."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import chatgate_tls.selfsigned as selfsigned

from chatgate.testing import until
from tests.ports import free_port


class Pebble:
    """http, tls: the ports to which it comes. nonces: percent of good nonces that it refuses."""

    def __init__(self, folder: Path, dns: str, *, nonces: int = 0) -> None:
        assert shutil.which("pebble"), "Debian's package pebble is missing"
        self.folder, self._dns, self._nonces = folder, dns, nonces
        self.port, self.http, self.tls = free_port(), free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}/dir"
        self.bundle = folder / "cert.pem"
        folder.mkdir(exist_ok=True)
        selfsigned.make(self.bundle, folder / "key.pem", ["127.0.0.1"])
        said = {"listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": "", "ocspResponderURL": ""}
        said |= {"certificate": str(self.bundle), "privateKey": str(folder / "key.pem")}
        said |= {"httpPort": self.http, "tlsPort": self.tls, "externalAccountBindingRequired": False}
        (folder / "pebble.json").write_text(json.dumps({"pebble": said}))
        self._process = None

    def start(self) -> "Pebble":
        environ = os.environ | {
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_AUTHZREUSE": "0",
            "PEBBLE_WFE_NONCEREJECT": str(self._nonces),
        }
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                ["pebble", "-config", str(self.folder / "pebble.json"), "-dnsserver", self._dns],
                env=environ,
                stdout=log,
                stderr=log,
            )
        until(self._answers)
        return self

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """All accounts and orders are forgotten."""
        self._process.kill()
        self._process.wait()

    @property
    def settings(self) -> dict:
        return {"directory": self.url, "ca_bundle": str(self.bundle), "agree_to_terms": True}


def main() -> None:  # for looking at it by hand
    Pebble(Path(sys.argv[1]), sys.argv[2]).start()
