"""The client: everything that a program has to do with Co-Host, over Kafka and HTTP."""

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
    """Sends commands and gives their outcomes, writes facts, follows events and badges, and reads over HTTP.

        async with cohost.Client("127.0.0.1:9092", token=token) as client:
            try:
                sent = await client.send_invitation("room-1", "bob", "alice")
            except cohost.Rejected as rejected:
                print(rejected.reason, rejected.current)
            except cohost.OutcomeUnknown as unknown:
                ...  # ask again with command_id=unknown.command_id

    `token` is a JWT or a function that returns one; it and the URLs are for `reads`, and make asking again
    quicker. `timeout` is how many seconds a command or a fact may take. `security` holds aiokafka's own
    arguments, `trace` returns a `traceparent` (and `tracestate`) for what is written. What the broker's ACLs
    forbid is raised where it is tried, as aiokafka's error, and forbids nothing else.
    """

    def __init__(  # noqa: PLR0913 - where things are, each with its default
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
        # Well within the time-out, so that a producer that hangs is replaced before the command is given up.
        attempt_seconds = min(timeout / 3, _ATTEMPT_SECONDS)
        self._producer = Producer(self._connection, source, trace, attempt_seconds=attempt_seconds)
        self._seconds = timeout
        self._resources = contextlib.AsyncExitStack()
        self._asking: Asking | None = None
        self._barred: KafkaError | None = None
        self._streams: Streams | None = None
        self._telling: Telling | None = None
        self.reads = Reads(invitations_url, broadcast_url, token, timeout)
        """The services' HTTP."""

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
        """Publish any command of the contract, given as its data, and return what it caused."""
        if self._barred is not None:
            raise self._barred.with_traceback(None)
        return await _entered(self._asking).ask(data, command_id)

    async def tell(self, topic: Topic, key: str, data: Message | None) -> None:
        """Write a fact or a tombstone."""
        await _entered(self._telling).write(topic, key, data)

    def events(
        self,
        topic: Which = "both",
        *,
        room_id: str | None = None,
        from_: Start = "end",
        after: Position | str | None = None,
    ) -> Stream[Event]:
        """Return the events of invitations, of broadcast or of both, of one room or of all.

        Events of one room and topic come in their order. `after` resumes exactly behind the item that had
        this position, with the same `topic` and `room_id`; else `from_` says where to start.

            async with client.events(after=saved) as events:
                async for event in events:
                    match event.data:
                        case InvitationAccepted(room_id=room, user_id=user): ...
                    saved = str(event.position)
        """
        return _entered(self._streams).events(topic, room_id, from_, _position(after))

    def badges(self, *, room_id: str | None = None, after: Position | str | None = None) -> Stream[Badge]:
        """Return the badges worn now, then each change, of one room or of all.

        `after` resumes exactly behind the item that had this position, with the same `room_id`, and gives
        changes alone. Behind one of the badges worn at the start, the last of them aside, that is every
        change that the log still has. The log keeps what took a badge off for a day (`delete.retention.ms`):
        behind an older position a badge may be gone without a word, so begin anew there.
        """
        return _entered(self._streams).badges(room_id, _position(after))

    async def _open(self, resources: contextlib.AsyncExitStack) -> None:
        try:
            await self._producer.start()
            outcomes = await self._outcomes(resources)
        except (ClusterAuthorizationFailedError, TopicAuthorizationFailedError) as error:
            # Who may not command may still write facts, or read: it is told where it tries.
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
        # Of a topic that it may not read, a consumer asks for the ends until the time is over.
        for topic in outputs:
            await self._producer.partitions(topic)
        names = map(self._connection.name, outputs)
        places = [TopicPartition(name, number) for name in names for number in range(partitions)]
        # The ends are taken before any command is sent, so that no outcome can lie before them.
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
        msg = "the client is used outside of its `async with`"
        raise RuntimeError(msg)
    return part


def _position(after: Position | str | None) -> Position | None:
    return Position.parse(after) if isinstance(after, str) else after
