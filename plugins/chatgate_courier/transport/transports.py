"""The door of the transport for the courier and for the doctor."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import gevent

from chatgate.api import UNAVAILABLE, Domains, Reply, bare, raised_at, valid_address
from chatgate_courier.transport.breaker import Memory
from chatgate_courier.transport.contract import (
    How,
    Mail,
    Outcome,
    Policies,
    Resolver,
    Step,
    Sts,
    Tell,
    TimeIsOver,
    TlsaRecords,
)
from chatgate_courier.transport.delivery import Delivery, domain_key
from chatgate_courier.transport.message import Message
from chatgate_courier.transport.options import TransportOptions
from chatgate_courier.transport.pool import Pool
from chatgate_courier.transport.routes import Routes
from chatgate_courier.transport.tls import Tls
from chatgate_courier.transport.ways import Tools

log = logging.getLogger("chatgate.courier")


class Transports:
    """domains: of this server: their host names are said in EHLO, and mail to them would come back. policies: what the
    operator set for a domain. reachable: may mail go to this IP address? sts, dane: see `chatgate_courier.security`;
    None: not used. clock: Unix seconds.
    """

    def __init__(
        self,
        options: TransportOptions,
        resolver: Resolver,
        domains: Domains,
        policies: Policies,
        reachable: Callable[[str], bool],
        tls: Tls | None = None,
        sts: Sts | None = None,
        dane: TlsaRecords | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        ours = frozenset(name for domain in domains for name in (domain.hostname, bare(domain.name)))
        self._options, self._clock = options, clock
        self._memory = Memory(options, clock)
        self._pool = Pool(options)
        self._tools = Tools(
            options,
            Routes(options, resolver, policies, sts, ours, reachable),
            dane,
            tls or Tls(options),
            self._pool,
            self._memory,
            domains,
            clock,
        )

    def deliver(self, mail: Mail) -> Outcome:
        """One try to hand on a message to all its recipients. Blocks its greenlet, see the option `try_seconds`."""
        recipients = tuple(one for one in mail.recipients if valid_address(one))
        replies = dict.fromkeys(mail.recipients, _NO_ADDRESS) if len(recipients) < len(mail.recipients) else {}
        message = Message(mail._replace(recipients=recipients))
        problem = message.problem(self._options.max_hops)
        if problem is not None or not recipients:
            return Outcome(dict.fromkeys(recipients, problem or _NO_ADDRESS) | {**replies})
        delivery = Delivery(self._tools, message)
        seconds = self._options.try_seconds + len(mail.content) // _SLOWEST
        limit = gevent.Timeout.start_new(seconds, TimeIsOver())
        try:
            delivery.run()
        except TimeIsOver:
            text = f"No answer for the whole message within {seconds:g} seconds"
            delivery.fill(Reply(451, "4.4.2", f"{delivery.host}: {text}" if delivery.host else text))
        except Exception as error:
            log.error("trying to hand on a message failed; id=%s error=%s at %s", mail.trace, *_what(error))
            delivery.fill(UNAVAILABLE)
        finally:
            limit.close()
        outcome = delivery.outcome()
        return outcome._replace(replies={one: outcome.replies.get(one, _NO_ADDRESS) for one in mail.recipients})

    def down_until(self, domain: str) -> float:
        """Unix seconds before which no try for this domain makes sense; 0: now one does."""
        return max(self._memory.down_until(domain_key(domain)), self._memory.down_until(*self._memory.hosts(domain)))

    def unreachable(self) -> list[tuple[str, float, tuple[str, ...]]]:
        """Hosts, and domains as "@domain" whose DNS does not answer, that are left alone: name, Unix seconds since
        when, and the domains of a host.
        """
        return self._memory.unreachable()

    def breakers(self) -> dict[str, int]:
        """How many other servers are "closed", "open" and "half-open", as far as they are remembered."""
        return self._memory.states()

    def probe(self, domain: str, recipient: str, way: How, tell: Tell, mail: Mail | None = None) -> None:
        """Try one way, on connections of its own, and tell of each step; the last one that is told is where it ends.
        mail: hand it on, too; without it the dialogue ends after RCPT, or after a POST without content.
        """
        message = Message(mail or Mail(domain, "", (recipient,), b""))
        delivery = Delivery(self._tools, message, tell, way, ends_at_rcpt=mail is None)
        limit = gevent.Timeout.start_new(self._options.try_seconds, TimeIsOver())
        try:
            delivery.run()
        except TimeIsOver:
            tell(Step("time", False, f"No end within {self._options.try_seconds:g} seconds"))
        finally:
            limit.close()

    def problem(self) -> str:
        """Why no certificate of another server can be verified; "" if they can."""
        try:
            self._tools.tls.prepare()
        except (OSError, ImportError) as error:
            return f"the authorities to trust for other servers cannot be read: {error}"
        return ""

    def close(self) -> None:
        """Say goodbye on all kept connections."""
        self._pool.close()


_SLOWEST = 20_000  # octets a second at which a large message may go
_NO_ADDRESS = Reply(553, "5.1.3", "This is no mail address")


def _what(error: Exception) -> tuple[str, str]:
    return type(error).__name__, raised_at(error.__traceback__)
