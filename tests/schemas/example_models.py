"""The models of the files in schemas/examples, written as code."""

from cohost_schemas import commands, events, facts
from cohost_schemas.invitation import Invitation
from cohost_schemas.rejections import CommandRejected
from cohost_schemas.types import Message

ROOM, HOST, GUEST = "room-1", "alice", "bob"
INVITATION = "01980000-0000-7000-8000-000000000001"
EARLIER = "01980000-0000-7000-8000-000000000002"
LABEL = "Guitar"
NOTE = "Komm auf die Bühne 🎤"
SENT, SEEN, ANSWERED, EXPIRY = (
    "2026-01-01T12:00:00.000Z",
    "2026-01-01T12:00:05.000Z",
    "2026-01-01T12:00:07.000Z",
    "2026-01-01T13:00:00.000Z",
)

SENT_INVITATION = Invitation(
    invitation_id=INVITATION,
    room_id=ROOM,
    user_id=GUEST,
    invited_by=HOST,
    status="pending",
    sent_at=SENT,
    expires_at=EXPIRY,
    updated_at=SENT,
    message=NOTE,
    previous_invitation_id=EARLIER,
    label=LABEL,
)
SEEN_INVITATION = SENT_INVITATION.model_copy(update={"seen_at": SEEN})
RESENT = SEEN_INVITATION.model_copy(
    update={
        "times_sent": 2,
        "resent_at": "2026-01-01T12:00:12.000Z",
        "expires_at": "2026-01-01T13:00:12.000Z",
    }
)
ACCEPTED = SENT_INVITATION.model_copy(
    update={"status": "accepted", "responded_at": ANSWERED, "updated_at": ANSWERED}
)
DECLINED = SENT_INVITATION.model_copy(
    update={
        "status": "rejected",
        "responded_at": ANSWERED,
        "updated_at": ANSWERED,
        "close_reason": "declined",
    }
)
CANCELLED = SENT_INVITATION.model_copy(
    update={"status": "cancelled", "updated_at": ANSWERED, "close_reason": "cancelled_by_host"}
)
EXPIRED = SENT_INVITATION.model_copy(
    update={"status": "expired", "updated_at": EXPIRY, "close_reason": "expired"}
)
PERMISSIONS = events.Permissions(
    can_publish=True,
    can_publish_data=True,
    can_subscribe=True,
    can_publish_sources=("camera", "microphone", "screen_share", "screen_share_audio"),
)
ANSWER_IDS = {"room_id": ROOM, "invitation_id": INVITATION}
SEAT_IDS = {"room_id": ROOM, "user_id": GUEST, "invitation_id": INVITATION}

