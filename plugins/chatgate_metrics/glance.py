"""How a gateway is, at a glance: the few figures that an operator looks at first, for people and as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from chatgate.api import Distribution, GatewayStatus, Metric, Trouble

_RECENT = 600.0  # seconds of the history of which rates are the average
_MINUTE, _HOUR, _DAY = 60, 3600, 86400

# What is counted by the minute: (name in the data, metric as the history has it, labels).
RATES: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("taken", "chatgate_messages_total", {"outcome": "taken"}),
    ("refused", "chatgate_messages_total", {"outcome": "refused"}),
    ("handed_on", "chatgate_courier_recipients_total", {"outcome": "delivered"}),
    ("logins", "chatgate_logins_total", {}),
    ("accounts", "chatgate_signups_total", {"outcome": "made"}),
)


class Rates(Protocol):
    """The history: how much a counter grew per second, as (Unix seconds, rate)."""

    def __call__(self, name: str, labels: Mapping[str, str] | None, since: float) -> list[tuple[float, float]]: ...


def glance(status: GatewayStatus, rates: Rates, now: float) -> dict[str, Any]:
    """The figures, as data for JSON. None where nobody says. Times are in Unix seconds, rates by the minute."""
    metrics = status.metrics
    connections = _by(metrics.get("chatgate_connections"), "service")
    delivery = metrics.get("chatgate_delivery_seconds")
    times = delivery.samples.get(()) if delivery else None
    return {
        "processes": [
            {"number": one.number, "pid": one.pid, "since": one.since, "version": one.version, "silent": one.silent}
            for one in status.processes
        ],
        "connections": {name: int(count) for name, count in connections.items() if count},
        "idle": _sum(metrics.get("chatgate_imap_idle")),
        "online": _sum(metrics.get("chatgate_accounts_online")),
        "accounts": _sum(metrics.get("chatgate_accounts")),
        "per_minute": {name: _recent(rates(metric, labels, now - _RECENT)) for name, metric, labels in RATES},
        "delivery_seconds": {"half": quantile(times, 0.5), "99_percent": quantile(times, 0.99)},
        "queue": _sum(metrics.get("chatgate_courier_queue")),
        "oldest_seconds": _sum(metrics.get("chatgate_courier_oldest_seconds")),
        "peers_left_alone": _sum(metrics.get("chatgate_courier_breakers"), state="open"),
        "free_bytes": _sum(metrics.get("chatgate_maildb_free_bytes")),
        "last_sweep": _sum(metrics.get("chatgate_sweeper_last_seconds")) or None,
        "certificate_ends": _least(metrics.get("chatgate_tls_expires_seconds")),
        "stalls": _sum(metrics.get("chatgate_stalls")),
        "troubles": [
            {"key": one.key, "what": one.what, "since": one.since, "do": one.do, "blocks": one.blocks}
            for one in status.troubles
        ],
    }


def lines(data: Mapping[str, Any], title: str, now: float) -> Iterator[str]:
    """The same for people."""
    processes = data["processes"]
    began = min((one["since"] for one in processes if not one["silent"]), default=now)
    versions = sorted({one["version"] for one in processes if one["version"]})
    several = f", {len(processes)} processes" if len(processes) > 1 else ""
    yield f"{title}: chatgate {', '.join(versions) or '?'}, up for {span(now - began)}{several}"
    for name, text in _rows(data, now):
        yield f"  {name:<12} {text}"
    troubles = [Trouble(**one) for one in data["troubles"]]
    if not troubles:
        yield "  no trouble is known"
    for one in troubles:
        since = f", for {span(now - one.since)}" if one.since else ""
        yield f"  {'BAD' if one.blocks else 'trouble'}: {one.what}{since}"
        yield f"    do: {one.do}"


def _rows(data: Mapping[str, Any], now: float) -> Iterator[tuple[str, str]]:
    services = ", ".join(f"{name} {count}" for name, count in sorted(data["connections"].items()))
    people = [_said(data["online"], "{} online"), _said(data["accounts"], "{} accounts")]
    yield "people", ", ".join(filter(None, people)) or "nobody says"
    waiting = f"; {data['idle']:.0f} wait for mail (IDLE)" if data["idle"] else ""
    yield "connections", (services or "none") + waiting
    rates = data["per_minute"]
    if rates["taken"] is None:
        yield "by minute", "not known yet: the history has a sample a minute"
    else:
        names = (("taken", "taken"), ("refused", "refused"), ("handed_on", "to other servers"), ("logins", "logins"))
        said = [f"{name} {rates[key]:.3g}" for key, name in names if rates[key] is not None]
        yield "by minute", ", ".join([*said, *([f"new accounts {rates['accounts']:.3g}"] if rates["accounts"] else [])])
    half, most = data["delivery_seconds"]["half"], data["delivery_seconds"]["99_percent"]
    if half is not None:
        yield (
            "delivery",
            f"within {_milliseconds(half)} for half of all messages since the start, {_milliseconds(most)} for 99 %",
        )
    if data["queue"] is not None:
        oldest = f", the oldest for {span(data['oldest_seconds'])}" if data["queue"] and data["oldest_seconds"] else ""
        alone = data["peers_left_alone"]
        left = f"; {alone:.0f} other servers are left alone for now: chatgate peers health" if alone else ""
        yield "queue", f"{data['queue']:.0f} recipients elsewhere{oldest}{left}"
    if data["free_bytes"] is not None:
        yield "disk", f"{data['free_bytes'] / 1e9:.1f} GB free"
    if data["certificate_ends"] is not None:
        left = data["certificate_ends"] - now
        yield "certificate", f"valid for {span(left)}" if left > 0 else f"expired {span(-left)} ago"
    if data["last_sweep"]:
        yield "sweep", f"{span(now - data['last_sweep'])} ago"
    if data["stalls"]:
        yield "stalls", f"{data['stalls']:.0f} since the start: everybody waited for a moment; see the log"


def quantile(times: Any, share: float) -> float | None:
    """Below which bound this share of the values are, in the unit of the distribution. None: there are no values. The
    largest bound stands for whatever is above it.
    """
    if not isinstance(times, Distribution) or not (total := sum(times.counts)):
        return None
    seen = 0.0
    for bound, count in zip(times.bounds, times.counts, strict=False):
        seen += count
        if seen >= share * total:
            return bound
    return times.bounds[-1]


def span(seconds: float) -> str:
    """For people: "3 days", "12 minutes"."""
    seconds = max(0.0, seconds)
    for unit, name in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute"), (1, "second")):
        if seconds >= 2 * unit or unit == 1:
            number = int(seconds // unit)
            return f"{number} {name}{'' if number == 1 else 's'}"
    raise AssertionError


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _said(value: float | None, text: str) -> str:
    return "" if value is None else text.format(int(value))


def _recent(points: Sequence[tuple[float, float]]) -> float | None:
    """The average by the minute."""
    return sum(rate for _, rate in points) / len(points) * _MINUTE if points else None


def _numbers(metric: Metric | None, **labels: str) -> list[float]:
    if metric is None:
        return []
    found = []
    for values, value in metric.samples.items():
        if labels.items() <= dict(zip(metric.labels, values, strict=True)).items() and not isinstance(
            value, Distribution
        ):
            found.append(float(value))
    return found


def _sum(metric: Metric | None, **labels: str) -> float | None:
    numbers = _numbers(metric, **labels)
    return sum(numbers) if numbers else None if metric is None or metric.samples else 0.0


def _least(metric: Metric | None) -> float | None:
    return min(_numbers(metric), default=None)


def _by(metric: Metric | None, label: str) -> dict[str, float]:
    if metric is None:
        return {}
    return {
        value: _sum(metric, **{label: value}) or 0.0
        for value in sorted({values[metric.labels.index(label)] for values in metric.samples})
    }
