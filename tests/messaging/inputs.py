"""One room, and what a test puts into its lane."""

from aiokafka import AIOKafkaProducer

from messaging import ids
from schemas import commands, topics
from schemas.partitions import partition_of
from tests.messaging.fleet import PARTITIONS

COMMANDS = topics.INVITATION_COMMANDS
ROOM = "room-1"
LANE = partition_of(ROOM, PARTITIONS)


def leave(room: str = ROOM, actor: str = "bob") -> tuple[str, commands.LeaveStage]:
    """Return a command and its id."""
    return ids.uuid7(), commands.LeaveStage(room_id=room, actor_id=actor)


async def send(producer: AIOKafkaProducer, name: str, value: bytes | None, **more: object) -> None:
    """Write a record into the room's lane, unless told otherwise."""
    await producer.send_and_wait(name, value, **{"partition": LANE, "key": ROOM.encode(), **more})
