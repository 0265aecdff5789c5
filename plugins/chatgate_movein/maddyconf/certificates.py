"""Where certificates come from: `tls`, `tls.loader.acme`, and madmail's `tls_mode`."""

from __future__ import annotations

from pathlib import PurePosixPath

from chatgate_movein.maddyconf import values
from chatgate_movein.maddyconf.nodes import Node
from chatgate_movein.maddyconf.said import CORE, Rule, Said, each, missing, same, sets, value


class Tls:
    """The rule of the directive `tls`."""

    def __init__(self, state: str) -> None:
        self._state = PurePosixPath(state)

    def rule(self, said: Said, node: Node) -> None:
        args = node.args
        if args[:1] == ["off"]:
            said.missing(node, "tls", "there is always TLS, if need be with a self-signed certificate")
        elif args[:1] == ["file"] and len(args) >= 3:
            self._files(said, node, args[1:])
        elif len(args) == 2:  # an older way to write it
            self._files(said, node, args)
        elif args:
            said.missing(
                Node(node.name, args, None, node.file, node.line), "tls", "the certificate is for all listeners"
            )
        for child in node.block or ():
            if child.name == "loader" and child.args[:1] == ["acme"]:
                acme(said, child)
            elif child.name == "loader":
                self.rule(said, Node("tls", child.args, child.block, child.file, child.line))
            elif child.name == "protocols":
                _protocols(said, child)
            else:
                said.missing(child, "tls")

    def _files(self, said: Said, node: Node, paths: list[str]) -> None:
        for key, path in zip(("certificate", "key"), paths, strict=False):
            said.set(node, "tls", key, str(self._state / path))
        if paths[2:]:
            said.missing(node, "tls", "further certificates: each in the [tls] of a file in domains/")


def _protocols(said: Said, node: Node) -> None:
    if node.args[:1] == ["tls1.3"]:
        said.set(node, CORE, "modern_tls", True)
    else:
        said.same(node, "tls", "TLS 1.2 and 1.3")


def acme(said: Said, node: Node) -> None:
    """`loader acme { … }`, or `tls.loader.acme name { … }`."""
    said.same(Node(node.name, node.args, None, node.file, node.line), "acme")
    each(said, node.block or (), _ACME, "acme")


def _agreed(said: Said, node: Node) -> None:
    if value(node, values.yes):
        said.set(node, "acme", "agree_to_terms", True)
    else:
        said.same(node, "acme")


def mode(said: Said, node: Node) -> None:
    """`tls_mode autocert`: a command of madmail's gets the certificate."""
    if node.args == ["autocert"]:
        said.missing(node, "acme", "set agree_to_terms, and the gateway gets certificates itself")
    else:
        said.same(node, "tls")


def email(said: Said, node: Node) -> None:
    """`acme_email`, which means something with `tls_mode autocert` only."""
    said.set(node, "acme", "contact", [value(node, values.one)])


_ACME: dict[str, Rule] = {
    "agreed": _agreed,
    "email": email,
    "ca": sets("acme", "directory", values.one),
    "hostname": same("acme", "the host name of the gateway, and others: see names"),
    "challenge": missing("acme", "not by the DNS, but by port 80 or 443, which the site must have: see challenges"),
    "dns": missing("acme", "not by the DNS"),
    "store_path": same("acme", "in tls/"),
    "debug": same("acme"),
}
