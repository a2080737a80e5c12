"""The query of the numbers that ops see."""

from collections.abc import Mapping

from cohost_schemas import timestamps
from messaging.database import Connection


async def count_state(connection: Connection) -> Mapping[str, int]:
    """Return the fields of `StateOverview` that this service alone knows."""
    row = await connection.fetchrow(
        """
        SELECT (SELECT count(*) FROM rooms WHERE NOT deleted AND is_open(status)) AS rooms_open,
            (SELECT count(*) FROM pending WHERE expires_at > $1) AS pending,
            (SELECT count(*) FROM seats) AS seats
        """,
        timestamps.current_timestamp(),
    )
    assert row is not None  # noqa: S101 - it has no condition
    return dict(row)
