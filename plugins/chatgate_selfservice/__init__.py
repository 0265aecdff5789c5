"""chatgate_selfservice: a page on which people look after their own account."""

from chatgate_selfservice.plugin import SelfService, SelfServiceOptions

__all__ = ["SelfService", "SelfServiceOptions"]
