"""The plugin: who may log in, and which accounts may come into being."""

from __future__ import annotations

from chatgate.api import (
    Account,
    AccountExists,
    AddressGone,
    Credentials,
    Domain,
    Facts,
    Gateway,
    KeptFiles,
    Limiter,
    NewAccount,
    Problem,
    Reply,
    Session,
    hookimpl,
)
from chatgate_passwordless import hooks
from chatgate_passwordless.door import Door
from chatgate_passwordless.hashing import Busy, Hasher
from chatgate_passwordless.login import STASH, TAKEN, Login
from chatgate_passwordless.memory import Flights, Verified
from chatgate_passwordless.options import PasswordlessOptions
from chatgate_passwordless.rules import Rules, lower

GONE = Reply(550, "5.7.1", "This address was somebody's and is not given away again", imap="ALREADYEXISTS")
LAST_USE_GONE = Reply(550, "5.7.1", "This invitation has been used up", imap="NOPERM")
# Only the text for a wrong password may contain "authentication", see chatgate.reply.
BUSY = Reply(454, "4.7.0", "Too many logins at the moment, please try again later", imap="LIMIT")
GUESSED = Reply(454, "4.7.0", "Too many wrong passwords from your network, please try again in a minute", imap="LIMIT")


class Passwordless:
    """Accounts that are created by the first login: an address belongs to whoever first logs in with it."""

    Options = PasswordlessOptions
    order = 50
    hookspecs = hooks

    def __init__(self, gateway: Gateway, options: PasswordlessOptions) -> None:
        self.gateway, self.options = gateway, options
        self._rules, self._door = Rules(gateway, options), Door(gateway, options)
        self._hasher = Hasher(
            options.scrypt_cost,
            options.hash_threads,
            options.hash_queue,
            options.refusal_seconds,
            options.imported_hash_seconds,
            options.imported_hash_megabytes,
        )
        self._verified = Verified(options.remember_seconds, options.remember_logins)
        self._login = Login(gateway, self._rules, self._door, self._hasher, self._verified, options)
        self._flights = Flights()
        # Each wrong one costs a hash, and who guesses must leave others their share of the processors.
        self._guesses = Limiter(options.wrong_per_minute or None, 60)

    @hookimpl
    def chatgate_reloaded(self) -> None:
        own = self.options
        self._verified.seconds, self._verified.limit = own.remember_seconds, own.remember_logins
        self._guesses.limit(own.wrong_per_minute or None)

    # ------------------------------------------------------------------------------------------ logins

    @hookimpl
    def chatgate_facts(self, domain: Domain) -> Facts:
        own = domain.options(self.options)
        closed, closed_by = self._door.closed(domain)
        names = own.name_min_length, own.name_max_length
        ways = self._door.ways(domain)
        return Facts(
            keeps_hash=True,
            closed=closed,
            closed_by=closed_by,
            closed_until=self._door.closed_until(domain),
            ways=ways,
            name_lengths=names,
        )

    @hookimpl
    def chatgate_backup(self) -> list[KeptFiles]:
        """A door that was frozen stays frozen."""
        return [KeptFiles(f"freeze-{n}", path) for n, path in enumerate(self._door.freeze_files())]

    @hookimpl
    def chatgate_authenticate(self, session: Session, credentials: Credentials) -> Account | Reply:
        """The account, created now if the address is new, or the refusal."""
        answer = self._recognised(credentials, session)
        if isinstance(answer, Account) and answer.disabled:
            # Only the owner can see this. 525 and 5.7.13: "user account disabled" (RFC 5248's registry).
            return Reply(525, "5.7.13", answer.disabled, imap="CONTACTADMIN")
        return answer

    def _recognised(self, credentials: Credentials, session: Session) -> Account | Reply:
        """Verify a login from memory or else by a hash. The latter counts as a wrong guess until it proves right."""
        address, password = lower(credentials.address), credentials.password
        account = self.gateway.store.account(address) if self._rules.name(address) else None
        if account is not None and (account, password) in self._verified:
            return account
        network = session.network  # computing it takes a hash: only once
        minute, answer = self._guesses.take(network), None
        if minute is None:
            return GUESSED
        try:
            answer = self._flights.once(
                (address, password), lambda: self._login.answer(account, address, password, network)
            )
        except Busy:
            answer = BUSY
        finally:
            if not isinstance(answer, Reply) or answer.temporary:
                self._guesses.give_back(network, minute)
        return answer

    # ------------------------------------------------------------------------------------------ accounts

    @hookimpl(trylast=True)  # the refusals of policy plugins come first
    def chatgate_admit(self, request: NewAccount) -> Reply | None:
        operator = request.way == "operator"
        if rule := self._rules.broken(lower(request.address), request.password, operator):
            return Reply(550, "5.7.1", rule, imap="NOPERM")
        if operator or STASH in request.stash:  # a login has already asked the door
            return None
        shown = self._door.ask(lower(request.address), request.password, request.way, request.token)
        if isinstance(shown, Reply):
            return shown
        request.stash[STASH] = shown
        return None

    @hookimpl(trylast=True)
    def chatgate_create_account(self, request: NewAccount) -> Account | Reply:
        invitation: hooks.Invitation | None = request.stash.get(STASH)
        if invitation is None:
            return self._make(request)
        if not invitation.take():
            return LAST_USE_GONE
        made = False
        try:
            answer = self._make(request, invitation.quota)
            made = isinstance(answer, Account)
        finally:
            if not made:
                invitation.give_back()
        return answer

    def _make(self, request: NewAccount, quota: int | None = None) -> Account | Reply:
        try:
            secret = self._hasher.make(request.password, request.generated)
            return self.gateway.store.create_account(lower(request.address), secret, quota=quota)
        except AddressGone:
            return GONE
        except AccountExists:
            return TAKEN
        except Busy:
            return BUSY

    @hookimpl(trylast=True)
    def chatgate_set_password(self, account: Account, password: str) -> bool | Reply:
        if refusal := self._rules.broken_by(account.address, password):
            return Reply(550, "5.7.1", refusal, imap="CANNOT")
        try:
            self.gateway.store.set_secret(account.id, self._hasher.make(password))
        except Busy:
            return BUSY
        self._verified.forget(account)
        return True

    @hookimpl
    def chatgate_secret_problem(self, secret: str) -> str | None:
        return self._hasher.unusable(secret) or None

    @hookimpl
    def chatgate_account_removed(self, account: Account) -> None:
        self._verified.forget(account)

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        invented = "those are what Delta Chat invents for new accounts"
        told = [f"{what}; {invented}" for what in self._rules.refused_of_apps()]
        told += [
            f"passwordless: no new accounts are made as long as {file} is there" for file in self._door.frozen_by()
        ]
        return [Problem("warning", text) for text in told]
