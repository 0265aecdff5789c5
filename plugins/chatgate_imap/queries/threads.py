"""THREAD=REFERENCES (RFC 5256 §3): messages as trees, by their Message-ID, References and subjects.

Nothing here is recursive, as References can make trees of any depth. Whether a link would close a loop is found by
following paths that are shortened on the way, so the time grows linearly with the number of references.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chatgate.api import Work

from ..message import subjects
from ..message.source import Source
from ..session.gathered import Share
from ..syntax.answers import No
from . import sorting

MAX_REFERENCES = 500_000  # of all messages of a command
_MAX_OF_ONE = 1000  # references of one message; the first ones are used
_MAX_FIELD = 1 << 17  # octets of a References field
_ID = re.compile(rb"<([^<>@\s]+@[^<>\s]+)>")
_ROOT = -1
_ITEM = 500  # approximate octets in memory of a message until the answer is written, with its node in the tree
_REFERENCE = 150  # the same of a reference


class Item(NamedTuple):
    """A message. number: as reported to the client. id, references: Message-IDs as numbers. subject: as a number, too;
    0 for an empty one. reply: the subject marks it as a reply.
    """

    number: int
    id: int
    references: Sequence[int]
    sent: int
    subject: int
    reply: bool


class Items(list[Item]):
    """What THREAD needs to know of each message. share: the command's share of the account's memory."""

    def __init__(self, share: Share) -> None:
        super().__init__()
        self._left, self._share = MAX_REFERENCES, share

    def add(self, source: Source, number: int) -> None:
        """Raises Gone, No, TooMuchWork."""
        self.append(_item(source, number))
        references = len(self[-1].references)
        self._share.more(_ITEM + _REFERENCE * references)
        self._left -= references
        if self._left < 0:
            raise No("Too many references, please ask for fewer messages", "LIMIT")


def _item(source: Source, number: int) -> Item:
    header = source.header()
    own = _ids(header.get(b"message-id") or b"")
    references = _ids(header.get(b"references") or b"") or _ids(header.get(b"in-reply-to") or b"")[:1]
    subject, reply = subjects.base(header.get(b"subject") or b"")
    kept = array("q", references) if references else ()
    # Only equality matters, so a number is enough.
    return Item(number, own[0] if own else 0, kept, sorting.sent(source), _number(subject), reply)


def _ids(value: bytes) -> list[int]:
    return [_number(found) for found in _ID.findall(value[:_MAX_FIELD])[:_MAX_OF_ONE]]


def _number(text: str | bytes) -> int:
    """A number in place of a text, which may be long. It cannot be predicted, so nobody can construct two texts with
    the same number. "" is 0.
    """
    return (hash(text) or 1) if text else 0


class _Forest:
    """nodes: 0 … len(items)-1 are messages, those after them are only referred to."""

    def __init__(self, items: list[Item], work: Work) -> None:
        self.items, self._work = items, work
        self.parent: list[int] = []
        self._towards_root: list[int] = []
        self._node_of: dict[int, int] = {}
        for at, one in enumerate(work.each(items)):
            self._new()
            if one.id:
                self._node_of.setdefault(one.id, at)  # if several messages have the same id, only the first keeps it

    def _new(self) -> int:
        self.parent.append(_ROOT)
        self._towards_root.append(_ROOT)
        return len(self.parent) - 1

    def _node(self, reference: int) -> int:
        node = self._node_of.get(reference)
        if node is None:
            node = self._node_of[reference] = self._new()
        return node

    def _top(self, node: int) -> int:
        path = self._towards_root
        while (above := path[node]) != _ROOT:
            if path[above] != _ROOT:
                path[node] = path[above]
            node = above
        return node

    def _link(self, parent: int, child: int) -> None:
        """Make `parent` the parent of `child`, unless the child has one or the link would close a loop."""
        if self.parent[child] == _ROOT and self._top(parent) != child:
            self.parent[child] = self._towards_root[child] = parent

    def grow(self) -> None:
        """Step 1. The last reference of each message comes first: what a message says of itself takes precedence."""
        for at, one in enumerate(self._work.each(self.items)):
            if one.references:
                self._link(self._node(one.references[-1]), at)
        for one in self._work.each(self.items):
            for parent, child in zip(one.references, one.references[1:], strict=False):
                self._link(self._node(parent), self._node(child))

    def pruned(self) -> dict[int, list[int]]:
        """Steps 2 and 3: children by parent, `_ROOT` for the tops. Of the nodes that are only referred to, only tops
        with more than one child stay.
        """
        real, above = len(self.items), dict[int, int]()
        children: dict[int, list[int]] = {}
        for node in self._work.each(range(real)):
            parent = self.parent[node]
            passed = []
            while parent >= real and self.parent[parent] != _ROOT and parent not in above:
                passed.append(parent)
                parent = self.parent[parent]
            parent = above.get(parent, parent)
            for one in passed:
                above[one] = parent
            children.setdefault(parent, []).append(node)
        tops = children.setdefault(_ROOT, [])
        for node in [node for node in children if node >= real]:
            if len(children[node]) > 1:
                tops.append(node)
            else:
                tops += children.pop(node)
        return children


def threads(items: list[Item], work: Work) -> Iterator[bytes]:
    """The response after `* THREAD `, in pieces. Raises TooMuchWork."""
    forest = _Forest(items, work)
    forest.grow()
    children = forest.pruned()
    real = len(items)

    def age(node: int) -> tuple[int, int]:
        first = node if node < real else children[node][0]
        return items[first].sent, items[first].number

    for node, below in children.items():
        if node != _ROOT:
            children[node] = list(work.ordered(below, age))
    tops = list(work.ordered(children.pop(_ROOT), age))  # step 4
    tops = _gathered(items, children, tops, len(forest.parent), work)
    for node, below in children.items():  # step 6
        children[node] = list(work.ordered(below, age))
    return _written(items, children, list(work.ordered(tops, age)), work)


def _gathered(
    items: list[Item], children: dict[int, list[int]], tops: list[int], following: int, work: Work
) -> list[int]:
    """Step 5: join tops with the same base subject. following: the number for a new node that joins them."""
    real = len(items)

    def first(node: int) -> Item:
        return items[node if node < real else children[node][0]]

    leader: dict[int, int] = {}
    for node in work.each(tops):
        one, known = first(node), leader.get(first(node).subject)
        if known is None or (known < real and (node >= real or (first(known).reply and not one.reply))):
            leader[one.subject] = node
    stay: list[int] = []
    moved: set[int] = set()
    for node in work.each(tops):
        if node in moved:
            continue
        one = first(node)
        known = leader[one.subject]
        if known == node or not one.subject:
            stay.append(node)
        elif node >= real and known >= real:
            children[known] += children.pop(node)
        elif known >= real or (one.reply and not first(known).reply):
            children.setdefault(known, []).append(node)
        else:
            children[following] = [known, node]
            leader[one.subject] = following
            moved.add(known)
            stay.append(following)
            following += 1
    return [node for node in stay if node not in moved]


def _written(items: list[Item], children: dict[int, list[int]], tops: list[int], work: Work) -> Iterator[bytes]:
    for top in tops:
        waiting: list[int | bytes] = [b")", top, b"("]
        while waiting:
            work.turn()
            node = waiting.pop()
            if isinstance(node, bytes):
                yield node
                continue
            real, below = node < len(items), children.get(node, [])
            if real:
                yield b"%d" % items[node].number
            if real and below:
                yield b" "
            if real and len(below) == 1:
                waiting += below
            else:
                for child in reversed(below):
                    waiting += [b")", child, b"("]
