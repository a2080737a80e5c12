"""Read committed records of topics, from the beginning to the current end."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import TopicAuthorizationFailedError

from cohost.audit.layout import Extent, Record
from cohost.closing import close
from schemas import lenient

_MEBIBYTE = 1024 * 1024

# Records must be read exactly as the services read them.
lenient.install()


class Log:
    """A reader of whole topics. Use it as a context manager."""

    def __init__(self, bootstrap_servers: str, security: Mapping[str, Any]) -> None:
        self._options = {"bootstrap_servers": bootstrap_servers, **security}
        self._consumer: AIOKafkaConsumer

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(
            **self._options,
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
        await close(self._consumer.stop())

    async def partitions(self, names: Iterable[str]) -> dict[str, int]:
        """Return the number of partitions of each topic; missing topics are omitted."""
        admin = AIOKafkaAdminClient(**self._options)
        await admin.start()
        try:
            found = await admin.describe_topics(list(names))
        finally:
            await admin.close()
        for entry in found:
            if entry["error_code"] == TopicAuthorizationFailedError.errno:
                raise TopicAuthorizationFailedError(entry["topic"])
        return {entry["topic"]: len(entry["partitions"]) for entry in found if not entry["error_code"]}

    async def extents(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, Extent]:
        """Return the offset range of each partition, as a reader of committed records sees it."""
        ends = await self._consumer.end_offsets(places)
        begins = await self._consumer.beginning_offsets(places)
        return {place: Extent(begins[place], ends[place]) for place in places}

    async def read(self, extents: Mapping[TopicPartition, Extent]) -> AsyncIterator[Sequence[Record]]:
        """Yield batches of records within the offset ranges, in log order per partition."""
        ahead = {place: extent.begin for place, extent in extents.items() if extent.begin < extent.end}
        if not ahead:
            return
        self._consumer.assign(list(ahead))
        self._seek(ahead)
        while ahead:
            fetched = await self._consumer.getmany(*ahead, timeout_ms=200)
            for place, records in fetched.items():
                end = extents[place].end
                yield (
                    records
                    if records[-1].offset < end
                    else [entry for entry in records if entry.offset < end]
                )
            # Control and aborted records take offsets but are never delivered, so compare the position.
            ahead = {place: await self._consumer.position(place) for place in ahead}
            self._pause({place for place in ahead if ahead[place] >= extents[place].end}, ahead)

    def _seek(self, ahead: Mapping[TopicPartition, int]) -> None:
        for place, offset in ahead.items():
            self._consumer.seek(place, offset)

    def _pause(self, done: Iterable[TopicPartition], ahead: dict[TopicPartition, int]) -> None:
        for place in done:
            del ahead[place]
            self._consumer.pause(place)
