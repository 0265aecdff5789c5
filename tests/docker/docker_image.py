"""The image that the Dockerfile describes, made without an engine: each RUN and COPY is a layer over a bare Debian.

Layers are kept from one run of the tests to the next, by what went into them, as an engine keeps them.
"""

from __future__ import annotations

import fcntl
import fnmatch
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]
CACHE = Path.home() / ".cache/chatgate/image"
KEPT = 3 * 86400  # seconds


@dataclass(frozen=True)
class Image:
    """layers: folders, the lowest first. key: a hash of all that made it."""

    layers: tuple[Path, ...]
    key: str
    user: str = "0:0"
    environ: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
    volumes: tuple[str, ...] = ()
    healthcheck: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


def instructions(path: Path = ROOT / "Dockerfile") -> list[tuple[str, str]]:
    found = DockerfileParser(fileobj=path.open("rb"), env_replace=False).structure
    return [(one["instruction"], one["value"]) for one in found if one["instruction"] != "COMMENT"]


def suite() -> str:
    """Of the Debian that it builds on."""
    (name,) = [re.fullmatch(r"DEBIAN=debian:(\w+)-slim", value) for word, value in instructions() if word == "ARG"]
    assert name
    return name[1]


def bare() -> Path:
    """A Debian of that suite with nothing in it, as the image is that it builds on."""
    base = CACHE / f"debian-{suite()}"
    if not base.exists():
        fresh = CACHE / f"debian-{suite()}.fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", suite(), str(fresh)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        fresh.rename(base)
    return base


def build(steps: list[tuple[str, str]]) -> Image:
    """By instructions as those of a Dockerfile. Raises AssertionError when a command fails."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        image = _build(bare(), steps)
    return image


def _build(base: Path, steps: list[tuple[str, str]]) -> Image:
    stages: dict[str, Image] = {"${DEBIAN}": Image((base,), hashlib.sha256(str(base).encode()).hexdigest())}
    image, stage = None, ""
    used = set()
    for word, value in steps:
        if word == "ARG":
            continue
        if word == "FROM":
            if image:
                stages[stage] = image
            parent, _, stage = value.partition(" AS ")
            image = stages[parent]
            continue
        assert image
        image = _step(image, word, value, stages)
        used.update(image.layers)
    assert image
    for layer in CACHE.iterdir():
        if layer in used:
            os.utime(layer)
        elif layer.is_dir() and layer.stat().st_mtime < time.time() - KEPT:  # of earlier trees
            shutil.rmtree(layer)
    return image


def _step(image: Image, word: str, value: str, stages: dict[str, Image]) -> Image:
    if word == "RUN":
        return _layer(image, f"RUN {value}", lambda upper: _run(image, upper, value))
    if word == "COPY":
        options = {part.partition("=")[0]: part.partition("=")[2] for part in value.split() if part.startswith("--")}
        *sources, target = [part for part in value.split() if not part.startswith("--")]
        if "--from" in options:
            source = stages[options["--from"]]
            return _layer(image, f"COPY {value} {source.key}", lambda upper: _copy_stage(source, upper, sources[0]))
        found = [path for source in sources for path in context(source)]
        seen = hashlib.sha256()
        for path in found:
            seen.update(f"{path}\0{path.stat().st_mode}\0".encode() + path.read_bytes())
        mode = options.get("--chmod", "")
        return _layer(
            image, f"COPY {value} {seen.hexdigest()}", lambda upper: _copy(found, sources, upper, target, mode)
        )
    if word == "ENV":
        return replace(image, environ=image.environ | dict(part.split("=", 1) for part in shlex.split(value)))
    if word == "USER":
        return replace(image, user=value)
    if word == "VOLUME":
        return replace(image, volumes=(*image.volumes, value))
    if word == "HEALTHCHECK":
        return replace(image, healthcheck=tuple(json.loads(value.partition(" CMD ")[2])))
    if word in ("ENTRYPOINT", "CMD"):
        return replace(image, **{"entrypoint" if word == "ENTRYPOINT" else "command": tuple(json.loads(value))})
    assert word == "EXPOSE", word
    return image


def context(source: str) -> Iterator[Path]:
    """The files below the tree's top that an engine is given, by .dockerignore: the last line that fits decides."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    if (ROOT / source).is_file():
        yield ROOT / source
    for place, folders, files in os.walk(ROOT / source):
        below = Path(place).relative_to(ROOT)
        folders[:] = sorted(
            name for name in folders if _taken(path := (below / name).as_posix(), lines) or _has_taken(path, lines)
        )
        yield from (Path(place, name) for name in sorted(files) if _taken((below / name).as_posix(), lines))


