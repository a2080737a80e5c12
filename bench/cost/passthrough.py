"""Process that reads records as the worker does and writes their bytes again, in Kafka transactions.

Started as `python -m bench.cost.passthrough '{"bootstrap_servers": …}'`. It reads `source` again and again,
`count` records each time, and writes them to the same partitions of `target`, one transaction for each poll.
Nothing is parsed, and none of the pipeline's code is used: what makes the pipeline faster must not make this
faster. It stops at the mark `began` after a first pass, which is warm-up, and at `ended` after `passes` more.
"""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from bench.baseline import marks

_POLL_MS = 200
# About what the worker merges into a transaction while it drains.
_MAX_RECORDS = 4000
# As the worker's subscriber has them.
_FETCH_OPTIONS = {"fetch_max_wait_ms": 10, "max_partition_fetch_bytes": 1024 * 1024}
# More than the records of a poll, so that each partition's are one batch.
_BATCH_BYTES = 4 * 1024 * 1024


class Passthrough:
    """A connected consumer and a producer, for one source and one target of so many partitions."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        source: str,
        target: str,
        partitions: int,
    ) -> None:
        self._consumer = consumer
        self._producer = producer
        self._target = target
        consumer.assign([TopicPartition(source, number) for number in range(partitions)])

    async def pass_records(self, count: int) -> None:
        """Pass the source's first records through; the last poll may add some."""
        await self._consumer.seek_to_beginning()
        while count > 0:
            found = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)
            if found:
                await self._write_records(found)
                count -= sum(map(len, found.values()))

    async def _write_records(self, found: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        producer = self._producer
        await producer.begin_transaction()
        written = []
        for partition, records in found.items():
            batch = producer.create_batch()
            for record in records:
                batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers))
            batch.close()
            written.append(await producer.send_batch(batch, self._target, partition=partition.partition))
        await asyncio.gather(*written)
        await producer.commit_transaction()


async def pass_through(options: Mapping[str, Any]) -> None:
    """Pass the records through once, and then `passes` times."""
    servers = options["bootstrap_servers"]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        **_FETCH_OPTIONS,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=servers,
        transactional_id=f"passthrough to {options['target']}",
        max_batch_size=_BATCH_BYTES,
        max_request_size=_BATCH_BYTES,
    )
    async with consumer, producer:
        passing = Passthrough(consumer, producer, options["source"], options["target"], options["partitions"])
        await passing.pass_records(options["count"])
        marks.stop_at_mark("began")
        for _ in range(options["passes"]):
            await passing.pass_records(options["count"])
        marks.stop_at_mark("ended")


if __name__ == "__main__":
    # On the worker's loop: what is compared is the pipeline.
    uvloop.run(pass_through(json.loads(sys.argv[1])))
