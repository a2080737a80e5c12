"""The client: access to Co-Host over Kafka and HTTP."""

import asyncio
import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from cohost.commands.executor import CommandExecutor
from cohost.commands.methods import CommandMethods
from cohost.commands.open_command import OpenCommand
from cohost.commands.outcomes import OutcomeReader
from cohost.commands.routes import BROADCAST, INVITATIONS, ROUTES
from cohost.events import Accepted, Badge, Event, Position
from cohost.facts import FactMethods, FactWriter
from cohost.http_reader import HttpReader, TokenSource
from cohost.kafka.connection import KafkaConnection
from cohost.kafka.log_reader import LogReader, fetch_offset_bounds
from cohost.kafka.producer import CloudEventProducer, TraceProvider
from cohost.streams import EventSource, Stream, StreamFactory, StreamStart
from cohost_schemas import topics
from cohost_schemas.topics import Topic
from cohost_schemas.types import CommandData, Message

_MAX_ATTEMPT_SECONDS = 10
PartT = TypeVar("PartT")


class Client(CommandMethods, FactMethods):
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
        token: TokenSource | None = None,
        source: str = "/cohost/client",
        timeout: float = 10.0,
        security: Mapping[str, Any] | None = None,
        trace: TraceProvider | None = None,
    ) -> None:
        self._connection = KafkaConnection(bootstrap_servers, prefix, security or {})
        # Well within the timeout, so that a hanging producer is replaced before the command is given up.
        attempt_seconds = min(timeout / 3, _MAX_ATTEMPT_SECONDS)
        self._producer = CloudEventProducer(self._connection, source, trace, attempt_seconds=attempt_seconds)
        self._timeout = timeout
        self._resources = contextlib.AsyncExitStack()
        self._executor: CommandExecutor | None = None
        self._command_error: KafkaError | None = None
        self._stream_factory: StreamFactory | None = None
        self._fact_writer: FactWriter | None = None
        self.reads = HttpReader(invitations_url, broadcast_url, token, timeout)
        """The HTTP API of the services."""

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as resources:
            resources.push_async_callback(self.reads.close)
            resources.push_async_callback(self._producer.stop)
            await self._start_components(resources)
            self._resources = resources.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor = self._command_error = self._stream_factory = self._fact_writer = None
        await self._resources.__aexit__(kind, error, trace)

    @property
    def command_error(self) -> KafkaError | None:
        """The broker's refusal to describe a topic, if there was one: then no commands can be sent."""
        return self._command_error

    async def execute(self, data: CommandData, command_id: str | None = None) -> Accepted[Any]:
        """Publish any command of the contract, given as its data, and return the events that it caused."""
        return await self._commands.execute_command(data, command_id)

    def open_command(
        self, data: CommandData, command_id: str | None = None
    ) -> AbstractContextManager[OpenCommand]:
        """Return a command to be published, and its outcome to be awaited, in steps of your own.

        Use it to publish a command without waiting for its outcome, or to look for an outcome with a token
        other than the client's. Raises `ValueError` for an invalid id.
        """
        return self._commands.open_command(data, command_id)

    async def write_fact(self, topic: Topic, key: str, data: Message | None) -> str:
        """Write a fact, or a tombstone where `data` is None, and return its causation id.

        That is the `causationid` of the events that will follow. Raises `NotConfirmed`.
        """
        return await _require_entered(self._fact_writer).publish_fact(topic, key, data)

    @property
    def _commands(self) -> CommandExecutor:
        if self._command_error is not None:
            raise self._command_error.with_traceback(None)
        return _require_entered(self._executor)

    def events(
        self,
        topic: EventSource = "both",
        *,
        room_id: str | None = None,
        from_: StreamStart = "end",
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
        return _require_entered(self._stream_factory).open_events(
            topic, room_id, from_, _parse_position(after)
        )

    def badges(self, *, room_id: str | None = None, after: Position | str | None = None) -> Stream[Badge]:
        """Return a stream of the current badges, then of each change, of one room or of all rooms.

        `after` resumes exactly behind the item with that position, given the same `room_id`, and yields only
        changes. Resuming behind one of the initial badges (except the last) replays every change that is
        still in the log. The log keeps a badge's tombstone for 7 days (`delete.retention.ms`, unless an older
        version created the topic: one day): a stream that resumes from an older position can miss a removed
        badge, so start without `after` in that case.
        """
        return _require_entered(self._stream_factory).open_badges(room_id, _parse_position(after))

    async def _start_components(self, resources: contextlib.AsyncExitStack) -> None:
        try:
            await self._producer.start()
            outcome_reader = await self._start_outcome_reader(resources)
        except (ClusterAuthorizationFailedError, TopicAuthorizationFailedError) as error:
            # Without the right to send commands a client can still write facts and read: `execute` raises it.
            self._command_error = error
        else:
            services = {INVITATIONS: self.reads.invitations, BROADCAST: self.reads.broadcast}
            self._executor = CommandExecutor(
                self._connection, self._producer, outcome_reader, services, self._timeout
            )
        self._stream_factory = StreamFactory(self._connection)
        self._fact_writer = FactWriter(self._producer, self._timeout)
        resources.push_async_callback(self._stream_factory.stop)

    async def _start_outcome_reader(self, resources: contextlib.AsyncExitStack) -> OutcomeReader:
        partition_count = await self._producer.partition_count(topics.INVITATION_COMMANDS)
        output_topics = [topic for channel in ROUTES for topic in (channel.events, channel.rejections)]
        # Checked first: a consumer that may not read a topic retries its end offsets until the timeout.
        for topic in output_topics:
            await self._producer.partition_count(topic)
        names = map(self._connection.topic_name, output_topics)
        partitions = [TopicPartition(name, number) for name in names for number in range(partition_count)]
        # Fetch the end offsets before any command is sent, so that no outcome can lie before them.
        _, ends = await fetch_offset_bounds(self._connection, partitions)
        log_reader = LogReader(self._connection, ends, skip_gaps=True)
        outcome_reader = OutcomeReader(self._connection, log_reader, ROUTES)
        read_task = asyncio.create_task(outcome_reader.run())

        async def stop() -> None:
            await log_reader.stop()
            await read_task
            outcome_reader.abandon_pending()

        resources.push_async_callback(stop)
        return outcome_reader


def _require_entered(part: PartT | None) -> PartT:
    if part is None:
        msg = "the client is not open: use it inside `async with`"
        raise RuntimeError(msg)
    return part


def _parse_position(after: Position | str | None) -> Position | None:
    return Position.parse(after) if isinstance(after, str) else after
