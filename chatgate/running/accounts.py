"""The one place where accounts are made, changed and removed, so that every plugin that must know of it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, ParamSpec, TypeVar

from chatgate.hosting.doors import Decision
from chatgate.hosting.hub import Hub
from chatgate.metrics import Counter
from chatgate.reply import Reply, text_problem
from chatgate.store.contract import Store
from chatgate.store.records import Account

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class NewAccount:
    """Somebody wants an account.

    way: "login" with an address that nobody has, the "site", or the "operator" by a command.
    generated: the password was drawn at random by this server.
    network: `Session.network` of the client; "" where there is none.
    token: of an invitation: at the site whatever was given as one, at a login a valid one with which the password
        begins; "" for none.
    stash: private notes of plugins, from one hook to the next, each under a key of its own, such as its name.
    """

    address: str
    password: str = field(repr=False)
    way: Literal["login", "site", "operator"]
    generated: bool = False
    network: str = ""
    token: str = field(default="", repr=False)
    stash: dict[str, Any] = field(default_factory=dict, repr=False)


class Accounts:
    """`gateway.accounts`. All methods may raise StoreError. A change is on disk when the method returns, and sessions
    of the account learn of it from the board (see `chatgate.network.logins`).

    attempts: to make accounts, by way and outcome.
    """

    def __init__(self, hub: Hub, store: Callable[[], Store]) -> None:
        self._hub, self._store = hub, store
        self.attempts = Counter()

    def create(self, request: NewAccount) -> Account | Reply | None:
        """Ask all plugins that may refuse, then the one that makes accounts. A Reply says why there is no account;
        None: no enabled plugin makes accounts. A failure in a plugin is a temporary refusal or, for the operator, a
        PluginError.
        """
        account = None
        try:
            refusal = _asked(self._hub.admit, request.way == "operator")(request)
            if refusal is not None and not refusal.accepts:
                return refusal
            answer = _asked(self._hub.create_account, request.way == "operator")(request)
            account = answer if isinstance(answer, Account) else None
            return answer
        finally:
            self.attempts.add(request.way, "made" if account is not None else "refused")
            self._hub.account_attempted(request, account)

    def restore(self, was: Account, returning: bool = False) -> Account:
        """Make an account that existed before, here or elsewhere, without asking any plugin. was: all of it but the id,
        which will be another one. returning, and the errors: see `Store.create_account`.
        """
        facts = asdict(was)
        del facts["id"]
        return self._store().create_account(**facts, returning=returning)

    def secret_problem(self, secret: str) -> str:
        """Why nobody will be able to log in to an account with this secret (`chatgate_secret_problem`), in one line; ""
        if somebody will. For commands that import accounts: they do so all the same, and say it.
        """
        return next(iter(self._hub.secret_problem(secret)), "")

    def facts(self, account: Account) -> dict[str, Any]:
        """What is kept about the account, as data for JSON: all that the plugins say (`chatgate_account_facts`). Raises
        PluginError when one of them fails, as nothing is to be left out in silence.
        """
        return {name: value for facts in self._hub.account_facts.or_raise(account) for name, value in facts.items()}

    def set_password(self, account: Account, password: str, operator: bool = False) -> bool | Reply | None:
        """Ask the plugin that changes passwords. True: done. A Reply says why not; None: no enabled plugin does it.
        operator: a failure in a plugin is a PluginError, not a temporary refusal.
        """
        return _asked(self._hub.set_password, operator)(account, password)

    def set_secret(self, account: Account, secret: str) -> None:
        """Set the secret by which the password is recognised, such as an imported hash, without asking any plugin."""
        self._store().set_secret(account.id, secret)

    def disable(self, account: Account, reason: str) -> None:
        """Refuse logins to the account, and mail from it and for it. reason: the text its owner is told. Raises
        ValueError for a text that cannot be a reply's.
        """
        if problem := text_problem(reason):
            raise ValueError(problem)
        self._store().set_disabled(account.id, reason)

    def enable(self, account: Account) -> None:
        """Undo `disable`."""
        self._store().set_disabled(account.id, "")

    def delete(self, account: Account, tombstone: bool = True, final: bool = False) -> None:
        """Delete the account with everything it has; all plugins are told to forget it. tombstone, final: who may have
        the address later, see `Store.delete_account`.
        """
        self._store().delete_account(account.id, tombstone, final)
        self._hub.account_removed(account)


def _asked(door: Decision[P, T], operator: bool) -> Callable[P, T | Reply]:
    return door.or_raise if operator else door
