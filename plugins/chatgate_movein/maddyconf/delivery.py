"""Where mail goes: pipelines, tables, checks, DKIM, the queue, and delivery to other servers."""

from __future__ import annotations

from chatgate_movein.maddyconf import values
from chatgate_movein.maddyconf.files import MaddyError
from chatgate_movein.maddyconf.nodes import Node
from chatgate_movein.maddyconf.said import Rule, Said, each, missing, same, sets, value

# ------------------------------------------------------------------------------------------------- what is checked

CHECKS: dict[str, Rule] = {
    "dkim": same("dkim"),
    "spf": missing("dkim", "the signature decides, not the address that mail comes from"),
    "require_mx_record": missing("dkim"),
    "require_tls": same("smtp"),
    "authorize_sender": same("smtp", "accounts send as themselves only"),
    "pgp_encryption": same("gate"),
}

# ------------------------------------------------------------------------------------------------- pipelines


def _modify(said: Said, node: Node) -> None:
    if node.block is None:
        said.missing(node, "accounts")
    else:
        each(said, node.block, _MODIFIERS, "accounts")


def _route(said: Said, node: Node) -> None:
    """A block for some senders or recipients: what stands in it is told one by one."""
    said.same(Node(node.name, node.args, None, node.file, node.line), "accounts")
    each(said, node.block or (), PIPELINE, "accounts")


def _deliver(said: Said, node: Node) -> None:
    if len(node.args) == 1 and node.args[0].startswith("&"):
        said.same(node, "accounts")
    else:
        said.missing(node, "accounts", "mail is for accounts here, or for other servers by their MX records")


def _checked(said: Said, node: Node) -> None:
    each(said, node.block or (), CHECKS, "dkim")


def dkim(said: Said, node: Node) -> None:
    """`dkim example.org example.net selector`, with or without a block; or `modify.dkim name { … }`."""
    *domains, selector = ([] if node.name == "modify.dkim" else node.args) or [""]
    if domains and selector:
        said.set(node, "dkim", "selector", selector, _KEY)
    each(said, node.block or (), _DKIM, "dkim")


_KEY = "chatgate makes a key of its own, unless one is imported"

_DKIM: dict[str, Rule] = {
    "selector": sets("dkim", "selector", values.one, _KEY),
    "domains": same("dkim", "each mail domain has a key"),
    "key_path": missing("dkim", _KEY),
    "header_canon": same("dkim"),
    "body_canon": same("dkim"),
    "hash": same("dkim"),
}


def table(said: Said, node: Node) -> None:
    """`table.static name { … }`, or a table where it is used: `optional_step static { … }`."""
    kind = node.name.removeprefix("table.")
    args = node.args
    if kind in ("step", "optional_step", "replace_rcpt") and args:
        kind, args = args[0], args[1:]
    if kind == "chain":
        each(said, node.block or (), {"step": table, "optional_step": table}, "accounts")
    elif kind == "regexp" and args[:1] and "\\+" in args[0]:
        said.set(node, "accounts", "recipient_delimiter", "+")
    elif kind == "identity" or kind.startswith("&"):
        said.same(node, "accounts")
    else:
        said.missing(node, "accounts", "there are no aliases")


_MODIFIERS: dict[str, Rule] = {
    "dkim": dkim,
    "replace_rcpt": table,
    "replace_sender": missing("accounts", "nothing is rewritten"),
}

PIPELINE: dict[str, Rule] = {
    "source": _route,
    "default_source": _route,
    "destination": _route,
    "default_destination": _route,
    "reroute": _route,
    "reject": same("accounts"),
    "deliver_to": _deliver,
    "modify": _modify,
    "check": _checked,
}


def pipeline(said: Said, node: Node) -> None:
    """`msgpipeline name { … }`."""
    each(said, node.block or (), PIPELINE, "accounts")


# ------------------------------------------------------------------------------------------------- other servers


def remote(said: Said, node: Node) -> None:
    """`target.remote name { … }`."""
    each(said, node.block or (), _REMOTE, "courier")
    if not node.each("mx_auth"):
        for key in ("dane", "mta_sts"):
            said.set(node, "courier", key, False, "it has no mx_auth")


def _security(said: Said, node: Node) -> None:
    if node.block is None:
        said.missing(node, "courier")
        return
    each(said, node.block, _MX_AUTH, "courier")
    for name, key in (("dane", "dane"), ("mtasts", "mta_sts")):
        if not node.each(name):
            said.set(
                Node(node.name, [], None, node.file, node.line), "courier", key, False, f"there is no {name} in it"
            )


