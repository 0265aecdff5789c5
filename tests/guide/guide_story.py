"""Types what the pages say, in a bare Debian with a network of its own: guide_story.py LAYERS.json FOLDER.

DNS and the authority for certificates are ours; what the operator would do elsewhere (enter records, wait) is done
between the blocks.
"""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "federation"))
sys.path.insert(0, str(Path(__file__).parent.parent / "docker"))

import guide_blocks
from authority import Authority
from dnsserver import DnsServer
from docker_story import OURS, certificate, pebble, pebble_root, until
from guide_blocks import DOCS, TREE

HERE = Path(__file__).parent
NAME = "chat.example.org"
ADDRESS = "44.128.0.7"  # looks public, as the gateway sends no mail to private ones; nothing of it leaves the namespace
FOLDER = "var/lib/chatgate/conf.d"
GUIDE, FIREWALL, TROUBLE = "setup-guide.md", "operate/firewall.md", "operate/trouble.md"


class Server:
    """root: of the Debian in which all is typed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._exports = ""

    def type(self, block: str, fine: tuple[int, ...] = (0,)) -> str:
        """As in a shell that stops at the first failure; what it printed. `export` holds for later blocks, too. fine:
        exit codes that are.
        """
        script = f"cd {TREE}\n{self._exports}{block}"
        self._exports += "".join(f"{line}\n" for line in block.splitlines() if line.startswith("export "))
        environ = ["HOME=/root", "LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        environ.append("SSL_CERT_FILE=/etc/trusted.pem")
        argv = ["env", "-i", *environ, "chroot", str(self.root), "/bin/bash", "-euc", script]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        print(f"$ {block}\n{done.stdout}{done.stderr}", flush=True)
        assert done.returncode in fine, f"exit code {done.returncode}"
        return done.stdout

    def add(self, path: str, text: str) -> None:
        with (self.root / path).open("a") as file:
            file.write(text)


def enter(layers: list[str], folder: Path) -> Path:
    """The root, with its network and its stand-in for systemd."""
    root = folder / "root"
    for made in (root, folder / "upper", folder / "work"):
        made.mkdir()
    options = f"lowerdir={':'.join(reversed(layers))},upperdir={folder}/upper,workdir={folder}/work"
    _do("mount", "-t", "overlay", "overlay", "-o", options, str(root))
    _do("mount", "-t", "proc", "proc", f"{root}/proc")
    _do("mount", "--rbind", "/dev", f"{root}/dev")
    # What was not needed to install it.
    shutil.copytree(DOCS.parent / "contrib", root / TREE[1:] / "contrib", dirs_exist_ok=True)
    shutil.copy(HERE / "systemctl", root / "usr/local/bin/systemctl")
    _do("ip", "link", "add", "eth0", "type", "bridge")
    _do("ip", "addr", "add", f"{ADDRESS}/24", "dev", "eth0")
    _do("ip", "link", "set", "eth0", "up")
    _do("ip", "route", "add", "default", "via", "44.128.0.1")
    for name in (folder, root / "etc"):
        (name / "resolv.conf").write_text(f"nameserver {ADDRESS}\n")
    return root


def _do(*command: str) -> None:
    subprocess.run(command, check=True)


class Dns:
    """What the operator enters at whoever keeps the zone."""

    def __init__(self) -> None:
        self.zone: dict[str, dict[str, Any]] = {
            "example.org": {"NS": "ns.example.org.", "SOA": "ns.example.org. ops.example.org. 1 3600 600 86400 60"},
            "ns.example.org": {"A": ADDRESS},
            "localhost": {"A": "127.0.0.1"},
        }
        self.server = DnsServer(self.zone, host=ADDRESS, port=53)

    def step_1(self) -> None:
        """The table of the guide's first step, but with an address that this namespace has."""
        self.zone[NAME] = {"A": ADDRESS}
        for name in ("www", "mta-sts"):
            self.zone[f"{name}.{NAME}"] = {"CNAME": f"{NAME}."}
        self.server.zone = self.zone

    def learn(self, printed: str) -> None:
        for records in json.loads(printed).values():
            for record in records:
                self.zone.setdefault(record["name"], {})[record["type"]] = []
            for record in records:
                self.zone[record["name"]][record["type"]].append(record["value"])
        self.server.zone = self.zone


def main(layers: list[str], folder: Path) -> None:
    server = Server(enter(layers, folder))
    dns = Dns()
    authority = Authority(folder / "authority.pem")
    ca = pebble(folder, authority)
    root_of_all = pebble_root(authority)
    (server.root / "etc/trusted.pem").write_text(root_of_all + authority.file.read_text())

    def agreed() -> None:
        server.add(f"{FOLDER}/08-acme.toml", f'directory = "https://{OURS}/dir"\nca_bundle = "/etc/trusted.pem"\n')
        server.add(f"{FOLDER}/10-tls.toml", "reread_seconds = 1.0\n")

    def shown() -> bool:
        try:
            return bool(certificate(ssl.create_default_context(cadata=root_of_all), 993, NAME))
        except ssl.SSLError:
            return False

    # Before or after the block with these words: what happens elsewhere meanwhile.
    before = {
        "getent": dns.step_1,
        "chatgate tls show": lambda: until(shown, "no certificate"),
        "chatgate dns --check": lambda: dns.learn(server.type("chatgate dns --json")),
    }
    after = {"agree_to_terms": agreed}
    said = {}
    try:
        for block in guide_blocks.typed(GUIDE):
            for words, happens in before.items():
                if words in block:
                    happens()
            said[block] = server.type(block)
            for words, happens in after.items():
                if words in block:
                    happens()
        whole = "".join(said.values())
        assert "Pebble" in whole, "chatgate tls show does not name the authority"
        assert "nothing here keeps mail from flowing" in whole and "BAD" not in whole, "the doctor is not content"
        assert "4 received, 0% lost" in whole, "no first chat"
        for block in guide_blocks.typed(FIREWALL) + guide_blocks.typed(TROUBLE):
            server.type(block)
        for command in guide_blocks.commands(TROUBLE):
            server.type(command, (0, 1))  # 1: there is nobody zoe@example.net and no message 1234
        server.type("systemctl stop chatgate")
    finally:
        print(server.type("cat /run/stand-in/chatgate.log"), (folder / "pebble.log").read_text()[-2000:])
        ca.terminate()
        ca.wait()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
