"""A hunt for what costs more than in proportion, in whatever reads what others send. A fixed effort."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import wild
from chatgate_gate import mime
from chatgate_imap.commands import listing
from chatgate_imap.syntax import mailbox_names
from chatgate_imap.syntax.answers import Bad
from chatgate_imap.syntax.parser import Parser
from growing import Prey, greedy, slow

from chatgate.mail import headers
from chatgate.running.gateway import Gateway

# Inputs to try, in a second each or less.
TIME = {
    "smtp": 100,
    "smtp in drips": 60,
    "submission": 80,
    "messages from elsewhere": 1800,
    "messages of accounts": 1000,
    "dkim": 800,
    "authors": 400,
    "addresses": 400,
    "proxy": 2000,
    "first of tls": 2000,
    "packets": 400,
    "imap names": 1000,
    "imap lists": 80,
    "imap searches": 180,
    "imap others": 90,
    "policies of MTA-STS": 400,
    "records in a zone": 150,
    "answers of nameservers": 60,
    "http": 250,
    "scrapes": 100,
    "mxdeliv": 250,
    "threads": 30,
    "maddy.conf": 60,
}
MEMORY = {"dkim": 40, "messages from elsewhere": 50, "imap lists": 60, "imap searches": 40, "smtp": 12, "http": 20}


@pytest.fixture(scope="module")
def prey(gateway: Gateway) -> dict[str, Prey]:
    return wild.prey(gateway)


@pytest.mark.parametrize("name", TIME)
def test_no_input_takes_time_out_of_proportion(prey, name):
    assert slow(prey[name], TIME[name]) is None


@pytest.mark.parametrize("name", MEMORY)
def test_no_input_takes_memory_out_of_proportion(prey, name):
    assert greedy(prey[name], MEMORY[name]) is None


# ---------------------------------------------------------------------------------------------- does it find any?


def _unfolded(header: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each folded line is added to a copy of those before."""
    name = field = b""
    for line in header.splitlines(keepends=True):
        if line[:1] in b" \t" and field:
            field += line
        else:
            if field:
                yield name, field
            name, field = line.partition(b":")[0].lower(), line
    yield name, field


def _all_patterns(parser: Parser, reference: bytes, wanted: list[bytes]) -> list[mailbox_names.Pattern]:
    """Put together before anybody asks how long they are."""
    if sum(len(pattern) for pattern in [reference + pattern for pattern in wanted]) > 1000:
        raise Bad("Pattern too long")
    return []


KNOWN_SLOW = [
    ("messages from elsewhere", mime, "_REST", re.compile(rb"[ \t]*;?[ \t]*")),
    ("imap names", mailbox_names, "_SHIFTED", re.compile(rb"&([^-]*)-")),
]


@pytest.mark.parametrize(("name", "module", "attribute", "bad"), KNOWN_SLOW, ids=[row[2] for row in KNOWN_SLOW])
def test_what_is_known_to_be_slow_is_found(prey, monkeypatch, name, module, attribute, bad):
    monkeypatch.setattr(module, attribute, bad)
    assert slow(prey[name]._replace(short=1500), 2 * TIME[name])


def test_what_adds_to_copies_is_found():
    fields = Prey(lambda header: list(_unfolded(header)), [b"A: b\r\n c\r\nD: e\r\n"], [b" x\r\n", b"A: b\r\n"], 50_000)
    assert slow(fields, 60)
    assert slow(fields._replace(cost=lambda header: list(headers.fields(header))), 20) is None


def test_what_is_known_to_be_greedy_is_found(prey, monkeypatch):
    monkeypatch.setattr(listing, "_patterns", _all_patterns)
    assert greedy(prey["imap lists"]._replace(seeds=[b"a LIST reference (a %b *c d)"], short=3000), 300)
