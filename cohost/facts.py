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

    async def publish_fact(self, topic: Topic, key: str, data: Message | None) -> None:
        """Write a fact, or a tombstone where `data` is None."""
        value = None if data is None else self._producer.encode_event(ids.uuid7(), data, key)
        try:
            async with asyncio.timeout(self._timeout):
                await self._producer.send_record(topic, key, value, DeliveryState())
        except (TimeoutError, ClientClosed):
            msg = f"the fact about {key!r} on topic {topic.suffix} was not confirmed in time; write it again"
            raise NotConfirmed(msg) from None


class FactMethods:
    """Methods that write facts about rooms and users.

    A fact replaces the previous one completely: an omitted field has its default. It applies to commands
    that are decided after the service has read it, usually well within a second; it is not ordered against
    commands in flight. `cohost.retry_until_known` repeats a command until then.
    """

    async def write_fact(self, topic: Topic, key: str, data: Message | None) -> None:
        """Write a fact, or a tombstone where `data` is None."""
        raise NotImplementedError

    async def set_room(self, room: RoomChanged) -> None:
        """Publish the current state of a room.

        await client.set_room(RoomChanged(room_id="room-1", host_id="alice", status="live"))
        """
        await self.write_fact(topics.ROOMS, room.room_id, room)

    async def room_gone(self, room_id: str) -> None:
        """Publish that a room no longer exists."""
        await self.write_fact(topics.ROOMS, room_id, None)

    async def set_user(self, user: UserChanged) -> None:
        """Publish the current state of a user."""
        await self.write_fact(topics.USERS, user.user_id, user)

    async def user_gone(self, user_id: str) -> None:
        """Publish that a user no longer exists."""
        await self.write_fact(topics.USERS, user_id, None)
