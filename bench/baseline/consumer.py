"""Consumer process of the baseline handler, with FastStream's own defaults, and uvloop like its command line.

Started as `python -m bench.baseline.consumer '{"bootstrap_servers": …}'`. It stops at a mark
after the first `warm_up` messages and at another one `count` messages later.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

import uvloop
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from bench.baseline import marks
from bench.baseline.handler import BaselineHandler
from bench.workload import traffic
from cohost.kafka import patches
from cohost_schemas import timestamps, topics
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message
from messaging import cluster, database
from messaging.config import Config
from messaging.processor import InputRecord
from services.invitations.domain.state import Policy
from services.invitations.processor import InvitationsProcessor

_FACTS_AT_ONCE = 500


async def store_facts(connection: Any, generated: traffic.Traffic) -> None:
    """Store the rooms and users of the traffic as if they had been consumed."""
    facts = [
        *(_fact_record(topics.USERS, fact.user_id, fact) for fact in generated.user_facts()),
        *(_fact_record(topics.ROOMS, fact.room_id, fact) for fact in generated.room_facts()),
    ]
    domain = InvitationsProcessor(Policy())
    for start in range(0, len(facts), _FACTS_AT_ONCE):
        await _store_batch(domain, connection, facts[start : start + _FACTS_AT_ONCE])


async def _store_batch(domain: InvitationsProcessor, connection: Any, facts: Sequence[InputRecord]) -> None:
    async with connection.transaction():
        changes = domain.new_changes()
        await domain.load(connection, facts)
        for fact in facts:
            domain.decide(fact, changes)
        await domain.save(connection, changes)


def _fact_record(topic: Topic, key: str, fact: Message) -> InputRecord:
    lane = partition_of(key, topics.DEFAULT_PARTITIONS)
    return InputRecord(lane, topic, 0, timestamps.current_timestamp(), key, f"fact-{key}", fact)


class ProgressCounter:
    """Counts handled messages and stops at marks when the warm-up and the measurement are over."""

    def __init__(self, warm_up: int, count: int) -> None:
        self._marks = {warm_up: "began", warm_up + count: "ended"}
        self._end = warm_up + count
        self._handled = 0
        self.finished = asyncio.Event()

    def count_handled(self) -> None:
        """Count a handled message."""
        self._handled += 1
        if mark := self._marks.get(self._handled):
            marks.stop_at_mark(mark)
        if self._handled == self._end:
            self.finished.set()


async def main(
    options: dict[str, Any],
    handler_class: type[BaselineHandler] = BaselineHandler,
    ack_policy: AckPolicy = AckPolicy.ACK_FIRST,
) -> None:
    """Handle the commands in the topics until `warm_up + count` are done."""
    patches.apply_patches()
    config = Config(
        options["bootstrap_servers"], options["database_url"], "invitations", prefix=options["prefix"]
    )
    found = await cluster.ensure_topics(config)
    pool = await database.create_pool(config, size=options["workers"] + 1)
    async with pool.acquire() as connection:
        await database.migrate_schema(connection, config, "messaging", "services.invitations")
        await store_facts(connection, traffic.generate_traffic(options["rooms"], options["seed"]))
    broker = KafkaBroker(
        config.bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        logger=None,
    )
    handler = handler_class(config, found.cluster_id, pool, broker)
    counter = ProgressCounter(options["warm_up"], options["count"])

    @broker.subscriber(  # type: ignore[untyped-decorator]
        topics.INVITATION_COMMANDS.full_name(config.prefix),
        group_id=f"{config.prefix}plain",
        auto_offset_reset="earliest",
        max_workers=options["workers"],
        ack_policy=ack_policy,
    )
    async def handle(message: KafkaMessage) -> None:
        await handler.handle_command(message.raw_message)
        counter.count_handled()

    async with broker:
        await broker.start()
        await counter.finished.wait()
    await pool.close()


if __name__ == "__main__":
    # As `faststream run` does where uvloop is installed.
    uvloop.run(main(json.loads(sys.argv[1])))
