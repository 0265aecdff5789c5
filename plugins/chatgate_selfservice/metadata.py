"""The account in METADATA (RFC 5464), for apps and scripts that are logged in by IMAP anyway."""

from __future__ import annotations

import json

from chatgate.api import Account, Gateway, Reply, Session
from chatgate_selfservice.password import set_password

OURS = "/private/vendor/chatgate/"  # RFC 5464 §3.2.1: entries below a vendor's name belong to its products alone
ENTRIES = _ACCOUNT, _PASSWORD = OURS + "account", OURS + "password"


def get(gateway: Gateway, session: Session, mailbox: str, entry: str) -> bytes | None:
    """What is kept about the account, as JSON on one line. A password is never told."""
    if (mailbox, entry) != ("", _ACCOUNT):
        return None
    account = _account(gateway, session)
    return json.dumps(gateway.accounts.facts(account)).encode() if isinstance(account, Account) else None


def set_(gateway: Gateway, session: Session, mailbox: str, entry: str, value: bytes | None) -> Reply:
    """Change the password. Any other entry below our name, such as a mistyped one with a password, is refused, so that
    no other plugin stores it.
    """
    if (mailbox, entry) != ("", _PASSWORD):
        return Reply(550, "5.7.1", "This entry cannot be set", imap="NOPERM")
    account = _account(gateway, session)
    if isinstance(account, Reply):
        return account
    try:
        password = (value or b"").decode()  # as it is read at LOGIN; NIL is refused as too short
    except UnicodeDecodeError:
        return Reply(501, "5.5.4", "A password is text in UTF-8", imap="CANNOT")
    with gateway.logins.changing(session):  # this connection knows the new password; all others end
        return set_password(gateway, account, password)


def _account(gateway: Gateway, session: Session) -> Account | Reply:
    """The session's account in its current state, or a refusal: a connection may outlive the validity of its login."""
    login = session.account
    account = gateway.store.account(login.address) if login else None
    if login is None or account is None or account.id != login.id:
        return Reply(550, "5.7.1", "This account does not exist any more", imap="NOPERM")
    if account.disabled:
        return Reply(525, "5.7.13", account.disabled, imap="CONTACTADMIN")
    if account.secret != login.secret:
        # Somebody who found out the old password must not take the account over after it was changed.
        return Reply(550, "5.7.1", "The password was changed, log in with the new one first", imap="NOPERM")
    return account
