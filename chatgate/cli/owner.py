"""Commands run by root act as the owner of the gateway's folder, as the service must be able to read and write the
files that they leave there.
"""

from __future__ import annotations

import ctypes
import os
import pwd
from pathlib import Path

_PR_SET_KEEPCAPS = 8  # linux/prctl.h; the others: linux/capability.h
_CAPABILITY_VERSION_3, _CAP_DAC_READ_SEARCH, _CAP_NET_BIND_SERVICE = 0x20080522, 2, 10


class CannotAct(Exception):
    """str() is one line for the operator."""


def act_as_owner(folder: Path) -> None:
    """Change from root to the owner of this folder, for good, before anything in it is opened. Nothing happens when
    somebody else runs the command, when the folder is root's own, or when it does not exist yet: `init` makes it for
    the user who runs it.

    Ports below 1024 can still be taken, so that `serve` works as it does under systemd. Files can still be read where
    Python or chatgate itself is for root alone, as in a virtual environment below /root. Raises CannotAct.
    """
    try:
        owner = folder.stat()
    except OSError:
        return
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    try:
        entry = pwd.getpwuid(owner.st_uid)
        name, group, home = entry.pw_name, entry.pw_gid, entry.pw_dir
    except KeyError:  # in a container the numbers may have no names
        name, group, home = "", owner.st_gid, str(folder)
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    try:
        if name:
            os.initgroups(name, group)
        else:
            os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(owner.st_uid, owner.st_uid, owner.st_uid)
    except OSError as error:
        who = name or owner.st_uid
        raise CannotAct(f"{folder} belongs to {who}, and root cannot act as {who} here: {error.strerror}") from error
    own_files = all(os.access(file, os.R_OK) for file in (__file__, os.__file__))
    _keep(libc, _CAP_NET_BIND_SERVICE, *([] if own_files else [_CAP_DAC_READ_SEARCH]))
    os.environ |= {"HOME": home, "USER": name or str(owner.st_uid), "LOGNAME": name or str(owner.st_uid)}


def _keep(libc: ctypes.CDLL, *capabilities: int) -> None:
    """Give up root's capabilities but these, as far as we had them (in a container root may have few)."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then the same for capabilities from 32 on
    libc.capget(header, sets)
    kept = sum(1 << number for number in capabilities) & sets[1]
    libc.capset(header, (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0))
