"""Facts about rooms and users, written by the platform that owns them."""

import asyncio

from cohost import ids
from cohost.errors import NotConfirmed
from cohost.kafka.producer import ClientClosed, CloudEventProducer, DeliveryState
from cohost_schemas import topics
from cohost_schemas.facts import RoomChanged, UserChanged
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message


class FactWriter:
    """Write facts and wait until Kafka confirms each. Raises `NotConfirmed` after the timeout."""

    def __init__(self, producer: CloudEventProducer, timeout: float) -> None:
        self._producer = producer
        self._timeout = timeout

    async def publish_fact(self, topic: Topic, key: str, data: Message | None) -> str:
        """Write a fact, or a tombstone where `data` is None, and return its causation id."""
        identifier = ids.uuid7()
        value = None if data is None else self._producer.encode_event(identifier, data, key)
        delivery = DeliveryState()
        try:
            async with asyncio.timeout(self._timeout):
                await self._producer.send_record(topic, key, value, delivery)
        except (TimeoutError, ClientClosed):
            msg = f"the fact about {key!r} on topic {topic.suffix} was not confirmed in time; write it again"
            raise NotConfirmed(msg) from None
        if data is not None:
            return identifier
        return f"{self._producer.topic_name(topic)}:{delivery.partition}:{delivery.offset}"


class FactMethods:
    """Methods that write facts about rooms and users.

    A fact replaces the previous one completely: an omitted field has its default. It applies to commands
    that are decided after the service has read it, usually well within a second; it is not ordered against
    commands in flight. `cohost.retry_until_known` repeats a command until then.

    Each returns the causation id of the events that will follow from the fact.
    """

    async def write_fact(self, topic: Topic, key: str, data: Message | None) -> str:
        """Write a fact, or a tombstone where `data` is None."""
        raise NotImplementedError

    async def set_room(self, room: RoomChanged) -> str:
        """Publish the current state of a room.

        await client.set_room(RoomChanged(room_id="room-1", host_id="alice", status="live"))
        """
        return await self.write_fact(topics.ROOMS, room.room_id, room)

    async def room_gone(self, room_id: str) -> str:
        """Publish that a room no longer exists."""
        return await self.write_fact(topics.ROOMS, room_id, None)

    async def set_user(self, user: UserChanged) -> str:
        """Publish the current state of a user."""
        return await self.write_fact(topics.USERS, user.user_id, user)

    async def user_gone(self, user_id: str) -> str:
        """Publish that a user no longer exists."""
        return await self.write_fact(topics.USERS, user_id, None)
