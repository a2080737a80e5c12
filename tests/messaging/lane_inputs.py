"""One room and records for its lane."""

from aiokafka import AIOKafkaProducer

from cohost_schemas import commands, ids, topics
from cohost_schemas.partitions import partition_of
from tests.messaging.worker_fleet import PARTITIONS, WorkerFleet

COMMANDS = topics.INVITATION_COMMANDS
ROOM = "room-1"
LANE = partition_of(ROOM, PARTITIONS)


def leave_command(room: str = ROOM, actor: str = "bob") -> tuple[str, commands.LeaveStage]:
    """Return the id and the data of a `LeaveStage`."""
    return ids.uuid7(), commands.LeaveStage(room_id=room, actor_id=actor)


async def send_command(fleet: WorkerFleet) -> str:
    """Write a `LeaveStage`, which `fleet.wait_until_decided` waits for, and return its id."""
    command = leave_command()
    fleet.sent_ids.append(command[0])
    await fleet.publish_batch([command])
    return command[0]


async def send_record(producer: AIOKafkaProducer, name: str, value: bytes | None, **more: object) -> None:
    """Write a record; partition and key are the room's unless given in `more`."""
    await producer.send_and_wait(name, value, **{"partition": LANE, "key": ROOM.encode(), **more})
