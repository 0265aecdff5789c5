"""What commands cost in a mailbox with four times as many messages."""

from __future__ import annotations

import pytest
import wild
from growing import seconds

from chatgate.api import Delivery

_FEW, _FACTOR = 700, 4
_STEEP = 9.0
_NOTICEABLE = 0.01  # seconds under which all is well


def _letter(number: int) -> bytes:
    """An answer to the one before, in a thread without end."""
    references = " ".join(f"<{n}@example.org>" for n in range(max(0, number - 10), number))
    return (
        f"From: u{number * 7919 % 1000} <u@example.org>\r\nSubject: {'Re: ' * (number % 3)}{number * 31 % 97}\r\n"
        f"Date: Mon, 2 Nov 2026 10:{number % 60:02}:00 +0000\r\nMessage-ID: <{number}@example.org>\r\n"
        f"References: {references}\r\n\r\n"
    ).encode()


@pytest.fixture(scope="module")
def mailboxes(gateway):
    """Two that differ in their number of messages; every other one has been read and has a keyword of its own."""
    costs = []
    for name, count in (("few", _FEW), ("many", _FEW * _FACTOR)):
        account = gateway.store.create_account(f"{name}@example.org", "secret")
        inbox = gateway.store.mailbox(account.id, "INBOX")
        flags = [frozenset(["\\Seen", f"$k{n}"] if n % 2 else []) for n in range(count)]
        gateway.store.store_all(
            [(_letter(n), Delivery(account.address, inbox.id, account.id, flags[n])) for n in range(count)]
        )
        costs.append(wild.imap(gateway, account.address))
    return costs


@pytest.mark.parametrize(
    "command",
    [
        "NOOP",
        "UID SEARCH RETURN (ALL COUNT) SEEN",
        "SEARCH RETURN (SAVE) SEEN; FETCH $ (UID); SEARCH $ NOT $ OR $ $; UID FETCH $ (UID) (CHANGEDSINCE 1 VANISHED)",
        "SEARCH UID {odd} NOT UID {odd}",
        "UID FETCH {odd} (FLAGS)",
        "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)",
        "UID SORT (REVERSE SUBJECT FROM DATE) UTF-8 ALL",
        "UID THREAD REFERENCES UTF-8 ALL",
        "EXAMINE INBOX (QRESYNC (1 1 1:9999))",
        "STATUS INBOX (DELETED RECENT)",
        "SELECT INBOX; UID STORE {odd} +FLAGS ($a); UID STORE 1:* -FLAGS.SILENT ($a); UID STORE 1:* FLAGS ($b)",
        "SELECT INBOX; UID COPY 1:* Trash; UID EXPUNGE {odd}; NOOP",
    ],
)
def test_commands_cost_in_proportion_to_the_messages(mailboxes, command):
    odd = ",".join(str(uid) for uid in range(1, _FEW * _FACTOR, 2))
    data = b"a " + command.replace("{odd}", odd).replace("; ", "\r\na ").encode()
    few, many = mailboxes
    answers = many(data)
    assert answers.count(b"\r\na OK") == 3 + data.count(b"\r\n") + 1
    long = seconds(many, data, 1)
    if long > _NOTICEABLE and long > _STEEP * seconds(few, data, 2):
        assert seconds(many, data, 3) < _STEEP * seconds(few, data, 6)
