"""What people can see and change of their own account, on the page as well as by METADATA."""

from __future__ import annotations

from typing import Any

from chatgate.api import Account, Gateway, Reply, Session, iso_day

_NOBODY_CHANGES = Reply(550, "5.3.3", "This server changes no passwords", imap="CANNOT")
_DEVICE_TOKEN = "/private/devicetoken"  # of push, see its METADATA


def kept(gateway: Gateway, account: Account) -> dict[str, Any]:
    """What the server keeps about the account, as data for JSON. Sizes in octets, days as YYYY-MM-DD; None for an
    unknown day, and if there is no quota. mailboxes: number of messages by name, without empty mailboxes.
    """
    store = gateway.store
    usage = store.usage(account.id)
    boxes = {box.name: store.status(box.id).messages for box in store.mailboxes(account.id)}
    session = Session("site", "", tls=True, account=account)
    tokens = gateway.hub.get_metadata(session=session, mailbox="INBOX", entry=_DEVICE_TOKEN)
    return {
        "address": account.address,
        "created": iso_day(account.created),
        "last_login": iso_day(account.last_login),
        "messages": usage.messages,
        "octets": usage.octets,
        "quota_octets": usage.limit or None,
        "mailboxes": {name: messages for name, messages in boxes.items() if messages},
        "notification_tokens": len(tokens.split()) if isinstance(tokens, bytes) else 0,
    }


def set_password(gateway: Gateway, account: Account, password: str) -> Reply:
    """Change the password, or say why not."""
    answer = gateway.accounts.set_password(account, password)
    if answer is True:
        return Reply(250, "2.0.0", "OK")
    return answer if isinstance(answer, Reply) else _NOBODY_CHANGES
