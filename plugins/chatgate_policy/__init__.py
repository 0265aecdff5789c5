"""chatgate_policy: how many new accounts this server accepts, and when."""

from chatgate_policy.plugin import Policy, PolicyOptions

__all__ = ["Policy", "PolicyOptions"]
