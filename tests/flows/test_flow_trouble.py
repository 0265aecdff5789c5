"""The machine runs out of something: clients are told to wait, nothing acknowledged is lost, and it goes on after."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import smtplib
import socket
import subprocess
from pathlib import Path

import pytest
from local_gateway import IMAPS, NO_RATE, SUBMISSIONS, LocalGateway, Login, Make, bodies

from chatgate.testing import pgp_message

CAN_MOUNT = os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


def send(gateway: LocalGateway, login: Login, octets: int) -> bytes:
    """To oneself. Returns the body."""
    message = pgp_message(login[0], login[0], octets)
    with gateway.submissions(login) as sender:
        sender.sendmail(login[0], login[0], message)
    return message.partition(b"\r\n\r\n")[2]


def received(gateway: LocalGateway, login: Login) -> list[bytes]:
    reader = gateway.imap(login)
    reader.select("INBOX")
    return [content.partition(b"\r\n\r\n")[2] for content in bodies(reader).values()]


@pytest.mark.skipif(not CAN_MOUNT, reason="needs root and a mount namespace for a small disk")
def test_a_full_disk_refuses_for_now_and_loses_nothing(local_gateway: Make) -> None:
    # Without the sweeper's marks, which refuse long before.
    marks = {"no_accounts_below_bytes": 0, "no_large_mail_below_bytes": 0}
    gateway = local_gateway(smtp=NO_RATE, sweeper=marks, maildb={"reserve_bytes": 1_000_000})
    small_disk = f'mount -t tmpfs -o size=8m none {gateway.folder}/data && exec "$@"'
    gateway.start(under=("unshare", "-m", "sh", "-c", small_disk, "sh"))
    assert gateway.process is not None
    # as seen from outside of its mount namespace
    data = Path(f"/proc/{gateway.process.pid}/root{gateway.folder}/data")
    alice = gateway.account()
    kept = [send(gateway, alice, 3_000), send(gateway, alice, 100_000)]
    with (data / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while ballast.write(bytes(4096)):
            pass
    assert shutil.disk_usage(data).free == 0
    for octets in (3_000, 100_000, 3_000):
        for _ in range(40):  # there may be some room left in files that exist
            try:
                kept.append(send(gateway, alice, octets))
            except smtplib.SMTPResponseException as error:
                assert 400 <= error.smtp_code < 500, error
                break
        else:
            raise AssertionError("the disk is full, and still it takes mail")
    assert received(gateway, alice) == kept, "what was acknowledged can be read on a full disk"
    reader = gateway.imap(alice)
    reader.select("INBOX")
    reader.store("1", "+FLAGS", "(\\Deleted)")
    reader.expunge()
    assert received(gateway, alice) == kept[1:], "and deleted"
    del kept[0]
    (data / "ballast").unlink()
    for octets in (3_000, 100_000):
        kept.append(send(gateway, alice, octets))
    assert received(gateway, alice) == kept
    assert "Traceback" not in gateway.output()


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit (util-linux)")
def test_more_connections_than_file_descriptors_do_not_end_it(local_gateway: Make) -> None:
    gateway = local_gateway().start(under=("prlimit", "--nofile=120"))
    alice = gateway.account()
    socks: list[socket.socket] = []
    for number in range(200):
        with contextlib.suppress(OSError):
            socks.append(gateway.raw((IMAPS, SUBMISSIONS)[number % 2], seconds=2))
    assert len(socks) > 120
    for sock in socks:
        sock.close()
    body = send(gateway, alice, 3_000)
    assert received(gateway, alice) == [body]
    assert "Traceback" not in gateway.output()


def test_it_starts_with_an_expired_certificate_and_says_so(local_gateway: Make) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    gateway = local_gateway()
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    subject, issuer = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in ("us", "some CA"))
    certificate = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), 1)
        .not_valid_before(now - datetime.timedelta(90))
        .not_valid_after(now - datetime.timedelta(2))
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (gateway.folder / "tls/cert.pem").write_bytes(certificate.public_bytes(pem))
    (gateway.folder / "tls/key.pem").write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    assert gateway.run("check").returncode == 1
    gateway.start()
    assert "expired 2 days ago" in gateway.output()
    gateway.account()


@pytest.mark.skipif(not CAN_MOUNT, reason="needs root and a mount namespace for a small disk")
def test_it_starts_on_a_full_disk(local_gateway: Make) -> None:
    gateway = local_gateway(smtp=NO_RATE)
    gateway.start()
    alice = gateway.account()
    body = send(gateway, alice, 3_000)
    assert gateway.stop() == 0
    folder = gateway.folder
    disk = f"mount -t tmpfs -o size=48m none {folder.parent}/disk && cp -a {folder}/. {folder.parent}/disk"
    fill = f"cat /dev/zero > {folder.parent}/disk/ballast 2>/dev/null"
    (folder.parent / "disk").mkdir()
    script = f'{disk} && {{ {fill}; mount --bind {folder.parent}/disk {folder} && exec "$@"; }}'
    gateway.start(under=("unshare", "-m", "sh", "-c", script, "sh"))
    assert received(gateway, alice) == [body]
    assert "Traceback" not in gateway.output()
