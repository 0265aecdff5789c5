"""MULTIAPPEND (RFC 3502), UTF8=ACCEPT (RFC 6855)."""

from __future__ import annotations

from imap_trace import Client


def test_several_messages_at_once(client):
    client.start(
        r'APPEND INBOX (\Seen) {{Subject: one||}} (\Flagged $x) " 1-Feb-1994 21:52:25 -0800" {{Subject: two||}}'
        " {{three}}"
    )
    answer = client.finish()
    assert answer.startswith(b"OK [APPENDUID ") and b" 1:3] " in answer
    client.do("SELECT INBOX")
    assert client.do("FETCH 1:3 (FLAGS RFC822.SIZE)") == [
        rb"* 1 FETCH (FLAGS (\Seen \Recent) RFC822.SIZE 16)",
        rb"* 2 FETCH (FLAGS (\Flagged $x \Recent) RFC822.SIZE 16)",
        rb"* 3 FETCH (FLAGS (\Recent) RFC822.SIZE 5)",
    ]
    assert client.fetch("INTERNALDATE", "2") == b'INTERNALDATE " 2-Feb-1994 05:52:25 +0000"'


def test_all_or_none(own_gateway):
    client = Client(own_gateway(maildb={"quota_bytes": 250_000}, core={"max_message_bytes": 100_000}))
    client.do("LOGIN a@example.org passpass1")
    large = "x" * 90_000
    assert client.fails("APPEND INBOX {{one}} {{}}").startswith(b"NO [CANNOT]")
    assert client.fails("APPEND Nowhere {{one}} {{two}}").startswith(b"NO [TRYCREATE]")
    client.do(f"APPEND INBOX {{{{{large}}}}} {{{{{large}}}}}")
    assert client.fails(f"APPEND INBOX {{{{one}}}} {{{{{large}}}}} {{{{two}}}}").startswith(b"NO [OVERQUOTA]")
    assert client.fails(f"APPEND INBOX {{{{{large}}}}} {{{{{large}}}}} {{{{{large}}}}}").startswith(b"NO [LIMIT]")
    assert client.fails("APPEND INBOX {{one}}{{two}}").startswith(b"BAD")
    assert client.fails("APPEND INBOX {{one}} two").startswith(b"BAD")
    assert client.do("STATUS INBOX (MESSAGES UIDNEXT)") == [b'* STATUS "INBOX" (MESSAGES 2 UIDNEXT 3)']
    assert client.gateway.store.integrity() == []


def test_names_in_utf8(client):
    client.do("CREATE p&AOQA5A-")
    assert client.do("ENABLE UTF8=ACCEPT") == [b"* ENABLED UTF8=ACCEPT"]
    assert client.do('LIST "" "p*"') == ['* LIST (\\HasNoChildren) "/" "pää"'.encode()]
    client.do('CREATE "日本/&-\\""'.encode())
    assert client.do('LIST "" "日*"'.encode()) == [
        '* LIST (\\HasChildren) "/" "日本"'.encode(),
        '* LIST (\\HasNoChildren) "/" "日本/&-\\""'.encode(),
    ]
    client.do('SUBSCRIBE "日本"'.encode())
    assert client.do('LSUB "" {{日*}}') == ['* LSUB () "/" "日本"'.encode()]
    assert client.do('STATUS "pää" (MESSAGES)'.encode()) == ['* STATUS "pää" (MESSAGES 0)'.encode()]
    client.do('RENAME "pää" Plain'.encode())
    client.do('SELECT "日本"'.encode())
    assert client.fails(b'SELECT "\xff"').startswith(b"NO [CANNOT]")
    assert client.fails("SELECT p&AOQA5A-").startswith(b"NO [NONEXISTENT]")  # an ampersand is an ampersand


def test_messages_in_utf8(client):
    message = "From: Jörg <jörg@example.org>\r\nSubject: Grüße\r\n\r\nKörper\r\n".encode()
    client.do("ENABLE UTF8=ACCEPT")
    client.do(b"APPEND INBOX (\\Seen) UTF8 (~{%d+}\r\n%s)" % (len(message), message))
    client.do(b"APPEND INBOX UTF8 (~{3+}\r\none) UTF8 (~{3+}\r\ntwo)")
    client.do("SELECT INBOX")
    assert client.fetch("BODY.PEEK[]").endswith(message)
    assert "Grüße".encode() in client.fetch("ENVELOPE")
    assert client.do("SEARCH SUBJECT {{grüße}}") == [b"* SEARCH 1"]
    assert client.do("STATUS INBOX (MESSAGES)") == [b'* STATUS "INBOX" (MESSAGES 3)']
    assert client.fails("SEARCH CHARSET UTF-8 SUBJECT x").startswith(b"BAD")
    for wrong in (b"UTF8 ({3+}\r\none)", b"UTF8 (~{3+}\r\none", b"UTF8 {3+}\r\none"):
        assert client.fails(b"APPEND INBOX " + wrong).startswith((b"BAD", b"NO")), wrong


def test_header_fields_in_8_bit_need_utf8(client):
    """RFC 6855 §4. Bodies and the headers of parts may have any octets."""
    for wrong in ("Subject: Grüße\r\n\r\nx", "Subject: Grüße", "Subject: x\n\xe9: y\n\nx", "A: b\r\n c\xff\r\n\r\nx"):
        octets = wrong.encode("latin-1") if "\xff" in wrong else wrong.encode()
        for form in (b"{%d+}\r\n%s", b"UTF8 (~{%d+}\r\n%s)"):
            answer = client.fails(b"APPEND INBOX " + form % (len(octets), octets))
            assert answer.startswith(b"NO [CANNOT] Header fields with 8-bit"), wrong
    assert client.fails("APPEND INBOX {{A: b||||x}} {{Subject: ü||||x}}").startswith(b"NO [CANNOT]")
    client.do("APPEND INBOX {{Subject: x||||Körper||}}")
    client.do("ENABLE UTF8=ACCEPT")
    client.do("APPEND INBOX {{Subject: Grüße||||x}}")
    assert client.do("STATUS INBOX (MESSAGES)") == [b'* STATUS "INBOX" (MESSAGES 2)']


def test_metadata_of_any_octets(client):
    client.do(b'SETMETADATA "" (/private/x ~{3+}\r\na\0b)')
    assert client.do('GETMETADATA "" /private/x') == [b'* METADATA "" (/private/x {3}\r\na\x80b)']
