"""Certificates that certbot and Caddy keep: what is said, and that what is said to be typed helps."""

import os
import re
import subprocess
import sys

import chatgate_tls.selfsigned as selfsigned
import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody who may not read it")

SOMEBODY = 64321  # a user id, as certbot's root or Caddy's user is another one than ours

CODE = """\
import sys, pathlib
from chatgate_tls import Tls, TlsOptions
from chatgate.hosting.confd import *; from chatgate.hosting.registry import PluginError
from chatgate.running.gateway import Gateway
where = dict(zip(("certificate", "key"), sys.argv[2:]))
plugins = (Enabled('tls', Tls, TlsOptions(**where)),)
gateway = Gateway(Config(pathlib.Path(sys.argv[1]), CoreOptions('example.org'), plugins))
print(*(p.text for found in gateway.hub.check.or_raise(gateway) for p in found))
try: print(gateway.certificate().chain)
except PluginError as error: print(error)
"""


def seen(folder, *files):
    """What `check` says, and what a start says, for a user who may read nothing but what is its own or its group's."""
    command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", sys.executable, "-c", CODE]
    path = os.pathsep.join(p for p in sys.path if p)
    said = subprocess.run(
        [*command, str(folder), *map(str, files)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    return said.stdout.splitlines()


def advised(line):
    return re.search(r"type as root: (.*?)(?:; and take|$)", line)[1]


def keep(folder, modes):
    """Give the folder and all in it to somebody else. modes: of folders and of files."""
    for path, _, files in os.walk(folder):
        os.chown(path, SOMEBODY, SOMEBODY)
        for name in files:
            os.lchown(os.path.join(path, name), SOMEBODY, SOMEBODY)
            os.chmod(os.path.join(path, name), modes[1])
    for path, _, _ in os.walk(folder, topdown=False):
        os.chmod(path, modes[0])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "gw").mkdir()
    return tmp_path / "gw"


def test_certbot(tmp_path, folder):
    root = tmp_path / "letsencrypt"
    live, archive = root / "live/example.org", root / "archive/example.org"
    selfsigned.make(archive / "fullchain1.pem", archive / "privkey1.pem", ["example.org"])
    live.mkdir(parents=True)
    files = [live / "fullchain.pem", live / "privkey.pem"]
    for file in files:
        file.symlink_to(f"../../archive/example.org/{file.stem}1.pem")
    keep(root / "live", (0o700, 0o600))
    keep(root / "archive", (0o700, 0o600))
    checked, raised = seen(folder, *files)
    both = f"{root}/live {root}/archive"
    assert (
        checked
        == raised
        == (
            f"{live}/fullchain.pem: Permission denied for user root; type as root: "
            f"chgrp -R root {both} && chmod -R g+rX {both}"
        )
    )
    subprocess.run(advised(raised), shell=True, check=True)
    assert seen(folder, *files) == ["", f"{live}/fullchain.pem"]
    assert list(folder.iterdir()) == []


def test_caddy(tmp_path, folder):
    kept = tmp_path / "caddy/certificates/acme-v02.api.letsencrypt.org-directory/example.org"
    files = [kept / "example.org.crt", kept / "example.org.key"]
    selfsigned.make(*files, ["example.org"])
    keep(tmp_path / "caddy", (0o700, 0o600))
    checked, raised = seen(folder, *files)
    assert checked == raised
    assert raised.startswith(f"{files[0]}: Permission denied for user root; type as root: install -o root -g root -m ")
    assert raised.endswith(
        "and take both names out of conf.d. docs/operate/tls.md shows how to have that done at each renewal"
    )
    (folder / "tls").mkdir()
    subprocess.run(advised(raised), shell=True, check=True)
    assert seen(folder) == ["", f"{folder}/tls/cert.pem"]


def test_copies_that_root_left_in_the_folder(folder):
    selfsigned.make(folder / "tls/cert.pem", folder / "tls/key.pem", ["example.org"])
    os.chown(folder / "tls/key.pem", SOMEBODY, SOMEBODY)
    checked, raised = seen(folder)
    assert checked == raised
    assert (
        raised
        == f"{folder}/tls/key.pem: Permission denied for user root; type as root: chown root:root {folder}/tls/key.pem"
    )
    subprocess.run(advised(raised), shell=True, check=True)
    assert seen(folder) == ["", f"{folder}/tls/cert.pem"]
