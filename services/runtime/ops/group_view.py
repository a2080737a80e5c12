"""A consumer group as Kafka has it: its live members, and the ends of the topics that it reads."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

from cohost.kafka.connection import KafkaConnection
from messaging.processor import Topology
from services.runtime.ops.shared_result import SharedResult

_FETCH_SECONDS = 10


class GroupState(NamedTuple):
    """The client ids of the group's live members, the ends of its inputs, and the number of brokers."""

    client_ids: frozenset[str]
    end_offsets: Mapping[TopicPartition, int]
    broker_count: int


class GroupView:
    """Reads the state of a group; its clients are opened at the first request, and again after an error."""

    def __init__(self, kafka: KafkaConnection, group_id: str, topics: Sequence[str]) -> None:
        self._kafka = kafka
        self._group_id = group_id
        self._topics = topics
        self._lanes: Sequence[int] = ()
        self._clients: tuple[AIOKafkaAdminClient, AIOKafkaConsumer] | None = None
        self._closing = contextlib.AsyncExitStack()
        self._state = SharedResult(self._fetch)

    @classmethod
    def of_service(cls, kafka: KafkaConnection, topology: Topology) -> "GroupView":
        """Return the view of a service's group."""
        return cls(kafka, topology.group_id(kafka.prefix), topology.input_names(kafka.prefix))

    async def read(self, lanes: Sequence[int], seconds: float) -> GroupState:
        """Return the state, for these partitions of each topic.

        Raises aiokafka's errors, or `TimeoutError` after `seconds`.
        """
        self._lanes = lanes
        return await self._state.wait(seconds)

    async def close(self) -> None:
        """Close the clients."""
        self._state.cancel()
        await self._close_clients()

    async def _fetch(self) -> GroupState:
        try:
            async with asyncio.timeout(_FETCH_SECONDS):
                admin, consumer = await self._open_clients()
                partitions = [TopicPartition(topic, lane) for topic in self._topics for lane in self._lanes]
                client_ids, end_offsets, cluster = await asyncio.gather(
                    _live_client_ids(admin, self._group_id),
                    consumer.end_offsets(partitions),
                    admin.describe_cluster(),
                )
        except BaseException:
            await self._close_clients()
            raise
        return GroupState(client_ids, end_offsets, len(cluster["brokers"]))

    async def _open_clients(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        if self._clients is None:
            self._clients = (
                await self._closing.enter_async_context(self._kafka.open_admin()),
                await self._closing.enter_async_context(
                    # The stable end would hide what an open transaction holds back.
                    self._kafka.open_consumer(isolation_level="read_uncommitted")
                ),
            )
        return self._clients

    async def _close_clients(self) -> None:
        self._clients = None
        await self._closing.aclose()


async def _live_client_ids(admin: AIOKafkaAdminClient, group_id: str) -> frozenset[str]:
    # One group per request: aiokafka reads the answer for several wrongly.
    [response] = await admin.describe_consumer_groups([group_id])
    [(error_code, _, _, _, _, members, *_)] = response.groups
    if error_code:
        raise for_code(error_code)(group_id)
    return frozenset(client_id for _, client_id, *_ in members)
