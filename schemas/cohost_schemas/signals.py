"""Internal records of broadcast on `broadcast.signals`: reports of LiveKit and users, LiveKit call results.

No other service writes or needs to read them, and they may change with the service.
"""

from typing import Annotated, Literal

from pydantic import Strict, StringConstraints

from cohost_schemas.events import Permissions
from cohost_schemas.types import (
    ConnectionQuality,
    Message,
    RecordingStatus,
    RoundTripMs,
    Text,
    Timestamp,
    TrackSource,
)
from cohost_schemas.types import StoredId as Id

ApplyMode = Literal["in_place", "absent", "removed", "clean"]
DeadlineKind = Literal["grace", "no_show"]
LeftReason = Literal["departed", "moved"]

ParticipantIdentity = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00]*$")]
"""A LiveKit identity. Co-Host uses user ids, but others with the API key can admit any identity."""


class Track(Message):
    """A published track as LiveKit reported it; its source need not match its kind."""

    sid: Text
    source: TrackSource | Literal["unknown"]
    muted: bool
    kind: Literal["audio", "video"] | None = None


Tracks = Annotated[tuple[Track, ...], Strict(strict=False)]


class Participant(Message):
    """A participant as LiveKit reported it; `sid` changes with each connection.

    `connected` is true once media is connected: a joining participant already has permissions before that.
    """

    user_id: ParticipantIdentity
    sid: Text
    permissions: Permissions
    can_update_metadata: bool
    badge: Text
    tracks: Tracks
    connected: bool = True


Participants = Annotated[tuple[Participant, ...], Strict(strict=False)]


class GrantApplied(Message):
    """LiveKit has applied the permissions of this version, or the participant is absent.

    Mode `removed`: the participant was removed, because LiveKit refused the demotion or it was an intruder
    before. Mode `clean`: a suspected intruder had no permissions or tracks to revoke. `participant` is the
    participant that was updated, `sid` the connection of an intruder.
    """

    room_id: Id
    user_id: ParticipantIdentity
    version: int
    mode: ApplyMode
    participant: Participant | None = None
    sid: Text | None = None


class IntruderSeen(Message):
    """LiveKit confirms that a suspect is an intruder; the call for this desired version then revokes."""

    room_id: Id
    user_id: ParticipantIdentity
    version: int


class GrantCallFailed(Message):
    """A LiveKit call to apply the permissions of this version failed."""

    room_id: Id
    user_id: ParticipantIdentity
    version: int
    error: Text
    attempts: int
    retryable: bool


class ErrandDone(Message):
    """A one-off action (a soft mute, a request to unmute) was done, or had no effect.

    `participant` is its target, as LiveKit reported it at that time.
    """

    room_id: Id
    user_id: ParticipantIdentity
    errand_id: Id
    participant: Participant | None = None


class RoomDeleted(Message):
    """LiveKit no longer has a room of this name; `version` is the desired version that asked for it.

    `room_sid` is the sid of the deleted room, null if there was none.
    """

    room_id: Id
    version: int
    room_sid: Text | None = None


class RoomMade(Message):
    """A LiveKit room was or may have been created, for a room that may have closed since then."""

    room_id: Id


class ParticipantJoined(Message):
    """A participant's media is connected."""

    room_id: Id
    room_sid: Text
    participant: Participant


class ParticipantLeft(Message):
    """A connection ended; reason `moved` means that another connection of the user replaced it."""

    room_id: Id
    room_sid: Text
    user_id: ParticipantIdentity
    sid: Text
    reason: LeftReason


class TrackPublished(Message):
    """A participant published a track; `sid` is the participant's."""

    room_id: Id
    room_sid: Text
    user_id: ParticipantIdentity
    sid: Text
    track: Track


class TrackUnpublished(Message):
    """A track was unpublished; `sid` is the participant's."""

    room_id: Id
    room_sid: Text
    user_id: ParticipantIdentity
    sid: Text
    track_sid: Text


class RoomFinished(Message):
    """LiveKit ended the room with this sid."""

    room_id: Id
    room_sid: Text


class EgressEnded(Message):
    """A recording of the room ended; its times are null where LiveKit did not set them."""

    room_id: Id
    egress_id: Text
    status: RecordingStatus
    files: Annotated[tuple[Text, ...], Strict(strict=False)]
    started_at: Timestamp | None = None
    ended_at: Timestamp | None = None


class RoomCompared(Message):
    """A snapshot of the relevant participants of a LiveKit room, taken by a resync.

    `position` is the lane's offset on the signals topic before the snapshot, `version` the room's newest
    desired version at that time: later changes must not be compared with this record. `room_sid` is null if
    LiveKit has no such room. `participants` lists those that have permissions and those that should.
    """

    room_id: Id
    look_id: Id
    room_sid: Text | None = None
    position: int
    version: int
    participants: Participants


class DeadlineReached(Message):
    """A seat's grace or no-show period is over; `command_id` is the id for the command that follows."""

    room_id: Id
    user_id: Id
    invitation_id: Id
    kind: DeadlineKind
    due_at: Timestamp
    command_id: Id


class QualityReported(Message):
    """The host or a co-host reports the quality of the own connection."""

    room_id: Id
    user_id: Id
    quality: ConnectionQuality
    round_trip_ms: RoundTripMs | None = None


class QualityDue(Message):
    """A quality of a user's connection other than the published one has been reported for long enough."""

    room_id: Id
    user_id: Id
    due_at: Timestamp


CallResult = GrantApplied | IntruderSeen | GrantCallFailed | ErrandDone | RoomDeleted | RoomMade
"""The result of a LiveKit call."""

WebhookReport = (
    ParticipantJoined | ParticipantLeft | TrackPublished | TrackUnpublished | RoomFinished | EgressEnded
)
"""A report from a LiveKit webhook."""

QualitySignal = QualityReported | QualityDue
"""A report of a user about the own connection, and the end of the time until it is published."""

Signal = CallResult | WebhookReport | RoomCompared | DeadlineReached | QualitySignal

ALL: tuple[type[Message], ...] = (
    GrantApplied,
    IntruderSeen,
    GrantCallFailed,
    ErrandDone,
    RoomDeleted,
    RoomMade,
    ParticipantJoined,
    ParticipantLeft,
    TrackPublished,
    TrackUnpublished,
    RoomFinished,
    EgressEnded,
    RoomCompared,
    DeadlineReached,
    QualityReported,
    QualityDue,
)
