"""A second opinion on the packets of a message, from GnuPG by way of python-gnupg."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import gnupg
from gevent.lock import BoundedSemaphore

from chatgate_gate import mime
from chatgate_gate.check import encrypted_part
from chatgate_gate.openpgp import dearmored, packets

_PACKET = re.compile(rb"^# off=(\d+) ctb=[0-9a-f]{2} tag=(\d+) ", re.M)
# --list-only: look for no key, ask for no passphrase. --no-autostart: leave no agent behind.
_COMMAND = ["--no-autostart", "--no-options", "--list-only", "--list-packets"]


class Unavailable(Exception):
    """GnuPG gave no opinion. str() contains nothing from the message."""


class SecondOpinion:
    """Asks the program `gpg` whether it sees the same packets as `chatgate_gate.openpgp`.

    GnuPG 2.2 and 2.4 cannot read SEIPD version 2, which Delta Chat sends: of such a message they get only the session
    keys and the beginning of the encrypted packet. Of any other message they get everything, including the armor.
    """

    def __init__(self, gpg: str, home: Path, seconds: float, processes: int) -> None:
        """gpg: the program. home: its folder, made if missing. seconds: how long it may take. processes: how many may
        run at the same time.

        Raises Unavailable if it cannot be run.
        """
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._gpg = gnupg.GPG(gpgbinary=gpg, gnupghome=str(home))
        except (OSError, ValueError) as error:
            raise Unavailable(f"gpg cannot be used: {type(error).__name__}") from error
        self._seconds = seconds
        self._running = BoundedSemaphore(max(1, processes))

    def agrees(self, content: bytes, *, max_header: int) -> bool:
        """Does GnuPG see the same packets as we do in this message, which `inspect` found to be encrypted?

        Raises Unavailable when it fails or takes too long.
        """
        header, body = mime.split(content, max_header)
        armor = encrypted_part(content, body, mime.content_type(header))
        octets = dearmored(armor, headers_allowed=True)
        ours = packets(octets)
        last = ours[-1]
        expected = [(packet.offset, packet.tag) for packet in ours]
        if last.version == 1:
            return self._listed(armor) == expected
        # The longest header, and the octets of fixed meaning after it; gpg would take what follows for packets.
        return self._listed(octets.read(0, last.offset + 10))[: len(expected)] == expected

    def _listed(self, message: bytes) -> Sequence[tuple[int, int]]:
        """(offset, tag) of each packet that gpg lists."""
        command = self._gpg.make_args(_COMMAND, None)
        try:
            with self._running:
                done = subprocess.run(
                    command, input=message, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=self._seconds
                )
        except subprocess.TimeoutExpired:
            raise Unavailable("gpg took too long") from None
        except OSError as error:
            raise Unavailable(f"gpg cannot be used: {type(error).__name__}") from error
        # It exits with 2 if it has no key for a message, and so for every message; ending by a signal is a failure.
        if done.returncode not in (0, 2):
            raise Unavailable(f"gpg ended with {done.returncode}")
        return [(int(offset), int(tag)) for offset, tag in _PACKET.findall(done.stdout)]
