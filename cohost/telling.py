"""Facts of rooms and users, which the platform that owns them writes."""

import asyncio

from cohost import ids
from cohost.errors import NotConfirmed
from cohost.producing import Closed, Delivery, Producer
from schemas import topics
from schemas.facts import RoomChanged, UserChanged
from schemas.topics import Topic
from schemas.types import Message


class Telling:
    """Writes facts and waits for each to be confirmed. Raises `NotConfirmed` when the time is over first."""

    def __init__(self, producer: Producer, seconds: float) -> None:
        self._producer = producer
        self._seconds = seconds

    async def write(self, topic: Topic, key: str, data: Message | None) -> None:
        """Write a fact, or the tombstone that says that its subject is gone."""
        value = None if data is None else self._producer.event(ids.uuid7(), data, key)
        try:
            async with asyncio.timeout(self._seconds):
                await self._producer.send(topic, key, value, Delivery())
        except (TimeoutError, Closed):
            msg = f"what is to be said of {key} on {topic.suffix} is not confirmed"
            raise NotConfirmed(msg) from None


class Facts:
    """The facts of rooms and users.

    A fact replaces the whole of the last one: what is left out has its default. It is in force for commands
    that are decided after it was read, usually well within a second; nothing orders it against commands in
    flight.
    """

    async def tell(self, topic: Topic, key: str, data: Message | None) -> None:
        """Write a fact or a tombstone."""
        raise NotImplementedError

    async def set_room(self, room: RoomChanged) -> None:
        """Say how a room now is.

        await client.set_room(RoomChanged(room_id="room-1", host_id="alice", status="live"))
        """
        await self.tell(topics.ROOMS, room.room_id, room)

    async def room_gone(self, room_id: str) -> None:
        """Say that there is no such room any more."""
        await self.tell(topics.ROOMS, room_id, None)

    async def set_user(self, user: UserChanged) -> None:
        """Say how a user now is."""
        await self.tell(topics.USERS, user.user_id, user)

    async def user_gone(self, user_id: str) -> None:
        """Say that there is no such user any more."""
        await self.tell(topics.USERS, user_id, None)
