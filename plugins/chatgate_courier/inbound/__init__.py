"""`POST /mxdeliv`: mail from other servers by HTTPS. See docs/decisions/0030-mail-in.md for its form."""

from chatgate_courier.inbound.mxdeliv import Inbound

__all__ = ["Inbound"]
