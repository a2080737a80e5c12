"""The lanes table: ownership, progress by topic, and the fence around every write."""

from collections.abc import Iterable, Mapping, Sequence

from pydantic_core import from_json, to_json

from cohost_schemas.topics import Topic
from messaging.database import Connection
from messaging.errors import Fenced, IncompatibleDeployment
from messaging.lanes.lane import Lane, LaneProgress, LaneUpdate
from messaging.processor import Topology

_INPUT_COLUMNS = ("positions",)
_OUTPUT_COLUMNS = ("decided_sequences", "published_sequences", "published_end_offsets")


async def create_lanes(connection: Connection, partition_count: int) -> None:
    """Insert the rows of lanes that have none yet."""
    await connection.execute(
        "INSERT INTO lanes (lane) SELECT generate_series(0, $1::int - 1) ON CONFLICT DO NOTHING",
        partition_count,
    )


async def check_topics(connection: Connection, topology: Topology) -> None:
    """Check that the service still reads and writes every topic that a lane has read or written.

    Raises `IncompatibleDeployment` otherwise: a topic that was removed by mistake would be neither read nor
    compared with its log.
    """
    for kind, columns, known in (
        ("read", _INPUT_COLUMNS, [entry.topic for entry in topology.inputs]),
        ("written", _OUTPUT_COLUMNS, topology.outputs),
    ):
        row = await connection.fetchrow(
            f"SELECT lane, topic FROM lanes, jsonb_object_keys({' || '.join(columns)}) AS topic"  # noqa: S608 - columns of this module
            " WHERE topic <> ALL($1::text[]) ORDER BY lane, topic LIMIT 1",
            [topic.suffix for topic in known],
        )
        if row is not None:
            lane, topic = row
            removal = ", ".join(f"{column} = {column} - '{topic}'" for column in columns)
            advice = f"UPDATE {topology.name}.lanes SET {removal}"  # noqa: S608 - printed only
            msg = (
                f"lane {lane} has {kind} topic {topic}, which this version does not know; "
                f"start a version that knows it, or give the topic up: run {advice}"
            )
            raise IncompatibleDeployment(msg)


async def claim_lanes(connection: Connection, numbers: Sequence[int], owner: str) -> list[Lane]:
    """Claim lanes from their previous owners and return their state.

    Every later write for a lane must carry the returned epoch. Until `mark_fenced`, the previous owners in
    `unfenced_owners` may still publish: initialise each of these transactional ids before reading a log end.
    That may abort a transaction of theirs, so that from now on they can write none of their other lanes:
    they could not tell that records which they count as settled are hidden.
    """
    rows = await connection.fetch(
        """
        WITH before AS (
            SELECT lane, released, lane = ANY($1::int[]) AS is_claimed FROM lanes
            WHERE lane = ANY($1::int[]) OR NOT released
                AND owner IN (SELECT owner FROM lanes WHERE lane = ANY($1::int[]) AND NOT released)
            ORDER BY lane FOR UPDATE
        )
        UPDATE lanes SET
            epoch = epoch + 1,
            owner = CASE WHEN is_claimed THEN $2 ELSE owner END,
            released = false,
            unfenced_owners = CASE
                WHEN NOT is_claimed OR lanes.released OR owner IS NULL THEN unfenced_owners
                ELSE unfenced_owners || owner
            END
        FROM before WHERE lanes.lane = before.lane
        RETURNING lanes.*, before.released AS clean_handover, is_claimed
        """,
        numbers,
        owner,
    )
    return [
        Lane(
            row["lane"],
            row["epoch"],
            LaneProgress(
                from_json(row["positions"]), from_json(row["decided_sequences"]), row["last_batch_number"]
            ),
            published_sequences=from_json(row["published_sequences"]),
            published_end_offsets=from_json(row["published_end_offsets"]),
            clean_handover=row["clean_handover"],
            unfenced_owners=row["unfenced_owners"],
        )
        for row in rows
        if row["is_claimed"]
    ]


async def mark_fenced(connection: Connection, claimed: Iterable[Lane]) -> None:
    """Record that no previous owner of the lanes can publish any more. Raises `Fenced` if a lane was lost."""
    await _update_owned_lanes(
        connection,
        "UPDATE lanes SET unfenced_owners = '{}' FROM unnest($1::int[], $2::bigint[]) AS held (lane, epoch)"
        " WHERE lanes.lane = held.lane AND lanes.epoch = held.epoch",
        claimed,
    )


