"""What an operator types so that the gateway may read certificates that another program keeps."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shlex
from pathlib import Path

# certbot's /etc/letsencrypt/live/NAME/privkey.pem is a link to ../../archive/NAME/privkey1.pem.
_CERTBOT = re.compile(r"(.*)/live/[^/]+/(?:privkey|fullchain|cert|chain)\.pem")


def advice(path: Path, chain: Path, key: Path, folder: Path) -> str:
    """What follows "Permission denied": for whom, and the command that mends it. path: of chain and key, the one that
    cannot be read. folder: the gateway's.
    """
    user, group = _user(), _group()
    told = f" for user {user}; type as root: "
    if path.parent.resolve().is_relative_to(folder.resolve()) and not path.is_symlink():
        return told + f"chown {user}:{group} {_quoted(path)}"
    if found := _CERTBOT.fullmatch(str(path)):
        # It keeps the group of a private key, and whether that may read it, at each renewal.
        both = _quoted(f"{found[1]}/live", f"{found[1]}/archive")
        return told + f"chgrp -R {group} {both} && chmod -R g+rX {both}"
    # Others, such as Caddy, write each new key for themselves alone: no change to the present one would last.
    copies = [(chain, folder / "tls/cert.pem"), (key, folder / "tls/key.pem")]
    lines = [f"install -o {user} -g {group} -m 600 {_quoted(a, b)}" for a, b in copies]
    return (
        told + " && ".join(lines) + "; and take both names out of conf.d. docs/operate/tls.md shows how to have that "
        "done at each renewal"
    )


def _quoted(*paths: Path | str) -> str:
    return " ".join(shlex.quote(str(path)) for path in paths)


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _group() -> str:
    try:
        return grp.getgrgid(os.getegid()).gr_name
    except KeyError:
        return str(os.getegid())
