"""The looks: what is wrong, who is told, and what is tried again."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence

import gevent.event

from chatgate.api import Counter, Leased, Metric, PluginError, Store, Trouble
from chatgate_alerts.channels import Channel, NotSent
from chatgate_alerts.database import Database, Post
from chatgate_alerts.options import AlertsOptions
from chatgate_alerts.watching import Watching
from chatgate_alerts.words import message

log = logging.getLogger("chatgate.alerts")

# What a command asks the processes, to have them look at once.
LOOK = "alerts"

# Events that happen together and still get a message each.
_TOGETHER = 3
# Seconds until a message is tried again that was not taken; each further wait is twice as long.
_FIRST_WAIT, _LONGEST_WAIT = 5.0, 900.0


def ticks() -> float:
    """Seconds by a clock that nobody can set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Service(Leased):
    """In one process at a time. gateway: its name. troubles: what is wrong right now, in all processes. clock: Unix
    seconds. ticks: seconds of a clock that does not leap.
    """

    def __init__(
        self,
        gateway: str,
        options: AlertsOptions,
        database: Database,
        channels: Sequence[Channel],
        troubles: Callable[[], list[Trouble]],
        store: Callable[[], Store],
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = ticks,
    ) -> None:
        super().__init__("alerts", self._run, store=store)
        self._gateway, self._options, self._database, self._channels = gateway, options, database, channels
        self._troubles, self._clock, self._ticks = troubles, clock, ticks
        self._watching: Watching | None = None
        self._sent = Counter()
        self._wake = gevent.event.Event()

    def metrics(self) -> list[Metric]:
        """What this process has told; another one that has the lease tells of itself."""
        lasting = len(self._watching.told()) if self._watching else 0
        return [
            Metric(
                "chatgate_alerts_messages",
                "Messages to the operators: sent, failed for now, or lost",
                "counter",
                ("channel", "outcome"),
                dict(self._sent.counts),
            ),
            Metric(
                "chatgate_alerts_troubles",
                "Troubles that the operators were told of and that are not over",
                "gauge",
                (),
                {(): lasting},
                "",
                "max",
            ),
        ]

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def _run(self) -> None:
        self._watching = None  # another process may have told more since
        while True:
            self._wake.clear()
            wait = self._options.look_seconds
            try:
                wait = self.turn()
            except PluginError as error:
                log.error("the operators cannot be told: %s", error)
            self._wake.wait(wait)

    def turn(self) -> float:
        """Look, and send what is due. Returns the seconds until that makes sense again. Raises PluginError."""
        self.look()
        ready = [one.name for one in self._channels if one.ready()]
        self._database.compose(ready, self._clock(), self._options.messages_per_hour, _TOGETHER)
        return self._send(ready)

    def look(self) -> None:
        """Note what begins and what is over."""
        if self._watching is None:
            self._watching = Watching(self._database.told())
        options, watching = self._options, self._watching
        if not any(one.ready() for one in self._channels):
            self._watching = None  # whoever comes is told of what is wrong then
            return
        self._watching = None  # until what it takes for told is on disk
        before = watching.told()
        events = watching.look(
            self._troubles(), self._ticks(), self._clock(), options.begin_seconds, options.end_seconds
        )
        if events or watching.told() != before:
            self._database.note(watching.told(), events)
        for event in events:
            log.warning("trouble %s key=%s", {"begin": "begins", "end": "is over"}[event.kind], event.trouble.key)
        self._watching = watching

    def _send(self, ready: Sequence[str]) -> float:
        wait, now = self._options.look_seconds, self._clock()
        channels = {one.name: one for one in self._channels}
        stuck: set[str] = set()  # one that does not take a message is not given the next
        for due, post in self._database.posts():
            if post.channel not in ready or post.made < now - self._options.keep_hours * 3600:
                self._sent.add(post.channel, "lost")
                log.error("message not delivered channel=%s: %s", post.channel, post.error or "nobody is there")
                self._database.done(post.row)
            elif post.channel in stuck:
                continue
            elif now < due <= now + 2 * _LONGEST_WAIT:  # else the clock was ahead when that was noted
                stuck.add(post.channel)
                wait = min(wait, due - now)
            elif (again := self._try(channels[post.channel], post)) is not None:
                stuck.add(post.channel)
                wait = min(wait, again)
        return max(wait, 0.1)

    def _try(self, channel: Channel, post: Post) -> float | None:
        """Seconds until it is tried again; None: it is done."""
        try:
            channel.send(message(post.name, self._gateway, post.events), self._options.webhook_seconds)
        except NotSent as error:
            self._sent.add(channel.name, "failed")
            wait = min(_FIRST_WAIT * 2.0 ** min(post.tries, 16), _LONGEST_WAIT) * random.uniform(0.8, 1.2)
            log.warning("message not sent channel=%s again_in=%.0fs: %s", channel.name, wait, error)
            self._database.again(post.row, self._clock() + wait, str(error))
            return wait
        self._database.done(post.row)
        self._sent.add(channel.name, "sent")
        log.info("message sent channel=%s id=%s", channel.name, post.name)
        return None
