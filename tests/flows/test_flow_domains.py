"""Several domains in one gateway: mail among them, and what each says of itself."""

import json
import smtplib

import click
import pytest
from click.testing import CliRunner

from chatgate.testing import SHIPPED, client_tls, imap_client, mx_client, pgp_message, port, smtp_client

PASSWORD = "a-long-password-of-22c"
DOMAINS = ("example.org", "_alice.example.org", "small.example", "[127.0.0.1]", "[127.0.0.2]")


@pytest.fixture
def gateway(gateway_factory):
    further = {
        "_alice.example.org": {},
        "small.example": {"hostname": "mail.small.example", "max_message_bytes": 20_000},
        "127.0.0.1": {},
        "127.0.0.2": {},
    }
    core = {"hostname": "", "max_message_bytes": 100_000}
    return gateway_factory(*SHIPPED, core=core, domains=further, passwordless={"scrypt_cost": 10})


def login(domain, name="ninechars"):
    return f"{name}@{domain}", PASSWORD


def inbox(gateway, person):
    client = imap_client(gateway, person)
    _, (count,) = client.select("INBOX")
    mails = [client.fetch(str(n + 1), "(BODY.PEEK[])")[1][0][1] for n in range(int(count))]
    client.logout()
    return mails


def test_mail_from_each_domain_to_all(gateway):
    people = [login(domain) for domain in DOMAINS]
    for person in people:
        inbox(gateway, person)  # the first login makes the account
    for sender in people:
        with smtp_client(gateway, sender) as client:
            client.sendmail(sender[0], [who for who, _ in people], pgp_message(sender[0], "x@y"))
    for person in people:
        assert len(inbox(gateway, person)) == len(people)


def test_nobody_sends_as_somebody_of_another_domain(gateway):
    alice = login("example.org")
    for domain in DOMAINS[1:]:
        with smtp_client(gateway, alice) as client:
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
                client.sendmail(f"ninechars@{domain}", [alice[0]], pgp_message(alice[0], alice[0]))
            assert refused.value.recipients[alice[0]] == (
                553,
                b"5.7.1 Sender address rejected: not owned by user",
            )
            client.rset()
            forged = pgp_message(f"ninechars@{domain}", alice[0])
            with pytest.raises(smtplib.SMTPDataError, match="Invalid FROM"):
                client.sendmail(alice[0], [alice[0]], forged)
    inbox(gateway, login("small.example"))
    with mx_client(gateway) as client, pytest.raises(smtplib.SMTPDataError, match="only taken after a login"):
        client.sendmail("x@elsewhere.example", ["ninechars@small.example"], pgp_message("a@[127.0.0.2]", "x@y"))


def test_the_greeting_names_the_host_that_was_asked_for(gateway):
    def names(host):
        client = smtplib.SMTP_SSL(context=client_tls(), timeout=60)
        client._host = host  # what smtplib asks for by TLS
        greeting = client.connect("127.0.0.1", port(gateway, "submissions"))[1].decode().split()[0]
        said = client.ehlo()[1].decode().split()
        size = client.esmtp_features["size"]
        client.quit()
        return greeting, said[0], int(size)

    assert names("mail.small.example") == ("mail.small.example", "mail.small.example", 20_000)
    assert names("_alice.example.org") == ("_alice.example.org", "_alice.example.org", 100_000)
    assert names("other.example") == ("example.org", "example.org", 100_000)
    assert names("127.0.0.1") == ("[127.0.0.1]", "[127.0.0.1]", 100_000)
    with mx_client(gateway) as client:
        assert client.ehlo()[1].split()[0] == b"[127.0.0.1]"
        assert int(client.esmtp_features["size"]) == 100_000


