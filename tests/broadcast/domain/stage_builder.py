"""Builders of the records that the pure tests decide, and of the resulting stage; all are about `ROOM`."""

from dataclasses import dataclass, field
from typing import Any

from cohost_schemas import commands, events, signals, timestamps
from cohost_schemas.events import Permissions
from cohost_schemas.types import Badge, Message
from services.broadcast.domain import badges, decide, permissions
from services.broadcast.domain.decision import Origin
from services.broadcast.domain.state import Member, SeatTimeouts, Stage

ROOM = "room"
HOST = "alice"
START_MS = timestamps.to_ms("2026-01-01T12:00:00.000Z")
SEAT_TIMEOUTS = SeatTimeouts(grace_seconds=60, no_show_seconds=0)
ALL_PERMISSIONS = permissions.for_badge("coHost")


def time_at(second: int) -> str:
    """Return the timestamp `second` seconds after the start."""
    return timestamps.from_ms(START_MS + 1000 * second)


@dataclass
class StageScript:
    """Decides records one after the other, one a second; `events` are all resulting events but the badges."""

    timeouts: SeatTimeouts = SEAT_TIMEOUTS
    stage: Stage | None = None
    events: list[Message] = field(default_factory=list)
    badge_changes: list[tuple[str, Badge | None]] = field(default_factory=list)
    second: int = 0

    def __call__(self, *records: Message) -> "StageScript":
        for record in records:
            self.decide_record(record)
        return self

    def decide_record(self, record: Any, record_id: str | None = None) -> Any:
        """Decide a record and return the decider's result."""
        self.second += 1
        origin = Origin(record_id or f"record-{self.second}", time_at(self.second), self.second, 0)
        decided = decide.decide_record(self.stage, record, origin, self.timeouts)
        if decided is None or isinstance(decided, str):
            return decided
        before, self.stage = self.stage, decided.stage
        self.events += decided.events
        self.badge_changes += [
            (user_id, badge.badge if badge is not None else None)
            for user_id, badge in badges.badge_changes(before, decided.stage)
        ]
        return decided

    def member_of(self, user_id: str = "bob") -> Member:
        """Return the state of a user in the room."""
        assert self.stage is not None
        return self.stage.member_or_empty(user_id)

    def apply_grant(
        self, user_id: str = "bob", mode: signals.ApplyMode = "in_place", **more: Any
    ) -> "StageScript":
        """Report the user's newest desired version as applied."""
        version = self.member_of(user_id).desired_version
        return self(signals.GrantApplied(room_id=ROOM, user_id=user_id, version=version, mode=mode, **more))

    def fail_grant_call(self, user_id: str = "bob", *, retryable: bool = True) -> "StageScript":
        """Report a failed LiveKit call for a user."""
        return self(
            signals.GrantCallFailed(
                room_id=ROOM,
                user_id=user_id,
                version=self.member_of(user_id).desired_version,
                error="no answer",
                attempts=1,
                retryable=retryable,
            )
        )

    def delete_livekit_room(self, room_sid: str | None = "RM_1") -> "StageScript":
        """Report the LiveKit room as deleted."""
        assert self.stage is not None
        version = self.stage.room.deletion_version or 0
        return self(signals.RoomDeleted(room_id=ROOM, version=version, room_sid=room_sid))

    def take_new_events(self) -> list[Message]:
        """Return and clear the events since the last call."""
        published, self.events = self.events, []
        return published


def events_after(script: StageScript, *records: Message) -> list[Message]:
    """Return the events that a script decides for these records."""
    script.take_new_events()
    return script(*records).take_new_events()


def grant_applied(
    version: int, user_id: str = "bob", mode: signals.ApplyMode = "in_place"
) -> signals.GrantApplied:
    return signals.GrantApplied(room_id=ROOM, user_id=user_id, version=version, mode=mode)


def stage_changed(status: Any = "live", host: str = HOST) -> events.StageChanged:
    is_open = status in ("idle", "live", "waitingReconnect")
    return events.StageChanged(room_id=ROOM, host_id=host, status=status, open=is_open, max_co_hosts=5)


def invitation_accepted(
    user_id: str = "bob", invitation_id: str = "invitation-1"
) -> events.InvitationAccepted:
    return events.InvitationAccepted(
        invitation_id=invitation_id,
        room_id=ROOM,
        user_id=user_id,
        invited_by=HOST,
        status="accepted",
        sent_at=time_at(0),
        expires_at=time_at(3600),
        responded_at=time_at(0),
        updated_at=time_at(0),
    )