def mx_auth(said: Said, node: Node) -> None:
    """`mx_auth name { … }`, which several targets share."""
    _security(said, node)


def _least_tls(said: Said, node: Node) -> None:
    level = value(node, values.one)
    if level == "authenticated":
        said.same(node, "courier")
    elif level == "encrypted":
        said.missing(node, "courier", 'certificates must be valid, too; "* verify=no" in peers takes any')
    elif level == "none":
        said.missing(node, "courier", 'there must be TLS, with a valid certificate; "* tls=no" in peers does without')
    else:
        raise MaddyError(node.file, node.line, "min_tls_level: must be none, encrypted or authenticated")


_LOCAL_POLICY: dict[str, Rule] = {"min_tls_level": _least_tls}

_MX_AUTH: dict[str, Rule] = {
    "dane": sets("courier", "dane", lambda args: True),
    "mtasts": sets("courier", "mta_sts", lambda args: True),
    "local_policy": lambda said, node: each(said, node.block or (), _LOCAL_POLICY, "courier"),
}


def _at_once(said: Said, node: Node) -> None:
    if node.args[:1] == ["concurrency"] and len(node.args) == 2:
        alone = Node(node.name, node.args[1:], None, node.file, node.line)
        said.set(node, "courier", "messages_per_domain", value(alone, values.number))
    else:
        said.missing(node, "courier")


_REMOTE: dict[str, Rule] = {
    "hostname": same("courier", "the host name of the gateway"),
    "limits": lambda said, node: each(said, node.block or (), {"destination": _at_once}, "courier"),
    "mx_auth": _security,
    "connect_timeout": sets("courier", "connect_seconds", values.duration),
    "command_timeout": sets("courier", "reply_seconds", values.duration),
    "submission_timeout": sets("courier", "data_reply_seconds", values.duration),
    "conn_reuse_limit": sets("courier", "messages_per_connection", values.number),
    "conn_max_idle_time": sets("courier", "smtp_idle_seconds", lambda args: float(values.number(args))),
    "tls_client": lambda said, node: tls_client(said, node),
}

_TLS_CLIENT: dict[str, Rule] = {"root_ca": sets("courier", "ca_file", values.one)}


def tls_client(said: Said, node: Node) -> None:
    """How TLS to other servers is done."""
    each(said, node.block or (), _TLS_CLIENT, "courier")


def relay(said: Said, node: Node) -> None:
    """`target.smtp name { targets tcp://mail.example.net:25 }`: all mail goes by another server."""
    for child in node.block or ():
        if child.name not in ("targets", "target"):
            said.missing(child, "courier")
            continue
        for arg in child.args:
            try:
                scheme, address = values.endpoint(arg, "/")
            except ValueError as error:
                raise MaddyError(child.file, child.line, f"{child.name}: {error}") from None
            if scheme == "tcp" and not address.startswith("*"):
                said.set(child, "courier", "peers", [*_PEERS, f"* route={address}"])
            else:
                said.missing(child, "courier", "by STARTTLS only")


_PEERS = ["[*] verify=no", "_* verify=no", "nauta.cu tls=no"]  # as they are without the setting


def queue(said: Said, node: Node) -> None:
    """`target.queue name { … }`. Maddy waits 15 minutes after the first try, and each time 1.2 times as long."""
    rules = dict(_QUEUE)
    each(said, [child for child in node.block or () if child.name not in _TRIES], rules, "courier")
    first = next((value(child, values.duration) for child in node.each("initial_retry")), 900.0)
    grows = next((_scale(child) for child in node.each("retry_time_scale")), 1.2)
    for name in ("initial_retry", "retry_time_scale"):
        for child in node.each(name):
            said.missing(child, "courier", "see retry_seconds; the sender is told as late as it was")
    for child in node.each("max_tries"):
        tries = min(value(child, values.number), 1000)
        days = min(sum(min(first * grows**n, 86400.0) for n in range(tries - 1)) / 86400, 30.0)
        said.set(child, "maildb", "queue_days", max(round(days, 3), 0.001), "for as long as that takes")


_TRIES = ("max_tries", "initial_retry", "retry_time_scale")


def _scale(node: Node) -> float:
    text = value(node, values.one)
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 1.0 <= scale <= 10.0:
        raise MaddyError(node.file, node.line, "retry_time_scale: must be a number from 1 to 10")
    return scale


_QUEUE: dict[str, Rule] = {
    "target": same("courier"),
    "bounce": same("courier", "the sender is told in its INBOX"),
    "autogenerated_msg_domain": same("courier"),
    "location": same("maildb", "the queue is in the database"),
}
