"""chatgate: a chatmail server as a plugin-hosted gateway. The core; plugins import `chatgate.api`."""

__version__ = "0.1.0"
