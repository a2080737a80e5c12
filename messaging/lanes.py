"""The lanes table: ownership, positions, and the fence around every write."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from messaging.database import Connection
from messaging.errors import Fenced


@dataclass(slots=True)
class Lane:
    """A lane's state in its owner's memory, ahead of the database by the batches that are not committed yet.

    Lists follow the order of the topology's inputs (`positions`, `decided_from`) or outputs (the others).
    `decided_from` are the positions that the database will have once every decided batch is committed.
    """

    number: int
    epoch: int
    clean_handover: bool
    positions: list[int]
    decided_from: Sequence[int]
    decided_sequences: list[int]
    published_sequences: list[int]
    published_end_offsets: list[int]
    last_batch_number: int
    last_published_batch: int = 0
    last_deleted_batch: int = 0
    lease_renewed_at: float = 0.0
    unfenced_owners: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class LaneUpdate:
    """A lane's next state, to be written only if the lane still has the epoch and the expected positions."""

    lane: int
    epoch: int
    expected_positions: Sequence[int]
    positions: Sequence[int]
    decided_sequences: Sequence[int]
    published_sequences: Sequence[int]
    published_end_offsets: Sequence[int]
    last_batch_number: int


async def create_lanes(
    connection: Connection, partition_count: int, input_count: int, output_count: int
) -> None:
    """Insert the rows of new lanes; `inputs` and `outputs` are numbers of topics."""
    await connection.execute(
        """
        INSERT INTO lanes (lane, positions, decided_sequences, published_sequences, published_end_offsets)
        SELECT lane, array_fill(-1::bigint, ARRAY[$2::int]), nothing, nothing, nothing
        FROM generate_series(0, $1::int - 1) AS lane, array_fill(0::bigint, ARRAY[$3::int]) AS nothing
        ON CONFLICT DO NOTHING
        """,
        partition_count,
        input_count,
        output_count,
    )


async def claim_lanes(connection: Connection, numbers: Sequence[int], owner: str) -> list[Lane]:
    """Claim lanes from their previous owners and return their state.

    Every later write for a lane must carry the returned epoch. Until `mark_fenced`, the previous owners in
    `unfenced_owners` may still publish: initialise each of these transactional ids before reading a log end.
    """
    rows = await connection.fetch(
        """
        WITH before AS (
            SELECT lane, released FROM lanes WHERE lane = ANY($1::int[]) ORDER BY lane FOR UPDATE
        )
        UPDATE lanes SET
            epoch = epoch + 1,
            owner = $2,
            released = false,
            unfenced_owners = CASE
                WHEN lanes.released OR owner IS NULL THEN unfenced_owners ELSE unfenced_owners || owner
            END
        FROM before WHERE lanes.lane = before.lane
        RETURNING lanes.*, before.released AS clean_handover
        """,
        numbers,
        owner,
    )
    return [
        Lane(
            number=row["lane"],
            epoch=row["epoch"],
            clean_handover=row["clean_handover"],
            positions=row["positions"],
            decided_from=tuple(row["positions"]),
            decided_sequences=row["decided_sequences"],
            published_sequences=row["published_sequences"],
            published_end_offsets=row["published_end_offsets"],
            last_batch_number=row["last_batch_number"],
            unfenced_owners=frozenset(row["unfenced_owners"]),
        )
        for row in rows
    ]


async def mark_fenced(connection: Connection, claimed: Iterable[Lane]) -> None:
    """Record that no previous owner of the lanes can publish any more. Raises `Fenced` if a lane was lost."""
    await _update_owned_lanes(
        connection,
        "UPDATE lanes SET unfenced_owners = '{}' FROM unnest($1::int[], $2::bigint[]) AS held (lane, epoch)"
        " WHERE lanes.lane = held.lane AND lanes.epoch = held.epoch",
        claimed,
    )


async def release_lanes(connection: Connection, owned: Iterable[Lane]) -> None:
    """Release lanes whose batches are all confirmed as published. Raises `Fenced` if a lane was lost."""
    await _update_owned_lanes(
        connection,
        "UPDATE lanes SET released = true FROM unnest($1::int[], $2::bigint[]) AS held (lane, epoch)"
        " WHERE lanes.lane = held.lane AND lanes.epoch = held.epoch",
        owned,
    )


async def write_updates(connection: Connection, updates: Sequence[LaneUpdate]) -> None:
    """Advance lanes, each from exactly the positions it was decided from (a compare-and-set).

    Raises `Fenced` if a lane has another epoch or other positions; the transaction must then be rolled back.
    """
    status = await connection.execute(
        """
        UPDATE lanes SET
            positions = new.positions::bigint[],
            decided_sequences = new.decided_sequences::bigint[],
            published_sequences = new.published_sequences::bigint[],
            published_end_offsets = new.published_end_offsets::bigint[],
            last_batch_number = new.last_batch_number
        FROM unnest(
            $1::int[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[]
        ) AS new (
            lane, epoch, expected_positions, positions,
            decided_sequences, published_sequences, published_end_offsets, last_batch_number
        )
        WHERE lanes.lane = new.lane AND lanes.epoch = new.epoch
            AND lanes.positions = new.expected_positions::bigint[]
        """,
        [new.lane for new in updates],
        [new.epoch for new in updates],
        [_array_literal(new.expected_positions) for new in updates],
        [_array_literal(new.positions) for new in updates],
        [_array_literal(new.decided_sequences) for new in updates],
        [_array_literal(new.published_sequences) for new in updates],
        [_array_literal(new.published_end_offsets) for new in updates],
        [new.last_batch_number for new in updates],
    )
    if status != f"UPDATE {len(updates)}":
        msg = "a lane was acquired or advanced by another worker; nothing was committed"
        raise Fenced(msg)


async def input_positions(connection: Connection, input_index: int) -> dict[int, int]:
    """Return each lane's next offset to read of the input with this index; -1 before the first read."""
    rows = await connection.fetch("SELECT lane, positions[$1] AS position FROM lanes", input_index + 1)
    return {row["lane"]: row["position"] for row in rows}


async def _update_owned_lanes(connection: Connection, statement: str, owned: Iterable[Lane]) -> None:
    rows = list(owned)
    status = await connection.execute(
        statement, [lane.number for lane in rows], [lane.epoch for lane in rows]
    )
    if status != f"UPDATE {len(rows)}":
        msg = "a lane was acquired by another worker"
        raise Fenced(msg)


def _array_literal(numbers: Sequence[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"
