"""Make the LiveKit calls of one work item and return the result. Every step may be repeated safely."""

from collections.abc import Iterable

from cachetools import TTLCache

from cohost_schemas import envelope, signals, timestamps
from cohost_schemas.events import CoHostUnmuteRequested
from cohost_schemas.signals import ErrandDone, GrantApplied, Participant, RoomDeleted, Track
from messaging.lanes.lease import LaneLease
from services.broadcast.domain import permissions
from services.broadcast.domain.state import Member, MemberKey, OneOffAction, Room, Stage
from services.broadcast.effects.report_writer import ReportWriter
from services.broadcast.livekit.calls import CallFailed
from services.broadcast.livekit.client import LiveKitClient
from services.broadcast.topology import TOPOLOGY

_MAX_STOPPED = 10_000
_STOPPED_TTL_SECONDS = 60


class EffectRunner:
    """Makes an item's LiveKit calls one after the other, as long as the lease on the room's lane is valid.

    Methods raise `CallFailed`, or `LeaseLost` between two calls.
    """

    def __init__(self, livekit: LiveKitClient, lease: LaneLease, reports: ReportWriter) -> None:
        self._livekit = livekit
        self._lease = lease
        self._reports = reports
        self._stopped: TTLCache[MemberKey, str] = TTLCache(_MAX_STOPPED, _STOPPED_TTL_SECONDS)
        """The connections of intruders that this worker stopped lately."""

    async def delete_room(self, room: Room, version: int) -> RoomDeleted:
        """Delete the LiveKit room; the result carries the sid that it had."""
        found = await self._livekit.list_rooms([room.room_id])
        self._check_lease(room)
        await self._livekit.delete_room(room.room_id)
        return RoomDeleted(room_id=room.room_id, version=version, room_sid=found.get(room.room_id))

    async def apply_rights(self, room: Room, member: Member, *, may_retry: bool = True) -> GrantApplied:
        """Give a user exactly the desired rights.

        If a user without a badge cannot be demoted, remove them if LiveKit refuses the demotion or, without
        `may_retry`, after any failure.
        """
        if member.suspect:
            return await self._stop_intruder(room, member)
        stage = Stage(room, {member.user_id: member})
        badge = stage.badge_of(member.user_id)
        try:
            participant = await self._livekit.set_rights(
                room.room_id, member.user_id, permissions.desired_for(stage, member.user_id), badge
            )
        except CallFailed as error:
            if badge is not None or (error.retryable and may_retry):
                raise
            self._check_lease(room)
            return _grant_applied(room, member, await self._remove(room, member))
        if participant is None:
            return _grant_applied(room, member, "absent")
        if badge is None:
            return _grant_applied(room, member, "in_place")
        to_mute = permissions.tracks_to_mute(stage, participant)
        participant = await self._mute_tracks(room, participant, to_mute)
        return _grant_applied(room, member, "in_place", participant)

    async def _stop_intruder(self, room: Room, member: Member) -> GrantApplied:
        """Demote a suspect who has rights, or remove them the second time; if that fails, do the other."""
        key = MemberKey(room.room_id, member.user_id)
        participant = await self._livekit.get_participant(room.room_id, member.user_id)
        if participant is None:
            return _grant_applied(room, member, "absent")
        if not self._is_intruder(key, participant):
            return _grant_applied(room, member, "clean")
        if not member.confirmed_intruder:
            await self._reports.write_intruder(room, member)
        self._check_lease(room)
        # This worker may have stopped the first intrusion a moment ago, and its result is not decided yet.
        is_first = key not in self._stopped and not room.has_intruded(
            member.user_id, timestamps.current_timestamp()
        )
        first, second = (self._demote, self._remove) if is_first else (self._remove, self._demote)
        try:
            mode = await first(room, member)
        except CallFailed:
            self._check_lease(room)
            mode = await second(room, member)
        self._stopped[key] = participant.sid
        return _grant_applied(room, member, mode, sid=participant.sid)

    async def _demote(self, room: Room, member: Member) -> signals.ApplyMode:
        participant = await self._livekit.set_rights(room.room_id, member.user_id, permissions.VIEWER, None)
        return "absent" if participant is None else "in_place"

    async def _remove(self, room: Room, member: Member) -> signals.ApplyMode:
        removed = await self._livekit.remove_participant(room.room_id, member.user_id)
        return "removed" if removed else "absent"

    def _is_intruder(self, key: MemberKey, participant: Participant) -> bool:
        """Return whether a participant without a badge has more than a viewer.

        Right after a demotion LiveKit still lists the tracks that it ends.
        """
        if self._stopped.get(key) == participant.sid:
            participant = participant.model_copy(update={"tracks": ()})
        return permissions.exceeds_viewer(participant)

    async def run_action(self, room: Room, member: Member, action: OneOffAction) -> ErrandDone:
        """Run an action that a command requested; do nothing for an absent user."""
        participant = await self._livekit.get_participant(room.room_id, member.user_id)
        if participant is not None and action.kind == "request_unmute":
            self._check_lease(room)
            await self._livekit.send_data(
                room.room_id, member.user_id, _encode_unmute_request(room, member, action)
            )
        elif participant is not None:
            sources = permissions.muted_sources(action.source)
            to_mute = [track for track in participant.tracks if track.source in sources and not track.muted]
            participant = await self._mute_tracks(room, participant, to_mute)
        return ErrandDone(
            room_id=room.room_id, user_id=member.user_id, errand_id=action.command_id, participant=participant
        )

    async def _mute_tracks(
        self, room: Room, participant: Participant, tracks: Iterable[Track]
    ) -> Participant:
        """Mute tracks of a participant; return the participant with those that LiveKit had muted."""
        muted = set()
        for track in tracks:
            self._check_lease(room)
            if await self._livekit.mute_track(room.room_id, participant.user_id, track.sid):
                muted.add(track.sid)
        after = [
            track.model_copy(update={"muted": True}) if track.sid in muted else track
            for track in participant.tracks
        ]
        return participant.model_copy(update={"tracks": tuple(after)})

    def _check_lease(self, room: Room) -> None:
        if not self._lease.is_valid(room.lane):
            raise LeaseLost


class LeaseLost(Exception):
    """Our lease on the lane ended: the next owner does the rest of the work."""


def _grant_applied(
    room: Room,
    member: Member,
    mode: signals.ApplyMode,
    participant: Participant | None = None,
    sid: str | None = None,
) -> GrantApplied:
    return GrantApplied(
        room_id=room.room_id,
        user_id=member.user_id,
        version=member.desired_version,
        mode=mode,
        participant=participant,
        sid=sid,
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
