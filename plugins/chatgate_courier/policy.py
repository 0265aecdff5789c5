"""How mail goes to which domain: what the operator has said, in the option `peers` and by `chatgate peers`.

Both say it in the same words, a *rule*: whom it is for, and settings: "spam.example deny", "*.onion proxy=socks5://…",
"far.example route=mx.near.example:25 verify=no".
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatgate.api import PluginError, address_literal, replace_file, text_problem

log = logging.getLogger("chatgate.courier")

_LOOKS = 1.0  # seconds between looks at the file
_MOST = 10_000  # domains whose policy is remembered

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\Z")
_HOST_PORT = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]{1,253}):([0-9]{1,5})\Z", re.IGNORECASE)
# Name and password have 255 octets at most (RFC 1929 §2).
_PROXY = re.compile(r"socks5h?://(?:[!-.0-9;-~]{1,255}:[!-.0-~]{1,255}@)?([^@]+)\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for one domain.

    deny: why no mail goes there, for senders; "": it does. hold: mail waits in the queue and is not tried. route:
    "host:port", to which mail goes by SMTP instead of to the servers that DNS names; "" for those. proxy: a SOCKS 5
    proxy, "socks5://host:port"; "": none. tls: must the connection be encrypted? verify: must the certificate be valid
    for the host? way: "https" or "smtp" where only one is to be tried; "" for both. allow: undoes a deny of a wider
    rule.
    """

    deny: str = ""
    hold: bool = False
    route: str = ""
    proxy: str = ""
    tls: bool = True
    verify: bool = True
    way: str = ""


PLAIN = Policy()
DENIED = "this server sends no mail there"

# A rule's settings by name, as its words are checked and kept.
Settings = dict[str, Any]


def _deny(text: str) -> str:
    text = text or DENIED
    if problem := text_problem(text):
        raise ValueError(f"deny: must be {problem}")
    return text


def _flag(text: str) -> bool:
    if text.lower() not in ("", "yes", "no"):
        raise ValueError("must be yes or no")
    return text.lower() != "no"


def _host_port(text: str) -> str:
    found = _HOST_PORT.match(text)
    if text and (not found or not 0 < int(found[2]) < 65536):
        raise ValueError("must be host:port")
    return text.lower()


def _proxy(text: str) -> str:
    found = _PROXY.match(text)
    if text and not (found and _host_port(found[1])):
        raise ValueError("must be socks5://host:port or socks5://name:password@host:port")
    return text


def _way(text: str) -> str:
    if text not in ("", "https", "smtp"):
        raise ValueError("must be https or smtp")
    return text


_WORDS: Mapping[str, Callable[[str], Any]] = {
    "deny": _deny,
    "hold": _flag,
    "route": _host_port,
    "proxy": _proxy,
    "tls": _flag,
    "verify": _flag,
    "way": _way,
}


def pattern(text: str) -> str:
    """Whom a rule is for, in normal form: a domain, "*.domain" for all below it, "_*" for names that begin with an
    underscore, an address literal, "[*]" for all of these, "*" for everybody. Raises ValueError.
    """
    name = text.lower()
    if name in ("*", "_*", "[*]"):
        return name
    name = name.removesuffix(".")
    if _NAME.match(name.removeprefix("*.")):
        return name
    if name.startswith("[") and (literal := address_literal(name)):
        return literal.lower()
    raise ValueError(f"{text!r} is no domain, nor *.domain, an IP address in brackets, [*], _* or *")


def settings(words: Iterable[str]) -> Settings:
    """The settings that these words make, such as "deny" or "verify=no". Raises ValueError."""
    found: Settings = {}
    for word in words:
        name, equals, value = word.partition("=")
        if name == "allow" and not equals:
            found["deny"] = ""
        elif name not in _WORDS or (not equals and name not in ("deny", "hold")):
            raise ValueError(f"{word!r} is none of deny[=TEXT], allow, {', '.join(f'{w}=' for w in list(_WORDS)[1:])}")
        else:
            try:
                found[name] = _WORDS[name](value)
            except ValueError as error:
                raise ValueError(f"{word!r}: {error}") from None
    return found


def rule(text: str) -> tuple[str, Settings]:
    """One rule in a line: whom it is for, and its settings. The text of a deny may hold blanks if it comes last. Raises
    ValueError.
    """
    head, found, reason = text.partition(" deny=")
    whom, *words = head.split() or [""]
    try:
        return pattern(whom), settings([*words, *([f"deny={reason}"] if found else [])])
    except ValueError as error:
        raise ValueError(f"rule {text!r}: {error}") from None


