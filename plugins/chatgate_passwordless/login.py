"""What a login comes to. A refused one says nothing about which addresses exist, neither by its text, which depends
only on what the client sent and on the settings, nor by its time, as each costs one scrypt. (While the door is open, or
by an invitation, a login can tell by what becomes of it.)
"""

from __future__ import annotations

from chatgate.api import UNAVAILABLE, Account, AccountExists, Gateway, NewAccount, Reply
from chatgate_passwordless.door import FROZEN, SHUT, Door
from chatgate_passwordless.hashing import Hasher
from chatgate_passwordless.hooks import Invitation
from chatgate_passwordless.memory import Verified
from chatgate_passwordless.rules import Rules

# Where a request keeps what its door has said.
STASH = "passwordless"

TAKEN = Reply(550, "5.7.1", "This address is taken", imap="ALREADYEXISTS")

# Delta Chat tells its user of a wrong password when it reads "authentication" twice in a row.
_WRONG = "Authentication failed: wrong address or password"


class Login:
    """One login, once it is known that its hash shall be paid for. longest: characters of a password. Its methods may
    raise Busy.
    """

    def __init__(
        self, gateway: Gateway, rules: Rules, door: Door, hasher: Hasher, verified: Verified, longest: int
    ) -> None:
        self._gateway, self._rules, self._door = gateway, rules, door
        self._hasher, self._verified, self._longest = hasher, verified, longest

    def answer(self, account: Account | None, address: str, password: str, network: str) -> Account | Reply:
        """account: of this address, None if there is none."""
        if account is not None:
            return self._owner(account, address, password)
        if (secret := self._left_behind(address)) is not None:
            return self._come_back(address, password, secret)
        if self._rules.broken(address, password):
            return self._nobody(address, password)
        shown = self._door.ask(address, password)
        if shown in (SHUT, FROZEN):  # told before policies are asked, whose words would tell which addresses exist
            return self._nobody(address, password)
        if isinstance(shown, Reply):  # about an invitation
            return self._refused(shown, password)
        return self._newcomer(address, password, network, shown)

    def _owner(self, account: Account, address: str, password: str) -> Account | Reply:
        """Is it the password?"""
        if not self._fits(password, account.secret):
            return self._wrong(address, password)
        self._verified.add(account, password)
        return account

    def _left_behind(self, address: str) -> str | None:
        """The secret of the account that once had this address, "" for one that was deleted for good."""
        if not self._rules.name(address) or self._door.frozen(address):
            return None
        return self._gateway.store.tombstone(address)

    def _come_back(self, address: str, password: str, secret: str) -> Account | Reply:
        """The owner of a removed account is no newcomer: no policy, no closed door and no rule for names is in the way.
        Anybody else gets what a wrong password gets. So does the owner after a final deletion: the secret is "" then,
        which is no password's, and that takes as long to find out as with any other.
        """
        if not self._fits(password, secret):
            return self._wrong(address, password)
        try:
            account = self._gateway.accounts.restore(address, secret, returning=True)
        except AccountExists:  # came back by another process a moment ago
            return UNAVAILABLE
        self._verified.add(account, password)
        return account

    def _newcomer(self, address: str, password: str, network: str, shown: Invitation | None) -> Account | Reply:
        """Whoever comes first has the address, unless a policy is against it. shown: the invitation, if any."""
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
        if answer == TAKEN:  # by another process, or with another password a moment ago
            account = self._gateway.store.account(address)
            return self._owner(account, address, password) if account else UNAVAILABLE  # and gone again
        return self._refused(answer or UNAVAILABLE, password)

    def _refused(self, why: Reply, password: str) -> Reply:
        """In a policy plugin's own words, or those about an invitation."""
        if not why.temporary:
            self._fits(password, "")
        return why

    def _nobody(self, address: str, password: str) -> Reply:
        """No account, and none can be made."""
        self._fits(password, "")
        return self._wrong(address, password)

    def _fits(self, password: str, secret: str) -> bool:
        """A no costs one scrypt, whatever the reason. What is too long is no one's password: a hash of its beginning is
        for the time it takes.
        """
        if len(password) > self._longest:
            password, secret = password[: self._longest], ""
        return self._hasher.verify(password, secret)

    def _wrong(self, address: str, password: str) -> Reply:
        """One text for a wrong password and for an address that is not there and cannot be made."""
        hint = self._rules.broken(address, password)
        if not hint and (why := self._door.ask(address, password)) in (SHUT, FROZEN):
            hint = why.text
        return Reply(535, "5.7.8", f"{_WRONG}. {hint}" if hint else _WRONG, imap="AUTHENTICATIONFAILED")
