"""What is removed when and in which order: old mail, idle accounts, mail in full accounts or on a full disk.

See docs/retention.md."""

from chatgate_sweeper.options import SweeperOptions
from chatgate_sweeper.plugin import Sweeper

__all__ = ["Sweeper", "SweeperOptions"]
