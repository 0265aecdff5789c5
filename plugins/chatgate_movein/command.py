"""`chatgate import`: a group with a command for each kind of server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
import gevent.pool

from chatgate.api import Domain, Gateway, PluginError, StoreError, domain_option, fail, hold, json_option, show
from chatgate_movein.journal import Journal
from chatgate_movein.maddy import Maddy, Where
from chatgate_movein.maddyconf import command as maddyconf
from chatgate_movein.moving import Move
from chatgate_movein.options import MoveInOptions
from chatgate_movein.records import Person, Source, Unreadable
from chatgate_movein.relay import Relay

# Accounts that are brought at the same time: the store commits together what comes together.
_AT_ONCE = 16

_PATH = click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_DB = "a SQLite file, or where PostgreSQL is (postgresql://…, or words such as 'dbname=maddy')"


def make(gateway: Gateway, options: MoveInOptions) -> click.Group:
    """The command group `import`."""

    @click.group("import")
    def group() -> None:
        """Move in from another mail server.

        Accounts come with the hashes of their passwords, and mail with its UIDs, so that apps notice nothing. The
        gateway must be stopped, and so should the other server. An import that was cut off goes on when it is run
        again; a later one brings what is new there.
        """

    def common(function: Callable[..., Any]) -> Callable[..., Any]:
        dry = click.option("--dry-run", is_flag=True, help="Read everything, change nothing, and tell what would come.")
        domain = domain_option(gateway.domains, "Bring all accounts into this domain, whatever theirs is.")
        return _PATH(dry(domain(json_option(function))))

    @group.command("relay")
    @common
    def relay(path: Path, **how: Any) -> None:
        """Move in from a chatmail relay (cmdeploy: Dovecot, Postfix).

        PATH is /home/vmail/mail/DOMAIN of the old machine, or a folder with home/vmail/mail and etc/dkimkeys of it.
        """
        _bring(gateway, options, lambda: Relay(path, options.max_message), **how)

    def of_maddy(function: Callable[..., Any]) -> Callable[..., Any]:
        for declare in (
            click.option("--table", default="passwords", show_default=True, help="The table of the credentials."),
            click.option("--aliases", type=_FILE, help="A file of aliases, if it is not PATH/aliases."),
            click.option("--messages", type=_FOLDER, help="The contents of messages, if not in PATH/messages."),
            click.option("--credentials", metavar="DB", help=f"Credentials, if not in PATH/credentials.db: {_DB}."),
            click.option("--storage", metavar="DB", help=f"The mailboxes, if not in PATH/imapsql.db: {_DB}."),
        ):
            function = declare(function)
        return common(function)

    def bring(kind: str, path: Path, given: dict[str, Any]) -> None:
        names = ("storage", "credentials", "messages", "aliases", "table")
        where = Where(path, **{name: given.pop(name) for name in names})
        _bring(gateway, options, lambda: Maddy(kind, where, options.max_message), **given)

    @group.command("maddy")
    @of_maddy
    def maddy(path: Path, **given: Any) -> None:
        """Move in from maddy.

        PATH is the folder with its state, usually /var/lib/maddy.
        """
        bring("maddy", path, given)

    @group.command("madmail")
    @of_maddy
    def madmail(path: Path, **given: Any) -> None:
        """Move in from madmail.

        PATH is the folder with its state, usually /var/lib/madmail.
        """
        bring("madmail", path, given)

    group.add_command(maddyconf.make(gateway))
    return group


def _bring(
    gateway: Gateway,
    options: MoveInOptions,
    opened: Callable[[], Source],
    dry_run: bool,
    domain: Domain | None,
    as_json: bool,
) -> None:
    held = None if dry_run else hold(gateway.config.folder)
    journal = Journal(gateway.path(options.file), writes=not dry_run)
    try:
        source = opened()
        move = Move(gateway, source, journal, domain, dry_run)
        try:
            bring_all(move, list(source.people()), as_json)
        finally:
            source.close()
    except Unreadable as error:
        fail(str(error), 1)
    finally:
        journal.close()
        gateway.store.close()
        if held is not None:
            held.release()
    show(move.report.data(), as_json, move.report.lines())
    sys.exit(1 if move.report.failed else 0)


def bring_all(move: Move, people: list[Person], silent: bool) -> None:
    """Bring all accounts, and then what is the server's. silent: without a progress bar."""
    pool = gevent.pool.Pool(_AT_ONCE)
    failed = move.report.failed

    def one(person: Person) -> None:
        if failed:
            return  # the disk is full, or the store does not answer: others would only fail, too
        try:
            move.person(person)
        except (StoreError, PluginError) as error:
            failed.append(str(error))

    try:
        done: Iterable[None] = pool.imap_unordered(one, people)
        if sys.stderr.isatty() and not silent:
            with click.progressbar(done, len(people), label="Accounts", file=sys.stderr) as bar:
                for _ in bar:
                    pass
        else:
            for _ in done:
                pass
        if not failed:
            move.of_the_server()
    except PluginError as error:
        failed.append(str(error))
    finally:
        pool.kill()
