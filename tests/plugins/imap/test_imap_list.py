"""LIST with its extensions, CREATE-SPECIAL-USE, names that need quoting."""

from __future__ import annotations

import pytest


@pytest.fixture
def tree(client):
    """As in RFC 5258 §5: some names subscribed, some there, some neither."""
    for name in ("Fruit/Apple", "Fruit/Banana", "Tofu", "Vegetable/Broccoli"):
        client.do(f"CREATE {name}")
    client.do("CREATE Gone/Below")
    for name in ("Fruit/Banana", "Gone/Below", "Vegetable", "Vegetable/Broccoli"):
        client.do(f"SUBSCRIBE {name}")
    client.do("DELETE Gone/Below")
    client.do("DELETE Gone")
    client.do("DELETE Fruit")
    return client


def test_subscribed_ones(tree):
    lines = tree.do('LIST (SUBSCRIBED REMOTE) "" "*" RETURN (CHILDREN)')
    assert rb'* LIST (\NonExistent \Subscribed) "/" "Gone/Below"' in lines
    assert rb'* LIST (\HasNoChildren \Subscribed) "/" "Fruit/Banana"' in lines
    assert not any(line.endswith((b'"Tofu"', b'"Fruit"', b'"Gone"')) for line in lines)


def test_what_is_returned(tree):
    assert tree.do('LIST "" (Tofu Vegetable "Fr%") RETURN (SUBSCRIBED SPECIAL-USE CHILDREN)') == [
        rb'* LIST (\NonExistent \HasChildren) "/" "Fruit"',
        rb'* LIST (\HasNoChildren) "/" "Tofu"',
        rb'* LIST (\HasChildren \Subscribed) "/" "Vegetable"',
    ]
    assert tree.do('LIST "" Fr%') == [rb'* LIST (\Noselect \HasChildren) "/" "Fruit"']
    assert tree.do('LIST () "" "Vegetable" RETURN ()') == [rb'* LIST (\HasChildren) "/" "Vegetable"']


def test_long_patterns_are_refused(client):
    """Each is put behind the reference, so together they may be much longer than the command."""
    references = "x" * 60_000
    assert client.fails(f"LIST {references} ({'a ' * 30_000}b)").startswith(b"BAD")
    assert client.fails(f'LIST "" {"a" * 1001}').startswith(b"BAD")
    assert client.do(f'LIST "" ({" ".join(["INBO%"] * 20)})')
    assert client.fails(f'LIST "" ({" ".join(["INBO%"] * 21)})').startswith(b"BAD")


def test_recursivematch(tree):
    assert tree.do('LIST (SUBSCRIBED RECURSIVEMATCH) "" "%t"') == [
        rb'* LIST (\NonExistent \HasChildren) "/" "Fruit" ("CHILDINFO" ("SUBSCRIBED"))',
        rb'* LIST (\HasNoChildren \Subscribed \Sent) "/" "Sent"',
    ]
    assert tree.do('LIST (RECURSIVEMATCH SUBSCRIBED) "" "G*"') == [
        rb'* LIST (\NonExistent) "/" "Gone" ("CHILDINFO" ("SUBSCRIBED"))',
        rb'* LIST (\NonExistent \Subscribed) "/" "Gone/Below"',
    ]
    assert tree.do('LIST (RECURSIVEMATCH SUBSCRIBED) "" Vegetable') == [
        rb'* LIST (\HasChildren \Subscribed) "/" "Vegetable" ("CHILDINFO" ("SUBSCRIBED"))'
    ]
    tree.do(r"CREATE Work/Old (USE (\Archive))")
    assert tree.do('LIST (SPECIAL-USE RECURSIVEMATCH) "" "W%"') == [
        rb'* LIST (\HasChildren) "/" "Work" ("CHILDINFO" ("SPECIAL-USE"))'
    ]
    assert tree.do('LIST (SPECIAL-USE) "" "W*"') == [rb'* LIST (\HasNoChildren \Archive) "/" "Work/Old"']
    assert tree.do('LIST (SPECIAL-USE SUBSCRIBED) "" "*" ') == [
        b'* LIST (\\HasNoChildren \\Subscribed \\%s) "/" "%s"' % (name, name)
        for name in (b"Drafts", b"Junk", b"Sent", b"Trash")
    ]


