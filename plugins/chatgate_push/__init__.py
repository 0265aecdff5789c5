"""chatgate_push: tells the notification service of new mail, so that it wakes up phones. See docs/push.md."""

from chatgate_push.options import PushOptions
from chatgate_push.plugin import Push

__all__ = ["Push", "PushOptions"]
