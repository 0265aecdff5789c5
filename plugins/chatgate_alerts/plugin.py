"""The plugin: its hooks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import click

from chatgate.api import Gateway, KeptFiles, Metric, Problem, Service, Trouble, all_troubles, hookimpl
from chatgate_alerts.channels import Channel
from chatgate_alerts.database import Database
from chatgate_alerts.group.channel import Door, Group
from chatgate_alerts.group.joining import Joining
from chatgate_alerts.group.members import Members
from chatgate_alerts.group.post import Post
from chatgate_alerts.options import AlertsOptions
from chatgate_alerts.service import LOOK
from chatgate_alerts.service import Service as Looking
from chatgate_alerts.watching import Event
from chatgate_alerts.webhook import Target, Webhook
from chatgate_alerts.words import list_lines, moment

# Tries after which a channel counts as one that does not work.
_TRIES = 6


class Alerts:
    """Tells the operators of trouble: in a Delta Chat group, end-to-end encrypted, and by a webhook."""

    Options = AlertsOptions
    order = 88

    def __init__(self, gateway: Gateway, options: AlertsOptions) -> None:
        self._gateway, self._options = gateway, options
        self.database = Database(gateway.path("data", "alerts.db"))
        self.members = Members(self.database)
        gateway.control.answers(LOOK, lambda facts: self.looking.wake())

    @cached_property
    def channels(self) -> list[Channel]:
        options = self._options
        found: list[Channel] = [Group(self.members, self._post)]
        if options.webhook:
            target = Target.of(options.webhook, options.webhook_header, options.webhook_fields)
            ca_file = str(self._gateway.path(options.webhook_ca_file)) if options.webhook_ca_file else ""
            found.append(Webhook(target, ca_file))
        return found

    @cached_property
    def looking(self) -> Looking:
        gateway = self._gateway
        name = gateway.domains.first.name
        everywhere, store = (lambda: all_troubles(gateway)), (lambda: gateway.store)
        return Looking(name, self._options, self.database, self.channels, everywhere, store)

    @cached_property
    def joining(self) -> Joining:
        return Joining(self.members, self._post, self._state, self._options)

    @cached_property
    def _post(self) -> Post:
        return Post(self._gateway, f"{self._gateway.domains.first.name} alerts")

    def _state(self) -> str:
        """What somebody is told who has just joined."""
        now, wrong = time.time(), all_troubles(self._gateway)
        told = [Event("begin", Trouble(one.key, one.what, one.since or now, one.do), now) for one in wrong]
        name = self._gateway.domains.first.name
        lines = list_lines(told) or ["Nothing is wrong at the moment."]
        return "\n".join([f"Here you are told when something is wrong with {name}, and when it is over.", "", *lines])

    @hookimpl
    def chatgate_services(self) -> Sequence[Service]:
        return [self.database, self.looking, Door(self._gateway, self.members, self.joining)]

    @hookimpl
    def chatgate_backup(self) -> list[KeptFiles]:
        return [self.database.kept("alerts")]

    @hookimpl
    def chatgate_commands(self, cli: click.Group) -> None:
        from chatgate_alerts import command  # a gateway that serves can save its memory

        cli.add_command(command.make(self._gateway, self.database, self.members, self._post.name))

    @hookimpl(optionalhook=True)
    def chatgate_admin_pages(self, gateway: Gateway, admin: Any) -> list[Any]:
        from chatgate_alerts import page  # only where there is a dashboard

        return [page.make(gateway, self.database, self.members, self._post.name, admin)]

    @hookimpl
    def chatgate_troubles(self) -> list[Trouble]:
        """A channel that does not work: another one may."""
        stuck = {post.channel: post for _, post in self.database.posts() if post.tries >= _TRIES}
        found = [(name, f"alerts do not go out by {name}: {post.error}", post.made) for name, post in stuck.items()]
        return [Trouble(f"alerts:{name}", what, made, "chatgate alerts test") for name, what, made in found]

    @hookimpl
    def chatgate_metrics(self) -> list[Metric]:
        return self.looking.metrics()

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        self.database.read_only = self._gateway.read_only
        found = [_IN_CLEAR] if self._options.webhook.startswith("http:") else []
        if not self.database.path.exists():
            return found if self._options.webhook else [_NOBODY]
        try:
            found += [
                Problem("warning", f"alerts: by {post.channel}, since {moment(post.made)}: {post.error}")
                for _, post in self.database.posts()
                if post.error
            ]
            return found or ([] if self._options.webhook or self.members.all() else [_NOBODY])
        finally:
            self.database.close()


_IN_CLEAR = Problem("warning", "alerts: webhook is not https: whoever is on the way can read the alerts")
_NOBODY = Problem("note", "alerts: nobody is told yet: 'chatgate alerts join' shows a link into the operators' group")