COMMANDS: tuple[Message, ...] = (
    commands.SendInvitation(
        room_id=ROOM, user_id=GUEST, actor_id=HOST, expires_in_seconds=3600, message=NOTE, label=LABEL
    ),
    commands.ResendInvitation(**ANSWER_IDS, actor_id=HOST, expires_in_seconds=3600),
    commands.MarkInvitationSeen(**ANSWER_IDS, actor_id=GUEST),
    commands.CancelInvitation(**ANSWER_IDS, actor_id=HOST),
    commands.AcceptInvitation(**ANSWER_IDS, actor_id=GUEST),
    commands.DeclineInvitation(**ANSWER_IDS, actor_id=GUEST),
    commands.RemoveCoHost(room_id=ROOM, user_id=GUEST, actor_id=HOST),
    commands.LeaveStage(room_id=ROOM, actor_id=GUEST),
    commands.ArrangeStage(room_id=ROOM, actor_id=HOST, user_ids=("carol", GUEST)),
    commands.ExpireInvitation(**ANSWER_IDS),
    commands.ReleaseSeat(**SEAT_IDS, reason="connection_lost"),
    commands.ExcludeUser(room_id=ROOM, user_id=GUEST),
    commands.MuteCoHost(room_id=ROOM, user_id=GUEST, actor_id=HOST, source="microphone", hard=True),
    commands.UnmuteCoHost(room_id=ROOM, user_id=GUEST, actor_id=HOST, source="microphone"),
)
FACTS: tuple[Message, ...] = (
    facts.RoomChanged(room_id=ROOM, host_id=HOST, status="live", max_co_hosts=5, title="Friday night"),
    facts.UserChanged(
        user_id=GUEST,
        status="active",
        can_receive_invitations=True,
        blocked_user_ids=("mallory",),
        display_name="Bob",
    ),
)
EVENTS: tuple[Message, ...] = (
    events.StageChanged(room_id=ROOM, host_id=HOST, status="live", open=True, max_co_hosts=5),
    events.InvitationSent(**SENT_INVITATION.model_dump()),
    events.InvitationResent(**RESENT.model_dump()),
    events.InvitationSeen(**SEEN_INVITATION.model_dump()),
    events.InvitationAccepted(**ACCEPTED.model_dump()),
    events.InvitationDeclined(**DECLINED.model_dump()),
    events.InvitationCancelled(**CANCELLED.model_dump()),
    events.InvitationExpired(**EXPIRED.model_dump()),
    events.CoHostLeft(
        **SEAT_IDS, reason="removed_by_host", left_at="2026-01-01T12:30:00.000Z", removed_by=HOST
    ),
    events.StageArranged(
        room_id=ROOM, user_ids=("carol", GUEST), arranged_by=HOST, arranged_at="2026-01-01T12:20:00.000Z"
    ),
    events.GrantProvisioned(
        **SEAT_IDS, mode="in_place", permissions=PERMISSIONS, provisioned_at="2026-01-01T12:00:07.120Z"
    ),
    events.GrantRevoked(**SEAT_IDS, reason="left", mode="in_place", revoked_at="2026-01-01T12:30:00.080Z"),
    events.GrantFailed(**SEAT_IDS, error="LiveKit does not answer", attempts=3, retryable=True),
    events.CoHostConnected(**SEAT_IDS, at="2026-01-01T12:00:09.000Z"),
    events.CoHostDisconnected(
        **SEAT_IDS, at="2026-01-01T12:10:00.000Z", grace_ends_at="2026-01-01T12:11:00.000Z"
    ),
    events.CoHostReconnected(**SEAT_IDS, at="2026-01-01T12:10:20.000Z"),
    events.CoHostLost(**SEAT_IDS, at="2026-01-01T12:11:00.000Z"),
    events.HostConnected(room_id=ROOM, user_id=HOST, at="2026-01-01T11:58:00.000Z"),
    events.HostDisconnected(room_id=ROOM, user_id=HOST, at="2026-01-01T12:05:00.000Z"),
    events.HostReconnected(room_id=ROOM, user_id=HOST, at="2026-01-01T12:05:30.000Z"),
    events.CoHostMediaChanged(
        **SEAT_IDS,
        published=("camera", "microphone"),
        muted=("microphone",),
        at="2026-01-01T12:00:11.000Z",
    ),
    events.ParticipantQualityChanged(
        room_id=ROOM, user_id=GUEST, quality="poor", round_trip_ms=420, since="2026-01-01T12:00:20.000Z"
    ),
    events.RecordingFinished(
        room_id=ROOM,
        egress_id="EG_7tQ4mDnW2xzK",
        status="complete",
        files=("https://recordings.example/room-1.mp4",),
        started_at="2026-01-01T12:00:00.000Z",
        ended_at="2026-01-01T13:00:00.000Z",
    ),
    events.CoHostMuted(room_id=ROOM, user_id=GUEST, source="microphone", hard=True, by=HOST),
    events.CoHostUnmuteRequested(room_id=ROOM, user_id=GUEST, source="microphone", by=HOST),
    events.IntruderRemoved(
        room_id=ROOM,
        user_id="mallory",
        identity="mallory",
        action="demoted",
        at="2026-01-01T12:15:00.000Z",
    ),
    events.BadgeChanged(
        room_id=ROOM, user_id=GUEST, badge="coHost", invitation_id=INVITATION, since=ANSWERED
    ),
    CommandRejected(
        command_id=EARLIER,
        command_type="cohost.AcceptInvitation.v1",
        reason="invitation_not_pending",
        message="The invitation has been answered or closed already.",
        room_id=ROOM,
        invitation_id=INVITATION,
        actor_id=GUEST,
        current=ACCEPTED,
    ),
)
ALL: dict[str, Message] = {type(data).__name__: data for data in (*COMMANDS, *FACTS, *EVENTS)}
