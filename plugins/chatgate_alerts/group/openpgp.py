"""OpenPGP by GnuPG, with a home that is there for the moment of use: no agent and no key ring stay behind."""

from __future__ import annotations

import logging
import shutil
import subprocess
import tempfile
from typing import Any, NamedTuple, Self

from chatgate.api import PluginError

_KEY = """\
Key-Type: EDDSA
Key-Curve: ed25519
Key-Usage: sign
Subkey-Type: ECDH
Subkey-Curve: cv25519
Subkey-Usage: encrypt
Name-Email: {address}
Expire-Date: 0
Preferences: AES256 SHA512 Uncompressed
%no-protection
%commit
"""

# What Delta Chat, and the servers on the way, take from any version of GnuPG; nobody sees from outside who can read it.
_OPTIONS = ["--no-emit-version", "--no-comments", "--rfc4880", "--compress-algo=none", "--throw-keyids"]


class Key(NamedTuple):
    """secret, public: without armor."""

    fingerprint: str
    secret: bytes
    public: bytes


class Read(NamedTuple):
    """A message that was decrypted. signer: the fingerprint of the key that has signed it, if that is known here."""

    text: bytes
    signer: str


class Keyring:
    """A context manager. program: GnuPG's name or path. Raises PluginError where it is missing or fails."""

    def __init__(self, program: str = "gpg") -> None:
        path = shutil.which(program)
        if path is None:
            raise PluginError("GnuPG is needed and there is no program gpg: apt install gnupg")
        self._program, self._home = path, ""
        self._gpg: Any = None

    def __enter__(self) -> Self:
        import gnupg  # a gateway without a group can save its memory

        logging.getLogger("gnupg").setLevel(logging.WARNING)  # at DEBUG it logs what it is given
        # A short path, as that of the agent's socket inside may only have 107 octets.
        self._home = tempfile.mkdtemp(prefix="alerts-")
        self._gpg = gnupg.GPG(gpgbinary=self._program, gnupghome=self._home, options=_OPTIONS)
        return self

    def __exit__(self, *error: object) -> None:
        gpgconf = shutil.which("gpgconf")
        if gpgconf:  # without it the agent ends by itself when it notices that its home is gone
            for task in (["--kill", "all"], ["--remove-socketdir"]):
                subprocess.run([gpgconf, "--homedir", self._home, *task], capture_output=True, check=False)
        shutil.rmtree(self._home, ignore_errors=True)

    def made(self, address: str) -> Key:
        """A new key for this address."""
        made = self._gpg.gen_key(_KEY.format(address=address))
        if not made.fingerprint:
            raise PluginError(f"GnuPG made no key: {made.status or 'no reason given'}")
        secret = self._gpg.export_keys(made.fingerprint, secret=True, armor=False, expect_passphrase=False)
        public = self._gpg.export_keys(made.fingerprint, armor=False, minimal=True)
        return Key(made.fingerprint, bytes(secret), bytes(public))

    def add(self, key: bytes) -> str:
        """Have a key, public or secret; its fingerprint, "" for what is not exactly one key."""
        found = self._gpg.import_keys(key)
        fingerprints = set(found.fingerprints)
        return str(fingerprints.pop()) if len(fingerprints) == 1 else ""

    def encrypt(self, text: bytes, recipients: list[str], signer: str) -> bytes:
        """With armor. recipients, signer: fingerprints of keys that were added."""
        done = self._gpg.encrypt(text, recipients, sign=signer, always_trust=True)
        if not done.ok:
            raise PluginError(f"GnuPG did not encrypt: {done.status or 'no reason given'}")
        return bytes(done.data)

    def decrypt(self, armor: bytes) -> Read | None:
        """None: it is not for a key that was added, or broken."""
        done = self._gpg.decrypt(armor, always_trust=True)
        return Read(bytes(done.data), done.pubkey_fingerprint or "" if done.valid else "") if done.ok else None
