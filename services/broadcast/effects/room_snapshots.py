"""Take snapshots of LiveKit's rooms and write those that differ from the stage."""

import asyncio
from collections.abc import Iterable

from cohost_schemas import ids, timestamps, topics
from cohost_schemas.signals import Participant, RoomCompared
from messaging.producer import AtLeastOnceProducer
from services.broadcast.domain import connections, drift, permissions
from services.broadcast.domain.decision import Origin
from services.broadcast.domain.state import SeatTimeouts, Stage
from services.broadcast.livekit.client import LiveKitClient

_MAX_CALLS = 16
_MAX_PARTICIPANTS = 500
"""The most participants in one record, so that it fits Kafka's size limit."""


class SnapshotWriter:
    """Writes a room's participants as LiveKit lists them, if deciding them would change anything."""

    def __init__(self, livekit: LiveKitClient, producer: AtLeastOnceProducer, timeouts: SeatTimeouts) -> None:
        self._livekit = livekit
        self._producer = producer
        self._timeouts = timeouts
        self._call_slots = asyncio.Semaphore(_MAX_CALLS)

    async def write_snapshot(self, stage: Stage, room_sid: str | None, position: int) -> bool:
        """Write a room's snapshot if needed; return whether it lists every relevant participant.

        `room_sid` is None if there is no LiveKit room. `position` is the offset of the lane's next signal,
        read before the stage. Raises `CallFailed` or `NotConfirmed`.
        """
        async with self._call_slots:
            participants = (
                await self._livekit.list_participants(stage.room.room_id) if room_sid is not None else []
            )
        relevant = _relevant_participants(stage, participants)
        snapshot = RoomCompared(
            room_id=stage.room.room_id,
            look_id=ids.uuid7(),
            room_sid=room_sid,
            position=position,
            version=stage.room.latest_version,
            participants=tuple(relevant[:_MAX_PARTICIPANTS]),
        )
        if self._has_drift(stage, snapshot):
            await self._producer.send_message(
                topics.BROADCAST_SIGNALS, snapshot.look_id, snapshot, stage.room.room_id
            )
        return len(relevant) <= _MAX_PARTICIPANTS

    def _has_drift(self, stage: Stage, snapshot: RoomCompared) -> bool:
        """Return whether the snapshot would change anything if it were decided now."""
        origin = Origin(snapshot.look_id, timestamps.current_timestamp(), snapshot.position, stage.room.lane)
        corrected = drift.correct_drift(stage, snapshot, origin, self._timeouts)
        decision = connections.with_announcements(corrected, origin)
        return decision.stage != stage or bool(decision.events)


def _relevant_participants(stage: Stage, participants: Iterable[Participant]) -> list[Participant]:
    """Return all participants with a badge, then those without one who have more rights than a viewer."""
    has_badge = {
        participant.sid: stage.badge_of(participant.user_id) is not None for participant in participants
    }
    relevant = [
        participant
        for participant in participants
        if has_badge[participant.sid] or permissions.exceeds_viewer(participant)
    ]
    return sorted(relevant, key=lambda participant: not has_badge[participant.sid])
