"""`chatgate accounts purge`: remove mail of one account, which stays."""

from __future__ import annotations

import click

from chatgate.api import Gateway, fail, json_option, show
from chatgate_accounts.arguments import account_of

_DAY = 86400


@click.command("purge")
@click.argument("address")
@click.option("--read", is_flag=True, help="Only what at least one device has fetched, or that is marked as seen.")
@click.option("--older", type=click.IntRange(min=0), metavar="DAYS", help="Only what came so many days ago or before.")
@click.option("--all", "everything", is_flag=True, help="All mail, in all folders.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@json_option
@click.pass_obj
def purge(
    gateway: Gateway,
    address: str,
    read: bool,
    older: int | None,
    everything: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Remove mail of an account, but not the account.

    With --read and --older, what is both. Apps that are online hear of it at once, and the quota is free again. What a
    device has fetched stays there: Delta Chat keeps messages that the server removes.
    """
    if everything == (read or older is not None):
        fail("say what: --read, --older DAYS or both; or --all", 2)
    account = account_of(gateway, address)
    before = None if older is None else gateway.store.now() - older * _DAY
    found = [
        kept
        for kept in gateway.store.kept(account.id)
        if (not read or kept.fetches) and (before is None or kept.date <= before)
    ]
    found.sort()  # by mailbox and UID: the store is fastest so
    octets = sum(kept.size for kept in found)
    if found and not (dry_run or yes or as_json):
        click.confirm(f"Remove {_count(len(found))} of {account.address}, {octets} octets?", abort=True)
    removed = len(found)
    if not dry_run:
        removed = gateway.store.remove((kept.mailbox_id, kept.uid) for kept in found)
    left = gateway.store.usage(account.id)
    data = {
        "address": account.address,
        "messages": removed,
        "octets": octets,
        "dry_run": dry_run,
        "messages_left": left.messages,
        "octets_left": left.octets,
    }
    done = "Would remove" if dry_run else "Removed"
    show(data, as_json, [f"{done} {_count(removed)} of {account.address}, {octets} octets."])


def _count(number: int) -> str:
    return f"{number} message{'' if number == 1 else 's'}"
