"""What the tests of imports share."""

import imaplib
import re
import time
from collections import namedtuple

PLUGINS = ("tls", "maildb", "accounts", "passwordless", "smtp", "imap", "push", "movein")
PASSWORD = "correct horse"
SHA512 = "$6$saltsalt$hRM5XZ86KXEw9UOmjigeVqFgULtFB2sgpC9lXQDfMib3Zgw7mEiUvBJI2EplzfAqxL5Vvwp2scFtv/uamSo5z0"
DAY = 86400

Seen = namedtuple("Seen", "uidvalidity uidnext messages")


def look(client, mailbox="INBOX"):
    """What a client knows of a mailbox: UIDs, with flags, date, size and content."""
    status = client.status(mailbox, "(UIDVALIDITY UIDNEXT)")[1][0].decode()
    client.select(mailbox, readonly=True)
    answers = client.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")[1]
    messages = {}
    for line, content in (answer for answer in answers if isinstance(answer, tuple)):
        said = line.decode()
        flags = set(re.search(r"FLAGS \(([^)]*)\)", said)[1].split()) - {"\\Recent"}
        date = imaplib.Internaldate2tuple(re.search(r'INTERNALDATE "[^"]+"', said)[0].encode())
        size = int(re.search(r"RFC822.SIZE (\d+)", said)[1])
        messages[int(re.search(r"UID (\d+)", said)[1])] = (flags, time.mktime(date), size, content)
    client.unselect()
    numbers = dict(re.findall(r"(UIDVALIDITY|UIDNEXT) (\d+)", status))
    return Seen(int(numbers["UIDVALIDITY"]), int(numbers["UIDNEXT"]), messages)
