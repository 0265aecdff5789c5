"""Which answers a hook takes, read from the annotation of its specification.

An answer that does not fit is a failure of the plugin that gave it. Where `Reply` stands alone it may accept or refuse;
beside another type, which is the way to say yes (`Account | Reply`), a Reply must refuse.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from chatgate.hosting import hookspecs
from chatgate.reply import Reply

Test = Callable[[Any], bool]


@functools.cache
def fits(spec: Callable[..., Any]) -> Test | None:
    """The test for answers other than None; None for an observer, which has no answer to give."""
    kind = spec.__annotations__.get("return", Any)
    if isinstance(kind, str):
        try:
            kind = eval(kind, vars(hookspecs) | vars(sys.modules[spec.__module__]))
        except NameError:
            kind = Any  # a type that the plugin with this specification imports for its checker only
    kinds = [k for k in _parts(kind) if k is not NoneType]
    if not kinds:
        return None
    return _any(kinds, _refuses if len(kinds) > 1 else _is_reply)


def _parts(kind: Any) -> tuple[Any, ...]:
    if kind is None:
        return (NoneType,)
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _any(kinds: Sequence[Any], reply: Test) -> Test:
    """The test whether an answer is of one of these types. reply: the test for a Reply."""
    classes = tuple(kind for kind in kinds if _is_class(kind))
    tests = [reply if kind is Reply else _test(kind) for kind in kinds if not _is_class(kind)]
    if len(tests) == len(kinds) == 1:
        return tests[0]

    def fits(answer: Any) -> bool:
        if isinstance(answer, classes):  # nearly all answers are of a plain class, and those to some questions are many
            return True
        for test in tests:
            if test(answer):
                return True
        return False

    return fits


def _is_class(kind: Any) -> bool:
    """Is being an instance of it all that is required?"""
    return isinstance(kind, type) and kind is not Reply and not getattr(kind, "_is_protocol", False)


def _test(kind: Any) -> Test:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda answer: True
    if kind is Reply:
        return _is_reply
    if origin in (Union, UnionType):
        return _any(arguments, _is_reply)
    if origin is Sequence:
        item = _test(arguments[0])
        return lambda answer: _is_sequence(answer) and all(map(item, answer))
    if origin is dict:
        key, value = map(_test, arguments)
        return lambda answer: isinstance(answer, dict) and all(key(k) and value(v) for k, v in answer.items())
    if getattr(kind, "_is_protocol", False):
        members = _members(kind)
        return lambda answer: any(hasattr(answer, name) for name in members)
    return lambda answer: isinstance(answer, origin or kind)


def _is_sequence(answer: Any) -> bool:
    return isinstance(answer, list | tuple) or (isinstance(answer, Sequence) and not isinstance(answer, str | bytes))


def _is_reply(answer: Any) -> bool:
    """A code says yes (2xx), not now (4xx) or no (5xx); 3xx is a step within a command (RFC 5321 §4.2.1)."""
    return (
        isinstance(answer, Reply)
        and type(answer.code) is int
        and (200 <= answer.code < 300 or 400 <= answer.code < 600)
        and isinstance(answer.text, str)
        and isinstance(answer.enhanced, str)
        and isinstance(answer.imap, str)
    )


def _refuses(answer: Any) -> bool:
    return _is_reply(answer) and not answer.accepts


def _members(protocol: type) -> list[str]:
    """The members of a Protocol: methods, properties and annotated attributes. An answer that has none of them is
    something else; if it has only some (a store made for a test, or for an older version), that shows when the others
    are used.
    """
    return sorted(
        {
            name
            for base in protocol.__mro__
            if getattr(base, "_is_protocol", False)
            for name in [*vars(base), *vars(base).get("__annotations__", ())]
            if not name.startswith("_")
        }
    )
