"""`chatgate accounts export` and `import`: accounts with their password hashes, so that people keep their passwords.

The file is JSON Lines: a first line that says what it is, then one account a line. It holds no mail.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

import click
import gevent.pool

from chatgate.api import (
    MOST,
    Account,
    AccountExists,
    AddressGone,
    Domain,
    Domains,
    Gateway,
    StoreError,
    domain_option,
    fail,
    new_file,
    text_problem,
)
from chatgate_accounts import cleartext

_FORMAT, _VERSION = "chatgate-accounts", 1
_TYPES = {"address": str, "secret": str, "created": int, "last_login": int, "disabled": str, "quota": int | None}
# Accounts imported at the same time: the store commits together what comes together.
_AT_ONCE = 64

# What every store and protocol can express; passwordless has narrower rules for the names that it accepts.
_LONGEST = 65536  # characters of a line; a file with a longer line, or without any, is not an export
_NAME = re.compile(r"[!-?A-~]{1,64}")


@click.command("export")
@click.argument("file", default="-", type=click.Path(dir_okay=False, allow_dash=True))
@domain_option(None, "Write only accounts of this domain.")
@click.pass_obj
def export(gateway: Gateway, file: str, domain: Domain | None) -> None:
    """Write all accounts, without mail, to a file.

    With them go the hashes of their passwords. Without a FILE, they go to standard output.

    Keep the file to yourself: with it somebody could guess passwords as fast as their computers allow.
    """
    lines = _lines(gateway, domain)
    if file == "-":
        for line in lines:
            click.echo(line)
        return
    try:
        with new_file(file) as out:
            count = sum(1 for line in lines if out.write(line + "\n")) - 1
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        fail(f"cannot write {file}: {error.strerror}", 1)
    click.echo(f"Wrote {count} accounts.", err=True)


def _lines(gateway: Gateway, domain: Domain | None) -> Iterator[str]:
    yield json.dumps({"format": _FORMAT, "version": _VERSION, "domain": (domain or gateway.domains.first).name})
    after = ""
    while page := gateway.store.accounts(after):
        for account in page:
            if domain is not None and not account.address.endswith(f"@{domain.name}"):
                continue
            row = {name: getattr(account, name) for name in _TYPES}
            # Only where it is so, as nearly none is.
            yield json.dumps(row | ({"cleartext": True} if cleartext.allowed(gateway, account) else {}))
        after = page[-1].address


@click.command("import")
@click.argument("file", default="-", type=click.File("r", encoding="utf-8"))
@click.option("--replace", is_flag=True, help="Change accounts that are there already to what the file says of them.")
@click.pass_obj
def import_(gateway: Gateway, file: TextIO, replace: bool) -> None:
    """Make the accounts that `export` wrote.

    They are read from FILE, or from standard input, to the end before anything is changed. Accounts that are there
    already stay as they are; --replace changes all but the day they were made. Accounts that were removed here come
    back only if the file has the password that they had, and never after a final deletion.
    """
    _ = gateway.store  # if it cannot be opened, that is the only error reported
    try:
        rows = list(_rows(_read(file), gateway.domains, int(time.time()) // 86400))
    except UnicodeDecodeError:
        fail(f"{file.name}: not UTF-8", 1)
    except (ValueError, OSError) as error:
        fail(f"{file.name}: {error}", 1)
    taken = gevent.pool.Pool(_AT_ONCE).imap_unordered(lambda row: _take(gateway, row, replace), rows)
    if sys.stderr.isatty():
        with click.progressbar(taken, len(rows), label="Importing", file=sys.stderr) as bar:
            counts = Counter(bar)
    else:
        counts = Counter(taken)
    click.echo(", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "no accounts in the file")
    problems = Counter(gateway.accounts.secret_problem(row["secret"]) for row in rows)
    for problem, count in problems.items():
        if problem:
            click.echo(
                f"chatgate: nobody can log in to {count} of them with the password there was: {problem}", err=True
            )
    sys.exit(1 if counts[_FAILED] else 0)


def _read(file: TextIO) -> Iterator[str]:
    return iter(lambda: file.readline(_LONGEST), "")


def _rows(lines: Iterable[str], domains: Domains, today: int) -> Iterator[dict[str, Any]]:
    """The accounts in an export. Raises ValueError with a line number, but without the contents of the line."""
    numbered = enumerate(lines, 1)
    _, first = next(numbered, (1, ""))
    header = _object(1, first.removeprefix("\ufeff"))  # a byte order mark, which some editors add
    if header.get("format") != _FORMAT:
        raise ValueError("line 1: not an export of accounts")
    if header.get("version") != _VERSION:
        raise ValueError(f"line 1: version {header.get('version')}, this program reads version {_VERSION}")
    if domains.named(str(header.get("domain"))) is None:
        ours = " and ".join(domain.name for domain in domains)
        raise ValueError(f"line 1: accounts of {header.get('domain')}, this server has {ours}")
    for number, line in numbered:
        row = {"created": today, "cleartext": False} | _object(number, line)  # older exports do not have it
        for name, kind in _TYPES.items():
            if name not in row or not isinstance(row[name], kind) or row[name] is True or row[name] is False:
                raise ValueError(f"line {number}: {name}: missing or of the wrong type")
        if not isinstance(row["cleartext"], bool):
            raise ValueError(f"line {number}: cleartext: of the wrong type")
        if problem := _problem(row, domains, today):
            raise ValueError(f"line {number}: {problem}")
        yield row


def _problem(row: dict[str, Any], domains: Domains, today: int) -> str:
    """Why no server can have written this row of the file; "" if one can."""
    name, secret, disabled = row["address"].rpartition("@")[0], row["secret"], row["disabled"]
    if domains.of(row["address"]) is None or not _NAME.fullmatch(name):
        return f"address: not of an account of {' or '.join(domain.name for domain in domains)}"
    if not secret or not secret.isascii() or not secret.isprintable():
        return "secret: not a password hash"
    for day in ("created", "last_login"):
        if not 0 <= row[day] <= today + 1:  # a clock may be ahead, but not for longer
            return f"{day}: before 1970 or in the future"
    if not 0 <= (row["quota"] or 0) <= MOST:
        return "quota: below 0 or too large"
    if disabled and (problem := text_problem(disabled)):
        return f"disabled: {problem}"
    return ""


def _object(number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise ValueError(f"line {number}: not a JSON object")
    return row


_FAILED = "failed"


def _take(gateway: Gateway, row: dict[str, Any], replace: bool) -> str:
    """Import one account; returns what became of it. A new account is created with everything the file says of it or
    not at all: an interrupted import does not leave a disabled account in use.
    """
    was, store = Account(0, **{name: row[name] for name in _TYPES}), gateway.store
    try:
        try:
            _open(gateway, gateway.accounts.restore(was), row)
            return "made"
        except AddressGone:
            if store.tombstone(row["address"]) != row["secret"]:
                return "removed here"
            _open(gateway, gateway.accounts.restore(was, returning=True), row)
            return "came back"
        except AccountExists:
            found = store.account(row["address"])
            if found is None or not replace:
                return "there already"
            _replace(gateway, found, row)
            return "replaced"
    except StoreError as error:
        click.echo(f"chatgate: {row['address']}: {error}", err=True)
        return _FAILED


def _replace(gateway: Gateway, account: Account, row: dict[str, Any]) -> None:
    if row["disabled"] != account.disabled:  # first: an interrupted import must not leave it in use
        if row["disabled"]:
            gateway.accounts.disable(account, row["disabled"])
        else:
            gateway.accounts.enable(account)
    if row["secret"] != account.secret:
        gateway.accounts.set_secret(account, row["secret"])
    if row["last_login"] > account.last_login:
        gateway.store.set_last_login(account.id, row["last_login"])
    if row["quota"] != account.quota:
        gateway.store.set_quota(account.id, row["quota"])
    _open(gateway, account, row)


def _open(gateway: Gateway, account: Account, row: dict[str, Any]) -> None:
    """May it get unencrypted mail? An interrupted import leaves it at no."""
    if row["cleartext"] != cleartext.allowed(gateway, account):
        cleartext.allow(gateway, account, row["cleartext"])
