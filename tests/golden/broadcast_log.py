"""The script of broadcast's log: invitations' golden events, commands and reports from LiveKit.

Signals name versions of wishes. The script learns them from the processor, which decides what is written
so far whenever it is asked: the log that comes of it is then as fixed as any.
"""

import json
from typing import Any

from tests.contract.murmur2 import partition_of
from tests.golden import log
from tests.golden.log import PARTITIONS, Published
from tests.golden.run import Processor
from tests.golden.script import Script, cloud_event

COMMANDS, SIGNALS, EVENTS = "broadcast.commands", "broadcast.signals", "invitations.events"
TRACE = {"correlationid": "c-1", "traceparent": "00-1-2-03", "tracestate": "a=b"}
VIEWER = {"canPublish": False, "canPublishData": False, "canSubscribe": True, "canPublishSources": []}
SOURCES = ["camera", "microphone", "screen_share", "screen_share_audio"]
RIGHTS = {"canPublish": True, "canPublishData": True, "canSubscribe": True, "canPublishSources": SOURCES}


def person(user: str, sid: str, rights: Any = RIGHTS, badge: str = "coHost", **more: Any) -> dict[str, Any]:
    """Return a participant as LiveKit shows them."""
    named = {"userId": user, "sid": sid, "permissions": rights, "canUpdateMetadata": False, "badge": badge}
    return {**named, "tracks": [], **more}


def viewer(user: str, sid: str, **more: Any) -> dict[str, Any]:
    """Return a participant without any rights."""
    return person(user, sid, VIEWER, "", **more)


def track(sid: str, source: str = "microphone", *, muted: bool = False) -> dict[str, Any]:
    """Return a track."""
    return {"sid": sid, "source": source, "muted": muted}


