"""The plugin `gate` behind the core's hub: answers, order, header cleanup."""

import logging
import shutil

import pytest

from chatgate.domains import Domain, Domains
from chatgate.reply import UNAVAILABLE
from tests.plugins.gate import mails
from tests.plugins.gate.asked import ALICE, BOB, Asked
from tests.plugins.gate.mails import HEADER, mail

CLEARTEXT = mails.stored("gate-cleartext.eml")


@pytest.fixture
def gate(tmp_path):
    return Asked(tmp_path)


ENCRYPTION_NEEDED = "523 Encryption Needed: Invalid Unencrypted Mail"


@pytest.mark.parametrize("submitted", [True, False])
@pytest.mark.parametrize(
    "content", [mail(), mails.stored("gate-deltachat-symmetric.eml"), mails.stored("gate-securejoin-request.eml")]
)
def test_passes(gate, content, submitted):
    assert gate(content, submitted=submitted) is None
    assert gate.bounces_to == ALICE and gate.envelope.results["gate"].name
    assert gate.envelope.content == content


@pytest.mark.parametrize("submitted", [True, False])
def test_cleartext_is_refused(gate, submitted):
    assert gate(CLEARTEXT, submitted=submitted) == ENCRYPTION_NEEDED


@pytest.mark.parametrize("submitted", [True, False])
@pytest.mark.parametrize(
    ("header", "answer"),
    [
        (b"From: nobody\r\n", "554 5.6.0 Invalid FROM header: nobody"),
        (b"From: J\xc3\xb6rg\x1b\r\n", "554 5.6.0 Failed to parse message: control character in the header"),
        (b"From: J\xc3\xb6rg\r\n", "554 5.6.0 Invalid FROM header: J??rg"),
        (b"To: alice@example.org\r\n", "554 5.6.0 Invalid FROM header: "),
        (b"From: alice@example.org\r\nFrom: bob@example.org\r\n", "554 5.6.0 Invalid FROM header: "),
        (b"From: a@b.org, c@d.org\r\n", "554 5.6.0 Invalid FROM header: a@b.org, c@d.org"),
        (b"no field\r\n", "554 5.6.0 Failed to parse message: header line that is no field"),
    ],
)
def test_unclear_messages_are_refused(gate, header, answer, submitted):
    assert gate(mail(header=header), submitted=submitted) == answer


def test_a_long_from_field_makes_a_short_answer(gate):
    answer = gate(mail(header=b"From: " + b"x" * 5000 + b"\r\n"), submitted=True)
    assert answer == "554 5.6.0 Invalid FROM header: " + "x" * 200


def test_submission_must_be_from_the_envelopes_sender(gate):
    assert gate(mail(), submitted=True, sender="ALICE@Example.org") is None
    answer = gate(mail(), submitted=True, sender="carol@example.org")
    assert answer == "550 5.7.1 Invalid FROM <alice@example.org> for <carol@example.org>"
    # The address is looked at first, as in the reference, so cleartext with another's name gets this answer too.
    answer = gate(CLEARTEXT, submitted=True, sender="carol@example.org")
    assert answer == "550 5.7.1 Invalid FROM <alice@example.org> for <carol@example.org>"
    assert gate(mail(), submitted=True, sender="").startswith("550 5.7.1 Invalid FROM")


def test_from_elsewhere_another_envelope_sender_gets_no_bounces(gate):
    assert gate(mail(), submitted=False, sender="srs0=x=alice@forwarder.example") is None
    assert gate.bounces_to == ""
    assert gate(mail(), submitted=False, sender="Alice@example.org") is None
    assert gate.bounces_to == "Alice@example.org"


@pytest.mark.parametrize("address", ["alice@chat.test", "Alice@CHAT.test", "alice@other.test"])
def test_from_elsewhere_nobody_writes_in_the_name_of_an_account_here(gate, address):
    content = mail().replace(ALICE.encode(), address.encode())
    answer = gate(content, submitted=False, sender="x@example.net")
    assert answer == "550 5.7.1 Mail from this domain is only taken after a login"
    assert gate(content, submitted=True, sender=address) is None


