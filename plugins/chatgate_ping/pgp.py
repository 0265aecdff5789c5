"""Two OpenPGP keys that exist during one ping, in a GnuPG home of their own."""

from __future__ import annotations

import logging
import shutil
import subprocess
import tempfile
from typing import Any, Self

import gnupg

from chatgate.api import PluginError

_KEY = """\
Key-Type: EDDSA
Key-Curve: ed25519
Key-Usage: sign
Subkey-Type: ECDH
Subkey-Curve: cv25519
Subkey-Usage: encrypt
Name-Real: {name}
Expire-Date: 2d
Preferences: AES256 SHA512 Uncompressed
%no-protection
%commit
"""

_OPTIONS = [
    # Armor lines that relays refuse, in case the machine's gpg.conf turns them on.
    "--no-emit-version",
    "--no-comments",
    # GnuPG 2.3 and later encrypt with a packet of their own (OCB, packet 20) that relays refuse.
    "--rfc4880",
    "--compress-algo=none",
]


class Keyring:
    """A context manager: the keys are made on entry and removed on exit, with their home and the agent.

    program: GnuPG's name or path. Raises PluginError if it is missing or fails.
    """

    def __init__(self, program: str) -> None:
        path = shutil.which(program)
        if path is None:
            raise PluginError(f"GnuPG is needed and there is no program {program!r}: apt install gnupg")
        self._program = path
        self._home = ""
        self._gpg: Any = None
        self.sender = self.recipient = ""  # fingerprints

    def __enter__(self) -> Self:
        # A short path, as that of the agent's socket inside may only have 107 octets.
        self._home = tempfile.mkdtemp(prefix="ping-")
        try:
            # At level DEBUG python-gnupg logs what it encrypts.
            logging.getLogger("gnupg").setLevel(logging.WARNING)
            self._gpg = gnupg.GPG(gpgbinary=self._program, gnupghome=self._home, options=_OPTIONS)
            self.sender, self.recipient = self._key("sender"), self._key("recipient")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        gpgconf = shutil.which("gpgconf")
        if gpgconf:  # without it the agent ends by itself when it notices that its home is gone
            for task in (["--kill", "all"], ["--remove-socketdir"]):
                subprocess.run([gpgconf, "--homedir", self._home, *task], capture_output=True, check=False)
        shutil.rmtree(self._home, ignore_errors=True)

    def encrypt(self, text: bytes) -> bytes:
        """ASCII armor, signed by the sender for the recipient. Raises PluginError."""
        result = self._gpg.encrypt(text, self.recipient, sign=self.sender, always_trust=True)
        if not result.ok:
            raise PluginError(f"{self._program} did not encrypt: {result.status or 'no reason given'}")
        return result.data

    def decrypt(self, armor: bytes) -> bytes | None:
        """The text, or None if it is not for the recipient or not signed by the sender."""
        result = self._gpg.decrypt(armor, always_trust=True)
        return result.data if result.ok and result.fingerprint == self.sender else None

    def _key(self, name: str) -> str:
        key = self._gpg.gen_key(_KEY.format(name=name))
        if not key.fingerprint:
            raise PluginError(f"{self._program} made no key: {key.status or 'no reason given'}")
        return key.fingerprint
