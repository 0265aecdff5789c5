"""What the store counts and measures: commits, its files, what waits for the disk."""

from __future__ import annotations

from pathlib import Path

from chatgate.api import Metric, Trouble, free_octets
from chatgate_maildb.store import MailStore


def metrics(store: MailStore) -> list[Metric]:
    """Those of this process, and of the files that all processes share."""
    writer = store.writer
    sizes = {(name,): _size(store.folder / file) for name, file in (("database", "mail.db"), ("log", "mail.db-wal"))}
    return [
        Metric.single("chatgate_maildb_commit_jobs", "Jobs that shared a commit", "histogram", writer.jobs),
        Metric.single(
            "chatgate_maildb_commit_seconds",
            "Commits, which wait for the disk (fsync)",
            "histogram",
            writer.seconds,
            "seconds",
        ),
        Metric("chatgate_maildb_failures", "Commits that failed", "counter", ("how",), dict(writer.failed.counts)),
        Metric.single("chatgate_maildb_waiting", "Jobs that wait for a commit", "gauge", writer.waiting),
        Metric("chatgate_maildb_size_bytes", "Its files", "gauge", ("file",), sizes, "bytes", "one"),
        Metric(
            "chatgate_maildb_free_bytes",
            "Free on the disk with the mail",
            "gauge",
            (),
            {(): free_octets(store.folder)},
            "bytes",
            "one",
        ),
        Metric(
            "chatgate_maildb_files",
            "Files with large messages that were written or removed",
            "counter",
            ("done",),
            dict(store.blobs.counted.counts),
        ),
    ]


def troubles(store: MailStore) -> list[Trouble]:
    """The store cannot be written."""
    began = store.writer.failing.since()
    if began is None:
        return []
    do = "df -h, dmesg; journalctl -u chatgate --grep 'commit failed'"
    return [Trouble("store", "mail cannot be written to the disk, and is refused for now", began, do, blocks=True)]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
