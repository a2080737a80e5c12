"""Run one work item on LiveKit and return the result to report. Every step here may be repeated safely."""

from collections.abc import Awaitable, Callable

from schemas import envelope, signals
from schemas.events import CoHostUnmuteRequested
from schemas.signals import ErrandDone, GrantApplied, Participant, RoomDeleted
from services.broadcast import rights
from services.broadcast.livekit import CallFailed, LiveKit
from services.broadcast.state import Errand, Member, Room, Stage


class Fulfilment:
    """Makes an item's LiveKit calls one after the other, as long as the lease on the room's lane is valid.

    `report_intruder` is called before an intruder is demoted. Methods raise `CallFailed`, or `LeaseLost`
    between two calls.
    """

    def __init__(
        self,
        livekit: LiveKit,
        holds: Callable[[int], bool],
        seen: Callable[[Room, Member], Awaitable[None]],
    ) -> None:
        self._livekit = livekit
        self._holds = holds
        self._seen = seen

    async def deletion(self, room: Room, version: int) -> RoomDeleted:
        """Delete the LiveKit room; the result carries the sid that it had."""
        found = await self._livekit.rooms([room.room_id])
        self._still_ours(room)
        await self._livekit.delete_room(room.room_id)
        return RoomDeleted(room_id=room.room_id, version=version, room_sid=found.get(room.room_id))

    async def rights(self, room: Room, member: Member, *, patient: bool = True) -> GrantApplied:
        """Give a user exactly the desired rights.

        A user without a badge who cannot be demoted is removed: a suspect at once, others if LiveKit refuses
        the demotion or, without `may_retry`, if it fails.
        """
        if member.suspect:
            participant = await self._livekit.participant(room.room_id, member.user_id)
            if participant is None:
                return _applied(room, member, "absent")
            if not rights.suspicious(participant):
                return _applied(room, member, "clean")
            if not member.seen:
                await self._seen(room, member)
            self._still_ours(room)
        stage = Stage(room, {member.user_id: member})
        badge = stage.badge(member.user_id)
        try:
            participant = await self._livekit.set_rights(
                room.room_id, member.user_id, rights.wanted(stage, member.user_id), badge
            )
        except CallFailed as error:
            if badge is not None or (error.retryable and patient and not member.suspect):
                raise
            self._still_ours(room)
            removed = await self._livekit.remove(room.room_id, member.user_id)
            return _applied(room, member, "removed" if removed else "absent")
        mode: signals.ApplyMode = "absent" if participant is None else "in_place"
        return _applied(room, member, mode, participant if badge is not None else None)

    async def errand(self, room: Room, member: Member, errand: Errand) -> ErrandDone:
        """Run an action that a command requested; for an absent user there is nothing to do."""
        participant = await self._livekit.participant(room.room_id, member.user_id)
        if participant is not None and errand.kind == "ask_unmute":
            self._still_ours(room)
            await self._livekit.send(room.room_id, member.user_id, _request(room, member, errand))
        elif participant is not None:
            participant = await self._muted(room, participant, errand)
        return ErrandDone(
            room_id=room.room_id, user_id=member.user_id, errand_id=errand.id, participant=participant
        )

    async def _muted(self, room: Room, participant: Participant, errand: Errand) -> Participant:
        tracks = []
        for track in participant.tracks:
            muted = track.muted
            if track.source in rights.covered(errand.source) and not muted:
                self._still_ours(room)
                muted = await self._livekit.mute(room.room_id, participant.user_id, track.sid)
            tracks.append(track.model_copy(update={"muted": muted}))
        return participant.model_copy(update={"tracks": tuple(tracks)})

    def _still_ours(self, room: Room) -> None:
        if not self._holds(room.lane):
            raise Lost


class Lost(Exception):
    """Our lease on the lane ended: the next owner does the rest of the work."""


def _applied(
    room: Room, member: Member, mode: signals.ApplyMode, participant: Participant | None = None
) -> GrantApplied:
    return GrantApplied(
        room_id=room.room_id,
        user_id=member.user_id,
        version=member.version,
        mode=mode,
        participant=participant,
    )


def _request(room: Room, member: Member, errand: Errand) -> bytes:
    data = CoHostUnmuteRequested(
        room_id=room.room_id, user_id=member.user_id, source=errand.source, by=errand.by
    )
    return envelope.encode_event(
        {
            "specversion": "1.0",
            "id": errand.id,
            "source": "/cohost/broadcast",
            "type": envelope.wire_type(CoHostUnmuteRequested.__name__),
            "subject": room.room_id,
            "time": errand.at,
            "datacontenttype": "application/json",
            "data": data,
        }
    )
