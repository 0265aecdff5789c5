"""What was measured, beside what it should be: a table for people, JSON for `compare`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

_SAMPLES = 5


@dataclass(frozen=True)
class Figure:
    """A row's constants. limit: the target, at most or (more=True) at least; None: none is set.
    reference: what Postfix, Dovecot and OpenDKIM, set up as a chatmail relay, take for it; None: not measured.
    """

    text: str
    unit: str
    limit: float | None = None
    reference: float | None = None
    more: bool = False


# The targets hold for one process on 2 cores, 4 KB messages and TLS. The reference stack ran on such a machine;
# its latency is that at 10 messages/s, as 50/s are close to all it can take.
FIGURES = {
    "rest_memory": Figure("memory at rest", "MB", limit=70),
    "rest_resident": Figure("the same as RSS", "MB"),
    "rate_accept": Figure("to 250 from DATA, median", "ms"),
    "rate_exists": Figure("to EXISTS in IDLE, median", "ms", limit=6, reference=19),
    "rate_exists_p99": Figure("to EXISTS in IDLE, 99 %", "ms"),
    "rate_fetch": Figure("to fetched, median", "ms"),
    "rate_expunge": Figure("to expunged, median", "ms"),
    "rate_cpu": Figure("CPU per message", "ms", limit=2.5),
    "full_rate": Figure("messages", "/s", limit=350, reference=79, more=True),
    "full_cpu": Figure("CPU per message", "ms", limit=2.5, reference=22),
    "full_exists": Figure("to EXISTS in IDLE, median", "ms"),
    "full_memory": Figure("memory after it", "MB"),
    "burst_accept": Figure("to 250 from DATA, median", "ms"),
    "burst_last": Figure("all have read it, median", "ms", limit=150),
    "burst_worst": Figure("all have read it, slowest burst", "ms"),
    "burst_expunged": Figure("all have expunged it, median", "ms"),
    "login_first": Figure("first logins, which create accounts", "/s", more=True),
    "login_first_cpu": Figure("CPU per first login", "ms"),
    "login_again": Figure("later logins", "/s", more=True),
    "login_again_time": Figure("connect, TLS, LOGIN, median", "ms"),
    "login_again_cpu": Figure("CPU per later login", "ms"),
    "new_rate": Figure("POST /new", "/s", limit=200, reference=10, more=True),
    "new_time": Figure("connect, TLS, answer, median", "ms"),
    "new_cpu": Figure("CPU per request", "ms"),
    "idle_memory": Figure("memory per connection", "KB", limit=35, reference=108),
    "idle_cpu": Figure("CPU per second while all wait", "ms"),
    "idle_wake": Figure("wake-up of one mailbox, median", "ms"),
    # contrib.bench.federation; what Postfix does is measured in the same run.
    "in_plain_rate": Figure("accepted at port 25", "/s", limit=1000, more=True),
    "in_plain_cpu": Figure("CPU per message", "ms"),
    "in_dkim_rate": Figure("accepted at port 25, verified", "/s", limit=600, more=True),
    "in_dkim_cpu": Figure("CPU per message", "ms"),
    "out_https_rate": Figure("handed on by /mxdeliv, signed", "/s", limit=500, more=True),
    "out_https_cpu": Figure("CPU per message", "ms"),
    "out_smtp_rate": Figure("handed on by SMTP, signed", "/s", limit=400, more=True),
    "out_smtp_cpu": Figure("CPU per message", "ms"),
    "relay_exists": Figure("to EXISTS in IDLE at the other, median", "ms", limit=8),
    "relay_exists_p99": Figure("to EXISTS in IDLE at the other, 99 %", "ms"),
    "relay_cpu": Figure("CPU per message, of both", "ms"),
    "postfix_in_rate": Figure("accepted at port 25, verified", "/s", more=True),
    "postfix_in_cpu": Figure("CPU per message", "ms"),
    "postfix_out_rate": Figure("handed on by SMTP, signed", "/s", more=True),
    "postfix_out_cpu": Figure("CPU per message", "ms"),
}


@dataclass
class Faults:
    """What must never happen: how often it did, by name, and a few cases of it."""

    counts: dict[str, int] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)

    def add(self, name: str, sample: str = "") -> None:
        self.counts[name] = self.counts.get(name, 0) + 1
        text = f"{name}: {sample}"
        if sample and text not in self.samples and len(self.samples) < _SAMPLES:
            self.samples.append(text)


@dataclass(frozen=True)
class Result:
    """One scenario. values: by key of FIGURES. checked: how many things could have gone wrong. generator: CPU seconds
    of this program. others: cores that all else on the machine kept busy meanwhile.
    """

    name: str
    title: str
    values: dict[str, float]
    faults: Faults
    checked: int
    generator: float
    others: float


def quantile(values: Iterable[float], q: float) -> float:
    """The q-quantile, 0.0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0


