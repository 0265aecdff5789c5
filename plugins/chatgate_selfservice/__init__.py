"""chatgate_selfservice: people manage their own account, on a page or by METADATA."""

from chatgate_selfservice.plugin import SelfService, SelfServiceOptions

__all__ = ["SelfService", "SelfServiceOptions"]
