"""The plugin `resolver`."""

from __future__ import annotations

import gevent.pool

from chatgate.api import Gateway, Metric, Problem, hookimpl
from chatgate_resolver.asking import alive
from chatgate_resolver.options import ResolverOptions
from chatgate_resolver.resolver import Resolver


class ResolverPlugin:
    """Asks the DNS for other plugins, such as those that exchange mail with other servers."""

    Options = ResolverOptions
    order = 40

    def __init__(self, gateway: Gateway, options: ResolverOptions) -> None:
        self.options = options
        self.resolver = Resolver(options)

    @hookimpl
    def chatgate_metrics(self) -> list[Metric]:
        counts, what = dict(self.resolver.counted.counts), "Questions to nameservers; what is remembered is not asked"
        return [Metric("chatgate_resolver_questions", what, "counter", ("outcome",), counts)]

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        """Any answer will do: whether this machine gets at names elsewhere is not for a check of the settings."""
        servers = self.resolver.nameservers()
        said = gevent.pool.Pool(len(servers)).map(lambda one: alive(one, self.options.timeout_seconds), servers)
        failed = [f"{server.text}: {why}" for server, why in zip(servers, said, strict=True) if why]
        if not failed:
            return []
        if len(failed) < len(servers):
            return [Problem("warning", f"resolver: not all nameservers answer: {'; '.join(failed)}")]
        text = f"resolver: no nameserver answers, so no mail comes from or goes to other servers: {'; '.join(failed)}"
        return [Problem("warning", text)]
