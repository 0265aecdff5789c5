"""What listens: `smtp`, `submission`, `imap`, `chatmail`, `turn`."""

from __future__ import annotations

from collections.abc import Mapping

from chatgate_movein.maddyconf import values
from chatgate_movein.maddyconf.delivery import CHECKS, PIPELINE
from chatgate_movein.maddyconf.files import MaddyError
from chatgate_movein.maddyconf.nodes import Node
from chatgate_movein.maddyconf.said import CORE, Rule, Said, each, missing, same, sets, value

_ONE_CERTIFICATE = "the certificate of 10-tls.toml is for all listeners"


class Endpoints:
    """Rules for the blocks that listen. runtime: the folder of Maddy's sockets."""

    def __init__(self, runtime: str) -> None:
        self._runtime = runtime

    def smtp(self, said: Said, node: Node) -> None:
        self._listen(said, node, "smtp", {"tcp": "mx", "unix": "mx"})
        each(said, node.block or (), _SMTP, "smtp")

    def submission(self, said: Said, node: Node) -> None:
        self._listen(said, node, "smtp", {"tcp": "submission", "tls": "submissions", "unix": "submission"})
        each(said, node.block or (), _SUBMISSION, "smtp")

    def imap(self, said: Said, node: Node) -> None:
        self._listen(said, node, "imap", {"tcp": "imap", "tls": "imaps", "unix": "imap"})
        each(said, node.block or (), _IMAP, "imap")

    def chatmail(self, said: Said, node: Node) -> None:
        self._listen(said, node, "site", {"tcp": "http", "tls": "https", "unix": "http"})
        each(said, node.block or (), _CHATMAIL, "site")

    def turn(self, said: Said, node: Node) -> None:
        """chatgate offers a TURN server, and is none: it needs coturn, with the same secret."""
        said.missing(Node(node.name, node.args, None, node.file, node.line), "turn", "run coturn with the same secret")
        each(said, node.block or (), _TURN, "turn")

    def _listen(self, said: Said, node: Node, plugin: str, keys: Mapping[str, str]) -> None:
        """keys: the option for each scheme."""
        said.file(plugin)
        for arg in node.args:
            try:
                scheme, address = values.endpoint(arg, self._runtime)
            except ValueError as error:
                raise MaddyError(node.file, node.line, f"{node.name}: {error}") from None
            alone = Node(node.name, [arg], None, node.file, node.line)
            if key := keys.get(scheme):
                said.set(alone, plugin, key, [address])
            else:
                said.missing(alone, plugin, "TLS begins with STARTTLS here" if scheme == "tls" else "")


def _limits(hint: str) -> Rule:
    def rule(said: Said, node: Node) -> None:
        for child in node.block or [node]:
            said.missing(child, "smtp", hint)

    return rule


def debug(said: Said, node: Node) -> None:
    """For everything at once."""
    if value(node, values.yes):
        said.set(node, CORE, "log_level", "debug")
    else:
        said.same(node, CORE)


def _proxies(said: Said, node: Node) -> None:
    """Of all listeners, as the headers of trusted proxies are taken everywhere."""
    trusted = [*node.args, *(arg for child in node.each("trust") for arg in child.args)]
    if not trusted:
        said.missing(node, CORE, "name the proxies in proxy_protocol_from")
        return
    said.set(node, CORE, "proxy_protocol_from", trusted)
    for child in node.block or ():
        if child.name != "trust":
            said.missing(child, CORE)


_LISTENER: dict[str, Rule] = {
    "hostname": sets(CORE, "hostname", values.host),
    "tls": missing("tls", _ONE_CERTIFICATE),
    "proxy_protocol": _proxies,
    "auth": same("passwordless"),
    "debug": debug,
    "auth_map": missing("passwordless", "people log in with their whole address"),
    "auth_map_normalize": same("passwordless", "addresses are in lower case"),
    "sasl_login": missing("smtp", "programs use AUTH PLAIN"),
}

