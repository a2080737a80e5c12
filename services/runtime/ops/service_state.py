"""The state of a service over all its copies: from its database, and from its consumer group."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

import asyncpg
from aiokafka import TopicPartition

from cohost.kafka.errors import UNAVAILABLE_ERRORS
from cohost_schemas import timestamps
from cohost_schemas.ops.state import LaneState, LaneStates, ServiceName, StateOverview, StatePart
from messaging.database import Connection
from messaging.lanes.lane_report import LaneRow, fetch_lane_rows
from services.runtime.http import db
from services.runtime.ops.group_view import GroupState, GroupView
from services.runtime.ops.shared_result import SharedResult

_DATABASE_SECONDS = 0.8
_KAFKA_SECONDS = 0.8

CountRows = Callable[[Connection], Awaitable[Mapping[str, int]]]


class StoredState(NamedTuple):
    """A reading of the database: its lanes, the service's own counts by field, and the server's version."""

    lanes: Sequence[LaneRow]
    counts: Mapping[str, int]
    server_version: str


class ServiceState:
    """Answers ops about a service. `count_rows` returns the fields of the overview that it alone knows.

    Answers are shared for half a second. Without Kafka they say so; without the database they fail.
    """

    def __init__(
        self, name: ServiceName, pool: asyncpg.Pool, view: GroupView, count_rows: CountRows, prefix: str
    ) -> None:
        self.name = name
        self._pool = pool
        self._view = view
        self._count_rows = count_rows
        self._prefix = prefix
        self._stored = SharedResult(self._fetch_stored)

    async def read_overview(self) -> StateOverview:
        """Return the numbers of all lanes; null are those of the other service, and Kafka's without it."""
        stored, group = await self.read_parts()
        lanes = self._lane_states(stored.lanes, group)
        return StateOverview(
            at=timestamps.current_timestamp(),
            **stored.counts,
            lag=None if group is None else sum(sum((lane.lag or {}).values()) for lane in lanes),
            outbox_batches=sum(lane.outbox_batches for lane in lanes),
            lanes=len(lanes),
            lanes_without_owner=None if group is None else sum(lane.owner is None for lane in lanes),
            takeovers=sum(lane.epoch for lane in lanes),
            unavailable=_unavailable_without(group),
        )

    async def read_lanes(self) -> LaneStates:
        """Return the service's lanes."""
        stored, group = await self.read_parts()
        return LaneStates(
            items=self._lane_states(stored.lanes, group), unavailable=_unavailable_without(group)
        )

    async def read_parts(self) -> tuple[StoredState, GroupState | None]:
        """Return what the database has and what Kafka has, None if it does not answer in time."""
        stored = await self._stored.wait(_DATABASE_SECONDS)
        try:
            group = await self._view.read([lane.number for lane in stored.lanes], _KAFKA_SECONDS)
        except UNAVAILABLE_ERRORS:
            return stored, None
        return stored, group

    async def _fetch_stored(self) -> StoredState:
        async with db.connection_for_request(self._pool) as connection:
            return StoredState(
                await fetch_lane_rows(connection),
                await self._count_rows(connection),
                _version_of(connection),
            )

    def _lane_states(self, rows: Sequence[LaneRow], group: GroupState | None) -> tuple[LaneState, ...]:
        return tuple(self._lane_state(row, group) for row in rows)

    def _lane_state(self, row: LaneRow, group: GroupState | None) -> LaneState:
        # A worker is a member of the group under its own id for as long as it lives.
        is_owned = group is not None and row.claimed_by in group.client_ids
        return LaneState(
            service=self.name,
            lane=row.number,
            owner=row.claimed_by if is_owned else None,
            epoch=row.epoch,
            lag=None if group is None else self._lag(row, group.end_offsets),
            outbox_batches=row.outbox_batches,
        )

    def _lag(self, row: LaneRow, end_offsets: Mapping[TopicPartition, int]) -> dict[str, int]:
        return {
            (suffix := partition.topic.removeprefix(self._prefix)): max(
                0, end - max(0, row.positions.get(suffix, 0))
            )
            for partition, end in end_offsets.items()
            if partition.partition == row.number
        }


def _unavailable_without(group: GroupState | None) -> tuple[StatePart, ...]:
    return () if group is not None else ("kafka",)


def _version_of(connection: Connection) -> str:
    version = connection.get_server_version()
    return f"{version.major}.{version.minor}"
