"""The lanes of all workers as the database has them, for reports."""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic_core import from_json

from messaging.database import Connection


class LaneRow(NamedTuple):
    """A lane; `claimed_by` is the worker that claimed it last and did not release it.

    `positions` has the next offset to read by topic suffix.
    """

    number: int
    claimed_by: str | None
    epoch: int
    positions: Mapping[str, int]
    outbox_batches: int


async def fetch_lane_rows(connection: Connection) -> list[LaneRow]:
    """Return all lanes by number."""
    rows = await connection.fetch(
        """
        SELECT lane, CASE WHEN NOT released THEN owner END AS claimed_by, epoch, positions::text AS positions,
            (SELECT count(*) FROM outbox WHERE outbox.lane = lanes.lane) AS outbox_batches
        FROM lanes ORDER BY lane
        """
    )
    return [
        LaneRow(
            row["lane"],
            row["claimed_by"],
            row["epoch"],
            from_json(row["positions"]),
            row["outbox_batches"],
        )
        for row in rows
    ]
