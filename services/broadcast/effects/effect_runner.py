"""Make the LiveKit calls of one work item and return the result. Every step may be repeated safely."""

from cohost_schemas import envelope, signals
from cohost_schemas.events import CoHostUnmuteRequested
from cohost_schemas.signals import ErrandDone, GrantApplied, Participant, RoomDeleted
from messaging.lanes.lease import LaneLease
from services.broadcast.domain import permissions
from services.broadcast.domain.state import Member, OneOffAction, Room, Stage
from services.broadcast.effects.report_writer import ReportWriter
from services.broadcast.livekit.client import CallFailed, LiveKitClient
from services.broadcast.topology import TOPOLOGY


class EffectRunner:
    """Makes an item's LiveKit calls one after the other, as long as the lease on the room's lane is valid.

    Methods raise `CallFailed`, or `LeaseLost` between two calls.
    """

    def __init__(self, livekit: LiveKitClient, lease: LaneLease, reports: ReportWriter) -> None:
        self._livekit = livekit
        self._lease = lease
        self._reports = reports

    async def delete_room(self, room: Room, version: int) -> RoomDeleted:
        """Delete the LiveKit room; the result carries the sid that it had."""
        found = await self._livekit.list_rooms([room.room_id])
        self._check_lease(room)
        await self._livekit.delete_room(room.room_id)
        return RoomDeleted(room_id=room.room_id, version=version, room_sid=found.get(room.room_id))

    async def apply_rights(self, room: Room, member: Member, *, may_retry: bool = True) -> GrantApplied:
        """Give a user exactly the desired rights.

        If a user without a badge cannot be demoted, remove them: a suspect after the first failure, others if
        LiveKit refuses the demotion or, without `may_retry`, after any failure.
        """
        if member.suspect:
            participant = await self._livekit.get_participant(room.room_id, member.user_id)
            if participant is None:
                return _grant_applied(room, member, "absent")
            if not permissions.exceeds_viewer(participant):
                return _grant_applied(room, member, "clean")
            if not member.confirmed_intruder:
                await self._reports.write_intruder(room, member)
            self._check_lease(room)
        stage = Stage(room, {member.user_id: member})
        badge = stage.badge_of(member.user_id)
        try:
            participant = await self._livekit.set_rights(
                room.room_id, member.user_id, permissions.desired_for(stage, member.user_id), badge
            )
        except CallFailed as error:
            if badge is not None or (error.retryable and may_retry and not member.suspect):
                raise
            self._check_lease(room)
            removed = await self._livekit.remove_participant(room.room_id, member.user_id)
            return _grant_applied(room, member, "removed" if removed else "absent")
        mode: signals.ApplyMode = "absent" if participant is None else "in_place"
        return _grant_applied(room, member, mode, participant if badge is not None else None)

    async def run_action(self, room: Room, member: Member, action: OneOffAction) -> ErrandDone:
        """Run an action that a command requested; do nothing for an absent user."""
        participant = await self._livekit.get_participant(room.room_id, member.user_id)
        if participant is not None and action.kind == "request_unmute":
            self._check_lease(room)
            await self._livekit.send_data(
                room.room_id, member.user_id, _encode_unmute_request(room, member, action)
            )
        elif participant is not None:
            participant = await self._mute_tracks(room, participant, action)
        return ErrandDone(
            room_id=room.room_id, user_id=member.user_id, errand_id=action.command_id, participant=participant
        )

    async def _mute_tracks(self, room: Room, participant: Participant, action: OneOffAction) -> Participant:
        tracks = []
        for track in participant.tracks:
            muted = track.muted
            if track.source in permissions.muted_sources(action.source) and not muted:
                self._check_lease(room)
                muted = await self._livekit.mute_track(room.room_id, participant.user_id, track.sid)
            tracks.append(track.model_copy(update={"muted": muted}))
        return participant.model_copy(update={"tracks": tuple(tracks)})

    def _check_lease(self, room: Room) -> None:
        if not self._lease.is_valid(room.lane):
            raise LeaseLost


class LeaseLost(Exception):
    """Our lease on the lane ended: the next owner does the rest of the work."""


def _grant_applied(
    room: Room, member: Member, mode: signals.ApplyMode, participant: Participant | None = None
) -> GrantApplied:
    return GrantApplied(
        room_id=room.room_id,
        user_id=member.user_id,
        version=member.desired_version,
        mode=mode,
        participant=participant,
    )


def _encode_unmute_request(room: Room, member: Member, action: OneOffAction) -> bytes:
    data = CoHostUnmuteRequested(
        room_id=room.room_id, user_id=member.user_id, source=action.source, by=action.actor_id
    )
    return envelope.encode_event(
        envelope.build_cloud_event(
            CoHostUnmuteRequested.__name__,
            data,
            event_id=action.command_id,
            source=TOPOLOGY.source,
            subject=room.room_id,
            time=action.requested_at,
            **(action.correlation.attributes() if action.correlation is not None else {}),
        )
    )
