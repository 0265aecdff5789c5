"""chatgate_passwordless: accounts that are created by the first login, without a sign-up."""

from chatgate_passwordless.options import PasswordlessOptions
from chatgate_passwordless.plugin import Passwordless

__all__ = ["Passwordless", "PasswordlessOptions"]
