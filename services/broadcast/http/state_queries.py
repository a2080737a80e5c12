"""The queries of the numbers and stages that ops see."""

from collections.abc import Mapping, Sequence

from cohost_schemas.ops.state import OpenCalls, StageCondition
from messaging.database import Connection
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
    conditions = await _measure_stages(connection, room_ids)
    return sorted(conditions, key=lambda condition: (-condition.trouble, condition.room_id))


async def _measure_stages(connection: Connection, room_ids: Sequence[str]) -> list[StageCondition]:
    """Return the stages in numbers, from columns: to parse every document takes ten times as long."""
    rows = await connection.fetch(
        """
        SELECT room_id, count(*) FILTER (WHERE user_id = host_id AND connected) > 0 AS host_connected,
            count(*) FILTER (WHERE members.document ->> 'seat' IS NOT NULL) AS seats,
            count(*) FILTER (WHERE co_host_state = 'connected') AS connected,
            count(*) FILTER (WHERE co_host_state = 'in_grace') AS in_grace,
            count(*) FILTER (WHERE trouble / 100 % 10 = 1 AND co_host_state IS NULL) AS never_connected,
            count(*) FILTER (WHERE trouble / 10 % 10 = 1) AS poor_quality,
            count(*) FILTER (WHERE out_of_sync) AS out_of_sync,
            count(*) FILTER (WHERE trouble >= 1000) AS failing_grants,
            coalesce(sum(trouble), 0) AS trouble
        FROM unnest($1::text[]) AS wanted (room_id)
        JOIN LATERAL (
            SELECT document ->> 'host_id' AS host_id FROM rooms WHERE rooms.room_id = wanted.room_id
        ) AS room ON true
        LEFT JOIN members USING (room_id)
        GROUP BY room_id
        """,
        room_ids,
    )
    return [StageCondition(**row) for row in rows]


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