async def require_claims(connection: Connection, claimed: Sequence[Lane]) -> None:
    """Raise `Fenced` if a lane was claimed by another worker since."""
    held = await connection.fetchval(
        "SELECT count(*) FROM lanes JOIN unnest($1::int[], $2::bigint[]) AS held (lane, epoch)"
        " ON lanes.lane = held.lane AND lanes.epoch = held.epoch",
        [lane.number for lane in claimed],
        [lane.epoch for lane in claimed],
    )
    if held != len(claimed):
        raise _acquired_by_another()


async def release_lanes(connection: Connection, owned: Iterable[Lane]) -> None:
    """Release lanes whose batches are all confirmed as published. Raises `Fenced` if a lane was lost."""
    await _update_owned_lanes(
        connection,
        "UPDATE lanes SET released = true FROM unnest($1::int[], $2::bigint[]) AS held (lane, epoch)"
        " WHERE lanes.lane = held.lane AND lanes.epoch = held.epoch",
        owned,
    )


async def write_updates(connection: Connection, updates: Sequence[LaneUpdate]) -> None:
    """Write the lanes' next states, each from exactly the state it was decided from (a compare-and-set).

    A batch that decides only part of a record, or records that are not in the log, leaves the positions as
    they are: the number of the last outbox batch shows whether it was committed.

    Raises `Fenced` if a lane has another epoch or state; the transaction must then be rolled back.
    """
    status = await connection.execute(
        """
        UPDATE lanes SET
            positions = new.positions,
            decided_sequences = new.decided_sequences,
            published_sequences = new.published_sequences,
            published_end_offsets = new.published_end_offsets,
            last_batch_number = new.last_batch_number
        FROM unnest(
            $1::int[], $2::bigint[], $3::jsonb[], $4::bigint[], $5::jsonb[],
            $6::jsonb[], $7::jsonb[], $8::jsonb[], $9::bigint[]
        ) AS new (
            lane, epoch, expected_positions, expected_batch_number, positions,
            decided_sequences, published_sequences, published_end_offsets, last_batch_number
        )
        WHERE lanes.lane = new.lane AND lanes.epoch = new.epoch AND lanes.positions = new.expected_positions
            AND lanes.last_batch_number = new.expected_batch_number
        """,
        [update.lane for update in updates],
        [update.epoch for update in updates],
        [_to_json(update.before.positions) for update in updates],
        [update.before.last_batch_number for update in updates],
        [_to_json(update.after.positions) for update in updates],
        [_to_json(update.after.decided_sequences) for update in updates],
        [_to_json(update.published_sequences) for update in updates],
        [_to_json(update.published_end_offsets) for update in updates],
        [update.after.last_batch_number for update in updates],
    )
    if status != f"UPDATE {len(updates)}":
        msg = "a lane was acquired or advanced by another worker; nothing was committed"
        raise Fenced(msg)


async def input_positions(connection: Connection, topic: Topic) -> dict[int, int]:
    """Return each lane's next offset to read of an input; -1 before the first read."""
    # The last batch first: a scan would read every version of the rows that an open snapshot keeps.
    rows = await connection.fetch(
        """
        SELECT numbered.lane, coalesce((positions ->> $1)::bigint, -1) AS position
        FROM generate_series(0, (SELECT max(lane) FROM lanes)) AS numbered (lane), LATERAL (
            SELECT positions FROM lanes WHERE lanes.lane = numbered.lane
            ORDER BY last_batch_number DESC LIMIT 1
        ) AS newest
        """,
        topic.suffix,
    )
    return {row["lane"]: row["position"] for row in rows}


async def _update_owned_lanes(connection: Connection, statement: str, owned: Iterable[Lane]) -> None:
    rows = list(owned)
    status = await connection.execute(
        statement, [lane.number for lane in rows], [lane.epoch for lane in rows]
    )
    if status != f"UPDATE {len(rows)}":
        raise _acquired_by_another()


def _acquired_by_another() -> Fenced:
    return Fenced("a lane was acquired by another worker")


def _to_json(numbers: Mapping[str, int]) -> str:
    return to_json(numbers).decode()
