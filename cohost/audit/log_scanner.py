"""Read committed records of topics, from the beginning to the current end."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import TopicAuthorizationFailedError

from cohost.audit.topology import LogRecord, OffsetRange
from cohost.kafka.closing import close_within

_MEBIBYTE = 1024 * 1024


class LogScanner:
    """A reader of whole topics. Use it as a context manager."""

    def __init__(self, bootstrap_servers: str, security: Mapping[str, Any]) -> None:
        self._client_options = {"bootstrap_servers": bootstrap_servers, **security}
        self._consumer: AIOKafkaConsumer

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(
            **self._client_options,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=20,
            max_partition_fetch_bytes=4 * _MEBIBYTE,
            fetch_max_bytes=16 * _MEBIBYTE,
        )
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await close_within(self._consumer.stop())

    async def partition_counts(self, names: Iterable[str]) -> dict[str, int]:
        """Return the number of partitions of each topic; missing topics are omitted."""
        admin = AIOKafkaAdminClient(**self._client_options)
        await admin.start()
        try:
            descriptions = await admin.describe_topics(list(names))
        finally:
            await admin.close()
        for entry in descriptions:
            if entry["error_code"] == TopicAuthorizationFailedError.errno:
                raise TopicAuthorizationFailedError(entry["topic"])
        return {entry["topic"]: len(entry["partitions"]) for entry in descriptions if not entry["error_code"]}

    async def fetch_offset_ranges(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, OffsetRange]:
        """Return the offset range of each partition, as a reader of committed records sees it."""
        ends = await self._consumer.end_offsets(partitions)
        begins = await self._consumer.beginning_offsets(partitions)
        return {partition: OffsetRange(begins[partition], ends[partition]) for partition in partitions}

    async def read_ranges(
        self, offset_ranges: Mapping[TopicPartition, OffsetRange]
    ) -> AsyncIterator[Sequence[LogRecord]]:
        """Yield batches of records within the offset ranges, in log order per partition."""
        positions = {
            partition: extent.begin
            for partition, extent in offset_ranges.items()
            if extent.begin < extent.end
        }
        if not positions:
            return
        self._consumer.assign(list(positions))
        self._seek_partitions(positions)
        while positions:
            fetched = await self._consumer.getmany(*positions, timeout_ms=200)
            for partition, records in fetched.items():
                end = offset_ranges[partition].end
                yield (
                    records
                    if records[-1].offset < end
                    else [entry for entry in records if entry.offset < end]
                )
            # Control and aborted records take offsets but are never delivered, so compare the position.
            positions = {partition: await self._consumer.position(partition) for partition in positions}
            self._pause_partitions(
                {
                    partition
                    for partition in positions
                    if positions[partition] >= offset_ranges[partition].end
                },
                positions,
            )

    def _seek_partitions(self, positions: Mapping[TopicPartition, int]) -> None:
        for partition, offset in positions.items():
            self._consumer.seek(partition, offset)

    def _pause_partitions(self, done: Iterable[TopicPartition], positions: dict[TopicPartition, int]) -> None:
        for partition in done:
            del positions[partition]
            self._consumer.pause(partition)
