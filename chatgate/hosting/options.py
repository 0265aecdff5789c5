"""Options: how a plugin declares them, those of the core, and how they are written down for operators."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from chatgate import names, texts

T = TypeVar("T")


class Secret(str):
    """A string whose repr hides it, so that it gets into no log."""

    def __repr__(self) -> str:
        return "'***'" if self else "''"


def option(default: Any, help: str, *, per_domain: bool = False, inherited: bool = True, live: bool = False) -> Any:
    """A setting with a default. help: what it does, with its unit; it becomes the comment in the shipped conf.d.
    Types: bool, int, float, str, Secret, tuple[str, ...]. A number below zero is refused: limits are finite.
    per_domain: the file of a further domain may set it for that domain; code reads it through `Domain.options`.
    inherited: whether a further domain that does not set it has the first domain's value; if not, it has the default.
    live: `chatgate reload` changes it in the options that the plugin holds, while it runs. So code reads it there each
    time that it is used, or again in `chatgate_reloaded`.
    """
    said = {"help": help, "per_domain": per_domain, "inherited": inherited, "live": live}
    return dataclasses.field(default=default, metadata=said)


def differs_by_domain(field: dataclasses.Field[Any]) -> bool:
    """May the file of a further domain set this option?"""
    return bool(field.metadata.get("per_domain"))


def is_live(field: dataclasses.Field[Any]) -> bool:
    """May this option change while the gateway runs?"""
    return bool(field.metadata.get("live"))


def at_domain(general: T, given: Mapping[str, Any]) -> T:
    """These options as they hold for a further domain. given: what its file sets. Raises what the dataclass raises. It
    is another object wherever a value may differ, as live ones may come to.
    """
    fields = dataclasses.fields(general)  # type: ignore[arg-type]  # every T is a dataclass
    own = {field.name: field.default for field in fields if not field.metadata.get("inherited", True)}
    if not any(map(differs_by_domain, fields)):
        return general
    return dataclasses.replace(general, **{**own, **given})  # type: ignore[type-var]


def is_listener(field: dataclasses.Field[Any]) -> bool:
    """A setting whose default is addresses such as ("*:465",): `init --local` and `--listen` move it."""
    default = field.default
    return isinstance(default, tuple) and bool(default) and all(str(item).startswith("*:") for item in default)


def required(help: str) -> Any:
    """A setting without a default, which the operator must make."""
    return dataclasses.field(metadata={"help": help})


@dataclass(frozen=True)
class CoreOptions:
    domain: str = required("The mail domain, behind the @ of every address: a host name or an IP address.")
    hostname: str = option(
        "", "The name or IP address that clients connect to. Empty: the domain.", per_domain=True, inherited=False
    )
    log_level: str = option(
        "warning", "What is logged: debug, info, warning or error. Addresses appear at debug only.", live=True
    )
    hook_seconds: float = option(
        60.0, "Seconds a plugin may take over one decision before it counts as failed.", live=True
    )
    max_message_bytes: int = option(
        52428800,
        "Octets a message may have; clients are told as SIZE (SMTP) and APPENDLIMIT (IMAP). 50 MiB.",
        per_domain=True,
        live=True,
    )
    language: str = option(
        texts.ENGLISH,
        "Language of what the gateway writes to people by itself, such as notices of mail that did not arrive, and of "
        "pages for browsers that ask for none of their languages: en, de, es …",
        per_domain=True,
    )
    observer_seconds: float = option(
        5.0,
        "Seconds each plugin may take when it is told of an event, such as a stored message; then it is cut off.",
        live=True,
    )
    check_seconds: float = option(300.0, "Seconds each plugin's part of `chatgate check` may take.", live=True)
    stall_milliseconds: int = option(
        1000, "Milliseconds for which code may hold up everybody before the log names it. 0: never."
    )
    processes: int = option(
        1, "Processes that serve, each on a core of its own. Limits hold for each: with 2 they add up to twice as much."
    )
    hang_seconds: float = option(
        60.0,
        "Seconds for which one of several processes may stand still or take to begin anew; then it is killed, and "
        "another begins. 0: never.",
    )
    stop_seconds: float = option(10.0, "Seconds that transactions in flight get to finish when the gateway stops.")
    handshake_seconds: float = option(20.0, "Seconds a client may take for the TLS handshake.")
    discreet: bool = option(
        False,
        "Show strangers nothing that marks a chatmail server: no pages, no POST /new, no reason why a login is "
        "refused. Invitations then lead past the site.",
    )
    modern_tls: bool = option(
        False, "Take no TLS before 1.3. Other mail servers, at mx, may still use 1.2: else they would send in clear."
    )
    proxy_protocol_from: tuple[str, ...] = option(
        (), "Addresses or networks of reverse proxies; their connections must begin with a PROXY protocol header."
    )

    def __post_init__(self) -> None:
        for key, form in (("domain", names.mail_domain), ("hostname", names.host)):
            if key == "domain" or getattr(self, key):
                try:
                    object.__setattr__(self, key, form(getattr(self, key)))
                except ValueError as error:
                    raise ValueError(f"{key}: {error}") from None
        if self.log_level.lower() not in ("debug", "info", "warning", "error"):
            raise ValueError("log_level: must be debug, info, warning or error")
        if not texts.LANGUAGE_TAG.fullmatch(self.language):
            raise ValueError("language: must be the tag of a language, such as en or de")
        if not 1 <= self.processes <= 64:
            raise ValueError("processes: must be 1 to 64")
        if self.max_message_bytes < 1:
            raise ValueError("max_message_bytes: must be 1 or more")
        for network in self.proxy_protocol_from:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise ValueError(f"proxy_protocol_from: {error}") from None


def render(options: type, title: str, settings: Mapping[str, Any] | None = None) -> str:
    """A conf.d file with every key commented out at its default, except those in `settings`, which are set."""
    settings, lines = settings or {}, [f"# {line}" for line in title.strip().splitlines()]
    for field in dataclasses.fields(options):
        marks = {" (per domain)": differs_by_domain(field), " (live)": is_live(field)}
        lines += ["", f"# {field.metadata['help']}{''.join(mark for mark, so in marks.items() if so)}"]
        if field.name in settings:
            lines.append(f"{field.name} = {_toml(settings[field.name])}")
        elif field.default is dataclasses.MISSING:
            lines.append(f"# {field.name} = …  (must be set)")
        else:
            lines.append(f"# {field.name} = {_toml(field.default)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    # JSON's strings, numbers, booleans and lists of strings are TOML too.
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
