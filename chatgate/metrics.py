"""What can be counted and measured in a gateway, for whoever shows it; and meters that cost nearly nothing to feed."""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

# Label values that were not counted by themselves, as there were too many or they were no plain words.
OTHER = "other"
# Bounds for what takes somebody's time, in seconds.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_NAME = re.compile(r"chatgate_[a-z0-9]+(?:_[a-z0-9]+)*")
_LABEL = re.compile(r"[a-z]+(?:_[a-z]+)*")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}|")
# Samples of one metric. A gateway has some tens of plugins, each with a few hooks: these are the most of all.
_MOST = 1000

Values = tuple[str, ...]
Kind = Literal["counter", "gauge", "histogram"]
Across = Literal["sum", "max", "one"]


class Counter:
    """Counts events by the values of labels: `refused.add("recipient", "550")`. It costs a fraction of a microsecond.

    Values are words of the code, never what comes from outside. Should that happen all the same: there are at most
    `most` combinations, all further ones count together, and so do those that are no words or an IP address: all their
    values are "other". Not to be used in native threads.
    """

    __slots__ = ("counts", "_most")

    def __init__(self, most: int = 200) -> None:
        self.counts: dict[Values, float] = {}
        self._most = most

    def add(self, *values: str, by: float = 1) -> None:
        """values: one for each label."""
        counts = self.counts
        if values in counts:
            counts[values] += by
            return
        if len(counts) >= self._most or not all(map(_plain, values)):
            values = (OTHER,) * len(values)
        counts[values] = counts.get(values, 0) + by


class Distribution:
    """How often a measured value was up to each bound. bounds: rising. counts: for each bound how many values were up
    to it and above the one before, and at the end those above all; total: the sum of the values.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = tuple(bounds)
        self.counts, self.total = [0] * (len(self.bounds) + 1), 0.0

    def add(self, value: float) -> None:
        """Count this value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def joined(self, other: Distribution) -> Distribution:
        """Both as one. Raises ValueError if their bounds differ."""
        if self.bounds != other.bounds:
            raise ValueError("bounds differ")
        both = Distribution(self.bounds)
        both.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        both.total = self.total + other.total
        return both


@dataclass(frozen=True, slots=True)
class Metric:
    """Something that was counted or measured in this process, by the values of its labels.

    name: begins with "chatgate_" and the plugin's name, ends with the unit, if there is one; no "_total". help: one
    sentence without a full stop. kind: "counter" only grows while the process runs, "gauge" goes up and down,
    "histogram" has a Distribution for each sample. labels: their names. samples: by the values of the labels, in the
    same order. unit: a word such as "seconds" or "bytes". across: what to make of several processes that serve
    together: "sum"; "max"; "one", where each of them says the same. Histograms and counters are always summed.

    No label tells an address, an account, an IP address, a token, or anything else that comes from outside, and their
    values are few. Raises ValueError.
    """

    name: str
    help: str
    kind: Kind
    labels: tuple[str, ...] = ()
    samples: Mapping[Any, float | Distribution] = field(default_factory=dict)  # keys: tuples of str
    unit: str = ""
    across: Across = "sum"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name.endswith("_total"):
            raise ValueError(f'{self.name!r}: a name is "chatgate_", words with "_" between them, and no "_total"')
        if self.unit and not self.name.endswith("_" + self.unit):
            raise ValueError(f"{self.name}: ends with its unit, _{self.unit}")
        if not self.help.isprintable() or not 0 < len(self.help) <= 200:
            raise ValueError(f"{self.name}: help: one sentence")
        if self.kind not in get_args(Kind) or self.across not in get_args(Across):
            raise ValueError(f"{self.name}: kind or across")
        if len(set(self.labels)) < len(self.labels) or not all(map(_LABEL.fullmatch, self.labels)):
            raise ValueError(f"{self.name}: labels: different words in small letters")
        if len(self.samples) > _MOST:
            raise ValueError(f"{self.name}: more than {_MOST} samples")
        for values, value in self.samples.items():
            if len(values) != len(self.labels) or not all(map(_plain, values)):
                raise ValueError(f"{self.name}: values of labels: a word for each label")
            if isinstance(value, Distribution) != (self.kind == "histogram"):
                raise ValueError(f"{self.name}: a Distribution for a histogram, a number for all else")

    @classmethod
    def single(cls, name: str, help: str, kind: Kind, value: float | Distribution, unit: str = "") -> Metric:
        """A metric without labels."""
        return cls(name, help, kind, (), {(): value}, unit)

    def data(self) -> dict[str, Any]:
        """For JSON, on the way to another process."""
        samples = [[list(values), _value_data(value)] for values, value in self.samples.items()]
        named = {"name": self.name, "help": self.help, "kind": self.kind, "unit": self.unit, "across": self.across}
        return {**named, "labels": list(self.labels), "samples": samples}

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Metric:
        """The reverse of `data`. Raises ValueError, TypeError and KeyError."""
        samples = {tuple(values): _value(value) for values, value in data["samples"]}
        named = {name: data[name] for name in ("name", "help", "kind", "unit", "across")}
        return cls(labels=tuple(data["labels"]), samples=samples, **named)


def joined_metrics(processes: Iterable[Sequence[Metric]]) -> list[Metric]:
    """The metrics of several processes as one list, by name, see `Metric.across`."""
    found: dict[str, Metric] = {}
    for metrics in processes:
        for metric in metrics:
            before = found.get(metric.name)
            found[metric.name] = metric if before is None else _joined(before, metric)
    return [found[name] for name in sorted(found)]


def _joined(one: Metric, other: Metric) -> Metric:
    """Those of two processes. If they do not fit (one was begun with another version), the first counts."""
    if (one.kind, one.labels) != (other.kind, other.labels):
        return one
    samples = dict(one.samples)
    for values, value in other.samples.items():
        before = samples.get(values)
        if before is None:
            if len(samples) < _MOST:
                samples[values] = value
        elif isinstance(before, Distribution) and isinstance(value, Distribution):
            if before.bounds == value.bounds:
                samples[values] = before.joined(value)
        elif isinstance(before, Distribution) or isinstance(value, Distribution):
            pass
        elif one.kind == "counter" or one.across == "sum":
            samples[values] = before + value
        elif one.across == "max":
            samples[values] = max(before, value)
    return Metric(one.name, one.help, one.kind, one.labels, samples, one.unit, one.across)


def word(value: str) -> str:
    """The value of a label as it may be shown: itself, or "other". For names that the operator gives, such as domains,
    which may be an IP address or too long.
    """
    return value if _plain(value) else OTHER


def _value_data(value: float | Distribution) -> Any:
    return [value.bounds, value.counts, value.total] if isinstance(value, Distribution) else value


def _value(data: Any) -> float | Distribution:
    if not isinstance(data, list):
        return data + 0.0 if isinstance(data, float) else int(data)
    value = Distribution(data[0])
    value.counts, value.total = list(data[1]), float(data[2])
    if len(value.counts) != len(value.bounds) + 1:
        raise ValueError("a count for each bound, and one more")
    return value


def _plain(value: str) -> bool:
    """Is it a short word, and no address of any kind?"""
    if not _WORD.fullmatch(value):
        return False
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return True
    return value.isdecimal()  # a number such as "550" is no address, whatever Python thinks