def met(figure: Figure, value: float) -> bool:
    """True also when there is no target."""
    if figure.limit is None:
        return True
    return value >= figure.limit if figure.more else value <= figure.limit


def table(results: Sequence[Result], judged: bool) -> str:
    """judged: whether the values are set beside their targets; a quick run is too short for that."""
    heads = ["", "measured", "target", "of target", "", "reference", "of reference"] if judged else ["", "measured"]
    rows: list[list[str] | str] = []
    for result in results:
        rows.append(f"{result.title}{_conditions(result)}")
        for key, figure in FIGURES.items():
            if (value := result.values.get(key)) is None:
                continue
            row = [f"  {figure.text}", _amount(value, figure.unit)]
            rows.append(row + _judgement(figure, value) if judged else row)
        rows += [f"  FAULT: {count} {name}" for name, count in result.faults.counts.items()]
        rows += [f"    {sample}" for sample in result.faults.samples]
    cells = [heads, *(row for row in rows if isinstance(row, list))]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    lines = [_line(heads, widths)]
    lines += [row if isinstance(row, str) else _line(row, widths) for row in rows]
    return "\n".join([*lines, "", verdict(results)])


def verdict(results: Sequence[Result]) -> str:
    checked = sum(result.checked for result in results)
    faults = sum(sum(result.faults.counts.values()) for result in results)
    if faults:
        return f"{faults} FAULTS in {checked} checks: see above."
    return f"No faults: all of {checked} checks passed; nothing was lost, doubled or changed."


def compare(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Two saved reports of one machine: the second as a ratio to the first."""
    old, new = _values(before), _values(after)
    rows = [["", "before", "after", "after/before"]]
    for key in (key for key in FIGURES if key in old and key in new):
        figure = FIGURES[key]
        ratio = f"{new[key] / old[key]:.2f}" if old[key] else "-"
        better = "" if new[key] == old[key] else " better" if (new[key] > old[key]) == figure.more else " worse"
        name = f"{key.partition('_')[0]}: {figure.text}"
        rows.append([name, _amount(old[key], figure.unit), _amount(new[key], figure.unit), ratio + better])
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join(_line(row, widths) for row in rows)


def _values(report: dict[str, Any]) -> dict[str, float]:
    return {key: value for result in report["results"] for key, value in result["values"].items()}


def _conditions(result: Result) -> str:
    busy = f"; OTHER PROGRAMS kept {result.others:.1f} cores busy" if result.others > 0.2 else ""
    return f" (load generator: {result.generator:.1f} s CPU{busy})"


def _judgement(figure: Figure, value: float) -> list[str]:
    target = ratio = word = reference = of_reference = ""
    if figure.limit is not None:
        target = f"{'≥' if figure.more else '≤'} {_amount(figure.limit, figure.unit)}"
        ratio, word = f"{value / figure.limit:.2f}", "ok" if met(figure, value) else "MISSED"
    if figure.reference is not None:
        reference, of_reference = _amount(figure.reference, figure.unit), f"{value / figure.reference:.2f}"
    return [target, ratio, word, reference, of_reference]


def _amount(value: float, unit: str) -> str:
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(width) if i == 0 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()
