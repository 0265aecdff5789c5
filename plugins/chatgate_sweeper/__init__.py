"""What goes, when, and in which order: old mail, idle accounts, full mailboxes, a full disk. See docs/retention.md."""

from chatgate_sweeper.options import SweeperOptions
from chatgate_sweeper.plugin import Sweeper

__all__ = ["Sweeper", "SweeperOptions"]
