"""Imports in this process, and Debian's Dovecot as it keeps mail: its imap program, talked to over a pipe."""

import imaplib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from chatgate_movein.command import bring_all
from chatgate_movein.journal import Journal
from chatgate_movein.moving import Move

from chatgate.running.gateway import Gateway
from chatgate.testing import config

sys.path.insert(0, str(Path(__file__).parent))

from movein_kit import DAY, PLUGINS, SHA512  # noqa: E402


@pytest.fixture
def closed(tmp_path):
    """Makes gateways that are not started, in the folder of `gateway_factory`; closed after the test."""
    made = []

    def make(*plugins, **settings):
        gateway = Gateway(config(tmp_path, *(plugins or PLUGINS), **{"domain": "old.example"} | settings))
        made.append(gateway)
        return gateway

    yield make
    for gateway in made:
        gateway.store.close()


@pytest.fixture
def bring(closed):
    """Import from a source into a gateway that is not started; returns the report's data."""

    def run(source, gateway=None, onto=None, dry=False):
        gateway = gateway or closed()
        journal = Journal(gateway.path("data/movein.db"), writes=not dry)
        move = Move(gateway, source, journal, gateway.domains.named(onto) if onto else None, dry)
        try:
            bring_all(move, list(source.people()), True)
        finally:
            source.close()
            journal.close()
        return move.report.data()

    return run


class Dovecot:
    """Mail as cmdeploy has Dovecot keep it. It runs as a user without rights, and listens nowhere."""

    def __init__(self, folder):
        self.folder, self.mail = folder, folder / "mail/old.example"
        self.mail.mkdir(parents=True)
        (folder / "dovecot.conf").write_text(f"""
            base_dir = {folder}
            log_path = /dev/null
            ssl = no
            stats_writer_socket_path =
            mail_location = maildir:{self.mail}/%u
            mail_home = {self.mail}/%u
            mail_plugins = zlib
            plugin {{
              zlib_save = gz
            }}
            namespace inbox {{
              inbox = yes
            }}
        """)
        self.user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] if os.getuid() == 0 else []
        if self.user:
            subprocess.run(["chown", "-R", "65534:65534", folder], check=True)
            for above in folder.parents[:2]:
                above.chmod(0o755)

    def home(self, address):
        return self.mail / address

    def client(self, address):
        words = [*self.user, "env", "-i", f"USER={address}", f"HOME={self.home(address)}"]
        return imaplib.IMAP4_stream(
            "exec " + " ".join(words) + f" /usr/lib/dovecot/imap -c {self.folder}/dovecot.conf 2>{self.folder}/errors"
        )

    def password(self, address, hashed="{SHA512-CRYPT}" + SHA512, day=20_000):
        """As doveauth and lastlogin keep it."""
        file = self.home(address) / "password"
        file.parent.mkdir(exist_ok=True)
        file.write_text(hashed)
        os.utime(file, (day * DAY, day * DAY))
        if self.user:
            shutil.chown(file.parent, 65534, 65534)


@pytest.fixture(scope="module")
def dovecot(tmp_path_factory):
    if not shutil.which("setpriv") or not os.path.exists("/usr/lib/dovecot/imap"):
        pytest.skip("Debian's dovecot-imapd is not installed")
    return Dovecot(tmp_path_factory.mktemp("dovecot"))