def co_host_left(
    user_id: str = "bob", invitation_id: str = "invitation-1", reason: Any = "left"
) -> events.CoHostLeft:
    return events.CoHostLeft(
        room_id=ROOM, user_id=user_id, invitation_id=invitation_id, reason=reason, left_at=time_at(0)
    )


def participant(
    user_id: str = "bob",
    sid: str = "PA_1",
    permissions: Permissions = permissions.VIEWER,
    badge: str = "",
    **more: Any,
) -> signals.Participant:
    return signals.Participant(
        user_id=user_id,
        sid=sid,
        permissions=permissions,
        badge=badge,
        can_update_metadata=more.get("can_update_metadata", False),
        tracks=more.get("tracks", ()),
        connected=more.get("connected", True),
    )


def co_host_participant(user_id: str = "bob", sid: str = "PA_1", **more: Any) -> signals.Participant:
    return participant(user_id, sid, ALL_PERMISSIONS, "coHost", **more)


def participant_joined(info: signals.Participant, room_sid: str = "RM_1") -> signals.ParticipantJoined:
    return signals.ParticipantJoined(room_id=ROOM, room_sid=room_sid, participant=info)


def participant_left(
    user_id: str = "bob", sid: str = "PA_1", reason: Any = "departed"
) -> signals.ParticipantLeft:
    return signals.ParticipantLeft(room_id=ROOM, room_sid="RM_1", user_id=user_id, sid=sid, reason=reason)


def track(
    sid: str = "TR_1", source: Any = "microphone", *, muted: bool = False, kind: Any = None
) -> signals.Track:
    return signals.Track(sid=sid, source=source, muted=muted, kind=kind)


def track_published(user_id: str = "bob", sid: str = "PA_1", **more: Any) -> signals.TrackPublished:
    return signals.TrackPublished(
        room_id=ROOM, room_sid="RM_1", user_id=user_id, sid=sid, track=more.get("track", track())
    )


def track_unpublished(
    user_id: str = "bob", sid: str = "PA_1", track_sid: str = "TR_1"
) -> signals.TrackUnpublished:
    return signals.TrackUnpublished(
        room_id=ROOM, room_sid="RM_1", user_id=user_id, sid=sid, track_sid=track_sid
    )


def mute_command(actor: str = HOST, source: Any = "microphone", *, hard: bool = False) -> commands.MuteCoHost:
    return commands.MuteCoHost(room_id=ROOM, user_id="bob", actor_id=actor, source=source, hard=hard)


def unmute_command(actor: str = HOST, source: Any = "microphone") -> commands.UnmuteCoHost:
    return commands.UnmuteCoHost(room_id=ROOM, user_id="bob", actor_id=actor, source=source)


def room_compared(
    *participants: signals.Participant, look_id: str = "look-1", room_sid: str | None = "RM_1", **more: Any
) -> signals.RoomCompared:
    return signals.RoomCompared(
        room_id=ROOM,
        look_id=look_id,
        room_sid=room_sid,
        position=more.get("position", 1_000),
        version=more.get("version", 1_000),
        participants=participants,
    )


def quality_reported(
    quality: Any, user_id: str = "bob", round_trip_ms: int | None = None
) -> signals.QualityReported:
    return signals.QualityReported(
        room_id=ROOM, user_id=user_id, quality=quality, round_trip_ms=round_trip_ms
    )


def host_event(name: str, second: int, user_id: str = HOST) -> Message:
    return getattr(events, f"Host{name}")(room_id=ROOM, user_id=user_id, at=time_at(second))


def media_changed(
    second: int, published: tuple[Any, ...] = (), muted: tuple[Any, ...] = (), **more: Any
) -> events.CoHostMediaChanged:
    return events.CoHostMediaChanged(
        room_id=ROOM,
        user_id=more.get("user_id", "bob"),
        invitation_id=more.get("invitation_id", "invitation-1"),
        published=published,
        muted=muted,
        at=time_at(second),
    )


def grant_provisioned(mode: Any = "in_place", invitation_id: str = "invitation-1", **more: Any) -> Message:
    return events.GrantProvisioned(
        room_id=ROOM,
        user_id="bob",
        invitation_id=invitation_id,
        mode=mode,
        permissions=more.get("permissions", ALL_PERMISSIONS),
        provisioned_at=time_at(more["second"]),
    )


def grant_revoked(second: int, mode: Any = "in_place", reason: Any = "left", **more: Any) -> Message:
    return events.GrantRevoked(
        room_id=ROOM,
        user_id=more.get("user_id", "bob"),
        invitation_id=more.get("invitation_id", "invitation-1"),
        reason=reason,
        mode=mode,
        revoked_at=time_at(second),
    )
