"""One run of `chatgate ping`, from making the accounts to removing them."""

from __future__ import annotations

import itertools
import os
import secrets
import string
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import click

from chatgate.api import Account, Domain, Gateway, Interrupts, NewAccount, PluginError, Reply
from chatgate_ping import message, places
from chatgate_ping.clients import Lost, Submitter, Waiter
from chatgate_ping.pgp import Keyring
from chatgate_ping.places import Login
from chatgate_ping.report import Report, Trip

_NAME = string.ascii_lowercase + string.digits
_PASSWORD = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Plan:
    """sender, recipient: an address or a dclogin: link; None for a new account. interval, timeout: seconds.
    size: octets of text. count: 0 for endless. domain: of new accounts, if not the first.
    """

    sender: str | None
    recipient: str | None
    count: int
    interval: float
    timeout: float
    size: int
    domain: Domain | None = None


def run(gateway: Gateway, program: str, plan: Plan, show: Callable[[str], None]) -> Report:
    """Ping until the count is reached or the user stops it (Ctrl-C), and report. show: prints a line at once.
    Raises PluginError if it cannot even begin.
    """
    keys = Keyring(program)
    domain = plan.domain or gateway.domains.first
    sender, recipient = (
        _given(gateway, given, which, domain) for given, which in ((plan.sender, "FROM"), (plan.recipient, "TO"))
    )
    with Interrupts() as interrupts, ExitStack() as stack:
        sender = sender or stack.enter_context(_new_account(gateway, domain, interrupts))
        recipient = recipient or stack.enter_context(_new_account(gateway, domain, interrupts))
        course = _Course(sender, recipient, keys, plan)  # connects: a gateway that is not running is noticed first
        stack.callback(course.close)
        stack.enter_context(keys)
        report = Report(sender.address, recipient.address)
        show(
            f"PING {recipient.address} from {sender.address}: "
            f"{sender.server.submission} to {recipient.server.imap}, {plan.size} octets, encrypted"
        )
        begin = time.perf_counter()
        try:
            for number in itertools.count(1) if plan.count == 0 else range(1, plan.count + 1):
                if number > 1:
                    time.sleep(plan.interval)
                report.trips.append(course.trip(number))
                report.elapsed = (time.perf_counter() - begin) * 1000
                show(str(report.trips[-1]))
        except KeyboardInterrupt:
            show("")
        for line in report.lines():
            show(line)
        return report


class _Course:
    """The two connections that messages go through; they are made anew after a loss."""

    def __init__(self, sender: Login, recipient: Login, keys: Keyring, plan: Plan) -> None:
        self._sender, self._recipient, self._keys, self._plan = sender, recipient, keys, plan
        self._submitter: Submitter | None = None
        self._waiter: Waiter | None = None
        self._connect()

    def trip(self, number: int) -> Trip:
        """Send one message and wait for it."""
        text = secrets.token_hex(self._plan.size // 2 + 1)[: self._plan.size].encode()
        message_id = message.new_id()
        content = message.make(self._sender.address, message_id, self._keys.encrypt(text))
        try:
            submitter, waiter = self._connect()
            waiter.idle()
            begin = time.perf_counter()
            submitter.submit(self._recipient.address, content)
            taken = time.perf_counter()
            announced, received = waiter.wait(message_id)
        except (Lost, PluginError) as error:
            self.close()
            return Trip(number, error=str(error))
        if self._keys.decrypt(message.armored(received)) != text:
            return Trip(number, error="what arrived is not what was sent")
        # The announcement may be sent before the server's 250.
        return Trip(number, (taken - begin) * 1000, max(announced - taken, 0) * 1000)

    def close(self) -> None:
        for client in (self._submitter, self._waiter):
            if client:
                client.close()
        self._submitter = self._waiter = None

    def _connect(self) -> tuple[Submitter, Waiter]:
        self._submitter = self._submitter or Submitter(self._sender, self._plan.timeout)
        self._waiter = self._waiter or Waiter(self._recipient, self._plan.timeout)
        return self._submitter, self._waiter


def _given(gateway: Gateway, account: str | None, which: str, first: Domain) -> Login | None:
    """The account that the user named, if any. May ask for its password."""
    if account is None:
        return None
    if account.lower().startswith("dclogin:"):
        return places.dclogin(account)
    address = gateway.domains.full(account, first)
    if (domain := gateway.domains.of(address)) is None:
        raise PluginError(f"{account} is not an address of this gateway; for another server give its dclogin: link")
    password = os.environ.get(f"CHATGATE_PING_{which}_PASSWORD")
    if password is None and sys.stdin.isatty():
        password = click.prompt(f"Password of {address}", hide_input=True, err=True)
    if not password:
        raise PluginError(
            f"there is no terminal to ask for the password of {address}: set CHATGATE_PING_{which}_PASSWORD"
        )
    return Login(address, password, places.own(gateway, domain))


@contextmanager
def _new_account(gateway: Gateway, domain: Domain, interrupts: Interrupts) -> Iterator[Login]:
    server = places.own(gateway, domain)
    address = f"ping{_random(_NAME, 5)}@{domain.name}"  # 9 characters, as most gateways ask for
    password = _random(_PASSWORD, 22)
    account = gateway.accounts.create(NewAccount(address, password, "operator", generated=True))
    if not isinstance(account, Account):
        reason = account.text if isinstance(account, Reply) else "no enabled plugin makes accounts"
        raise PluginError(f"cannot make an account: {reason}")
    try:
        yield Login(address, password, server)
    finally:
        interrupts.ignored = True
        gateway.accounts.delete(account, tombstone=False)


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
