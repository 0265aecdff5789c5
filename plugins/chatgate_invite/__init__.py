"""chatgate_invite: invitations that let people in where a server is closed to others."""

from chatgate_invite.plugin import Invite, InviteOptions

__all__ = ["Invite", "InviteOptions"]
