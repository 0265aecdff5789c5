"""The secret shared with coturn, and the credentials made from it."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from pathlib import Path

from chatgate.api import PluginError, replace_file

# A shorter secret could be found by brute force: everybody with an account knows a user name and its HMAC. Blanks would
# not survive turnserver.conf.
_FIT = re.compile(r"[!-~]{20,512}")


def check_secret(secret: str) -> str:
    """Returns the secret. Raises ValueError if it is not suitable."""
    if not _FIT.fullmatch(secret):
        raise ValueError("must have 20 to 512 characters of ASCII, no blanks")
    return secret


def read_secret(path: Path) -> str:
    """The secret in this file. Raises PluginError, FileNotFoundError."""
    try:
        return check_secret(path.read_text("ascii").strip())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PluginError(f"turn: cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise PluginError(f"turn: {path}: the secret must have 20 to 512 characters of ASCII, no blanks") from error


def read_or_make_secret(path: Path) -> str:
    """The secret in this file; if there is no such file, it is made with 256 random bits. Raises PluginError."""
    try:
        return read_secret(path)
    except FileNotFoundError:
        _make(path)
    return read_secret(path)


def _make(path: Path) -> None:
    try:
        # Never in place of a file that another process, such as a command, has just made.
        replace_file(path, f"{secrets.token_hex(32)}\n".encode(), only_new=True)
    except FileExistsError:
        pass
    except OSError as error:
        raise PluginError(f"turn: cannot make {path}: {error.strerror}") from error


def make_credentials(secret: str, expires: int) -> tuple[str, str]:
    """(username, password) that coturn with `use-auth-secret` accepts until `expires`, in Unix seconds.

    The user name is just that time: Delta Chat reads from it when to fetch new credentials.
    """
    username = str(expires)
    return username, base64.b64encode(hmac.digest(secret.encode(), username.encode(), "sha1")).decode()