@pytest.mark.parametrize("typed", ["alice@127.0.0.4", "alice@[127.0.0.4]"])
def test_an_ip_address_without_its_brackets_is_the_same(tmp_path, typed):
    gate = Asked(tmp_path)
    gate.gate._gateway.domains = Domains(Domain("[127.0.0.4]"))
    content = mail().replace(ALICE.encode(), typed.encode())
    content = content.replace(b'"hidden-recipients": ;', typed.encode())
    recipients = ["alice@[127.0.0.4]"]
    assert gate(content, submitted=True, sender="alice@[127.0.0.4]", recipients=recipients) is None
    assert gate.stored == content
    assert gate(content, submitted=False, sender="x@example.net") == (
        "550 5.7.1 Mail from this domain is only taken after a login"
    )


def test_a_setup_message_and_a_key_of_an_ip_address_without_its_brackets(tmp_path):
    gate = Asked(tmp_path, opened=["postmaster@[127.0.0.4]"])
    gate.gate._gateway.domains = Domains(Domain("[127.0.0.4]"))
    alice = "alice@[127.0.0.4]"
    for typed in (b"alice@127.0.0.4", b"Alice@[127.0.0.4]"):
        content = mails.stored("gate-setup-message.eml").replace(ALICE.encode(), typed)
        assert gate(content, submitted=True, sender=alice, recipients=[alice]) is None
        assert gate(content, submitted=True, sender=alice, recipients=["bob@[127.0.0.4]"]) == ENCRYPTION_NEEDED
        content = mails.stored("gate-securejoin-request.eml").replace(ALICE.encode(), typed)
        content = content.replace(b"addr=" + typed, b"addr=" + alice.encode())
        assert gate(content, submitted=True, sender=alice, recipients=["bob@[127.0.0.4]"]) is None
        assert b"\r\nAutocrypt: addr=" + alice.encode() in gate.stored
    assert gate(CLEARTEXT, submitted=False, recipients=["postmaster@[127.0.0.4]"]) is None


def test_setup_message(gate):
    content = mails.stored("gate-setup-message.eml")
    assert gate(content, submitted=True, recipients=[ALICE]) is None
    assert b"\r\nSubject: [...]\r\n" in gate.stored
    assert gate(content, submitted=True, recipients=[BOB]) == ENCRYPTION_NEEDED
    assert gate(content, submitted=False, recipients=[ALICE]) == ENCRYPTION_NEEDED


def test_bounce(gate):
    content = mails.stored("gate-bounce.eml")
    assert gate(content, submitted=False, sender="") is None
    assert gate(content, submitted=True, sender="mailer-daemon@example.net") == ENCRYPTION_NEEDED


@pytest.mark.parametrize("more", [b"; owner-email=x@example.net", b" (failure)", b"(failure)"])
def test_a_bounce_stays_one_whatever_follows_the_word(gate, more):
    content = mails.stored("gate-bounce.eml").replace(b": auto-replied", b": auto-replied" + more)
    assert gate(content, submitted=False, sender="") is None
    assert b"\r\nAuto-Submitted: auto-replied\r\n" in gate.stored


OPEN = "postmaster@example.org"


def test_who_may_get_cleartext(tmp_path):
    gate = Asked(tmp_path, opened=[OPEN, "abuse@example.org"])
    assert gate(CLEARTEXT, submitted=False, recipients=[OPEN]) is None
    assert gate(CLEARTEXT, submitted=False, recipients=["Postmaster@example.org", "abuse@EXAMPLE.org"]) is None
    assert gate.envelope.results["cleartext"] == set(gate.envelope.recipients)
    assert gate(CLEARTEXT, submitted=False, recipients=[BOB]) == ENCRYPTION_NEEDED
    assert gate(CLEARTEXT, submitted=True, recipients=[OPEN]) == ENCRYPTION_NEEDED
    assert gate(b"no header\r\n\r\n", submitted=False, recipients=[OPEN]).startswith("554 5.6.0 ")
    assert gate(b"To: x\r\n\r\n", submitted=False, recipients=[OPEN]) == "554 5.6.0 Invalid FROM header: "
    twice = b"From: a@b.test\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\nReceived: x\r\n\r\n"
    assert gate(twice, submitted=False, recipients=[OPEN]) is None
    assert gate.bounces_to == "" and b"Received" not in gate.stored