_ESMTP: dict[str, Rule] = {
    **_LISTENER,
    **PIPELINE,
    "limits": _limits("see max_connections, max_connections_per_address"),
    "max_message_size": sets(CORE, "max_message_bytes", values.size),
    "max_header_size": missing("gate", "see max_header"),
    "max_received": sets("smtp", "max_hops", values.number),
    "read_timeout": sets("smtp", "command_seconds", values.duration),
    "shutdown_timeout": sets(CORE, "stop_seconds", values.duration),
    "smtp_max_line_length": sets("smtp", "max_line_bytes", values.number),
    "defer_sender_reject": same("smtp"),
    "buffer": same("smtp", "a message is in memory until it is stored"),
    "dmarc": same("dkim", "mail must be signed by its author's domain, whatever that asks for"),
    "check": lambda said, node: each(said, node.block or (), CHECKS, "dkim"),
}

_SMTP: dict[str, Rule] = {**_ESMTP, "insecure_auth": missing("smtp")}

_SUBMISSION: dict[str, Rule] = {
    **_ESMTP,
    "insecure_auth": missing("smtp", "nobody logs in without TLS"),
    "limits": _limits("see max_user_send_per_minute, which is for each account"),
}


def _plaintext(said: Said, node: Node) -> None:
    if value(node, values.yes):
        said.set(node, "imap", "plaintext_login", True)
    else:
        said.same(node, "imap")


def _turn_offered(said: Said, node: Node) -> None:
    if value(node, values.yes):
        said.same(node, "turn")
    else:
        said.missing(node, "turn", "remove this file to offer none")


_TURN_OPTIONS: dict[str, Rule] = {
    "turn_enable": _turn_offered,
    "turn_server": sets("turn", "host", values.host),
    "turn_port": sets("turn", "port", values.number),
    "turn_secret": sets("turn", "secret", values.one),
    "turn_ttl": missing("turn", "see life_seconds; apps want 5 days"),
}

_TURN: dict[str, Rule] = {
    "secret": sets("turn", "secret", values.one),
    "realm": missing("turn", "coturn's"),
    "relay_ip": missing("turn", "coturn's"),
    "debug": missing("turn", "coturn's"),
}

_IMAP: dict[str, Rule] = {
    **_LISTENER,
    **_TURN_OPTIONS,
    "storage": same("maildb"),
    "storage_map": missing("maildb", "each address has its own mailbox"),
    "storage_map_normalize": same("maildb", "addresses are in lower case"),
    "insecure_auth": _plaintext,
    "iroh_relay_url": sets("iroh", "url", values.one),
}


def _mail_domain(said: Said, node: Node) -> None:
    said.set(node, CORE, "domain", value(node, values.host))


def _web_domain(said: Said, node: Node) -> None:
    said.set(node, "site", "url", f"https://{value(node, values.host)}")


_CHATMAIL: dict[str, Rule] = {
    "mail_domain": _mail_domain,
    "mx_domain": sets(CORE, "hostname", values.host),
    "web_domain": _web_domain,
    "auth_db": same("passwordless"),
    "storage": same("maildb"),
    "tls": missing("tls", _ONE_CERTIFICATE),
    "debug": _LISTENER["debug"],
    "public_ip": sets("doctor", "addresses", lambda args: [values.one(args)]),
    "alpn_imap": same("site", "IMAP at the site's port for who asks for it by ALPN"),
    "alpn_smtp": same("site", "SMTP likewise"),
    "min_username_length": sets("passwordless", "name_min_length", values.number),
    "max_username_length": sets("passwordless", "name_max_length", values.number),
    "password_min_length": sets("passwordless", "password_min_length", values.number),
    "username_length": missing("site", "invented names have as many characters as name_min_length allows, 9 at least"),
    "password_length": missing("site", "invented passwords have 22 characters"),
    "www_dir": missing("site", "pages of your own: see pages, docs/site.md"),
    "turn_off_tls": missing("tls", "there is always TLS, if need be with a self-signed certificate"),
    "language": missing("site", "the pages are in English; see pages"),
}