def test_status_of_what_is_listed(tree):
    tree.append(b"Subject: x\r\n\r\n", "Tofu")
    assert tree.do('LIST "" (Tofu Fr%) RETURN (STATUS (MESSAGES SIZE DELETED DELETED-STORAGE))') == [
        rb'* LIST (\NonExistent \HasChildren) "/" "Fruit"',
        rb'* LIST (\HasNoChildren) "/" "Tofu"',
        b'* STATUS "Tofu" (MESSAGES 1 SIZE 14 DELETED 0 DELETED-STORAGE 0)',
    ]
    tree.do("SELECT Tofu")
    tree.do(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    assert tree.do("STATUS Tofu (DELETED DELETED-STORAGE)") == [b'* STATUS "Tofu" (DELETED 1 DELETED-STORAGE 14)']


@pytest.mark.parametrize(
    "wrong",
    [
        '(RECURSIVEMATCH) "" *',
        '(RECURSIVEMATCH REMOTE) "" *',
        '(CHILDREN) "" *',
        '(SUBSCRIBED "" *',
        '(SUBSCRIBED)"" *',
        '"" ()',
        '"" (a b',
        '"" * RETURN',
        '"" * RETURN (',
        '"" * RETURN (REMOTE)',
        '"" * RETURN (STATUS)',
        '"" * RETURN (STATUS ())',
        '"" * RETURN (STATUS (NONSENSE))',
        '"" * RETURN (CHILDREN) x',
        '"" * (CHILDREN)',
        '"" (' + "* " * 21 + "*)",
        '"" (' + "a " * 999 + "a" * 50 + ")",
    ],
)
def test_wrong_lists(client, wrong):
    assert client.fails("LIST " + wrong).startswith(b"BAD")


def test_special_use_is_made(client):
    client.do(r"CREATE Archive (USE (\archive))")
    client.do(r"CREATE All (USE (\Sent \Drafts))")
    client.do("CREATE None (USE ())")
    assert client.do('LIST (SPECIAL-USE) "" A*') == [
        rb'* LIST (\HasNoChildren \Sent \Drafts) "/" "All"',
        rb'* LIST (\HasNoChildren \Archive) "/" "Archive"',
    ]
    assert client.fails(r"CREATE Stars (USE (\Flagged))").startswith(b"NO [USEATTR]")
    assert client.do('LIST "" Stars') == []
    for wrong in (r"(USE \Sent)", r"(USE (Sent))", r"(FOR (\Sent))", r"(USE (\Sent)", "()"):
        assert client.fails("CREATE x " + wrong).startswith(b"BAD"), wrong


def test_a_deleted_sent_that_is_made_again(client):
    client.do("DELETE Sent")
    client.do("CREATE Sent")
    assert client.do('LIST "" Sent') == [rb'* LIST (\HasNoChildren \Sent) "/" "Sent"']
    client.do("RENAME Sent Mine")
    client.do("CREATE Sent")  # there is one for that already
    assert client.do('LIST (SPECIAL-USE) "" (Sent Mine)') == [rb'* LIST (\HasNoChildren \Sent) "/" "Mine"']


@pytest.mark.parametrize("name", [rb'"a\"b"', rb'"a\\b"', rb'"\\\""', rb'"\"/\\"'])
def test_names_that_need_escapes(client, name):
    client.do(b"CREATE %s" % name)
    for command in (b'LIST "" %s' % name, b'LIST "" %s RETURN (STATUS (MESSAGES))' % name):
        assert client.do(command)[0] == b'* LIST (\\HasNoChildren) "/" %s' % name
    client.do(b"SUBSCRIBE %s" % name)
    assert client.do(b'LSUB "" %s' % name) == [b'* LSUB () "/" %s' % name]
    assert client.do(b"STATUS %s (MESSAGES)" % name) == [b"* STATUS %s (MESSAGES 0)" % name]
    assert client.do(b"GETQUOTAROOT %s" % name)[0] == b'* QUOTAROOT %s "User quota"' % name
    client.do(b'SETMETADATA %s (/private/x "1")' % name)
    assert client.do(b"GETMETADATA %s /private/x" % name) == [b"* METADATA %s (/private/x {1}\r\n1)" % name]
    client.append(b"x", name.decode())
    client.do(b"SELECT %s" % name)
    client.do(b"COPY 1 %s" % name)
    client.do(b"RENAME %s other" % name)
    client.do(b"DELETE other")
