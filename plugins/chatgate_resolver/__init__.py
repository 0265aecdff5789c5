"""A library for plugins that ask the DNS, and the plugin `resolver`, which has the gateway's own `Resolver`.

resolver = gateway.hub.plugin("resolver").resolver
resolver.mx("example.org").values  # ((10, "mx.example.org"),)
"""

from chatgate_resolver.answers import Absent, Answer, NoRecords, NoSuchName, Problem, Trouble
from chatgate_resolver.options import ResolverOptions
from chatgate_resolver.resolver import Resolver

__all__ = ["Absent", "Answer", "NoRecords", "NoSuchName", "Problem", "Resolver", "ResolverOptions", "Trouble"]