def rules(lines: Iterable[str]) -> dict[str, Settings]:
    """All of them by whom they are for. Raises ValueError."""
    found: dict[str, Settings] = {}
    for line in lines:
        whom, said = rule(line)
        if not said:
            raise ValueError(f"rule {line!r}: a rule is a domain and what holds for it, such as 'far.example deny'")
        found.setdefault(whom, {}).update(said)
    return found


def read(path: Path) -> dict[str, Settings]:
    """The rules in the file; none where there is no file. Raises PluginError."""
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise PluginError(f"courier: {path} cannot be read: {error}") from error
    found: dict[str, Settings] = {}
    for whom, said in data.items():
        try:
            if not isinstance(said, dict):
                raise ValueError("must be a table")
            # In the file as the words have it, but yes and no are true and false.
            texts = {
                name: value if isinstance(value, str) else "yes" if value else "no" for name, value in said.items()
            }
            words = ["allow" if (name, text) == ("deny", "") else f"{name}={text}" for name, text in texts.items()]
            found[pattern(whom)] = settings(words)
        except ValueError as error:
            raise PluginError(f"courier: {path}: {whom}: {error}") from error
    return found


def write(path: Path, found: Mapping[str, Settings]) -> None:
    """Replace the file by one with these rules. Raises OSError."""
    lines = ["# How mail goes to other domains. Written by `chatgate peers` and `chatgate queue freeze`.\n"]
    for whom, said in sorted(found.items()):
        # JSON's strings and booleans are TOML, too.
        table = [f"{name} = {json.dumps(value)}\n" for name, value in said.items()]
        lines += [f"\n[{json.dumps(whom)}]\n", *table]
    replace_file(path, "".join(lines).encode())


class Policies:
    """The rules of this gateway. The file may change at any time, by a command beside the gateway; its rules stand
    above those of the option, setting by setting, as a narrower rule stands above a wider one.
    """

    def __init__(self, lines: Iterable[str], path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """lines: the option's rules. Raises ValueError."""
        self._given, self.path, self._clock = rules(lines), path, clock
        self._read: dict[str, Settings] = {}
        self._stamp: object = None
        self._next_look = float("-inf")
        self._known: dict[str, Policy] = {}

    def load(self) -> None:
        """Read the file. Raises PluginError: a gateway that does not know what it must not do does not start."""
        self._stamp, self._next_look = self._changed(), self._clock() + _LOOKS
        self._read, self._known = read(self.path), {}

    def of(self, domain: str) -> Policy:
        """What holds for this domain, a name or an address literal. Cheap: the file is looked at once a second."""
        now = self._clock()
        if now >= self._next_look:
            self.look()
        found = self._known.get(domain)
        if found is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            found = self._known[domain] = self._made(domain.lower())
        return found

    def rules(self) -> list[tuple[str, str, Settings]]:
        """All rules: whom each is for, who made it, "conf.d" or "command", and its settings."""
        given = [(whom, "conf.d", said) for whom, said in self._given.items()]
        return sorted([*given, *((whom, "command", said) for whom, said in self._read.items())], key=lambda one: one[0])

    def look(self) -> None:
        """Read the file anew if it has changed."""
        first = self._next_look == float("-inf")  # of a command, which has nothing to tell the operator about that
        self._next_look = self._clock() + _LOOKS
        if self._changed() != self._stamp:
            try:
                self.load()
                if not first:
                    log.info("the rules of peers have changed rules=%d", len(self._read))
            except PluginError as error:
                log.error("the rules of peers stay as they were: %s", error)

    def _changed(self) -> object:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _made(self, domain: str) -> Policy:
        said: Settings = {}
        for whom in _widest_first(domain):
            said |= self._given.get(whom, {})
            said |= self._read.get(whom, {})
        return dataclasses.replace(PLAIN, **said) if said else PLAIN


def means(whom: str, domain: str) -> bool:
    """Is a rule for `whom` one for this domain?"""
    return whom in _widest_first(domain.lower())


def _widest_first(domain: str) -> list[str]:
    """The patterns that mean this domain."""
    if domain.startswith("["):
        return ["*", "[*]", domain]
    labels = domain.split(".")
    above = [f"*.{'.'.join(labels[number:])}" for number in range(len(labels) - 1, 0, -1)]
    return ["*", *(["_*"] if domain.startswith("_") else []), *above, domain]
