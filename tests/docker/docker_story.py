"""Compose from the first start to a renewed certificate; in a namespace: docker_story.py IMAGE.json FOLDER."""

from __future__ import annotations

import http.client
import json
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "federation"))

from authority import Authority
from dnsserver import DnsServer
from docker_compose import Containers, read
from docker_image import Image

DOMAIN, HOSTNAME = "chat.example.org", "mail.example.org"
PAGE = Path(__file__).parents[2] / "docs/operate/docker.md"
VISITOR = "127.7.7.7"
LETS_ENCRYPT, OURS = "acme-v02.api.letsencrypt.org", "localhost:14000"


def until(true: Callable[[], object], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def pebble(folder: Path, authority: Authority) -> subprocess.Popen[bytes]:
    """An authority for ACME, which checks what it is told as a real one does."""
    authority.certificate(["localhost"], folder / "pebble.pem", folder / "pebble.key")
    settings = {
        "listenAddress": OURS, "managementListenAddress": "localhost:15000", "httpPort": 80, "tlsPort": 443,
        "certificate": str(folder / "pebble.pem"), "privateKey": str(folder / "pebble.key"),
    }  # fmt: skip
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    environ = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PATH": "/usr/bin:/bin"}
    with (folder / "pebble.log").open("wb") as log:
        return subprocess.Popen(["pebble", "-config", str(folder / "pebble.json")], env=environ, stdout=log, stderr=log)


def pebble_root(authority: Authority) -> str:
    """What certificates of `pebble` are proven with, in PEM, once it is there."""
    until(lambda: opens(15000), "pebble does not start")
    theirs = ssl.create_default_context(cafile=str(authority.file))
    with urllib.request.urlopen("https://localhost:15000/roots/0", context=theirs) as answer:
        return answer.read().decode()


def opens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def certificate(context: ssl.SSLContext, port: int, name: str) -> bytes:
    """That a client is shown, and finds valid for this name."""
    with socket.create_connection(("127.0.0.1", port), 20, (VISITOR, 0)) as sock:
        with context.wrap_socket(sock, server_hostname=name) as secure:
            found = secure.getpeercert(True)
            assert found
            return found


def visit(context: ssl.SSLContext, name: str, path: str) -> tuple[int, str]:
    """Status and page."""
    connection = http.client.HTTPSConnection(name, context=context, timeout=20, source_address=(VISITOR, 0))
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def commands(mark: str, into: str) -> list[str]:
    """Those that a block of the page with this mark says to run in the container."""
    (block,) = re.findall(f"```sh {mark}\n(.*?)```", PAGE.read_text(), re.S)
    return [line.removeprefix(into) for line in block.splitlines() if line.startswith(into)]


def alone(containers: Containers) -> None:
    """The image by itself, as `docker run` starts it: with its own ports and check, and nothing that compose adds."""
    subprocess.run(["umount", str(containers.root / "etc/chatgate/conf.d")], check=True)
    for old in (containers.root / "var/lib/chatgate").iterdir():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    containers.services["alone"] = {"environment": {}}
    done = containers.run("alone")
    assert done.returncode == 2 and "set CHATGATE_DOMAIN" in done.stderr
    containers.services["alone"]["environment"]["CHATGATE_DOMAIN"] = DOMAIN
    gateway = containers.start("alone")
    healthcheck = containers.image.healthcheck
    until(lambda: containers.run("alone", *healthcheck).returncode == 0, "not healthy")
    assert all(map(opens, (25, 80, 143, 443, 465, 587, 993)))
    for line in commands("alone", "docker exec chatgate "):
        done = containers.run("alone", *shlex.split(line))
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    gateway.terminate()
    assert gateway.wait(30) == 0
    assert containers.run("alone", *healthcheck).returncode == 1
    assert "agree_to_terms" not in containers.run("alone", "chatgate", "check").stdout


def main(image: Image, folder: Path) -> None:
    DnsServer({name: {"A": "127.0.0.1"} for name in (DOMAIN, HOSTNAME, f"www.{DOMAIN}", f"mta-sts.{DOMAIN}")}, port=53)
    authority = Authority(folder / "authority.pem")
    ca = pebble(folder, authority)
    root = pebble_root(authority)
    trusting = ssl.create_default_context(cadata=root)

    text = json.dumps(read({"CHATGATE_DOMAIN": DOMAIN, "CHATGATE_HOSTNAME": HOSTNAME}))
    text = text.replace(f"{LETS_ENCRYPT}-directory", "localhost-14000-dir").replace(
        f"{LETS_ENCRYPT}/directory", f"{OURS}/dir"
    )
    containers = Containers(json.loads(text), image, folder, {"SSL_CERT_FILE": "/run/chatgate/trusted.pem"})
    (containers.root / "run/chatgate/trusted.pem").write_text(root + authority.file.read_text())
    try:
        done = containers.run("volumes")
        assert done.returncode == 0, done.stderr

        gateway = containers.start("chatgate")
        until(
            lambda: "chatgate: waiting for /srv/certificates/localhost-14000-dir" in containers.said(), "does not wait"
        )
        assert not opens(993)
        with (containers.root / "var/lib/chatgate/conf.d/10-tls.toml").open("a") as settings:
            settings.write("reread_seconds = 1.0\n")
        caddy = containers.start("caddy")
        healthy = containers.services["chatgate"]["healthcheck"]["test"][1:]
        until(lambda: containers.run("chatgate", *healthy).returncode == 0, "not healthy")

        # One certificate for the name of mail, whoever shows it, and one for each name of the web.
        of_mail = {certificate(trusting, port, HOSTNAME) for port in (443, 465, 993)}
        assert len(of_mail) == 1
        status, page = visit(trusting, DOMAIN, "/")
        assert status == 200 and DOMAIN in page
        status, page = visit(trusting, f"mta-sts.{DOMAIN}", "/.well-known/mta-sts.txt")
        assert status == 200 and f"mx: {HOSTNAME}" in page
        key = next((containers.root / "srv/certificates").rglob(f"{HOSTNAME}.key"))
        assert key.stat().st_mode & 0o077 == 0, "the key is for its owner alone"
        for line in commands("exec", "docker compose exec chatgate "):
            done = containers.run("chatgate", *shlex.split(line))
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"

        for line in commands("run", "docker compose run --rm chatgate "):
            done = containers.run("chatgate", *image.entrypoint, *shlex.split(line))
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"

        # A renewal, as far as the gateway sees it: other files in the same places.
        caddy.terminate()
        caddy.wait()
        for old in key.parent.iterdir():
            old.unlink()
        # Caddy 2.6 asks for all names at once when it is new, and may store one account's address with another's key.
        shutil.rmtree(containers.root / "srv/acme")
        caddy = containers.start("caddy")
        until(lambda: opens(443) and key.exists() and key.with_suffix(".crt").exists(), "no new certificate")
        (new,) = {certificate(trusting, 443, HOSTNAME)}
        assert new not in of_mail
        until(lambda: certificate(trusting, 993, HOSTNAME) == new, "the gateway does not see the new certificate")

        # A second start finds the folder, and changes nothing in it.
        gateway.terminate()
        assert gateway.wait(30) == 0
        assert visit(trusting, DOMAIN, "/")[0] == 502, "Caddy says so, but not to whom"
        folder_of = containers.root / "var/lib/chatgate/conf.d"
        before = {path.name: path.read_bytes() for path in folder_of.iterdir()}
        gateway = containers.start("chatgate")
        until(lambda: containers.run("chatgate", *healthy).returncode == 0, "not healthy again")
        assert {path.name: path.read_bytes() for path in folder_of.iterdir()} == before
        gateway.terminate()
        assert gateway.wait(30) == 0
        caddy.terminate()
        caddy.wait()
        assert VISITOR not in containers.said()
        alone(containers)
    except BaseException:
        print(containers.said()[-8000:], (folder / "pebble.log").read_text()[-3000:], sep="\n--- pebble ---\n")
        raise
    finally:
        ca.terminate()
        ca.wait()


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    given["layers"] = tuple(map(Path, given["layers"]))
    main(Image(**given), Path(sys.argv[2]))
