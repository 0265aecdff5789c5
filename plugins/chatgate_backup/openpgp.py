"""OpenPGP by GnuPG: streams through its process, keys through python-gnupg."""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self

import gevent
import gnupg

from chatgate.api import PluginError
from chatgate_backup.archive import PIECE, Broken

_ENCRYPT = ["--encrypt", "--trust-model=always", "--compress-algo=none", "--cipher-algo=AES256", "--no-encrypt-to"]
_GOOD = re.compile(rb"^\[GNUPG:\] DECRYPTION_OKAY", re.MULTILINE)
_WHY = (
    (rb"^\[GNUPG:\] NO_SECKEY", "there is no secret key for it here (--key names a file with one)"),
    (rb"BAD_PASSPHRASE|MISSING_PASSPHRASE|No pinentry|Inappropriate ioctl", "the passphrase of the key is not known"),
)


class Cipher:
    """A context manager: GnuPG with the keys of the user or, where `key` is a file, with those alone.

    key: a file with a key, or what names one in the user's keyring; "" for decrypting with the user's keys. passphrase:
    a file with that of a secret key. Raises PluginError where GnuPG or the key cannot be used.
    """

    def __init__(self, key: str = "", passphrase: Path | None = None) -> None:
        self._key, self._passphrase = key, passphrase
        self._home: str | None = None
        self._made: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._home is not None:
            gpgconf = shutil.which("gpgconf")
            if gpgconf:  # without it the agent ends by itself when it notices that its home is gone
                for task in (["--kill", "all"], ["--remove-socketdir"]):
                    subprocess.run([gpgconf, "--homedir", self._home, *task], capture_output=True, check=False)
            shutil.rmtree(self._home, ignore_errors=True)

    def recipient(self) -> str:
        """The fingerprint of the key to encrypt to. Raises PluginError."""
        keys = [key for key in self._gpg.list_keys() if self._home or self._names(key)]
        if len(keys) != 1:
            raise PluginError(f"{self._key}: {'several keys' if keys else 'no OpenPGP key'} of that name")
        return str(keys[0]["fingerprint"])

    @contextmanager
    def encrypting(self, write: Callable[[bytes], object]) -> Iterator[Callable[[bytes], object]]:
        """A function that takes what is to be encrypted. write: takes the OpenPGP message, complete in the end."""
        with self._running([*_ENCRYPT, "--recipient", self.recipient()]) as (process, errors):
            reading = gevent.spawn(_pass_on, process.stdout, write)
            try:
                yield process.stdin.write
                process.stdin.close()
            except BrokenPipeError:
                pass  # it has said why
            reading.get()
            if process.wait():
                raise PluginError(f"GnuPG did not encrypt: {_last(errors)}")

    def decrypted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The content of the OpenPGP message. Raises Broken, PluginError."""
        given = ["--pinentry-mode=loopback", "--passphrase-file", str(self._passphrase)] if self._passphrase else []
        with self._running([*given, "--decrypt"]) as (process, errors):
            feeding = gevent.spawn(_feed, process.stdin, pieces)
            while piece := process.stdout.read(PIECE):
                yield piece
            if wrong := feeding.get():  # what is wrong with the pieces, before GnuPG's own words
                raise wrong
            code, said = process.wait(), _read(errors)
            if code or not _GOOD.search(said):
                for pattern, why in _WHY:
                    if re.search(pattern, said, re.MULTILINE):
                        raise PluginError(f"the backup cannot be decrypted: {why}")
                raise Broken("cannot be decrypted, so it is cut off or bent")

    @contextmanager
    def _running(self, arguments: list[str]) -> Iterator[tuple[Any, IO[bytes]]]:
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                self._gpg.make_args(arguments, False),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
            )
            try:
                yield process, errors
            finally:
                process.kill()
                process.wait()
                for pipe in (process.stdin, process.stdout):
                    with contextlib.suppress(OSError):
                        pipe.close()  # type: ignore[union-attr]

    @property
    def _gpg(self) -> Any:
        if self._made is None:
            logging.getLogger("gnupg").setLevel(logging.WARNING)  # at DEBUG it logs what it is given
            program = shutil.which("gpg")
            if program is None:
                raise PluginError("GnuPG is needed and there is no program gpg: apt install gnupg")
            from_file = bool(self._key) and Path(self._key).is_file()
            if from_file:
                # A short path, as that of the agent's socket inside may only have 107 octets.
                self._home = tempfile.mkdtemp(prefix="key-")
            self._made = gnupg.GPG(gpgbinary=program, gnupghome=self._home)
            if from_file:
                given = ["--pinentry-mode=loopback", "--passphrase-file", str(self._passphrase)]
                found = self._made.import_keys_file(self._key, extra_args=given if self._passphrase else [])
                if not found.fingerprints:
                    raise PluginError(f"{self._key}: there is no OpenPGP key in this file")
        return self._made

    def _names(self, key: dict[str, Any]) -> bool:
        wanted = self._key.lower().removeprefix("0x")
        addresses = [uid.lower() for uid in key["uids"]]
        return (
            key["fingerprint"].lower().endswith(wanted)
            and len(wanted) >= 16
            or any(uid == wanted or f"<{wanted}>" in uid for uid in addresses)
        )


def _pass_on(pipe: IO[bytes], write: Callable[[bytes], object]) -> None:
    while piece := pipe.read(PIECE):
        write(piece)


def _feed(pipe: IO[bytes], pieces: Iterator[bytes]) -> Exception | None:
    """What was wrong with the pieces: raised in a greenlet, gevent would print it."""
    try:
        for piece in pieces:
            pipe.write(piece)
    except BrokenPipeError:
        for _ in pieces:  # what is wrong with them is told all the same
            pass
    except Exception as error:
        return error
    finally:
        with contextlib.suppress(OSError):
            pipe.close()
    return None


def _read(errors: IO[bytes]) -> bytes:
    errors.seek(0)
    return errors.read(1 << 16)


def _last(errors: IO[bytes]) -> str:
    lines = [line for line in _read(errors).decode("utf-8", "replace").splitlines() if not line.startswith("[GNUPG:]")]
    return lines[-1].removeprefix("gpg: ") if lines else "no reason given"
