"""contrib/docker/compose.yaml as an engine reads it, and its services without an engine, in a namespace."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from compose_spec import PyCompose
from docker_image import ROOT, Image

FOLDER = ROOT / "contrib/docker"
# What the image of Caddy brings; this one is Debian's.
CADDY = ("caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile")
CADDY_ENVIRON = {"XDG_DATA_HOME": "/data", "XDG_CONFIG_HOME": "/config", "PATH": "/usr/bin:/bin"}


def read(environ: dict[str, str]) -> dict[str, Any]:
    """With the variables filled in. Raises ValueError where the file is not as the specification of Compose has it."""
    whole = PyCompose.from_yaml((FOLDER / "compose.yaml").read_text())
    whole.validate()
    found: dict[str, Any] = _filled(whole.to_dict(), environ)
    return found


def _filled(value: Any, environ: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one, environ) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, environ) for one in value]
    while isinstance(value, str) and (found := re.search(r"\$\{(\w+)(?:(:-|:\?)([^${}]*))?\}", value)):
        name, how, other = found.groups()
        if not environ.get(name) and how == ":?":
            raise ValueError(f"{name}: {other}")
        value = value.replace(found[0], environ.get(name) or other or "")
        # The inner ones of nested ones first.
    return value


class Containers:
    """All services in one root, the image's, where volumes are shared by their paths. Only in a namespace, as root."""

    def __init__(self, compose: dict[str, Any], image: Image, folder: Path, extra: dict[str, str]) -> None:
        """extra: variables that every process gets."""
        self.services, self.image, self.extra = compose["services"], image, extra
        self.root, self._log = folder / "root", folder / "log"
        for made in (self.root, folder / "upper", folder / "work"):
            made.mkdir()
        lower = ":".join(str(layer) for layer in reversed(image.layers))
        options = f"lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work"
        _do("mount", "-t", "overlay", "overlay", "-o", options, str(self.root))
        _do("mount", "-t", "proc", "proc", f"{self.root}/proc")
        _do("mount", "--rbind", "/dev", f"{self.root}/dev")
        volumes = {path.split(":")[1] for one in self.services.values() for path in one["volumes"] if path[0] != "."}
        temporary = {path for one in self.services.values() for path in one.get("tmpfs", ())}
        for path in sorted(volumes):
            # As an engine makes a new volume: of root, and with nothing in it.
            self._mount(path.split(":")[0], "mode=755")
        for path in sorted(temporary):
            self._mount(path.partition(":")[0], path.partition(":")[2] or "mode=1777")
        files = {path for one in self.services.values() for path in one["volumes"] if path[0] == "."}
        for path in (
            *files,
            "/usr/bin/caddy:/usr/bin/caddy",
            "/etc/hosts:/etc/hosts",
            "/etc/resolv.conf:/etc/resolv.conf",
        ):
            source, target = (FOLDER / path.split(":")[0]).resolve(), self.root / path.split(":")[1][1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.mkdir(exist_ok=True) if source.is_dir() else target.touch()
            _do("mount", "--bind", str(source), str(target))
        assert all(one["read_only"] for name, one in self.services.items() if name != "volumes")
        _do("mount", "-o", "remount,ro", str(self.root))
        _do("sysctl", "-qw", "net.ipv4.ip_unprivileged_port_start=0")

    def _mount(self, path: str, options: str) -> None:
        target = self.root / path[1:]
        target.mkdir(parents=True, exist_ok=True)
        _do("mount", "-t", "tmpfs", "-o", options, "none", str(target))

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """As `up` does; what it says goes to the log."""
        with self._log.open("ab") as log:
            return subprocess.Popen(self.argv(name), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def run(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """As `exec` does; without a command what `up` starts, to its end."""
        argv = self.argv(name, *command)
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)

    def argv(self, name: str, *command: str) -> list[str]:
        """The user, the rights, the variables and the command of a service."""
        service = self.services[name]
        user, group = service.get("user", self.image.user).split(":")
        kept = ",".join(["-all", *(f"+{right.lower()}" for right in service.get("cap_add", ()))])
        limits = [
            "setpriv",
            "--reuid",
            user,
            "--regid",
            group,
            "--clear-groups",
            f"--bounding-set={kept}",
            "--no-new-privs",
        ]
        environ = (
            (CADDY_ENVIRON if name == "caddy" else self.image.environ) | service.get("environment", {}) | self.extra
        )
        if not command:
            entrypoint = service.get("entrypoint", () if name == "caddy" else self.image.entrypoint)
            command = (*entrypoint, *(CADDY if name == "caddy" else service.get("command", self.image.command)))
        settings = [f"{key}={value}" for key, value in environ.items()]
        return ["chroot", str(self.root), *limits, "env", "-i", *settings, *command]

    def said(self) -> str:
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""


def _do(*command: str) -> None:
    subprocess.run(command, check=True)
