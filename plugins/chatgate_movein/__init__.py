"""chatgate_movein: `chatgate import`, which brings accounts and mail from other mail servers into this gateway."""

from chatgate_movein.options import MoveInOptions
from chatgate_movein.plugin import MoveIn

__all__ = ["MoveIn", "MoveInOptions"]
