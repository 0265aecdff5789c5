"""How a login is decided. A refusal does not reveal which addresses exist, neither by its text, which depends only on
what the client sent and on the settings, nor by its time, as each takes `refusal_seconds`. (While the door is open, or
with an invitation, a login does reveal it: it succeeds for an address that is free.)
"""

from __future__ import annotations

import logging
from dataclasses import replace

from chatgate.api import UNAVAILABLE, Account, AccountExists, Gateway, NewAccount, Reply, StoreError
from chatgate_passwordless.door import Door, no_login
from chatgate_passwordless.hashing import Busy, Hasher
from chatgate_passwordless.hooks import Invitation
from chatgate_passwordless.memory import Verified
from chatgate_passwordless.options import PasswordlessOptions
from chatgate_passwordless.rules import Rules

log = logging.getLogger("chatgate.passwordless")

_DAY = 86400  # seconds

# The key under which a request carries the answer of the door.
STASH = "passwordless"

TAKEN = Reply(550, "5.7.1", "This address is taken", imap="ALREADYEXISTS")

# Delta Chat tells its user that the password is wrong after two replies in a row that contain "authentication".
_WRONG = "Authentication failed: wrong address or password"


class Login:
    """Decides logins that are worth a hash. Methods may raise Busy."""

    def __init__(
        self,
        gateway: Gateway,
        rules: Rules,
        door: Door,
        hasher: Hasher,
        verified: Verified,
        options: PasswordlessOptions,
    ) -> None:
        self._gateway, self._rules, self._door = gateway, rules, door
        self._hasher, self._verified, self._options = hasher, verified, options

    def answer(self, account: Account | None, address: str, password: str, network: str) -> Account | Reply:
        """The account, or the refusal. account: the one with this address, None if there is none."""
        if account is not None:
            return self._owner(account, address, password)
        if (secret := self._left_behind(address)) is not None:
            return self._come_back(address, password, secret)
        if self._rules.broken(address, password):
            return self._nobody(address, password)
        shown = self._door.ask(address, password, "login")
        if no_login(shown):  # before policies are asked: their texts would reveal which addresses exist
            return self._nobody(address, password)
        if isinstance(shown, Reply):  # about an invitation
            return self._refused(shown, password)
        return self._newcomer(address, password, network, shown)

    def _owner(self, account: Account, address: str, password: str) -> Account | Reply:
        """Log in to an existing account."""
        if not self._fits(password, account.secret):
            if why := self._hasher.unusable(account.secret):
                log.warning("passwordless: an account's password cannot be verified: %s", why)
                log.debug("passwordless: it is that of %s", address)
            return self._wrong(address, password)
        secret = self._renewed(password, account.secret)
        if secret != account.secret:
            if not self._replace(account, secret):  # changed by somebody else meanwhile: that decides
                current = self._gateway.store.account(address)
                return self._owner(current, address, password) if current else UNAVAILABLE
            account = replace(account, secret=secret)
        self._verified.add(account, password)
        return account

    def _renewed(self, password: str, secret: str) -> str:
        """The secret to keep: one of our own instead of one that came from another server."""
        if not self._hasher.outdated(password, secret):
            return secret
        try:
            return self._hasher.make(password)
        except Busy:  # then at another login: this one has proved right
            return secret

    def _replace(self, account: Account, secret: str) -> bool:
        """False: the account has another secret by now, or is gone."""
        try:
            return self._gateway.store.set_secret(account.id, secret, was=account.secret)
        except StoreError as error:  # the disk is full, say, which is no reason to keep anybody out
            log.warning("passwordless: an imported password could not be hashed anew: %s", error)
            return True

    def _left_behind(self, address: str) -> str | None:
        """The secret of the deleted account of this address; "" after a final deletion, None if there was none."""
        if not self._rules.name(address) or self._door.frozen(address):
            return None
        return self._gateway.store.tombstone(address)

    def _come_back(self, address: str, password: str, secret: str) -> Account | Reply:
        """Restore a deleted account for its owner. Policies, a closed door and the rules for names do not apply, as the
        owner is not a newcomer. Anybody else gets the reply to a wrong password. So does the owner after a final
        deletion: the secret is "" then, which matches no password, and checking it takes as long as any other.
        """
        if not self._fits(password, secret):
            return self._wrong(address, password)
        try:
            secret = self._renewed(password, secret)
            was = Account(0, address, secret, created=self._gateway.store.now() // _DAY)
            account = self._gateway.accounts.restore(was, returning=True)
        except AccountExists:  # restored by another process a moment ago
            return UNAVAILABLE
        self._verified.add(account, password)
        return account

    def _newcomer(self, address: str, password: str, network: str, shown: Invitation | None) -> Account | Reply:
        """Make an account: the first to come gets the address unless a policy refuses. shown: an invitation or None."""
        request = NewAccount(
            address,
            password,
            "login",
            network=network,
            token=shown.token if shown else "",
            stash={STASH: shown},
        )
        answer = self._gateway.accounts.create(request)
        if isinstance(answer, Account):
            self._verified.add(answer, password)
            return answer
        if answer == TAKEN:  # a moment ago, by another process or with another password
            account = self._gateway.store.account(address)
            return self._owner(account, address, password) if account else UNAVAILABLE  # deleted again already
        return self._refused(answer or UNAVAILABLE, password)

    def _refused(self, why: Reply, password: str) -> Reply:
        """A refusal in the words of a policy plugin, or of the check of an invitation."""
        if not why.temporary:
            self._fits(password, "")
        return why

    def _nobody(self, address: str, password: str) -> Reply:
        """The refusal when there is no such account and none can be made."""
        self._fits(password, "")
        return self._wrong(address, password)

    def _fits(self, password: str, secret: str) -> bool:
        """Does the password match the secret? A "no" takes as long whatever the reason. Nobody has a password that
        is too long; its beginning is hashed only so that the refusal takes the same time.
        """
        if len(password) > (longest := self._options.password_max_length):
            password, secret = password[:longest], ""
        return self._hasher.verify(password, secret)

    def _wrong(self, address: str, password: str) -> Reply:
        """The same text for a wrong password and for an address that does not exist and cannot be made."""
        hint = self._rules.broken(address, password)
        if not hint and no_login(why := self._door.ask(address, password, "login")):
            hint = why.text
        return Reply(535, "5.7.8", f"{_WRONG}. {hint}" if hint else _WRONG, imap="AUTHENTICATIONFAILED")