def _taken(path: str, lines: list[str]) -> bool:
    names, taken = path.split("/"), True
    parents = ["/".join(names[: n + 1]) for n in range(len(names))]
    for line in lines:
        pattern = line.removeprefix("!")
        anywhere = pattern.startswith("**/") and pattern[3:] in names
        if anywhere or any(fnmatch.fnmatchcase(parent, pattern) for parent in parents):
            taken = line.startswith("!")
    return taken


def _has_taken(folder: str, lines: list[str]) -> bool:
    return any(line.startswith(f"!{folder}/") for line in lines)


def _layer(image: Image, what: str, make: Callable[[Path], None]) -> Image:
    key = hashlib.sha256(f"{image.key} {image.environ} {what}".encode()).hexdigest()[:20]
    layer = CACHE / key
    if not layer.exists():
        fresh = CACHE / f"{key}.{os.getpid()}"
        (fresh / "work").mkdir(parents=True)
        (fresh / "upper").mkdir()
        try:
            make(fresh / "upper")
            (fresh / "upper").rename(layer)
        finally:
            shutil.rmtree(fresh)
    return replace(image, layers=(*image.layers, layer), key=key)


# In namespaces of its own: $1 the root to be, then options of its mount, then the command. Packages are fetched as the
# machine itself fetches them.
_RUN = """
mount -t overlay overlay -o "$2" "$1"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -t tmpfs none "$1/mnt"
mount --bind /etc/resolv.conf "$1/etc/resolv.conf"
cat /etc/apt/apt.conf.d/99* >"$1/mnt/apt.conf" 2>/dev/null || :
cat "${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}" >"$1/mnt/ca.pem"
shift 2
exec "$@"
"""


def mounted(image: Image, upper: Path) -> str:
    lower = ":".join(str(layer) for layer in reversed(image.layers))
    return f"lowerdir={lower},upperdir={upper},workdir={upper.with_name('work')}"


def _run(image: Image, upper: Path, command: str) -> None:
    place = upper.with_name("root")
    place.mkdir()
    helped = {"DEBIAN_FRONTEND": "noninteractive", "APT_CONFIG": "/mnt/apt.conf", "PIP_CERT": "/mnt/ca.pem"}
    environ = [f"{key}={value}" for key, value in (image.environ | helped).items()]
    inside = ["env", "-i", *environ, "chroot", f"--userspec={image.user}", str(place), "/bin/sh", "-c", command]
    argv = ["unshare", "-mpf", "--kill-child", "sh", "-euc", _RUN, "sh", str(place), mounted(image, upper), *inside]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=400)
    if done.returncode:
        raise AssertionError(f"RUN {command}: exit code {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    # An overlay has copied nothing there, but the mounts may have left the folder.
    for folder in ("mnt", "proc", "dev"):
        if (upper / folder).is_dir() and not any((upper / folder).iterdir()):
            (upper / folder).rmdir()


def _copy(found: list[Path], sources: list[str], upper: Path, target: str, mode: str) -> None:
    for path in found:
        top = next(ROOT / one for one in sources if path.is_relative_to(ROOT / one))
        place = upper / target.strip("/") / (path.relative_to(top) if top.is_dir() else path.name)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
        if mode:
            place.chmod(int(mode, 8))


def _copy_stage(source: Image, upper: Path, folder: str) -> None:
    """In this repository a folder is copied from a stage to the same place."""
    for layer in source.layers[1:]:
        if (layer / folder.strip("/")).is_dir():
            shutil.copytree(layer / folder.strip("/"), upper / folder.strip("/"), symlinks=True, dirs_exist_ok=True)
