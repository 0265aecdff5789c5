"""The history: a sample of all metrics for each minute of a day and each hour of three months, in one small file.

A sample is one row: the numbers of all series in the order of their ids, packed and compressed. So a minute costs one
small write, however many series there are, and the file cannot grow beyond the rows that are kept.
"""

from __future__ import annotations

import json
import logging
import math
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import peewee
from chatgate_filedb import FileDatabase

from chatgate.api import Distribution, Metric
from chatgate_metrics.exposition import cumulated

log = logging.getLogger("chatgate.metrics")

Point = tuple[float, float]

# Of these there are many, and who looks at them wants to see now.
_PASSING = ("chatgate_hook_", "chatgate_gc_", "chatgate_build")


class Series(peewee.Model):
    """labels: JSON of their names and values, sorted."""

    id = peewee.AutoField()
    name = peewee.TextField()
    labels = peewee.TextField()

    class Meta:
        indexes = ((("name", "labels"), True),)


class Minute(peewee.Model):
    """time: Unix seconds. numbers: see above; not a number where a series has none."""

    time = peewee.IntegerField(primary_key=True)
    numbers = peewee.BlobField()


class Hour(peewee.Model):
    """As Minute."""

    time = peewee.IntegerField(primary_key=True)
    numbers = peewee.BlobField()


class History:
    """file: of the samples. minutes, hours: seconds for which each kind is kept. most: series in a sample."""

    def __init__(self, path: Path, minutes: float, hours: float, most: int) -> None:
        self.file = FileDatabase("metrics", path, (Series, Minute, Hour), durable=False, replaceable=True)
        self._minutes, self._hours, self._most = minutes, hours, most
        self._told = False

    def note(self, now: float, metrics: Sequence[Metric]) -> None:
        """Add a sample and remove what is too old; `now` in Unix seconds. Raises PluginError and one of `ERRORS`."""
        numbers = {(name, _key(labels)): value for one in metrics for name, labels, value in numbers_of(one)}
        self.file.run(lambda db: self._write(db, int(now), numbers))

    def _write(self, db: peewee.SqliteDatabase, now: int, numbers: dict[tuple[str, str], float]) -> None:
        ids = {(name, labels): id_ for id_, name, labels in Series.select().order_by(Series.id).tuples().execute(db)}
        for name, labels in numbers:
            if (name, labels) not in ids and len(ids) < self._most:
                ids[name, labels] = Series.insert(name=name, labels=labels).execute(db)
        if len(numbers.keys() - ids.keys()) and not self._told:
            log.warning("the history has no room for more series max_series=%d", self._most)
            self._told = True
        values = array("d", [math.nan]) * max(ids.values(), default=0)
        for key, value in numbers.items():
            if key in ids:
                values[ids[key] - 1] = value
        packed = zlib.compress(values.tobytes(), 6)
        Minute.replace(time=now, numbers=packed).execute(db)
        hour = now - now % 3600
        if not Hour.select().where(Hour.time >= hour).exists(db):
            Hour.replace(time=now, numbers=packed).execute(db)
        # A clock that was ahead for a while must not leave rows that never get old.
        for model, seconds in ((Minute, self._minutes), (Hour, self._hours)):
            model.delete().where((model.time <= now - seconds) | (model.time > now)).execute(db)

    def read(self, name: str, labels: Mapping[str, str], since: float) -> list[Point]:
        """(Unix seconds, value), the oldest first: the sum of all series of this name that have these labels. Each
        minute where that is kept for the whole time, else each hour and then each minute. Raises PluginError and one of
        `ERRORS`.
        """
        return self.file.run(lambda db: list(_read(db, name, dict(labels), since)), writes=False)


def _read(db: peewee.SqliteDatabase, name: str, labels: dict[str, str], since: float) -> Iterator[Point]:
    wanted = labels.items()
    found = Series.select(Series.id, Series.labels).where(Series.name == name).tuples().execute(db)
    ids = [id_ for id_, having in found if wanted <= json.loads(having).items()]
    if not ids:
        return
    first = Minute.select(peewee.fn.MIN(Minute.time)).scalar(db)
    before = math.inf if first is None else first
    for model, condition in ((Hour, Hour.time < before), (Minute, Minute.time >= 0)):
        query = model.select(model.time, model.numbers).where(condition & (model.time >= since)).order_by(model.time)
        for time, packed in query.tuples().iterator(db):
            numbers = array("d", zlib.decompress(packed))
            here = [numbers[id_ - 1] for id_ in ids if id_ <= len(numbers) and not math.isnan(numbers[id_ - 1])]
            if here:
                yield float(time), sum(here)


def rates(points: Sequence[Point]) -> list[Point]:
    """How much a counter grew per second between each two points. One that began anew, as its process did, grew by
    what it has now.
    """
    return [
        (time, (value - before if value >= before else value) / (time - then))
        for (then, before), (time, value) in zip(points, points[1:], strict=False)
        if time > then
    ]


def numbers_of(metric: Metric) -> Iterator[tuple[str, dict[str, str], float]]:
    """(name, labels, value) of each number, named as Prometheus names them: "…_total" for a counter; for a histogram
    "…_count", "…_sum" and "…_bucket" with the label "le". What passes soon is left out.
    """
    if metric.name.startswith(_PASSING):
        return
    for values, value in metric.samples.items():
        labels = dict(zip(metric.labels, values, strict=True))
        if not isinstance(value, Distribution):
            yield metric.name + ("_total" if metric.kind == "counter" else ""), labels, float(value)
            continue
        yield metric.name + "_count", labels, float(sum(value.counts))
        yield metric.name + "_sum", labels, float(value.total)
        for bound, count in cumulated(value):
            yield metric.name + "_bucket", {**labels, "le": bound}, float(count)


def _key(labels: Mapping[str, Any]) -> str:
    return json.dumps(labels, sort_keys=True)