def test_a_domain_may_take_smaller_messages_only(gateway):
    big, small = login("example.org"), login("small.example")
    for person in (big, small):
        inbox(gateway, person)
    message = pgp_message(small[0], big[0], 30_000)
    with smtp_client(gateway, small) as client, pytest.raises(smtplib.SMTPSenderRefused, match="maximum size"):
        client.sendmail(small[0], [big[0]], message)
    with smtp_client(gateway, small) as client:
        client.ehlo()
        client.esmtp_features.pop("size")  # then smtplib does not say it in advance
        with pytest.raises(smtplib.SMTPDataError, match="maximum size"):
            client.sendmail(small[0], [big[0]], message)
    with mx_client(gateway) as client, pytest.raises(smtplib.SMTPRecipientsRefused):
        client.sendmail("x@elsewhere.example", [small[0]], pgp_message("x@elsewhere.example", "x@y", 30_000))
    reader = imap_client(gateway, small)
    assert b"APPENDLIMIT=20000" in reader.capability()[1][0].split()
    assert reader.append("INBOX", None, None, b"A: b\r\n\r\n" + b"x" * 20_000)[0] == "NO"
    assert reader.append("INBOX", None, None, b"A: b\r\n\r\nx")[0] == "OK"
    reader.logout()


@pytest.mark.parametrize("says_size", [True, False])
def test_and_others_of_a_group_get_it_all_the_same(gateway, says_size):
    big, other, small = login("example.org"), login("[127.0.0.2]"), login("small.example")
    for person in (big, other, small):
        inbox(gateway, person)
    with smtp_client(gateway, big) as client:
        client.ehlo()
        if not says_size:
            client.esmtp_features.pop("size")
        client.mail(big[0], ["size=30000"] if says_size else [])
        # As Delta Chat does it, without waiting for replies.
        client.send(f"RCPT TO:<{small[0]}>\r\nRCPT TO:<{other[0]}>\r\n")
        assert [client.getreply()[0], client.getreply()[0]] == [250, 250]
        assert client.data(pgp_message(big[0], "x@y", 30_000))[0] == 250
    assert len(inbox(gateway, other)) == 1
    assert len(inbox(gateway, small)) == 0
    (notice,) = inbox(gateway, big)
    assert b"<mailer-daemon@example.org>" in notice.lower() and small[0].encode() in notice


def test_a_notice_comes_from_the_domain_of_who_reads_it(gateway):
    sender, other = login("[127.0.0.2]"), login("_alice.example.org")
    for person in (sender, other):
        inbox(gateway, person)
    with smtp_client(gateway, sender) as client:
        client.mail(sender[0])
        client.send(f"RCPT TO:<nobody@small.example>\r\nRCPT TO:<{other[0]}>\r\n")
        assert [client.getreply()[0], client.getreply()[0]] == [250, 250]
        assert client.data(pgp_message(sender[0], "x@y"))[0] == 250
    (notice,) = inbox(gateway, sender)
    assert b"<mailer-daemon@[127.0.0.2]>" in notice.lower()


def run(gateway, *args, data=None):
    group = click.Group()
    gateway.hub.commands.or_raise(cli=group, gateway=gateway)
    return CliRunner().invoke(group, args, input=data)


def test_commands_know_the_domains(gateway, tmp_path):
    made = json.loads(run(gateway, "accounts", "create", "anna", "--domain", "127.0.0.2", "--json").output)
    assert made["address"] == "anna@[127.0.0.2]" and "ih=127.0.0.2&" in made["link"]
    assert json.loads(run(gateway, "accounts", "create", "anna", "--json").output)["address"] == "anna@example.org"
    assert json.loads(run(gateway, "accounts", "create", "anna@small.example", "--json").output)["link"].endswith(
        "&ic=3"
    )
    listed = json.loads(run(gateway, "accounts", "list", "--domain", "[127.0.0.2]", "--json").output)
    assert [row["address"] for row in listed] == ["anna@[127.0.0.2]"]
    refused = run(gateway, "accounts", "list", "--domain", "other.example")
    assert refused.exit_code == 2 and "'other.example' is no domain of this gateway" in refused.output

    exported = run(gateway, "accounts", "export").output
    one = run(gateway, "accounts", "export", "--domain", "small.example").output
    assert len(exported.splitlines()) == 4 and len(one.splitlines()) == 2 and '"domain": "small.example"' in one
    for name in ("anna@[127.0.0.2]", "anna@small.example"):
        assert run(gateway, "accounts", "delete", "--yes", name).exit_code == 0
    assert run(gateway, "accounts", "import", data=exported).output == "2 came back, 1 there already\n"
    assert len(json.loads(run(gateway, "accounts", "list", "--json").output)) == 3
    foreign = exported.replace("anna@small.example", "anna@other.example")
    assert "not of an account of example.org or" in run(gateway, "accounts", "import", data=foreign).output
