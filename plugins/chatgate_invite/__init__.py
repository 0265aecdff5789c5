"""chatgate_invite: invitations that let people make accounts on a server that is closed to others."""

from chatgate_invite.plugin import Invite, InviteOptions

__all__ = ["Invite", "InviteOptions"]
