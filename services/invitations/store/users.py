"""Users as last told."""

from collections.abc import Sequence

from messaging.database import Connection
from services.invitations.state import User


async def load(connection: Connection, user_ids: Sequence[str]) -> dict[str, tuple[User, int]]:
    """Return those of the users who were ever heard of, each with the lane that its facts lie in."""
    rows = await connection.fetch(
        """
        SELECT user_id, status, can_receive_invitations, blocked_user_ids, lane
        FROM unnest($1::text[]) AS asked (user_id) JOIN users USING (user_id)
        """,
        user_ids,
    )
    return {
        user_id: (User(status, can_receive, frozenset(blocked)), lane)
        for user_id, status, can_receive, blocked, lane in rows
    }


async def unseen(connection: Connection, lane: int, begin: int) -> list[str]:
    """Return users who are not gone and of whom nothing was told from this offset on, 1000 at most."""
    found = await connection.fetch(
        "SELECT user_id FROM users WHERE lane = $1 AND position < $2 AND status <> 'gone' LIMIT 1000",
        lane,
        begin,
    )
    return [row["user_id"] for row in found]
