"""The plugin: who may log in, and which accounts may come into being."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from chatgate.api import (
    UNAVAILABLE,
    Account,
    AccountExists,
    AddressGone,
    Credentials,
    Gateway,
    Problem,
    Reply,
    Session,
    hookimpl,
    normal_address,
    option,
    valid_address,
)
from chatgate_passwordless import hooks
from chatgate_passwordless.hashing import Busy, Hasher
from chatgate_passwordless.memory import Flights, Guesses, Verified

# What Delta Chat invents for `dcaccount:DOMAIN` invitations.
_CLIENT_NAME_LENGTH = 9
_CLIENT_PASSWORD_LENGTH = 22

_NAME = re.compile(r"[a-z0-9._-]{1,64}")  # RFC 5321 §4.5.3.1.1: a local part has at most 64 octets

TAKEN = Reply(550, "5.7.1", "This address is taken", imap="ALREADYEXISTS")
GONE = Reply(550, "5.7.1", "This address was somebody's and is not given away again", imap="ALREADYEXISTS")
SHUT = Reply(550, "5.7.1", "This server takes no new accounts", imap="NOPERM")
# While the freeze file is there. A 5xx all the same: nobody knows for how long, and apps would try again for hours.
FROZEN = Reply(550, "5.7.1", "This server takes no new accounts at the moment, please come back later", imap="NOPERM")
NO_INVITATION = Reply(550, "5.7.1", "There is no such invitation, or not any more", imap="NOPERM")
LAST_USE_GONE = Reply(550, "5.7.1", "This invitation has been used up", imap="NOPERM")
# No text but that of a wrong password may contain "authentication", see chatgate.reply.
BUSY = Reply(454, "4.7.0", "Too many logins at the moment, please try again later", imap="LIMIT")
GUESSED = Reply(454, "4.7.0", "Too many wrong passwords from your network, please try again in a minute", imap="LIMIT")


@dataclass(frozen=True)
class PasswordlessOptions:
    open: bool = option(
        True, "Whether anybody may make an account, not only the operator and people with invitations.", per_domain=True
    )
    freeze_file: str = option(
        "no-create", "While this file is in the gateway's folder, no accounts are made.", per_domain=True
    )
    name_min_length: int = option(
        9, "Characters that a new account's name must have. Delta Chat invents names of 9.", per_domain=True
    )
    name_max_length: int = option(9, "Characters that a new account's name may have, at most 64.", per_domain=True)
    password_min_length: int = option(
        9, "Characters that a new password must have. Delta Chat invents ones of 22.", per_domain=True
    )
    password_max_length: int = option(1024, "Characters that a password may have.")
    scrypt_cost: int = option(14, "Base-2 logarithm of scrypt's N for new passwords: 14 is 45 ms and 16 MB a login.")
    hash_threads: int = option(0, "Passwords hashed at the same time; 0 for as many as there are CPUs.")
    hash_queue: int = option(100, "Logins that may wait for that; more are told to come back later.")
    wrong_per_minute: int = option(120, "Wrong logins a minute from one IPv4 /24 or IPv6 /48; 0 for any number.")
    remember_seconds: float = option(3600.0, "Seconds in which a verified login is recognised without hashing.")
    remember_logins: int = option(100000, "Verified logins remembered at most, some 250 octets each.")

    def __post_init__(self) -> None:
        if not 1 <= self.name_min_length <= self.name_max_length <= 64:
            raise ValueError("name_min_length and name_max_length must be in order and from 1 to 64")
        if not 1 <= self.password_min_length <= self.password_max_length:
            raise ValueError("password_min_length and password_max_length must be in order and from 1")
        if not 10 <= self.scrypt_cost <= 20:
            raise ValueError("scrypt_cost must be from 10 to 20")


class Passwordless:
    """Accounts that come into being at the first login: an address belongs to whoever logs in with it first.

    A refused login says nothing about which addresses exist, neither by its text, which depends only on what the client
    sent and on the settings, nor by its time, as each costs one scrypt. (While the door is open, or by an invitation, a
    login can tell by what becomes of it.)
    """

    Options = PasswordlessOptions
    order = 50
    hookspecs = hooks

    def __init__(self, gateway: Gateway, options: PasswordlessOptions) -> None:
        self.gateway, self.options = gateway, options
        self._hasher = Hasher(options.scrypt_cost, options.hash_threads, options.hash_queue)
        self._verified = Verified(options.remember_seconds, options.remember_logins)
        self._flights = Flights()
        self._guesses = Guesses(options.wrong_per_minute)
        self._asked = gateway.hub.decision(hooks.chatgate_invitation)

    # ------------------------------------------------------------------------------------------ hooks

    @hookimpl
    def chatgate_authenticate(self, session: Session, credentials: Credentials) -> Account | Reply:
        """The account, made now if it is a new one, or why not."""
        answer = self._recognised(credentials, session.network)
        if isinstance(answer, Account) and answer.disabled:
            # Only the owner gets to see this. 525 and 5.7.13: "user account disabled" (RFC 5248's registry).
            return Reply(525, "5.7.13", answer.disabled, imap="CONTACTADMIN")
        return answer

    @hookimpl(trylast=True)  # policy plugins refuse first
    def chatgate_create_account(
        self, address: str, password: str, way: str, generated: bool, token: str
    ) -> Account | Reply:
        address = _lower(address)
        if rule := self._rule(address, password, way):
            return Reply(550, "5.7.1", rule, imap="NOPERM")
        invitation = None if way == "operator" else self._invitation(address, password, token)
        if isinstance(invitation, Reply):
            return invitation
        if invitation is None:
            return self._make(address, password, generated)
        if not invitation.take():
            return LAST_USE_GONE
        made = False
        try:
            answer = self._make(address, password, generated, invitation.quota)
            made = isinstance(answer, Account)
        finally:
            if not made:
                invitation.give_back()
        return answer

    @hookimpl(trylast=True)
    def chatgate_set_password(self, account: Account, password: str) -> bool | Reply:
        if refusal := self._password_rule(account.address, password):
            return Reply(550, "5.7.1", refusal, imap="CANNOT")
        try:
            self.gateway.store.set_secret(account.id, self._hasher.make(password))
        except Busy:
            return BUSY
        self._verified.forget(account)
        return True

    @hookimpl
    def chatgate_account_removed(self, account: Account) -> None:
        self._verified.forget(account)

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        found = dict[str, None]()  # what several domains have in common is told once
        for options in (domain.options(self.options) for domain in self.gateway.domains):
            invented = "those are what Delta Chat invents for new accounts"
            if not options.name_min_length <= _CLIENT_NAME_LENGTH <= options.name_max_length:
                found[f"names of {_CLIENT_NAME_LENGTH} characters are refused; {invented}"] = None
            if not options.password_min_length <= _CLIENT_PASSWORD_LENGTH <= options.password_max_length:
                found[f"passwords of {_CLIENT_PASSWORD_LENGTH} characters are refused; {invented}"] = None
            if (path := self._freeze_path(options)).exists():
                found[f"passwordless: no new accounts are made as long as {path} is there"] = None
        return [Problem("warning", text) for text in found]

    # ------------------------------------------------------------------------------------------ logins

    def _recognised(self, credentials: Credentials, network: str) -> Account | Reply:
        address, password = _lower(credentials.address), credentials.password
        account = self.gateway.store.account(address) if self._name(address) else None
        if account is not None and (account, password) in self._verified:
            return account
        minute, answer = self._guesses.take(network), None
        if minute is None:
            return GUESSED
        try:
            answer = self._flights.once((address, password), lambda: self._login(account, address, password, network))
        except Busy:
            answer = BUSY
        finally:
            if not isinstance(answer, Reply) or answer.temporary:
                self._guesses.give_back(network, minute)
        return answer

    def _login(self, account: Account | None, address: str, password: str, network: str) -> Account | Reply:
        if account is None and self._name(address) and not self._freeze_path(self._at(address)).exists():
            secret = self.gateway.store.tombstone(address)
            if secret is not None:
                return self._come_back(address, password, secret)
        # A shut door is found here, too: a policy's words would tell which addresses exist.
        if (
            account is None
            and not self._rule(address, password, "login")
            and (invitation := self._invitation(address, password, "")) not in (SHUT, FROZEN)
        ):
            answer = self._create(address, password, network, invitation)
            if isinstance(answer, Account):
                self._verified.add(answer, password)
                return answer
            if answer == TAKEN:  # by another process, or with another password a moment ago
                account = self.gateway.store.account(address)
                if account is None:
                    return UNAVAILABLE  # and gone again
            elif answer.temporary:
                return answer
            else:
                self._hasher.verify(password, "")
                return answer  # a policy plugin's own words, or about an invitation
        if len(password) > self.options.password_max_length:
            # No one's password: a hash of its beginning is for the time it takes.
            self._hasher.verify(password[: self.options.password_max_length], "")
        elif self._hasher.verify(password, account.secret if account else "") and account:
            self._verified.add(account, password)
            return account
        return self._wrong(address, password)

    def _create(
        self, address: str, password: str, network: str, invitation: hooks.Invitation | Reply | None
    ) -> Account | Reply:
        """Through the hub, so that policy plugins have their say, and know of the invitation."""
        if isinstance(invitation, Reply):
            return invitation
        token = invitation.token if invitation else ""
        made = self.gateway.hub.create_account(address, password, "login", False, network, token)
        return UNAVAILABLE if made is None else made  # never None: this plugin makes it

    def _make(self, address: str, password: str, generated: bool, quota: int | None = None) -> Account | Reply:
        try:
            return self.gateway.store.create_account(address, self._hasher.make(password, generated), quota=quota)
        except AddressGone:
            return GONE
        except AccountExists:
            return TAKEN
        except Busy:
            return BUSY

    def _come_back(self, address: str, password: str, secret: str) -> Account | Reply:
        """The owner of a removed account is no newcomer: no policy, no closed door and no rule for names is in the way.
        Anybody else gets what a wrong password gets. So does the owner after a final deletion: the secret is "" then,
        which is no password's, and that takes as long to find out as with any other.
        """
        longest = self.options.password_max_length
        if not self._hasher.verify(password[:longest], secret) or len(password) > longest:
            return self._wrong(address, password)
        try:
            account = self.gateway.store.create_account(address, secret, returning=True)
        except AccountExists:  # came back by another process a moment ago
            return UNAVAILABLE
        self._verified.add(account, password)
        return account

    def _wrong(self, address: str, password: str) -> Reply:
        """One text for a wrong password and for an address that is not there and cannot be made."""
        hint = self._rule(address, password, "login") or self._shut(address, password)
        # Delta Chat tells its user of a wrong password when it reads "authentication" twice in a row.
        text = "Authentication failed: wrong address or password"
        return Reply(535, "5.7.8", f"{text}. {hint}" if hint else text, imap="AUTHENTICATIONFAILED")

    # ------------------------------------------------------------------------------------------ rules

    def _name(self, address: str) -> str:
        """The local part of an address that an account here can have, else ""."""
        name = address.rpartition("@")[0]
        return name if _NAME.fullmatch(name) and self.gateway.domains.of(address) else ""

    def _rule(self, address: str, password: str, way: str) -> str | None:
        """Why there can be no account with this name or password. The operator may give names of any length."""
        if self.gateway.domains.of(address) is None:
            if len(self.gateway.domains) > 1:  # who asks for one need not learn of the others
                return "This server has no addresses of that domain"
            return f"Addresses of this server end in @{self.gateway.domains.first.name}"
        options = self._at(address)
        low, high = options.name_min_length, options.name_max_length
        if way == "operator":
            low, high = 1, 64
        if not low <= len(self._name(address)) <= high:
            return f"Names of new accounts have {_range(low, high)} characters of a-z 0-9 . _ -"
        if not valid_address(address):  # accounts of such names can still log in, but no mail has ever reached them
            return "Dots in names of new accounts stand between other characters"
        return self._password_rule(address, password)

    def _password_rule(self, address: str, password: str) -> str | None:
        low, high = self._at(address).password_min_length, self.options.password_max_length
        if low <= len(password) <= high:
            return None
        return f"Passwords have {_range(low, high)} characters"

    def _shut(self, address: str, password: str) -> str:
        """Why a login with a new address can make no account, whatever the policies say; "" where it can."""
        answer = self._invitation(address, password, "")
        return answer.text if answer in (SHUT, FROZEN) else ""

    def _invitation(self, address: str, password: str, token: str) -> hooks.Invitation | Reply | None:
        """What a newcomer shows; None for nothing where nothing is needed; or why nobody gets in this way. Asked often:
        the file costs 2 microseconds. It stops invited people, too: it is there for emergencies.
        """
        options = self._at(address)
        if self._freeze_path(options).exists():
            return FROZEN
        found = self._asked(address=address, token=token, password=password)
        if found is not None:
            return found
        return NO_INVITATION if token else None if options.open else SHUT

    def _at(self, address: str) -> PasswordlessOptions:
        """The options for the domain of this address."""
        domain = self.gateway.domains.of(address)
        return self.options if domain is None else domain.options(self.options)

    def _freeze_path(self, options: PasswordlessOptions) -> Path:
        return self.gateway.path(options.freeze_file)


def _lower(address: str) -> str:
    """Names of accounts are lower case. Not str.lower() alone: it would make a k of the Kelvin sign."""
    return normal_address(address).lower() if address.isascii() else address


def _range(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"
