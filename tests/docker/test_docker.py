"""The image and compose: no engine runs here, so each part of what one would do is done without it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import docker_compose as compose
import docker_image as image
import namespace
import pytest

HERE = Path(__file__).parent

MISSING = [name for name in ("caddy", "debootstrap", "pebble") if not shutil.which(name)]
REASON = namespace.refused() or ("needs root" if os.geteuid() else "") or ", ".join(MISSING)
ENVIRON = {"CHATGATE_DOMAIN": "chat.example.org"}


def test_hadolint_finds_nothing():
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, image.ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_gets_what_it_is_built_from_and_nothing_else():
    names = [path.relative_to(image.ROOT).as_posix() for path in image.context(".")]
    assert {"setup.py", "requirements.lock", "chatgate/__main__.py", "contrib/docker/chatgate-start"} <= set(names)
    foreign = re.compile(r"^(\.|local/|docs/|tests/)|__pycache__|\.(pem|key|db)$")
    assert not [name for name in names if foreign.search(name)]


def test_compose_is_as_its_specification_has_it_and_asks_for_the_domain():
    with pytest.raises(ValueError, match=r"CHATGATE_DOMAIN: set it in \.env"):
        compose.read({})
    services = compose.read(ENVIRON)["services"]
    assert set(services) == {"volumes", "chatgate", "caddy"}
    for name in ("chatgate", "caddy"):
        one = services[name]
        assert one["depends_on"]["volumes"]["condition"] == "service_completed_successfully"
        assert one["restart"] == "unless-stopped" and one["read_only"] and one["cap_drop"] == ["ALL"]
        assert one["mem_limit"] and one["pids_limit"] and one["ulimits"]["nofile"]
        assert one["environment"]["CHATGATE_HOSTNAME"] == "chat.example.org", "where it is not set"
    published = sorted(
        int(port.split(":")[0]) for one in services.values() for port in one.get("ports", ()) if port[-1] != "p"
    )
    assert published == [25, 80, 143, 443, 465, 587, 993]


def test_the_gateway_and_caddy_mean_the_same_authority_and_the_same_user():
    """Caddy names the folder of its certificates after the address of the authority."""
    services = compose.read(ENVIRON | {"CHATGATE_HOSTNAME": "mail.example.org"})["services"]
    place = services["caddy"]["environment"]["CHATGATE_ACME"].removeprefix("https://").replace("/", "-")
    stored = f"/srv/certificates/{place}/mail.example.org/mail.example.org"
    told = services["chatgate"]["environment"]
    assert (told["CHATGATE_CERTIFICATE"], told["CHATGATE_KEY"]) == (f"{stored}.crt", f"{stored}.key")
    (user,) = [value for word, value in image.instructions() if word == "USER"]
    assert services["caddy"]["user"] == user == services["volumes"]["entrypoint"][1]
    assert "user" not in services["chatgate"]


def test_the_image_is_built_once_and_fetched_from_nowhere():
    services = compose.read(ENVIRON)["services"]
    builds = {name: one["build"] for name, one in services.items() if "build" in one}
    assert builds == {"volumes": "../.."} and services["chatgate"]["pull_policy"] == "never"
    assert services["volumes"]["image"] == services["chatgate"]["image"]


@pytest.mark.skipif(bool(REASON), reason=REASON)
def test_the_image_and_compose_from_the_first_start_to_a_renewed_certificate(tmp_path):
    built = image.build(image.instructions())
    (tmp_path / "image.json").write_text(json.dumps(dataclasses.asdict(built), default=str))
    story = [sys.executable, str(HERE / "docker_story.py"), str(tmp_path / "image.json"), str(tmp_path)]
    done = subprocess.run(namespace.command(tmp_path, {}, story), capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
