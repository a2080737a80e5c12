"""The plain handler that the pipeline is compared with: one message, one transaction, one publication.

It has the same validation, rules, tables and memory of ids, and FastStream's own defaults; no cache, no
batches, no exactly-once. Run as `python -m bench.plain '{"bootstrap_servers": …}'`; it writes a line when the
first `warm_up` messages are done, and another `count` messages later.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence
from typing import Any, cast

import asyncpg
from faststream.kafka import KafkaBroker, KafkaMessage
from prometheus_client import CollectorRegistry

from bench import traffic
from messaging import database, outcomes, topology
from messaging.config import Config
from messaging.decision import Decider, Decision
from messaging.domain import Incoming
from messaging.intake import Intake
from messaging.lanes import Lane
from messaging.metrics import Metrics
from messaging.records import Records
from schemas import timestamps, topics
from schemas.partitions import partition_of
from schemas.topics import Topic
from schemas.types import Message
from services.invitations.state import Policy
from services.invitations.worker import LAYOUT, Invitations

_FACTS_AT_ONCE = 500


class Handler:
    """Handles one command at a time, or several when several workers call it."""

    def __init__(self, config: Config, cluster: str, pool: asyncpg.Pool, broker: KafkaBroker) -> None:
        self._pool = pool
        self._broker = broker
        self._outputs = [topic.name(config.prefix) for topic in LAYOUT.outputs]
        self._inputs = [entry.topic.name(config.prefix) for entry in LAYOUT.inputs]
        self._intake = Intake(LAYOUT, config.prefix, config.partitions)
        self._writer = Records(LAYOUT, config.prefix, cluster)
        self._metrics = Metrics(CollectorRegistry(), "plain")
        self._sequences = [[0] * len(LAYOUT.outputs) for _ in range(config.partitions)]

    async def handle(self, message: KafkaMessage) -> None:
        """Decide the message's command, commit that, then publish."""
        record: Any = message.raw_message
        domain = Invitations(Policy())
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT FROM rooms WHERE room_id = $1 FOR UPDATE", record.key.decode())
            decision = await self._decide(domain, connection, record)
            ids = [row[0] for row in decision.outcomes]
            if await outcomes.among(connection, ids):
                return
            await outcomes.add(connection, decision.outcomes)
            await domain.save(connection, decision.changes)
        await self._publish(record.partition, decision)

    async def _decide(self, domain: Invitations, connection: Any, record: Any) -> Decision:
        # A lane of this one message; only the sequences go on.
        start = [0] * len(self._inputs)
        sequences = self._sequences[record.partition]
        lane = Lane(record.partition, 1, True, start, (), sequences, [], [], 0)  # noqa: FBT003 - a lane's fields
        decider = Decider(domain, self._intake, self._writer, self._metrics, self._inputs)
        within = cast("asyncpg.Pool", _Within(connection))
        return await decider.decide(within, {record.partition: lane}, [record], 0)

    async def _publish(self, partition: int, decision: Decision) -> None:
        for segment in decision.segments:
            for record in segment.records:
                await self._broker.publish(
                    record.value,
                    self._outputs[record.output],
                    key=record.key,
                    partition=partition,
                    headers={name: (value or b"").decode() for name, value in record.headers},
                )


class _Within:
    """A pool that has one connection: that of the open transaction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def acquire(self) -> contextlib.nullcontext[Any]:
        return contextlib.nullcontext(self._connection)


async def keep_facts(connection: Any, made: traffic.Traffic) -> None:
    """Store the rooms and users of the traffic, as if they had been read."""
    facts = [
        *(_incoming(topics.USERS, fact.user_id, fact) for fact in made.people()),
        *(_incoming(topics.ROOMS, fact.room_id, fact) for fact in made.stages()),
    ]
    domain = Invitations(Policy())
    for start in range(0, len(facts), _FACTS_AT_ONCE):
        await _keep(domain, connection, facts[start : start + _FACTS_AT_ONCE])


async def _keep(domain: Invitations, connection: Any, facts: Sequence[Incoming]) -> None:
    async with connection.transaction():
        changes = domain.changes()
        await domain.load(connection, facts)
        for fact in facts:
            domain.decide(fact, changes)
        await domain.save(connection, changes)


def _incoming(topic: Topic, key: str, fact: Message) -> Incoming:
    lane = partition_of(key, topics.DEFAULT_PARTITIONS)
    return Incoming(lane, topic, 0, timestamps.now(), key, f"fact-{key}", fact)


class Counter:
    """Says on standard output when the warm-up is over, and when the measurement is."""

    def __init__(self, warm_up: int, count: int) -> None:
        self._marks = {warm_up: "began", warm_up + count: "ended"}
        self._end = warm_up + count
        self._handled = 0
        self.ended = asyncio.Event()

    def count(self) -> None:
        """Count a message that is done."""
        self._handled += 1
        if mark := self._marks.get(self._handled):
            sys.stdout.write(f"{mark}\n")
            sys.stdout.flush()
        if self._handled == self._end:
            self.ended.set()


async def main(options: dict[str, Any]) -> None:
    """Handle the commands that lie in the topics."""
    config = Config(
        options["bootstrap_servers"], options["database_url"], "invitations", prefix=options["prefix"]
    )
    found = await topology.ensure(config)
    pool = await database.pool(config, size=options["workers"] + 1)
    async with pool.acquire() as connection:
        await database.migrate(connection, config, "messaging", "services.invitations")
        await keep_facts(connection, traffic.make(options["rooms"], options["seed"]))
    broker = KafkaBroker(
        config.bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        logger=None,
    )
    handler = Handler(config, found.cluster, pool, broker)
    counter = Counter(options["warm_up"], options["count"])

    @broker.subscriber(  # type: ignore[untyped-decorator]
        topics.INVITATION_COMMANDS.name(config.prefix),
        group_id=f"{config.prefix}plain",
        auto_offset_reset="earliest",
        max_workers=options["workers"],
    )
    async def handle(message: KafkaMessage) -> None:
        await handler.handle(message)
        counter.count()

    async with broker:
        await broker.start()
        await counter.ended.wait()
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
