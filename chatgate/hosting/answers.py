"""Which answers a hook takes, read from the annotation of its specification.

An answer that does not fit is a failure of the plugin that gave it. `Reply` alone may accept or refuse; beside another
type, which says yes by itself (`Account | Reply`), a Reply is a refusal.
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
    """The test of answers other than None; None for an observer, which has no answer to give."""
    kind = spec.__annotations__.get("return", Any)
    if isinstance(kind, str):
        try:
            kind = eval(kind, vars(hookspecs) | vars(sys.modules[spec.__module__]))
        except NameError:
            kind = Any  # a type that the plugin with this specification imports for its checker only
    kinds = [k for k in _parts(kind) if k is not NoneType]
    if not kinds:
        return None
    return _any([_refuses if k is Reply and len(kinds) > 1 else _test(k) for k in kinds])


def _parts(kind: Any) -> tuple[Any, ...]:
    if kind is None:
        return (NoneType,)
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _any(tests: list[Test]) -> Test:
    """Is it one of these?"""
    return tests[0] if len(tests) == 1 else lambda answer: any(test(answer) for test in tests)


def _test(kind: Any) -> Test:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda answer: True
    if kind is Reply:
        return _is_reply
    if origin in (Union, UnionType):
        if all(isinstance(part, type) and part is not Reply for part in arguments):
            return lambda answer: isinstance(answer, arguments)  # the edits of a header are many
        return _any([_test(part) for part in arguments])
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
    """What a Protocol asks for: methods, properties and annotated attributes. What has none of them is something else;
    what has only some (a store made for a test, or for an older version) shows when the others are used.
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
