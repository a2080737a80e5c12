"""The client: access to Co-Host over Kafka and HTTP."""

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from cohost.asking import Asking
from cohost.channels import BROADCAST, CHANNELS, INVITATIONS
from cohost.commanding import Commands
from cohost.connection import Connection
from cohost.outcomes import Outcomes
from cohost.producing import Producer, Trace
from cohost.reads import Reads, Token
from cohost.records import Accepted, Badge, Event, Position
from cohost.streams import Start, Stream, Streams, Which
from cohost.tail import Tail, extents
from cohost.telling import Facts, Telling
from schemas import topics
from schemas.topics import Topic
from schemas.types import CommandData, Message

_ATTEMPT_SECONDS = 10
PartT = TypeVar("PartT")


class Client(Commands, Facts):
    """Send commands and return their outcomes, write facts, follow events and badges, read over HTTP.

        async with cohost.Client("127.0.0.1:9092", token=token) as client:
            try:
                sent = await client.send_invitation("room-1", "bob", "alice")
            except cohost.Rejected as rejected:
                print(rejected.reason, rejected.current)
            except cohost.OutcomeUnknown as unknown:
                ...  # retry with command_id=unknown.command_id

    `token` is a JWT or a function that returns one. `token` and the URLs are used by `reads`, and speed up
    the retry of a command. `timeout` limits each command and fact, in seconds. `security` holds aiokafka's
    own arguments. `trace` returns the `traceparent` (and `tracestate`) of written records. An operation that
    the broker's ACLs forbid raises aiokafka's error; all other operations keep working.
    """

    def __init__(  # noqa: PLR0913 - connection settings, each with a default
        self,
        bootstrap_servers: str = "127.0.0.1:9092",
        *,
        prefix: str = topics.DEFAULT_PREFIX,
        invitations_url: str | None = None,
        broadcast_url: str | None = None,
        token: Token | None = None,
        source: str = "/cohost/client",
        timeout: float = 10.0,
        security: Mapping[str, Any] | None = None,
        trace: Trace | None = None,
    ) -> None:
        self._connection = Connection(bootstrap_servers, prefix, security or {})
        # Well within the timeout, so that a hanging producer is replaced before the command is given up.
        attempt_seconds = min(timeout / 3, _ATTEMPT_SECONDS)
        self._producer = Producer(self._connection, source, trace, attempt_seconds=attempt_seconds)
        self._seconds = timeout
        self._resources = contextlib.AsyncExitStack()
        self._asking: Asking | None = None
        self._barred: KafkaError | None = None
        self._streams: Streams | None = None
        self._telling: Telling | None = None
        self.reads = Reads(invitations_url, broadcast_url, token, timeout)
        """The HTTP API of the services."""

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as resources:
            resources.push_async_callback(self.reads.close)
            resources.push_async_callback(self._producer.stop)
            await self._open(resources)
            self._resources = resources.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._asking = self._barred = self._streams = self._telling = None
        await self._resources.__aexit__(kind, error, trace)

    async def execute(self, data: CommandData, command_id: str | None = None) -> Accepted[Any]:
        """Publish any command of the contract, given as its data, and return the events that it caused."""
        if self._barred is not None:
            raise self._barred.with_traceback(None)
        return await _entered(self._asking).ask(data, command_id)

    async def tell(self, topic: Topic, key: str, data: Message | None) -> None:
        """Write a fact, or a tombstone where `data` is None."""
        await _entered(self._telling).write(topic, key, data)

    def events(
        self,
        topic: Which = "both",
        *,
        room_id: str | None = None,
        from_: Start = "end",
        after: Position | str | None = None,
    ) -> Stream[Event]:
        """Return a stream of the events of invitations, broadcast or both, of one room or of all rooms.

        Events of the same room and topic arrive in log order. `after` resumes exactly behind the item with
        that position, given the same `topic` and `room_id`; without `after`, `from_` sets the start.

            async with client.events(after=saved) as events:
                async for event in events:
                    match event.data:
                        case InvitationAccepted(room_id=room, user_id=user): ...
                    saved = str(event.position)
        """
        return _entered(self._streams).events(topic, room_id, from_, _position(after))

    def badges(self, *, room_id: str | None = None, after: Position | str | None = None) -> Stream[Badge]:
        """Return a stream of the current badges, then of each change, of one room or of all rooms.

        `after` resumes exactly behind the item with that position, given the same `room_id`, and yields only
        changes. Resuming behind one of the initial badges (except the last) replays every change that is
        still in the log. The log keeps a badge's tombstone for one day (`delete.retention.ms`): a stream that
        resumes from an older position can miss a removed badge, so start without `after` in that case.
        """
        return _entered(self._streams).badges(room_id, _position(after))

    async def _open(self, resources: contextlib.AsyncExitStack) -> None:
        try:
            await self._producer.start()
            outcomes = await self._outcomes(resources)
        except (ClusterAuthorizationFailedError, TopicAuthorizationFailedError) as error:
            # Without the right to send commands a client can still write facts and read: `execute` raises it.
            self._barred = error
        else:
            services = {INVITATIONS: self.reads.invitations, BROADCAST: self.reads.broadcast}
            self._asking = Asking(self._connection, self._producer, outcomes, services, self._seconds)
        self._streams = Streams(self._connection)
        self._telling = Telling(self._producer, self._seconds)
        resources.push_async_callback(self._streams.stop)

    async def _outcomes(self, resources: contextlib.AsyncExitStack) -> Outcomes:
        partitions = await self._producer.partitions(topics.INVITATION_COMMANDS)
        outputs = [topic for channel in CHANNELS for topic in (channel.events, channel.rejections)]
        # Checked first: a consumer that may not read a topic retries its end offsets until the timeout.
        for topic in outputs:
            await self._producer.partitions(topic)
        names = map(self._connection.name, outputs)
        places = [TopicPartition(name, number) for name in names for number in range(partitions)]
        # Fetch the end offsets before any command is sent, so that no outcome can lie before them.
        _, ends = await extents(self._connection, places)
        tail = Tail(self._connection, ends, patient=True)
        outcomes = Outcomes(self._connection, tail, CHANNELS)
        reading = asyncio.create_task(outcomes.run())

        async def stop() -> None:
            await tail.stop()
            await reading
            outcomes.close()

        resources.push_async_callback(stop)
        return outcomes


def _entered(part: PartT | None) -> PartT:
    if part is None:
        msg = "the client is not open: use it inside `async with`"
        raise RuntimeError(msg)
    return part


def _position(after: Position | str | None) -> Position | None:
    return Position.parse(after) if isinstance(after, str) else after
