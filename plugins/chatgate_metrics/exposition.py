"""Metrics as text, in the formats of Prometheus and OpenMetrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from chatgate.api import Distribution, Metric


def text(metrics: Sequence[Metric], accept: str = "") -> tuple[str, bytes]:
    """(content type, text) in the format that a client prefers. accept: its Accept field; "" for the older format,
    which every program reads.
    """
    # Not before somebody asks: the library loads a web server and more, 3 MB of memory.
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(metrics))
    encode, kind = choose_encoder(accept)
    return kind, encode(registry)


class _Collector:
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        for one in self._metrics:
            facts = {"labels": one.labels, "unit": one.unit}
            family: Any
            if one.kind == "histogram":
                family = HistogramMetricFamily(one.name, one.help, **facts)  # type: ignore[arg-type]
            elif one.kind == "counter":
                family = CounterMetricFamily(one.name, one.help, **facts)  # type: ignore[arg-type]
            else:
                family = GaugeMetricFamily(one.name, one.help, **facts)  # type: ignore[arg-type]
            for values, value in sorted(one.samples.items()):
                if isinstance(value, Distribution):
                    family.add_metric(values, [(le, float(n)) for le, n in cumulated(value)], value.total)
                else:
                    family.add_metric(values, float(value))
            yield family


def cumulated(value: Distribution) -> list[tuple[str, int]]:
    """(bound, how many values were up to it) as Prometheus counts them; the last bound is "+Inf"."""
    bounds = [f"{bound:g}" if bound != int(bound) else f"{bound:.1f}" for bound in value.bounds]
    return list(zip([*bounds, "+Inf"], accumulate(value.counts), strict=True))
