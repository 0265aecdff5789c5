"""What an operator can set in conf.d/NN-metrics.toml."""

from __future__ import annotations

from dataclasses import dataclass

from chatgate.api import option


@dataclass(frozen=True)
class MetricsOptions:
    listen: tuple[str, ...] = option(
        (),
        'Where Prometheus gets metrics by HTTP, such as "127.0.0.1:9464". There is no password and no TLS: whoever '
        "reaches it may read them. Empty: nowhere.",
    )
    max_connections: int = option(50, "Connections to it that may be open at the same time.", live=True)
    request_seconds: float = option(10.0, "Seconds that a request may take, from connecting to the end of its header.")
    history: bool = option(True, "Keep a sample of each minute and of each hour, for plots and forecasts.")
    file: str = option("data/metrics.db", "Where they are kept.")
    minute_hours: float = option(24.0, "Hours for which the samples of each minute are kept.")
    hour_days: float = option(90.0, "Days for which those of each hour are kept.")
    max_series: int = option(1000, "Numbers in a sample at most; further ones are left out.")

    def __post_init__(self) -> None:
        for name in ("max_connections", "request_seconds", "minute_hours", "hour_days", "max_series"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than zero")
