"""The baseline handler: for each command one transaction that decides it, then the publication.

It is the simplest program with the pipeline's rules, validation, tables and command memory, but without
cache, batches and exactly-once. It needs as few round trips to Postgres as possible without batching: locking
the room also loads it, one query loads everything else, and the command memory is written without being read.
"""

from typing import Any

import asyncpg
from faststream.kafka import KafkaBroker

from messaging import outcomes
from messaging.batch.encoder import RecordEncoder
from messaging.batch.record_decider import RecordDecider, RecordDecisions
from messaging.config import Config
from messaging.database import Connection
from messaging.inputs.parsing import ParsedRecord, RecordParser
from messaging.lanes.lane import Lane
from messaging.outbox.store import EncodedRecord
from messaging.processor import DuplicateCommands, InputRecord
from services.invitations.domain.stage import Stage
from services.invitations.domain.state import Policy, Room, Seat, User
from services.invitations.prefetch import user_to_check
from services.invitations.processor import InvitationsProcessor
from services.invitations.stage_cache import StageCache
from services.invitations.store import rows
from services.invitations.topology import TOPOLOGY


class BaselineHandler:
    """Handles one command at a time per caller; several FastStream workers may call it concurrently."""

    def __init__(self, config: Config, cluster: str, pool: asyncpg.Pool, broker: KafkaBroker) -> None:
        self._pool = pool
        self._broker = broker
        self._prefix = config.prefix
        self._intake = RecordParser(TOPOLOGY.inputs, config.prefix, config.partitions)
        self._writer = RecordEncoder(TOPOLOGY, config.prefix, cluster)
        # Only the sequences of a lane are used.
        self._lanes = [Lane(number, epoch=1) for number in range(config.partitions)]

    async def handle_command(self, record: Any) -> None:
        """Decide a command, commit, then publish; a command id that already has an outcome is ignored."""
        reading = self._intake.parse_record(record)
        await self._publish(record.partition, await self._committed(self._lanes[record.partition], reading))

    async def _committed(self, lane: Lane, reading: ParsedRecord) -> list[EncodedRecord]:
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                return await self._decide(connection, lane, reading)
        except DuplicateCommands:
            return []

    async def _decide(self, connection: Connection, lane: Lane, reading: ParsedRecord) -> list[EncodedRecord]:
        incoming = reading.input_record
        memory = StageCache() if incoming is None else await load_stage_cache(connection, incoming)
        processor = InvitationsProcessor(Policy(), memory)
        decisions = RecordDecisions(processor.new_changes())
        written = RecordDecider(processor, self._writer).decide_record(lane, reading, decisions)
        for row in decisions.outcomes:
            await _insert_outcome(connection, row)
        if decisions.rejected_commands:
            used_ids = await processor.find_used_ids(connection, decisions.rejected_commands)
            if used_ids:
                raise DuplicateCommands(used_ids)
        await processor.save(connection, decisions.changes)
        return written

    async def _publish(self, partition: int, written: list[EncodedRecord]) -> None:
        for record in written:
            await self._broker.publish(
                record.value,
                self._prefix + record.topic,
                key=record.key,
                partition=partition,
                headers={name: (value or b"").decode() for name, value in record.headers},
            )


async def _insert_outcome(connection: Connection, row: outcomes.OutcomeRow) -> None:
    """Insert one outcome: for a single row, COPY needs one round trip more. Raises `DuplicateCommands`."""
    status = await connection.execute(
        "INSERT INTO outcomes"
        " (id, type, decided_at, room_id, invitation_id, actor_id, events, reason, message, detail)"
        " VALUES ($1, $2, $3::text::timestamptz, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        *row,
    )
    if status != "INSERT 0 1":
        raise DuplicateCommands(())


async def load_stage_cache(connection: Connection, incoming: InputRecord) -> StageCache:
    """Lock the command's room and return a cache with everything that the decision may read."""
    stage, memory = Stage(incoming.lane), StageCache()
    room = await connection.fetchrow(
        "SELECT host_id, status, max_co_hosts, incarnation, deleted, position FROM rooms"
        " WHERE room_id = $1 FOR UPDATE",
        incoming.key,
    )
    if room is not None:
        stage.room = Room(*room)
        await _fill_stage(connection, incoming, stage, stage.room.incarnation, memory)
    memory.add_stage(incoming.key, stage)
    return memory


async def _fill_stage(
    connection: Connection, incoming: InputRecord, stage: Stage, incarnation: int, memory: StageCache
) -> None:
    user_id = user_to_check(incoming.data)
    found = await connection.fetchrow(
        """
        SELECT
            ARRAY(SELECT i FROM pending JOIN invitations AS i USING (invitation_id)
                  WHERE pending.room_id = $1 ORDER BY i.position) AS pending,
            ARRAY(SELECT s FROM seats AS s WHERE room_id = $1 ORDER BY position) AS seats,
            (SELECT u FROM users AS u WHERE user_id = $2) AS user,
            (SELECT i FROM invitations AS i
             WHERE invitation_id = $3 AND room_id = $1 AND incarnation = $4) AS invitation,
            (SELECT invitation_id FROM invitations
             WHERE room_id = $1 AND user_id = $2 AND incarnation = $4 ORDER BY position DESC LIMIT 1) AS last
        """,
        incoming.key,
        user_id,
        getattr(incoming.data, "invitation_id", None),
        incarnation,
    )
    assert found is not None  # noqa: S101 - a row without a table
    for row in found["pending"]:
        stage.add_pending(rows.invitation_from_row(row))
    for row in found["seats"]:
        stage.seats[row["user_id"]] = Seat(row["invitation_id"], row["since"], row["position"])
    if (row := found["invitation"]) is not None and row["invitation_id"] not in stage.pending_by_id:
        stage.recently_closed.current[row["invitation_id"]] = rows.invitation_from_row(row)
    if user_id is not None:
        stage.last_invitation_of.current[user_id] = found["last"]
        if (row := found["user"]) is not None:
            user = User(row["status"], row["can_receive_invitations"], frozenset(row["blocked_user_ids"]))
            memory.put_users({user_id: user.blocked_user_ids}, {user_id: (user, row["lane"])}, 0)
