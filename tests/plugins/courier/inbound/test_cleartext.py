"""Who may get unencrypted mail, by both ways: one strict recipient does not sink the others."""

import pytest

from chatgate.api import NewAccount
from chatgate.testing import SHIPPED, imap_client, pgp_message
from tests.incoming import DOORS

ALICE, STRICT, OPEN = "alice@a.example", "strictone@example.org", "openother@example.org"
PASSWORD = "a password that is long"
TRACE = b"Received: from x by y;\r\n\tMon, 2 Nov 2026 10:00:00 +0000\r\nDKIM-Signature: v=1; b=abc\r\n"
TRACE += b"Authentication-Results: example.org; dkim=pass\r\n"
CLEAR = b"X-Kept: yes\r\nFrom: <alice@a.example>\r\nSubject: your code\r\n\r\n1234\r\n"


@pytest.fixture
def gateway(gateway_factory):
    gateway = gateway_factory(*SHIPPED, "courier")
    for address in (STRICT, OPEN):
        assert gateway.accounts.create(NewAccount(address, PASSWORD, "operator"))
    gateway.store.annotate(gateway.store.account(OPEN).id, "", {"/private/vendor/chatgate/cleartext": b"on"})
    return gateway


@pytest.fixture(params=DOORS)
def door(request, gateway):
    return DOORS[request.param](gateway)


def inbox(gateway, address):
    client = imap_client(gateway, (address, PASSWORD))
    client.select("INBOX")
    found = client.search(None, "ALL")[1][0].split()
    return [client.fetch(one, "(BODY.PEEK[])")[1][0][1] for one in found]


def test_each_recipient_by_its_own_rule(gateway, door):
    assert door(ALICE, [STRICT], CLEAR) == ["523 Encryption Needed: Invalid Unencrypted Mail"]
    assert door(ALICE, [OPEN], TRACE + CLEAR)[0][:4] == "250 "
    assert inbox(gateway, OPEN) == [CLEAR], "without the fields meant for servers, and else as it came"
    assert inbox(gateway, STRICT) == []


def test_a_sending_server_gets_it_to_those_who_may_have_it(gateway, door):
    """What it does: it tries again for whom it heard 4xx, and gives up for whom it heard 5xx."""
    left, failed, tries = [OPEN, STRICT], [], 0
    while left:
        tries += 1
        answers = door(ALICE, left, CLEAR)
        failed += [one for one, answer in zip(left, answers, strict=True) if answer[0] == "5"]
        left = [one for one, answer in zip(left, answers, strict=True) if answer[0] == "4"]
        assert tries < 5
    assert failed == [STRICT] and tries == 3
    assert inbox(gateway, OPEN) == [CLEAR], "once"
    content = pgp_message(ALICE, OPEN)
    answers = door(ALICE, [OPEN, STRICT], content)
    assert [answer[:7] for answer in answers][1] == "452 4.5", "soon after that also what is encrypted comes in two"
    assert door("bob@a.example", [OPEN, STRICT], content)[0][:4] == "250 ", "but nobody else's"


def test_encrypted_mail_is_the_same_for_both(gateway, door):
    content = pgp_message(ALICE, OPEN)
    assert [answer[:4] for answer in door(ALICE, [OPEN, STRICT], TRACE + content)] == ["250 ", "250 "]
    assert inbox(gateway, OPEN) == inbox(gateway, STRICT) == [content]


def test_the_owner_sees_it_by_imap_and_cannot_change_it(gateway):
    client = imap_client(gateway, (STRICT, PASSWORD))
    entry = "/private/vendor/chatgate/cleartext"
    assert client._simple_command("SETMETADATA", '""', f'({entry} "on")')[0] == "NO"
    client = imap_client(gateway, (OPEN, PASSWORD))
    client._simple_command("GETMETADATA", '""', entry)
    assert b"on" in b"".join(client.untagged_responses["METADATA"][0])