@pytest.mark.parametrize("submitted", [True, False])
def test_nobody_is_looked_up_for_encrypted_mail_nor_for_that_of_accounts(tmp_path, submitted):
    gate = Asked(tmp_path, opened=[OPEN])
    assert gate(mail(), submitted=submitted, recipients=[OPEN, BOB]) is None
    assert gate(CLEARTEXT, submitted=True, recipients=[OPEN]) == ENCRYPTION_NEEDED
    assert gate.looked_up == 0
    assert gate(CLEARTEXT, submitted=False, recipients=[OPEN, BOB]).startswith("451 ")
    assert gate.looked_up == 2, "each once"


def test_a_strict_recipient_does_not_sink_the_others(tmp_path):
    gate = Asked(tmp_path, opened=[OPEN])
    assert gate.rcpt(OPEN, BOB) == [None, None], "as long as nobody has tried"
    again = "451 4.7.1 Not encrypted, and some recipients may only get encrypted mail: try again"
    assert gate(CLEARTEXT, submitted=False, recipients=[OPEN, BOB]) == again
    apart = "452 4.5.3 Send to this recipient in a transaction of its own"
    assert gate.rcpt(OPEN, BOB, "carol@example.org") == [None, apart, None]
    assert gate.rcpt(BOB, OPEN) == [None, apart]
    assert gate(CLEARTEXT, submitted=False, recipients=[OPEN]) is None
    assert gate(CLEARTEXT, submitted=False, recipients=[BOB]) == ENCRYPTION_NEEDED
    assert gate(mail(), submitted=False, recipients=[OPEN, BOB]) is None
    for other in ({"sender": "x@example.net"}, {"peer": "198.51.100.1"}):
        assert gate.rcpt(OPEN, BOB, **other) == [None, None], "nobody brings this on others"


def test_header_limit(tmp_path):
    gate = Asked(tmp_path, max_header=1000)
    assert gate(mail(), submitted=True) is None
    long = mail(header=HEADER + b"A: " + b"x" * 1000 + b"\r\n")
    assert gate(long, submitted=True) == "554 5.6.0 Failed to parse message: header too long"


NOISE = (
    b"Received: from laptop ([192.0.2.7])\r\n\tby example.org; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    b"DKIM-Signature: v=1; a=rsa-sha256;\r\n\tb=abc\r\n"
    b"Authentication-Results: example.org; dkim=pass\r\n"
    b"X-Originating-IP: [192.0.2.7]\r\n"
    b"X-Mailer: Mutt\r\n"
    b"user-agent: Mutt\r\n"
    b"RECEIVED: again\r\n"
)


def names(content):
    return [
        line.split(b":")[0].lower() for line in content[: content.index(b"\r\n\r\n")].split(b"\r\n") if line[:1].strip()
    ]


@pytest.mark.parametrize("submitted", [True, False])
def test_header_cleanup(gate, submitted):
    content = NOISE + mail(header=HEADER.replace(b"[...]", b"Tonight\r\n at eight"))
    assert gate(content, submitted=submitted) is None
    expected = [b"from", b"date", b"message-id", b"mime-version", b"to", b"subject", b"content-type"]
    assert names(gate.stored) == expected
    assert (b"\r\nSubject: [...]\r\n" in gate.stored) == submitted
    assert (b"\r\nSubject: Tonight\r\n at eight\r\n" in gate.stored) == (not submitted)
    assert gate.stored[gate.stored.index(b"\r\n\r\n") :] == content[content.index(b"\r\n\r\n") :]


