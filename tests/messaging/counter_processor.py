"""A minimal processor with state: it counts the users who leave a room.

`LeaveStage` gives a `CoHostLeft` whose invitation id is the room's count; it is rejected for the actor
`nobody`. A room's fact sets the count to its `max_co_hosts`, so that facts and commands interact.
"""

from collections.abc import Sequence

from cohost_schemas import commands, events, facts, topics
from cohost_schemas.rejections import SUMMARY_FIELDS, summarize_command, summarize_invalid_command
from messaging.database import Connection
from messaging.lanes.cache import LaneCache
from messaging.processor import InputRecord, InputTopic, OutputRecord, Rejection, Topology

TOPOLOGY = Topology(
    name="invitations",
    source="/cohost/invitations",
    inputs=(
        InputTopic(topics.ROOMS, "facts", facts.ROOMS),
        InputTopic(topics.USERS, "facts", facts.USERS, key_field="user_id", shared=True),
        InputTopic(topics.INVITATION_COMMANDS, "commands", commands.INVITATIONS),
    ),
    outputs=(topics.INVITATION_EVENTS, topics.INVITATION_REJECTIONS, topics.INVITATION_DEAD_LETTERS),
    rejections=topics.INVITATION_REJECTIONS,
    dead_letters=topics.INVITATION_DEAD_LETTERS,
    summary_fields=SUMMARY_FIELDS,
    summarize_command=summarize_command,
    summarize_invalid_command=summarize_invalid_command,
)
CREATE_TABLE = (
    "CREATE TABLE IF NOT EXISTS departures (room text PRIMARY KEY, lane int, left_count int NOT NULL)"
)


class CounterProcessor:
    """Counts departures; `counts` is the cache of counts by room."""

    topology = TOPOLOGY

    def __init__(self) -> None:
        self.counts = LaneCache[int](1000)
        self.caches = (self.counts,)

    def new_changes(self) -> dict[str, tuple[int, int]]:
        return {}

    async def load(self, connection: Connection, records: Sequence[InputRecord]) -> None:
        lanes = {incoming.key: incoming.lane for incoming in records}
        missing = self.counts.mark_used(lanes)
        rows = await connection.fetch("SELECT * FROM departures WHERE room = ANY($1::text[])", missing)
        found = {row["room"]: row["left_count"] for row in rows}
        for room in missing:
            self.counts.put(room, lanes[room], found.get(room, 0))

    def decide(
        self, record: InputRecord, changes: dict[str, tuple[int, int]]
    ) -> Sequence[OutputRecord] | Rejection:
        if isinstance(record.data, facts.RoomChanged):
            self._set(record, record.data.max_co_hosts, changes)
            return ()
        if not isinstance(record.data, commands.LeaveStage):
            return () if record.topic is not topics.INVITATION_COMMANDS else Rejection("not_co_host")
        if record.data.actor_id == "nobody":
            return Rejection("not_co_host")
        count = self.counts[record.key] + 1
        self._set(record, count, changes)
        return (
            OutputRecord(
                topics.INVITATION_EVENTS,
                record.key,
                events.CoHostLeft(
                    room_id=record.key,
                    user_id=record.data.actor_id,
                    invitation_id=str(count),
                    reason="left",
                    left_at=record.timestamp,
                ),
            ),
        )

    def _set(self, incoming: InputRecord, count: int, changes: dict[str, tuple[int, int]]) -> None:
        self.counts.put(incoming.key, incoming.lane, count)
        changes[incoming.key] = (incoming.lane, count)

    async def save(self, connection: Connection, changes: dict[str, tuple[int, int]]) -> None:
        if changes:
            await connection.execute(
                """
                INSERT INTO departures (room, lane, left_count)
                SELECT * FROM unnest($1::text[], $2::int[], $3::int[])
                ON CONFLICT (room) DO UPDATE SET left_count = excluded.left_count
                """,
                list(changes),
                [lane for lane, _ in changes.values()],
                [count for _, count in changes.values()],
            )
