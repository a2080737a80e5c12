"""One method for each command of the contract."""

from collections.abc import Iterable
from typing import Any

from cohost.events import Accepted
from cohost_schemas import commands
from cohost_schemas.commands import ReleaseReason
from cohost_schemas.events import (
    CoHostLeft,
    CoHostMuted,
    CoHostUnmuteRequested,
    InvitationAccepted,
    InvitationCancelled,
    InvitationDeclined,
    InvitationExpired,
    InvitationResent,
    InvitationSeen,
    InvitationSent,
    StageArranged,
)
from cohost_schemas.types import CommandData, MuteSource


class CommandMethods:
    """Methods that publish one command each and return the events that it caused, once they are in the log.

    Each raises `Rejected` if the command is refused, `OutcomeUnknown` if the client's timeout expires first,
    and `ValueError` (pydantic's `ValidationError`) if the arguments break the contract, before anything is
    published. Pass `command_id` (1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`, best a UUIDv7 from
    `cohost.ids.uuid7`) to be able to retry, also from another process: a repeated id never takes effect
    twice and returns the outcome of its first use. The services remember ids for 7 days.
    """

    async def execute(self, data: CommandData, command_id: str | None = None) -> Accepted[Any]:
        """Publish any command of the contract, given as its data, and return the events that it caused."""
        raise NotImplementedError

    async def send_invitation(  # noqa: PLR0913 - the fields of the command
        self,
        room_id: str,
        user_id: str,
        actor_id: str,
        *,
        expires_in_seconds: int = 86_400,
        message: str | None = None,
        label: str | None = None,
        command_id: str | None = None,
    ) -> Accepted[InvitationSent]:
        """Invite a user, on behalf of the host. The invitation gets the command's id.

        `label` is what the guest is announced as, up to 40 characters.

        sent = await client.send_invitation("room-1", "bob", "alice")
        await client.accept_invitation("room-1", sent.data.invitation_id, "bob")
        """
        data = commands.SendInvitation(
            room_id=room_id,
            user_id=user_id,
            actor_id=actor_id,
            expires_in_seconds=expires_in_seconds,
            message=message,
            label=label,
        )
        return await self.execute(data, command_id)

    async def resend_invitation(
        self,
        room_id: str,
        invitation_id: str,
        actor_id: str,
        *,
        expires_in_seconds: int | None = None,
        command_id: str | None = None,
    ) -> Accepted[InvitationResent]:
        """Send a pending invitation again, on behalf of the host; without a new expiry it keeps the old one.

        An invitation may be sent again after 10 seconds: `Rejected.retry_at` says when.
        """
        data = commands.ResendInvitation(
            room_id=room_id,
            invitation_id=invitation_id,
            actor_id=actor_id,
            expires_in_seconds=expires_in_seconds,
        )
        return await self.execute(data, command_id)

    async def mark_invitation_seen(
        self, room_id: str, invitation_id: str, actor_id: str, *, command_id: str | None = None
    ) -> Accepted[InvitationSeen]:
        """Mark a pending invitation as seen, on behalf of the invitee."""
        data = commands.MarkInvitationSeen(room_id=room_id, invitation_id=invitation_id, actor_id=actor_id)
        return await self.execute(data, command_id)

    async def cancel_invitation(
        self, room_id: str, invitation_id: str, actor_id: str, *, command_id: str | None = None
    ) -> Accepted[InvitationCancelled]:
        """Cancel a pending invitation, on behalf of the host."""
        data = commands.CancelInvitation(room_id=room_id, invitation_id=invitation_id, actor_id=actor_id)
        return await self.execute(data, command_id)

    async def accept_invitation(
        self, room_id: str, invitation_id: str, actor_id: str, *, command_id: str | None = None
    ) -> Accepted[InvitationAccepted]:
        """Accept an invitation and get a seat, on behalf of the invitee."""
        data = commands.AcceptInvitation(room_id=room_id, invitation_id=invitation_id, actor_id=actor_id)
        return await self.execute(data, command_id)

    async def decline_invitation(
        self, room_id: str, invitation_id: str, actor_id: str, *, command_id: str | None = None
    ) -> Accepted[InvitationDeclined]:
        """Decline an invitation, on behalf of the invitee."""
        data = commands.DeclineInvitation(room_id=room_id, invitation_id=invitation_id, actor_id=actor_id)
        return await self.execute(data, command_id)

    async def remove_co_host(
        self, room_id: str, user_id: str, actor_id: str, *, command_id: str | None = None
    ) -> Accepted[CoHostLeft]:
        """End a co-host's seat, on behalf of the host."""
        data = commands.RemoveCoHost(room_id=room_id, user_id=user_id, actor_id=actor_id)
        return await self.execute(data, command_id)

    async def leave_stage(
        self, room_id: str, actor_id: str, *, command_id: str | None = None
    ) -> Accepted[CoHostLeft]:
        """Give up the seat, on behalf of the co-host."""
        data = commands.LeaveStage(room_id=room_id, actor_id=actor_id)
        return await self.execute(data, command_id)

    async def arrange_stage(
        self, room_id: str, actor_id: str, user_ids: Iterable[str], *, command_id: str | None = None
    ) -> Accepted[StageArranged]:
        """Put these co-hosts first, in this order, on behalf of the host; all others follow as before."""
        data = commands.ArrangeStage(room_id=room_id, actor_id=actor_id, user_ids=tuple(user_ids))
        return await self.execute(data, command_id)

    async def expire_invitation(
        self, room_id: str, invitation_id: str, *, command_id: str | None = None
    ) -> Accepted[InvitationExpired]:
        """Close an expired invitation; the invitations service also does so on its own."""
        data = commands.ExpireInvitation(room_id=room_id, invitation_id=invitation_id)
        return await self.execute(data, command_id)

    async def release_seat(
        self,
        room_id: str,
        user_id: str,
        invitation_id: str,
        reason: ReleaseReason,
        *,
        command_id: str | None = None,
    ) -> Accepted[CoHostLeft]:
        """End the seat created by this invitation; the broadcast service also does so on its own."""
        data = commands.ReleaseSeat(
            room_id=room_id, user_id=user_id, invitation_id=invitation_id, reason=reason
        )
        return await self.execute(data, command_id)

    async def exclude_user(
        self, room_id: str, user_id: str, *, command_id: str | None = None
    ) -> Accepted[InvitationCancelled | InvitationExpired | CoHostLeft]:
        """End an ineligible user's invitation or seat in a room; the service also does so on its own."""
        data = commands.ExcludeUser(room_id=room_id, user_id=user_id)
        return await self.execute(data, command_id)

    async def mute_co_host(  # noqa: PLR0913 - the fields of the command
        self,
        room_id: str,
        user_id: str,
        actor_id: str,
        source: MuteSource,
        *,
        hard: bool = False,
        command_id: str | None = None,
    ) -> Accepted[CoHostMuted]:
        """Mute a co-host's source, on behalf of the host: once, or with `hard` until it is unmuted."""
        data = commands.MuteCoHost(
            room_id=room_id, user_id=user_id, actor_id=actor_id, source=source, hard=hard
        )
        return await self.execute(data, command_id)

    async def unmute_co_host(
        self,
        room_id: str,
        user_id: str,
        actor_id: str,
        source: MuteSource,
        *,
        command_id: str | None = None,
    ) -> Accepted[CoHostUnmuteRequested]:
        """Lift a hard mute and ask the co-host to unmute, on behalf of the host."""
        data = commands.UnmuteCoHost(room_id=room_id, user_id=user_id, actor_id=actor_id, source=source)
        return await self.execute(data, command_id)
