"""chatgate_passwordless: accounts that come into being at the first login, without a sign-up."""

from chatgate_passwordless.plugin import Passwordless, PasswordlessOptions

__all__ = ["Passwordless", "PasswordlessOptions"]