class Air(Script):
    """Broadcast's inputs."""

    topics = (EVENTS, SIGNALS, COMMANDS)

    def __init__(self, seed: int, processor: Processor) -> None:
        super().__init__(seed)
        self._processor = processor
        self._taken = 0
        self.events: dict[int, list[Published]] = {lane: [] for lane in range(PARTITIONS)}
        for entry in log.golden_events().values():
            self.events[entry.partition].append(entry)
        self._rooms: dict[str, dict[str, Any]] = {}
        self._members: dict[tuple[str, str], dict[str, Any]] = {}

    def pull(self, lane: int) -> dict[str, Any]:
        """Write the next event of a lane, with its own time; return it."""
        record = self.events[lane].pop(0)
        event: dict[str, Any] = json.loads(record.value or b"")
        at = log.milliseconds(event["time"])
        self.append(EVENTS, lane, at, (record.key, record.value, record.headers))
        return event

    def stray(self, event: dict[str, Any], room: str) -> None:
        """Write an event that invitations never wrote; offsets of the others are theirs, so it comes last."""
        lane = partition_of(room.encode(), PARTITIONS)
        while self.events[lane]:
            self.pull(lane)
        self.put(EVENTS, room, event)

    def until(self, room: str, kind: str, **data: Any) -> dict[str, Any]:
        """Write events up to the next one of this kind in a room; return its data."""
        while True:
            event = self.pull(partition_of(room.encode(), PARTITIONS))
            found: dict[str, Any] = event["data"]
            alike = all(found.get(name) == value for name, value in data.items())
            if event["subject"] == room and event["type"] == f"cohost.{kind}.v1" and alike:
                return found

    def tell(self, kind: str, room: str, /, id_: str | None = None, **data: Any) -> None:
        """Write a signal."""
        event = cloud_event(
            kind, id_ or self.id("s"), room, {"roomId": room, **data}, source="/cohost/broadcast"
        )
        self.put(SIGNALS, room, event)

    def webhook(self, kind: str, room: str, /, id_: str | None = None, **data: Any) -> None:
        """Write what LiveKit reported of a room's first LiveKit room, unless another is named."""
        self.tell(kind, room, id_ or self.id("EV"), **{"roomSid": "RM_1", **data})

    def do(self, kind: str, room: str, /, user: str = "bob", actor: str = "alice", **data: Any) -> None:
        """Give a command."""
        id_ = data.pop("id_", None) or self.id()
        told = {"roomId": room, "userId": user, "actorId": actor, "source": "microphone", **data}
        self.put(COMMANDS, room, cloud_event(f"{kind}CoHost", id_, room, told, **TRACE))

    async def learn(self) -> None:
        """Have everything decided that is written, and read where rooms and members stand."""
        self.cut()
        batch: list[log.Input] = []
        for entry in [*self.entries[self._taken :], None]:
            if batch and (entry is None or entry.batch != batch[0].batch):
                await self._processor.take(batch)
                batch = []
            if entry is not None:
                batch.append(entry)
        self._taken = len(self.entries)
        await self._processor.settled()
        rooms = await self._processor.query("SELECT room_id, document FROM rooms")
        self._rooms = {row["room_id"]: json.loads(row["document"]) for row in rooms}
        members = await self._processor.query(
            "SELECT room_id, user_id, seat_deadline, quality_due_at, document FROM members"
        )
        self._members = {
            (row["room_id"], row["user_id"]): {**json.loads(row["document"]), **dict(row)} for row in members
        }

    def member(self) -> tuple[str, str] | None:
        """Return a room and one of its members, as last learnt: by preference with something to be done."""
        known = sorted(self._members)
        waiting = [key for key in known if self._is_out_of_sync(key)]
        chosen = waiting if waiting and self.random.random() < 0.5 else known
        return self.random.choice(chosen) if chosen else None

    def _is_out_of_sync(self, key: tuple[str, str]) -> bool:
        member = self._members[key]
        return bool(member["desired_version"] != member["applied_version"])

    def version(self, room: str, user: str) -> int:
        """Return the version of a member's newest wish, as last learnt."""
        return int(self._members.get((room, user), {}).get("desired_version", 1))

    def deletion(self, room: str) -> int:
        """Return the version of the wish that a LiveKit room be gone, as last learnt."""
        return int(self._rooms.get(room, {}).get("deletion_version") or 1)

    def deadline(self, room: str, user: str) -> tuple[str, str]:
        """Return a member's seat and when its patience ends, as last learnt."""
        member = self._members.get((room, user), {})
        seat = member.get("seat") or {"invitation_id": "none"}
        return seat["invitation_id"], member.get("seat_deadline") or "2026-01-01T12:00:00.000Z"

    def compare(self, room: str, *there: Any, look: str | None = None, **more: Any) -> None:
        """Write what a look at a room showed, by default as of now."""
        version = int(self._rooms.get(room, {}).get("latest_version", 0))
        look = look or self.id("look")
        shown = {"roomSid": "RM_1", "position": 100_000, "version": version, **more}
        self.tell("RoomCompared", room, look, lookId=look, participants=list(there), **shown)

    async def applied(self, room: str, user: str, mode: str = "in_place", **more: Any) -> None:
        """Let the newest wish be fulfilled."""
        await self.learn()
        self.tell("GrantApplied", room, userId=user, version=self.version(room, user), mode=mode, **more)

    async def failed(self, room: str, user: str, attempts: int = 1, *, retryable: bool = True) -> None:
        """Let a call fail."""
        await self.learn()
        self.tell(
            "GrantCallFailed",
            room,
            userId=user,
            version=self.version(room, user),
            error='no "answer" \\ \u2603',
            attempts=attempts,
            retryable=retryable,
        )

    async def deleted(self, room: str, room_sid: str | None = "RM_1") -> None:
        """Let the LiveKit room be deleted."""
        await self.learn()
        self.tell("RoomDeleted", room, version=self.deletion(room), roomSid=room_sid)

    async def due_quality(self, room: str, user: str) -> None:
        """Let a reported quality be due."""
        await self.learn()
        due = self._members.get((room, user), {}).get("quality_due_at") or "2026-01-01T12:00:00.000Z"
        self.now = max(self.now, log.milliseconds(due))
        self.tell("QualityDue", room, userId=user, dueAt=due)

    async def overdue(self, room: str, user: str, kind: str, *, wait: bool = True) -> None:
        """Let a deadline be reached."""
        await self.learn()
        invitation, due = self.deadline(room, user)
        if wait:
            self.now = max(self.now, log.milliseconds(due))
        more = {"invitationId": invitation, "kind": kind, "dueAt": due, "commandId": self.id("release")}
        self.tell("DeadlineReached", room, userId=user, **more)
