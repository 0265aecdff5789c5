"""chatgate_accounts: who gets mail here, and what the operator does with accounts."""

from chatgate_accounts.plugin import Accounts, AccountsOptions

__all__ = ["Accounts", "AccountsOptions"]
