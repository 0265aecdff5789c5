"""The page of the configuration as it is in force, without its secrets."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from gettext import gettext as english
from pathlib import Path
from typing import Any

from chatgate.api import Gateway, Secret
from chatgate_admin.hooks import AdminPage, Request
from chatgate_admin.tools import Html, Tools

# Words of names and values that are kept to themselves even where an option is not marked as a secret: a plugin of
# somebody else may have forgotten it.
_SECRET = re.compile(r"(?:^|_)(?:secret|password|passphrase|token|credentials?|api_?key|auth)(?:$|_)", re.IGNORECASE)
_FIELD = re.compile(r"([\w-]+)=")  # of a list such as ["token=…"]
_IN_ADDRESS = re.compile(r"(?<=://)[^/@\s]+(?=@)")  # a user and password in the address of a proxy or database


def shown(name: str, value: Any) -> str:
    """A value as it may be shown."""
    if isinstance(value, Secret) or (isinstance(value, str) and _SECRET.search(name) and not name.endswith("_file")):
        return "***" if value else '""'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(shown("", one) for one in value) + "]"
    if isinstance(value, str):
        if (field := _FIELD.match(value)) and _SECRET.search(field[1]):
            return f'"{field[0]}***"'
        return f'"{_IN_ADDRESS.sub("***", value)}"'
    return str(value)


def make(gateway: Gateway, tools: Tools) -> AdminPage:
    def show(request: Request) -> str:
        only = "all" not in request.query
        parts: list[Html] = []
        for name, source, options in _files():
            rows = [
                (
                    tools.code(field.name),
                    tools.code(shown(field.name, getattr(options, field.name))),
                    field.metadata.get("help", ""),
                )
                for field in dataclasses.fields(options)
                if not only or getattr(options, field.name) != field.default
            ]
            if rows:
                parts += [tools.heading(name), tools.hint(source)]
                parts.append(tools.table([english("Key"), english("Value"), english("What it is for")], rows))
        other = (
            tools.link(english("Show all settings"), request.link("configuration", all="1"))
            if only
            else tools.link(english("Show only what differs from the default"), request.link("configuration"))
        )
        told = english("What is in force in this process. Change it in conf.d, then type 'chatgate reload'.")
        return tools.html(tools.hint(told), tools.paragraph(other), *parts)

    def _files() -> Iterator[tuple[str, str, Any]]:
        yield "chatgate", "00-chatgate.toml", gateway.config.core
        for one in gateway.config.plugins:
            if one.options is not None:
                yield one.name, Path(one.source).name, one.options

    return tools.page("configuration", english("Configuration"), show, order=80)
