"""Load users by their last facts."""

from collections.abc import Collection, Mapping

from messaging.database import Connection
from services.invitations.domain.state import User


async def load_users(
    connection: Connection, hosts_by_user: Mapping[str, Collection[str]]
) -> dict[str, tuple[User, int]]:
    """Return the known users among these by id, each with its partition of the users topic.

    Lists of blocked users contain only the given hosts: complete lists for a batch can take gigabytes.
    """
    wanted = [(user_id, host) for user_id, hosts in hosts_by_user.items() for host in (None, *hosts)]
    rows = await connection.fetch(
        """
        SELECT users.user_id, status, can_receive_invitations, lane, array_remove(array_agg(host), NULL)
        FROM unnest($1::text[], $2::text[]) AS wanted (user_id, host) JOIN users USING (user_id)
        WHERE host IS NULL OR host = ANY(blocked_user_ids)
        GROUP BY users.user_id
        """,
        [user_id for user_id, _ in wanted],
        [host for _, host in wanted],
    )
    return {
        user_id: (User(status, can_receive, frozenset(blocked)), lane)
        for user_id, status, can_receive, lane, blocked in rows
    }


async def users_not_updated_since(connection: Connection, lane: int, offset: int) -> list[str]:
    """Return at most 1000 users that are not gone and whose last fact lies before `offset`."""
    found = await connection.fetch(
        "SELECT user_id FROM users WHERE lane = $1 AND position < $2 AND status <> 'gone' LIMIT 1000",
        lane,
        offset,
    )
    return [row["user_id"] for row in found]


async def count_active_not_updated_since(connection: Connection, lane: int, offset: int) -> int:
    """Return the number of active users whose last fact lies before `offset`."""
    statement = "SELECT count(*) FROM users WHERE lane = $1 AND position < $2 AND status = 'active'"
    return int(await connection.fetchval(statement, lane, offset))
