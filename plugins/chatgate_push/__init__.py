"""chatgate_push: tell the notification service that new mail is there, so that phones wake up. See docs/push.md."""

from chatgate_push.options import PushOptions
from chatgate_push.plugin import Push

__all__ = ["Push", "PushOptions"]
