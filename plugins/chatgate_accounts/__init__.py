"""chatgate_accounts: which addresses get mail here, and the operator's commands for accounts."""

from chatgate_accounts.plugin import Accounts, AccountsOptions

__all__ = ["Accounts", "AccountsOptions"]
