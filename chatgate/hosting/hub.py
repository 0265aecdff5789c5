"""The hub: the only place where plugins are asked and told, with a door for each hook."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from chatgate.hosting import hookspecs as spec
from chatgate.hosting.doors import Collection, Decision, Limits, Observers
from chatgate.hosting.registry import Registry
from chatgate.limits import Limit

P = ParamSpec("P")
T = TypeVar("T")


class Hub(Registry):
    """The plugins of one gateway. seconds: how long a decision may take before it counts as failed. observer_seconds:
    the same for each plugin that is told something.

    Each hook `chatgate_x` has a door `x`, to be called with what the hook takes: `hub.filter(session, envelope)`.
    """

    def __init__(self, seconds: float = 60, observer_seconds: float = 5) -> None:
        super().__init__()
        self._limits = Limits(Limit(seconds), Limit(observer_seconds), Limit(None))

        self.open_store = self.decision(spec.chatgate_open_store)
        self.board = self.decision(spec.chatgate_board)
        self.certificate = self.decision(spec.chatgate_certificate)
        self.services = self.collection(spec.chatgate_services)
        self.ready = self.collection(spec.chatgate_ready)
        self.check = self.collection(spec.chatgate_check)
        self.troubles = self.collection(spec.chatgate_troubles)
        self.metrics = self.collection(spec.chatgate_metrics)
        self.backup = self.collection(spec.chatgate_backup)
        self.facts = self.collection(spec.chatgate_facts)
        self.dns_records = self.collection(spec.chatgate_dns_records)
        self.commands = self.observers(spec.chatgate_commands)

        self.connect = self.decision(spec.chatgate_connect)
        self.sender = self.decision(spec.chatgate_sender)
        self.recipient = self.decision(spec.chatgate_recipient)
        self.receive = self.collection(spec.chatgate_receive)
        self.filter = self.decision(spec.chatgate_filter)
        self.sign = self.collection(spec.chatgate_sign)
        self.stored = self.observers(spec.chatgate_stored)
        self.full = self.observers(spec.chatgate_full)

        self.authenticate = self.decision(spec.chatgate_authenticate)
        self.admit = self.decision(spec.chatgate_admit)
        self.create_account = self.decision(spec.chatgate_create_account)
        self.account_attempted = self.observers(spec.chatgate_account_attempted)
        self.set_password = self.decision(spec.chatgate_set_password)
        self.secret_problem = self.collection(spec.chatgate_secret_problem)
        self.login_link = self.decision(spec.chatgate_login_link)
        self.logged_in = self.observers(spec.chatgate_logged_in)
        self.account_facts = self.collection(spec.chatgate_account_facts)
        self.account_removed = self.observers(spec.chatgate_account_removed)

        self.capabilities = self.collection(spec.chatgate_capabilities)
        self.get_metadata = self.decision(spec.chatgate_get_metadata)
        self.metadata_entries = self.collection(spec.chatgate_metadata_entries)
        self.set_metadata = self.decision(spec.chatgate_set_metadata)
        self.expire = self.collection(spec.chatgate_expire)
        self.reloaded = self.observers(spec.chatgate_reloaded)

    def limit(self, seconds: float, observer_seconds: float) -> None:
        """The same as for construction, from now on."""
        self._limits.decision.set(seconds)
        self._limits.observer.set(observer_seconds)

    def decision(self, hook: Callable[P, T]) -> Decision[P, T]:
        """The door of a hook with firstresult. For plugins that ask hooks of their own, see `load`."""
        return Decision(self, self._limits, hook)

    def collection(self, hook: Callable[P, T | None]) -> Collection[P, T]:
        """The door of a hook that every plugin may add to."""
        return Collection(self, self._limits, hook)

    def observers(self, hook: Callable[P, None]) -> Observers[P]:
        """The door of a hook that tells what happened."""
        return Observers(self, self._limits, hook)
