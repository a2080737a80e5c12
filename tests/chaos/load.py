"""Load that outlives Kafka: commands and facts at a steady rate, sent again with their ids after an error."""

import asyncio
from collections.abc import Iterator
from itertools import islice
from random import Random

from aiokafka.errors import KafkaError

from bench.workload import traffic, traffic_producer
from bench.workload.simulated_room import MAX_CO_HOSTS
from bench.workload.traffic_producer import TopicEvent, TrafficProducer
from cohost.kafka.closing import discard_producer
from cohost_schemas import ids, topics
from cohost_schemas.facts import RoomChanged, UserChanged
from cohost_schemas.topics import Topic

RATE = 400
ROOMS = 200

_FACT_SHARE = 0.02
_STEP_SECONDS = 0.05
_CONFIRM_SECONDS = 20
_RETRY_SECONDS = 0.2


class ChaosLoad:
    """Sends events until it is stopped; every event is confirmed at the end. `sent` counts them."""

    def __init__(self, bootstrap_servers: str, prefix: str, seed: int) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._prefix = prefix
        self._traffic = traffic.generate_traffic(ROOMS, seed)
        self._random = Random(seed)  # noqa: S311 - a load, not a secret
        self._stopping = asyncio.Event()
        self._producer: TrafficProducer | None = None
        self.sent = 0

    @property
    def room_ids(self) -> list[str]:
        """The ids of the rooms."""
        return [room.room_id for room in self._traffic.rooms]

    def stop(self) -> None:
        """Send no more; `run` returns once everything is confirmed."""
        self._stopping.set()

    async def run(self) -> None:
        """Send the facts that the commands need, then commands, and now and then another fact."""
        await self._send_confirmed(
            [
                *(
                    traffic_producer.fact_event(topics.USERS, fact.user_id, fact)
                    for fact in self._traffic.user_facts()
                ),
                *(
                    traffic_producer.fact_event(topics.ROOMS, fact.room_id, fact)
                    for fact in self._traffic.room_facts()
                ),
            ]
        )
        events = self._iterate_events()
        while not self._stopping.is_set():
            await self._send_confirmed(list(islice(events, int(RATE * _STEP_SECONDS))))
            await asyncio.sleep(_STEP_SECONDS)
        await self._discard_producer()

    async def _send_confirmed(self, events: list[TopicEvent]) -> None:
        """Send events until Kafka confirms all; a producer that failed is replaced."""
        while True:
            try:
                async with asyncio.timeout(_CONFIRM_SECONDS):
                    if self._producer is None:
                        self._producer = TrafficProducer(self._bootstrap_servers, self._prefix)
                        await self._producer.__aenter__()
                    await self._producer.send_events(events)
            except (KafkaError, TimeoutError, OSError):
                await self._discard_producer()
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self.sent += len(events)
                return

    async def _discard_producer(self) -> None:
        if self._producer is not None:
            # Its pending records must not follow the ones that are sent again.
            await discard_producer(self._producer._producer)  # noqa: SLF001 - the benchmark never needs to
            self._producer = None

    def _iterate_events(self) -> Iterator[TopicEvent]:
        for command in self._traffic.iterate_commands():
            yield traffic_producer.command_event(command)
            if self._random.random() < _FACT_SHARE:
                yield self._random_fact()

    def _random_fact(self) -> TopicEvent:
        """Return a fact that closes or opens a room, or bans a user or lifts the ban."""
        room = self._random.choice(self._traffic.rooms)
        is_bad = self._random.random() < 0.3
        if self._random.random() < 0.5:
            changed = RoomChanged(
                room_id=room.room_id,
                host_id=room.host_id,
                status="ended" if is_bad else "live",
                max_co_hosts=MAX_CO_HOSTS,
            )
            return self._fact_event(topics.ROOMS, room.room_id, changed)
        user_id = self._random.choice(room.users)
        user = UserChanged(user_id=user_id, status="banned" if is_bad else "active")
        return self._fact_event(topics.USERS, user_id, user)

    def _fact_event(self, topic: Topic, key: str, fact: RoomChanged | UserChanged) -> TopicEvent:
        event_id = ids.uuid7(self._random.getrandbits)
        return topic, key, traffic_producer.build_event(event_id, type(fact).__name__, key, fact)
