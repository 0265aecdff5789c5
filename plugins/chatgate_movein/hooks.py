"""The hooks that this plugin asks: each plugin takes in what is its own. They exist only where this one is enabled
(`@hookimpl(optionalhook=True)`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chatgate.api import Account, Domain, hookspec

# Device tokens, each with the day on which it was set.
Tokens = Sequence[tuple[bytes, int]]


@hookspec(firstresult=True)
def chatgate_import_tokens(account: Account, tokens: Tokens) -> int | None:
    """Take in device tokens of an account that comes from another server, each with the day on which it was set (since
    1970-01-01). How many count here. May be asked again for the same tokens.
    """


@hookspec(firstresult=True)
def chatgate_import_cleartext(account: Account) -> bool | None:
    """Let the account get unencrypted mail of other servers, as it did where it comes from. May be asked again."""


@hookspec(firstresult=True)
def chatgate_import_key(domain: Domain, selector: str, file: Path) -> bool | None:
    """Sign the mail of this domain with the private key in this PEM file, under this selector. False: that is so
    already. Raises PluginError.
    """


@hookspec(firstresult=True)
def chatgate_import_invitation(token: str, uses: int, used: int, expires: int, note: str) -> bool | None:
    """Take in an invitation of another server, see `chatgate_invite.hooks.Token`; whatever its form, the same token
    becomes the same one of ours. False: it is here already.
    """
