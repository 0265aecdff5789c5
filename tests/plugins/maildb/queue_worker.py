"""Run by test_queue.py: puts mail into the queue and takes it out again, as fast as it can, until somebody kills it.

It says "sent <name>" when the store has answered, and "got <name>-<number>" before it settles a row.
"""

# ruff: noqa: E402
from gevent import monkey

monkey.patch_all()

import itertools
import random
import sys
import time
from pathlib import Path

import gevent
from chatgate_maildb import MailDbOptions
from chatgate_maildb.store import MailStore

from chatgate.api import Outgoing

OPTIONS = MailDbOptions(blob_bytes=2000, queue_bytes=10**12)
store = MailStore(Path(sys.argv[1]), OPTIONS, lambda key: None)
names = (f"{sys.argv[2]}-{number}" for number in itertools.count())


def send():
    while True:
        name = next(names)
        content = name.encode() + bytes(random.choice((100, 5000)))
        store.store(content, [Outgoing(f"{name}-{n}@far.test", "far.test") for n in range(2)])
        print("sent", name, flush=True)


def work():
    while True:
        for row in store.claim(5, 0.05, time.time()):
            content = store.open_queued(row.id)
            if content is None:  # the lease was over, and the other one was faster
                continue
            name = content.read(0, 100).rstrip(b"\0").decode()
            content.close()
            assert row.recipient.startswith(name + "-"), row
            if random.random() < 0.3:
                store.postpone([row], row.due)
            else:
                print("got", row.recipient.partition("@")[0], flush=True)
                store.settle([row])
        gevent.sleep(0.001)


gevent.joinall([gevent.spawn(each) for each in (send, send, send, work, work)], raise_error=True)
