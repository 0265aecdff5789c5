"""The account at a directory: one for each directory, made when it is first needed."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import josepy
from acme import errors, messages
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from chatgate.api import replace_file
from chatgate_acme import files
from chatgate_acme.network import Client, Network, Trouble
from chatgate_acme.options import AcmeOptions

log = logging.getLogger("chatgate.acme")

_URI = re.compile(r"https://[!#-:<-~]{1,500}\Z")  # neither " nor ;
_HOST = re.compile(r"[a-z0-9.-]{1,253}\Z")


def open_client(folder: Path, options: AcmeOptions, ca_bundle: str, report: Callable[[str], object]) -> Client:
    """A client with an account. folder: of the account. Raises Trouble and whatever the library raises."""
    key = _key(folder / "key.pem")
    network = Network(josepy.JWKEC(key=key), options, ca_bundle)
    directory = messages.Directory.from_json(network.get(options.url).json())
    client = Client(directory, network)
    known = files.read_json(folder / "account.json")
    if isinstance(known.get("uri"), str):
        network.account = _resource(known["uri"], options)
        return client
    _register(client, folder, options, report)
    return client


def forget(folder: Path) -> None:
    """The authority does not know the account (any more): the next use makes one with the same key."""
    (folder / "account.json").unlink(missing_ok=True)


def known(folder: Path) -> tuple[str, str]:
    """The address of the account, and what the authority is called in CAA records; "" for what is not known."""
    found = files.read_json(folder / "account.json")
    uri, authority = found.get("uri"), found.get("caa")
    return (uri if isinstance(uri, str) else "", authority if isinstance(authority, str) else "")


def _register(client: Client, folder: Path, options: AcmeOptions, report: Callable[[str], object]) -> None:
    meta = client.directory["meta"]
    if meta.external_account_required:
        raise Trouble("the authority wants accounts that are bound to one of its web site, which is not supported")
    report("making an account")
    contact = tuple(f"mailto:{one.removeprefix('mailto:')}" for one in options.contact)
    wanted = messages.NewRegistration(contact=contact, terms_of_service_agreed=True)
    try:
        uri = client.new_account(wanted).uri
    except errors.ConflictError as error:  # this key has one
        uri = error.location
    if not isinstance(uri, str) or not _URI.match(uri):
        raise Trouble("the directory makes an account without an address")
    client.net.account = _resource(uri, options)
    # Both are shown as a record for the DNS, which somebody copies into a zone.
    caa = next((one for one in meta.caa_identities or () if isinstance(one, str) and _HOST.match(one)), "")
    replace_file(folder / "account.json", json.dumps({"uri": uri, "caa": caa, "directory": options.url}).encode())
    log.warning("account made directory=%s uri=%s", options.url, uri)


def _resource(uri: str, options: AcmeOptions) -> messages.RegistrationResource:
    return messages.RegistrationResource(uri=uri, body=messages.Registration())


def _key(path: Path) -> Any:
    """A lost key is one more account, and a record in the DNS (CAA) to be changed: the certificates stay good."""
    try:
        return load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError:
        forget(path.parent)
    except (ValueError, TypeError):
        raise Trouble(f"{path}: not a key; move it away to have a new account made") from None
    key = ec.generate_private_key(ec.SECP256R1())
    replace_file(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key
