"""Changing one's own password, on the page as well as by METADATA."""

from __future__ import annotations

from chatgate.api import Account, Gateway, Reply

_NOBODY_CHANGES = Reply(550, "5.3.3", "This server changes no passwords", imap="CANNOT")


def set_password(gateway: Gateway, account: Account, password: str) -> Reply:
    """Change the password, or say why not."""
    answer = gateway.accounts.set_password(account, password)
    if answer is True:
        return Reply(250, "2.0.0", "OK")
    return answer if isinstance(answer, Reply) else _NOBODY_CHANGES
