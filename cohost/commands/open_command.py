"""One command, step by step: published, its outcome awaited, or found in the log."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from cohost.commands import history
from cohost.commands.outcomes import PendingCommand
from cohost.commands.routes import CommandRoute
from cohost.errors import Rejected
from cohost.events import Accepted
from cohost.kafka.connection import KafkaConnection
from cohost.kafka.producer import CloudEventProducer, DeliveryState
from cohost_schemas import timestamps
from cohost_schemas.partitions import partition_of
from cohost_schemas.types import CommandData


class OpenCommand:
    """A command whose outcome is collected from the moment on in which it was opened, until it is closed.

        with client.open_command(data, command_id) as command:
            async with asyncio.timeout(5):
                await command.publish()
            await command.wait(seconds=10)
            print(command.outcome)

    A repeated id has no second outcome. To find the first one without a delay, ask the service over HTTP
    while the command is open: an outcome that the service did not know yet arrives here, and one that it
    knew is in the log, where `search_log` finds it.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a command
        self,
        connection: KafkaConnection,
        producer: CloudEventProducer,
        route: CommandRoute,
        data: CommandData,
        pending: PendingCommand,
        rivals: Sequence[PendingCommand] = (),
    ) -> None:
        self.data = data
        self.pending = pending
        """What has been collected, shared by all who have opened the same id."""
        self.delivery = DeliveryState()
        """What is known of the record: whether Kafka has it, and where."""
        self._connection = connection
        self._producer = producer
        self._route = route
        self._rivals = rivals

    @property
    def command_id(self) -> str:
        """The command's id."""
        return self.pending.command_id

    @property
    def outcome(self) -> Accepted[Any] | Rejected | None:
        """The outcome, or None if it is not known yet."""
        future = self.pending.outcome
        return future.result() if future.done() else None

    @property
    def has_rival(self) -> bool:
        """Return whether an outcome of this id at the other service was read before this command's own."""
        seen_at = self.pending.seen_at
        return any(
            rival.seen_at is not None and (seen_at is None or rival.seen_at < seen_at)
            for rival in self._rivals
        )

    async def publish(self) -> None:
        """Publish the command and return once Kafka has confirmed it, retrying for as long as it takes.

        Raises aiokafka's errors if publishing cannot succeed.
        """
        room_id = self.data.room_id
        value = self._producer.encode_event(self.command_id, self.data, room_id)
        await self._producer.send_record(self._route.commands, room_id, value, self.delivery)

    async def wait(self, seconds: float) -> None:
        """Wait until the outcome is known, the client is closed, or the time is over."""
        if seconds > 0 and not self.pending.outcome.done():
            await asyncio.wait({self.pending.outcome}, timeout=seconds)

    async def search_log(
        self, *, decided_at: str | None = None, room_id: str | None = None
    ) -> Accepted[Any] | Rejected | None:
        """Return the outcome that the log has, None if it has none.

        `decided_at` and `room_id` are those of the id's first use. Without the former all is searched that
        was written since the id can have been made, without the latter the command's own room.
        """
        if decided_at is None:
            after_ms = history.earliest_ms(self.command_id, time.time_ns() // 1_000_000)
        else:
            after_ms = timestamps.to_ms(decided_at) - history.CLOCK_SKEW_MS
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        # Another one: what is being collected may lack events from before the command was opened.
        searched = PendingCommand(self.command_id, self.pending.final_types, future)
        partition_count = await self._producer.partition_count(self._route.commands)
        partition = partition_of(room_id or self.data.room_id, partition_count)
        await history.find_outcome(self._connection, self._route, partition, after_ms, searched)
        if not future.done():
            return None
        outcome: Accepted[Any] | Rejected = future.result()
        self.pending.resolve(outcome)
        return outcome
