"""What broadcast tells itself on `broadcast.signals`: what LiveKit reported and what its calls achieved.

Internal: nobody else writes or needs to read them, and they may change with the service.
"""

from typing import Annotated, Literal

from pydantic import Strict, StringConstraints

from schemas.events import Permissions
from schemas.types import Id, Message, Text, Timestamp, TrackSource

ApplyMode = Literal["in_place", "absent", "removed", "clean"]
DeadlineKind = Literal["grace", "no_show"]
LeftReason = Literal["departed", "moved"]

Identity = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00]*$")]
"""Whom LiveKit calls so. Ours are user ids, but another holder of the key may have let anybody in."""


class Track(Message):
    """A published track as LiveKit showed it."""

    sid: Text
    source: TrackSource | Literal["unknown"]
    muted: bool


Tracks = Annotated[tuple[Track, ...], Strict(strict=False)]


class Participant(Message):
    """A participant as LiveKit showed it; `sid` is new with each connection.

    `connected` is whether its media is: whoever is only about to join has their rights already.
    """

    user_id: Identity
    sid: Text
    permissions: Permissions
    can_update_metadata: bool
    badge: Text
    tracks: Tracks
    connected: bool = True


Participants = Annotated[tuple[Participant, ...], Strict(strict=False)]


class GrantApplied(Message):
    """LiveKit has the rights of this version, or nobody is there to have them.

    `removed` is how it ends for somebody whose demotion LiveKit refused, `clean` for a suspect who had
    nothing that could be taken. `participant` is who got the rights.
    """

    room_id: Id
    user_id: Identity
    version: int
    mode: ApplyMode
    participant: Participant | None = None


class IntruderSeen(Message):
    """LiveKit shows that a suspect has what is not theirs; it is taken next, by the wish of this version."""

    room_id: Id
    user_id: Identity
    version: int


class GrantCallFailed(Message):
    """LiveKit did not take the rights of this version."""

    room_id: Id
    user_id: Identity
    version: int
    error: Text
    attempts: int
    retryable: bool


class ErrandDone(Message):
    """What was to be done once (a soft mute, a request to unmute) is done, or is in vain.

    `participant` is whom it was done to, as LiveKit then showed them.
    """

    room_id: Id
    user_id: Identity
    errand_id: Id
    participant: Participant | None = None


class RoomDeleted(Message):
    """LiveKit has no room of this name any more; `version` is that of the wish.

    `room_sid` is the one that was deleted, null where there was none.
    """

    room_id: Id
    version: int
    room_sid: Text | None = None


class RoomMade(Message):
    """A LiveKit room was made, or may have been, for a room that may have closed meanwhile."""

    room_id: Id


class ParticipantJoined(Message):
    """Somebody's media is connected."""

    room_id: Id
    room_sid: Text
    participant: Participant


class ParticipantLeft(Message):
    """A connection ended; `moved` is one that another of the same user replaces."""

    room_id: Id
    room_sid: Text
    user_id: Identity
    sid: Text
    reason: LeftReason


class TrackPublished(Message):
    """Somebody publishes; `sid` is the participant's."""

    room_id: Id
    room_sid: Text
    user_id: Identity
    sid: Text
    track: Track


class TrackUnpublished(Message):
    """A track is gone; `sid` is the participant's."""

    room_id: Id
    room_sid: Text
    user_id: Identity
    sid: Text
    track_sid: Text


class RoomFinished(Message):
    """LiveKit ended the room with this sid."""

    room_id: Id
    room_sid: Text


class RoomCompared(Message):
    """Who of those that matter was in the LiveKit room when it was looked at.

    `position` is how far the lane had read the signals before the look, `version` the room's newest wish
    then: whatever changed since is none of this record's business. `room_sid` is null where LiveKit has no
    such room. Listed are the participants who have rights, and those who should.
    """

    room_id: Id
    look_id: Id
    room_sid: Text | None = None
    position: int
    version: int
    participants: Participants


class DeadlineReached(Message):
    """A seat's grace, or its time to show up, is over; `command_id` is for the command that then follows."""

    room_id: Id
    user_id: Id
    invitation_id: Id
    kind: DeadlineKind
    due_at: Timestamp
    command_id: Id


Report = GrantApplied | IntruderSeen | GrantCallFailed | ErrandDone | RoomDeleted | RoomMade
"""What came of a call."""

Sight = ParticipantJoined | ParticipantLeft | TrackPublished | TrackUnpublished | RoomFinished
"""What a webhook told."""

Signal = Report | Sight | RoomCompared | DeadlineReached

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
    RoomCompared,
    DeadlineReached,
)