def test_keep_headers(tmp_path):
    gate = Asked(tmp_path, keep_headers=("x-mailer", "Comments"))
    content = NOISE + b"Comments: (a) b\r\n\tc\r\n" + mail()
    for submitted in (True, False):
        assert gate(content, submitted=submitted) is None
        assert gate.stored.startswith(b"X-Mailer: Mutt\r\nComments: (a) b\r\n\tc\r\nFrom: ")


def test_people_who_may_get_cleartext_get_all_but_trace_fields(tmp_path):
    gate = Asked(tmp_path, opened=[OPEN])
    assert gate(NOISE + CLEARTEXT, submitted=False, recipients=[OPEN]) is None
    assert gate.stored.startswith(b"X-Originating-IP: [192.0.2.7]\r\nX-Mailer: Mutt\r\nuser-agent: Mutt\r\n")
    for gone in (b"dkim-signature", b"authentication-results", b"received"):
        assert gone not in gate.stored[: gate.stored.index(b"\r\n\r\n")].lower()
    assert gate(NOISE + mail(), submitted=False, recipients=[OPEN]) is None
    assert gate.stored == mail(), "what is encrypted is the same for everybody"


def test_logs_hold_neither_addresses_nor_content(gate, caplog):
    caplog.set_level(logging.DEBUG)
    gate(CLEARTEXT, submitted=True)
    gate(mail(header=b"From: nobody-knows\r\n"), submitted=False)
    assert "refused" in caplog.text and gate.envelope.id in caplog.text
    for word in ("alice", "bob", "nobody-knows", "Meet", "192.0.2.1", "Tonight"):
        assert word not in caplog.text


# ---------------------------------------------------------------------------------------------- second opinion


def second(tmp_path, body=None):
    gpg = shutil.which("gpg")
    if gpg is None:
        pytest.skip("no gpg program: a second opinion is GnuPG's")
    if body is None:
        return Asked(tmp_path, second_opinion=True)
    path = tmp_path / "gpg"
    path.write_text(f'#!/bin/sh\ncase "$*" in *--list-packets*) {body};; *) exec {gpg} "$@";; esac\n')
    path.chmod(0o755)
    return Asked(tmp_path, second_opinion=True, gpg=str(path), gpg_seconds=1.0 if "sleep" in body else 60.0)


def test_second_opinion_agrees(tmp_path):
    gate = second(tmp_path)
    assert gate(mail(), submitted=True) is None
    assert gate(mails.stored("gate-thunderbird.eml"), submitted=True) is None
    assert gate(mails.stored("gate-securejoin-request.eml"), submitted=True) is None
    assert gate.hub.check.all(gateway=None) == [[]]


def test_second_opinion_disagrees(tmp_path):
    gate = second(tmp_path, "cat >/dev/null; echo '# off=0 ctb=cb tag=11 hlen=2 plen=18 new-ctb'")
    assert gate(mail(), submitted=True) == ENCRYPTION_NEEDED


@pytest.mark.parametrize("body", ["exit 1", "exec sleep 1000"])
def test_second_opinion_fails(tmp_path, body):
    gate = second(tmp_path, body)
    assert gate(mail(), submitted=True) == f"451 {UNAVAILABLE}"
    assert gate(CLEARTEXT, submitted=True) == ENCRYPTION_NEEDED


def test_second_opinion_without_gpg(tmp_path, caplog):
    gate = Asked(tmp_path, second_opinion=True, gpg=str(tmp_path / "nowhere"))
    assert gate(mail(), submitted=True) == f"451 {UNAVAILABLE}"
    [[problem]] = gate.hub.check.all(gateway=None)
    assert problem.level == "error" and "second_opinion" in problem.text
    assert gate.hub.services.all(gateway=None) == [] and problem.text in caplog.text, "told at start, too"


def test_check_without_second_opinion(gate):
    assert gate.hub.check.all(gateway=None) == [[]]
