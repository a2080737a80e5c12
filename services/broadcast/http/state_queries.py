"""The queries of the numbers and stages that ops see."""

from collections.abc import Mapping

from cohost_schemas.ops.state import OpenCalls, StageCondition
from messaging.database import Connection
from services.broadcast import store
from services.broadcast.domain.state import trouble


async def count_state(connection: Connection) -> Mapping[str, int]:
    """Return the fields of `StateOverview` that this service alone knows."""
    row = await connection.fetchrow(
        """
        SELECT (SELECT count(*) FROM members WHERE co_host_state = 'connected') AS connected,
            (SELECT count(*) FROM members WHERE co_host_state = 'in_grace') AS in_grace,
            (SELECT count(*) FROM members WHERE out_of_sync) AS out_of_sync,
            (SELECT count(*) FROM members WHERE trouble > 0 AND trouble >= $1) AS failing_grants
        """,
        trouble.FAILING_GRANT,
    )
    assert row is not None  # noqa: S101 - it has no condition
    return dict(row)


async def measure_open_calls(connection: Connection) -> OpenCalls:
    """Return the number of users and rooms for whom calls to LiveKit are open, and the oldest one's age."""
    row = await connection.fetchrow(
        """
        SELECT count(*), extract(epoch FROM clock_timestamp() - min(since))::float8 AS oldest FROM (
            SELECT out_of_sync_since AS since FROM members WHERE out_of_sync
            UNION ALL SELECT deletion_pending_since FROM rooms WHERE deletion_pending
        ) AS waiting
        """
    )
    assert row is not None  # noqa: S101 - an aggregate has a row
    oldest = row["oldest"]
    return OpenCalls(
        calls_pending=row["count"],
        oldest_pending_seconds=None if oldest is None else round(max(0.0, oldest), 3),
    )


async def find_stages(connection: Connection, limit: int) -> list[StageCondition]:
    """Return open rooms' stages, the most trouble first, then by room id."""
    room_ids = await _troubled_rooms(connection, limit)
    if len(room_ids) < limit:
        room_ids += await _untroubled_rooms(connection, limit - len(room_ids))
    stages = await store.load_stages(connection, room_ids)
    conditions = map(trouble.stage_condition, stages.values())
    return sorted(conditions, key=lambda condition: (-condition.trouble, condition.room_id))


async def _troubled_rooms(connection: Connection, limit: int) -> list[str]:
    rows = await connection.fetch(
        """
        WITH troubled AS (
            SELECT room_id, sum(trouble) AS total FROM members WHERE trouble > 0 GROUP BY room_id
        )
        SELECT room_id FROM troubled JOIN rooms USING (room_id) WHERE rooms.can_apply_rights
        ORDER BY total DESC, room_id LIMIT $1
        """,
        limit,
    )
    return [row["room_id"] for row in rows]


async def _untroubled_rooms(connection: Connection, limit: int) -> list[str]:
    rows = await connection.fetch(
        """
        SELECT room_id FROM rooms WHERE can_apply_rights AND NOT EXISTS (
            SELECT FROM members WHERE members.room_id = rooms.room_id AND members.trouble > 0
        )
        ORDER BY room_id LIMIT $1
        """,
        limit,
    )
    return [row["room_id"] for row in rows]
