"""chatgate_ping: `chatgate ping`, an end-to-end self-test of the running gateway with real encrypted mail."""

from chatgate_ping.plugin import Ping, PingOptions

__all__ = ["Ping", "PingOptions"]
