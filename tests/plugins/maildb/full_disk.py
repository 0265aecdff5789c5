"""Runs in a mount namespace of its own, with the store on a small file system: what can be done when that is full.

Prints one line for each thing that went right; the test compares them.
"""

from gevent import monkey

monkey.patch_all()

# ruff: noqa: E402
import logging
import os
import subprocess
import sys
from pathlib import Path

from chatgate_maildb import MailDb, MailDbOptions

from chatgate.api import Delivery, StoreFull
from chatgate.hosting.confd import Config, Enabled
from chatgate.hosting.options import CoreOptions
from chatgate.running.gateway import Gateway

logging.disable(logging.CRITICAL)

folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)], check=True)


def gateway() -> Gateway:
    plugin = Enabled("maildb", MailDb, MailDbOptions(reserve_bytes=4_000_000))
    return Gateway(Config(folder, CoreOptions(domain="example.org"), (plugin,)))


def fill(store, inbox: Delivery, octets: int) -> int:
    """Messages until none is taken."""
    for count in range(100_000):
        try:
            store.store(b"Subject: x\r\n\r\n" + os.urandom(octets), [inbox])
        except StoreFull:
            return count
    raise AssertionError


(folder / "ballast").write_bytes(bytes(8_000_000))
serving = gateway()
store = serving.store
account = store.create_account("alice@example.org", "secret")
box = store.mailbox(account.id, "INBOX")
inbox = Delivery(account.address, box.id, account.id)
print("reserve made", (folder / "data/reserve").stat().st_size)
fill(store, inbox, 200_000)  # files
count = fill(store, inbox, 5_000)  # rows
print("filled", count > 0, (folder / "data/reserve").exists())
with open(folder / "ballast", "ab", buffering=0) as ballast:  # what else is on the disk grows too
    try:
        while True:
            ballast.write(bytes(4096))
    except OSError:
        pass
print("full", os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize < 4096)
serving.stop()

os.truncate(folder / "ballast", max(0, (folder / "ballast").stat().st_size - 200_000))
serving = gateway()  # a start on a disk that is all but full
store = serving.store
os.truncate(folder / "ballast", 0)
print("regained", store.store(b"Subject: y\r\n\r\nz", [inbox])[0].uid > 0, (folder / "data/reserve").exists())
fill(store, inbox, 5_000)
uids = [message.uid for message in store.changes(box.id).messages]
try:
    store.store(b"Subject: z\r\n\r\n", [inbox])
except StoreFull as error:
    print("refused", error)
half = len(uids) // 2
store.set_flags(box.id, uids[:half], "add", ["\\Deleted"])
print("deleted", len(store.expunge(box.id)) == half > 0)
print("removed", store.remove((box.id, uid) for uid in uids[half:]) == len(uids) - half)
store.delete_account(account.id)
store.expire(0)
store.create_account("bob@example.org", "secret")
print("room again")
print("sound", store.integrity())
serving.stop()
