"""A mailbox that is a Maildir, with the list in which its server keeps the UIDs: Dovecot's dovecot-uidlist, or the
chatmail-uidlist of madmail 2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from chatgate_movein import unpacking
from chatgate_movein.places import Place
from chatgate_movein.records import LARGEST_UID, Folder, Letter, Unreadable

_LETTERS = {"D": "\\Draft", "F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted"}
_MOST_LIST = 256 << 20  # octets of a list of UIDs
_LATEST = 4_102_444_800  # 2100-01-01: a date beyond is a mistake of the file system
_LF = re.compile(rb"(?<!\r)\n")
_SIZE = re.compile(r",S=(\d{1,15})(?=[,:]|$)")


class Listed(NamedTuple):
    """What a list of UIDs says. uids: by the name of the file without flags. bad: lines that say nothing."""

    uidvalidity: int
    uidnext: int
    uids: dict[str, int]
    bad: int = 0


class _File(NamedTuple):
    folder: str
    name: str
    base: str
    letters: str


def dovecot(text: str) -> Listed:
    """A dovecot-uidlist of version 3 or 1. Raises Unreadable."""
    lines = text.split("\n")
    head = re.fullmatch(r"3((?: [A-Z]\S*)+)", lines[0])
    first = re.fullmatch(r"1 (\d{1,10}) (\d{1,10})", lines[0])
    if head:
        numbers = {word[0]: word[1:] for word in head[1].split()}
        validity, following = numbers.get("V", ""), numbers.get("N", "")
    elif first:
        validity, following = first.groups()
    else:
        raise Unreadable("dovecot-uidlist is of no known version")
    pattern = r"(\d{1,10})(?: [A-Z][^ :]*)* :(.+)" if head else r"(\d{1,10}) (.+)"
    return _listed(validity, following, pattern, lines[1:])


def chatmail(text: str) -> Listed:
    """A chatmail-uidlist of version 1. Raises Unreadable."""
    lines = text.split("\n")
    head = re.fullmatch(r"1 V(\d{1,10}) N(\d{1,10})", lines[0])
    if not head:
        raise Unreadable("chatmail-uidlist is of no known version")
    return _listed(head[1], head[2], r"(\d{1,10})(?: [A-Z]\d*)* :(.+)", lines[1:])


def _listed(validity: str, following: str, pattern: str, lines: list[str]) -> Listed:
    if not re.fullmatch(r"\d{1,10}", validity) or not 0 < int(validity) < 1 << 32:
        raise Unreadable("the list of UIDs has no UIDVALIDITY")
    uids: dict[str, int] = {}
    taken: set[int] = set()
    bad = 0
    for line in lines:
        match = re.fullmatch(pattern, line)
        uid = int(match[1]) if match else 0
        if not match or not 0 < uid <= LARGEST_UID or uid in taken:
            bad += bool(line)
            continue
        taken.add(uid)
        uids[_base(match[2])] = uid
    stated = int(following) if re.fullmatch(r"\d{1,10}", following) else 1
    uidnext = max([stated if stated <= LARGEST_UID else 1, *(uid + 1 for uid in taken)])
    return Listed(int(validity), uidnext, uids, bad)


def folder(
    place: Place, name: str, most: int, list_name: str, reader: Callable[[str], Listed], cur_is_seen: bool = False
) -> Folder:
    """The mailbox in this Maildir. most: octets of a message. list_name, reader: its list of UIDs. cur_is_seen: what
    was once listed counts as read. The place must stay open while the letters are read.
    """
    faults: list[str] = []
    listed = Listed(0, 1, {})
    if place.has(list_name):
        try:
            listed = reader(place.read(list_name, _MOST_LIST).decode("utf-8", "surrogateescape"))
        except Unreadable as error:
            faults.append(f"{error}: apps will fetch its messages anew")
    if listed.bad:
        faults.append(f"{list_name} has {listed.bad} lines that say nothing")
    files = _files(place, faults)
    unlisted = sorted((file.base for file in files.values() if file.base not in listed.uids), key=_arrival)
    uids = listed.uids | {base: listed.uidnext + n for n, base in enumerate(unlisted)}
    order = sorted(files.values(), key=lambda file: uids[file.base])
    keywords = _keywords(place)

    def letters(above: int) -> Iterator[Letter]:
        for file in order:
            if uids[file.base] > above:
                yield _letter(place, file, uids[file.base], keywords, most, cur_is_seen)

    return Folder(name, listed.uidvalidity, listed.uidnext + len(unlisted), letters, faults=faults)


def _files(place: Place, faults: list[str]) -> dict[str, _File]:
    found: dict[str, _File] = {}
    for folder in ("new", "cur"):  # a message that is in both was about to be moved into cur
        try:
            with place.sub(folder) as inner:
                for name in inner.names():
                    base, _, letters = name.partition(":2,")
                    if not name.startswith(".") and "\n" not in name:
                        found[base] = _File(folder, name, base, letters)
        except Unreadable as error:
            if place.has(folder):
                faults.append(f"{folder}: {error}")
    return found


def _letter(place: Place, file: _File, uid: int, keywords: dict[str, str], most: int, cur_is_seen: bool) -> Letter:
    letters = file.letters.partition(",")[0]
    flags = [_LETTERS.get(one) or keywords.get(one, "") for one in letters]
    if cur_is_seen and file.folder == "cur":
        flags.append("\\Seen")
    try:
        with place.sub(file.folder) as inner:
            date = int(inner.stat(file.name).st_mtime)
    except Unreadable:
        date = 0

    def read() -> bytes:
        with place.sub(file.folder) as inner:
            content = unpacking.plain(inner.read(file.name, most), most)
        size = _SIZE.search(file.base)
        if size and len(content) < int(size[1]):
            raise Unreadable(f"cut off: {len(content)} of {size[1]} octets are there")
        return _LF.sub(b"\r\n", content)  # files have LF, which IMAP turns into CRLF

    return Letter(uid, min(max(date, 0), _LATEST), [flag for flag in flags if flag], read)


def _keywords(place: Place) -> dict[str, str]:
    """The names of keywords by their letters."""
    try:
        text = place.read("dovecot-keywords", 1 << 20).decode("ascii", "replace")
    except Unreadable:
        return {}
    pairs = re.findall(r"^(\d{1,2}) (\S+)$", text, re.M)
    return {chr(ord("a") + int(number)): keyword for number, keyword in pairs if int(number) < 26}


def _base(name: str) -> str:
    return name.partition(":2,")[0]


def _arrival(base: str) -> tuple[int, int, str]:
    """By the time with which the name of a message's file begins."""
    match = re.match(r"(\d{1,15})(?:\.M(\d{1,9}))?", base)
    return (int(match[1]), int(match[2] or 0), base) if match else (0, 0, base)
