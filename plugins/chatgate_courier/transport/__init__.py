"""Handing mail to other servers: from a destination to the answers of its hosts."""

from chatgate_courier.transport.contract import Mail, Outcome, Step
from chatgate_courier.transport.options import TransportOptions
from chatgate_courier.transport.transports import Transports

__all__ = ["Mail", "Outcome", "Step", "TransportOptions", "Transports"]
