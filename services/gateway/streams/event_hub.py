"""One reader of the topics for all live streams of this process, and the streams themselves."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator

import structlog

from cohost.kafka.backoff import Backoff
from cohost.kafka.connection import KafkaConnection
from cohost.kafka.errors import UNAVAILABLE_ERRORS, PositionLost
from cohost.kafka.log_reader import LogReader
from services.gateway.streams import layout, live_log, positions
from services.gateway.streams.live_log import EventObserver, LiveLog
from services.gateway.streams.metrics import StreamMetrics
from services.gateway.streams.past_reader import LogBounds, OffsetBounds, PastReader
from services.gateway.streams.positions import MAX_AGE_HOURS, Position, StreamKey
from services.gateway.streams.subscription import MAX_PAST_EVENTS, EndReason, Subscription, Viewer
from services.runtime import log_ids

_FIRST_RETRY_SECONDS = 0.2
_MAX_RETRY_SECONDS = 5.0
_START_SECONDS = 5.0
_READ_SECONDS = 2.0

log = structlog.get_logger()


class StreamsUnavailable(Exception):
    """Kafka has not been reached, so that the stream cannot begin."""


class _Session:
    """The hub's tools while it reads on without a gap."""

    def __init__(
        self, connection: KafkaConnection, topics: layout.PartitionLayout, live: LiveLog, bounds: LogBounds
    ) -> None:
        self.layout = topics
        self.live = live
        self.bounds = bounds
        self.past_reader = PastReader(connection, topics)


class EventHub:
    """Reads every event and badge once, whatever the number of streams, and gives them to the streams.

    It begins at the end of the log, and reads on through outages. The observer sees what it reads.
    """

    def __init__(
        self, connection: KafkaConnection, metrics: StreamMetrics, observer: EventObserver | None = None
    ) -> None:
        self._connection = connection
        self._metrics = metrics
        self._observer = observer
        self._session: _Session | None = None
        self._has_session = asyncio.Event()
        self._open: set[Subscription] = set()
        self._is_stopped = False

    @property
    def is_ready(self) -> bool:
        """Return whether streams can begin."""
        return self._session is not None

    def stop(self) -> None:
        """End all streams; their clients resume at another copy."""
        self._is_stopped = True
        self._end_streams("stopped")

    async def run(self) -> None:
        """Read the topics until cancelled."""
        backoff = Backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
        while True:
            try:
                await self._read_on(backoff)
            except PositionLost:
                log.warning("streams ended: the log no longer has their place")
                self._end_session("position_lost")
            except UNAVAILABLE_ERRORS as error:
                if not backoff.failing:
                    log.warning("streams cannot begin: Kafka is unavailable", error=repr(error))
                self._end_session("closed")
                await asyncio.sleep(backoff.next_wait())

    async def current_position(self, key: StreamKey) -> Position:
        """Return the position behind all that the log has at this call. Raises `StreamsUnavailable`.

        This copy's reader may be behind it: what happened before the request does not come with the stream.
        """
        session = await self._current_session()
        _, ends = await _fetch_bounds(session)
        read = session.live.position_of(key)
        partitions = (session.layout.partitions[number] for number in session.layout.numbers_of(key))
        return Position(read.hour, tuple(map(max, read.offsets, (ends[place] for place in partitions))))

    async def resume_position(self, key: StreamKey, text: str) -> Position:
        """Return the position with this text.

        Raises `ValueError` if it is none of this stream, `PositionLost` if the log does not have it, and
        `StreamsUnavailable` if that cannot be known.
        """
        position = positions.decode_position(key, text)
        session = await self._current_session()
        partitions = [session.layout.partitions[number] for number in session.layout.numbers_of(key)]
        if len(position.offsets) != len(partitions):
            msg = "the position is of other topics"
            raise ValueError(msg)
        begins, ends = await _fetch_bounds(session)
        # Older tombstones of badges may be gone, without any trace in the offsets.
        is_old = live_log.current_hour() - position.hour >= MAX_AGE_HOURS
        if is_old or any(
            not begins[partition] <= offset <= ends[partition]
            for partition, offset in zip(partitions, position.offsets, strict=True)
        ):
            raise PositionLost
        # A badge that has changed again since the position comes once, as it is last.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READ_SECONDS):
                await session.live.wait_for_badges(key, ends)
        return position

    async def follow(
        self, key: StreamKey, position: Position, subscription: Subscription, seconds: float
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a stream from a position on, for at most `seconds`."""
        session = self._session
        if session is None or self._is_stopped:
            return
        with self._count_stream(key, subscription), _end_after(seconds, subscription):
            joining = asyncio.create_task(self._join(session, key, subscription, position))
            try:
                while events := await subscription.take_events():
                    yield events
            finally:
                joining.cancel()
                session.live.leave(key, subscription)

    async def _join(
        self, session: _Session, key: StreamKey, subscription: Subscription, position: Position
    ) -> None:
        """Queue what a stream has missed, a part at a time, until it follows the log with the others."""
        live = session.live
        has_begun = is_last = False
        try:
            while not is_last:
                missed = live.missed_events(key, subscription.viewer, position)
                is_last = missed is not None and len(missed[1]) < MAX_PAST_EVENTS
                behind, events = missed or await self._read_past(session, key, subscription.viewer, position)
                if not has_begun and (events or is_last):
                    has_begun = True
                    # Where nothing was missed, the client need not come back to this place in the log.
                    place = position if events else _later(position, live.position_of(key))
                    subscription.push_past([_ready_event(key, place)])
                subscription.push_past(events)
                position = behind
                if not is_last:
                    await subscription.wait_until_drained()
            live.join(key, subscription, position)
        except PositionLost:
            subscription.end("position_lost")
        except Exception:
            log.exception("stream cannot catch up", **log_ids.ids_of(key.id if key.kind == "room" else None))
            subscription.end("closed")

    async def _read_past(
        self, session: _Session, key: StreamKey, viewer: Viewer, position: Position
    ) -> tuple[Position, list[bytes]]:
        self._metrics.past_reads.inc()
        return await session.past_reader.read_part(key, viewer, position, session.live.recent_begins(key))

    async def _read_on(self, backoff: Backoff) -> None:
        topics = await layout.fetch_layout(self._connection)
        bounds = LogBounds(self._connection, topics)
        try:
            _, ends = await bounds.fetch()
            reader = LogReader(self._connection, ends)
            live = LiveLog(topics, reader.passed_offsets, self._metrics, self._observer)
            self._session = _Session(self._connection, topics, live, bounds)
            self._has_session.set()
            backoff.reset()
            async with contextlib.aclosing(reader.read_batches()) as batches:
                async for batch in batches:
                    await live.add_records(batch)
        finally:
            await bounds.close()

    async def _current_session(self) -> _Session:
        # A copy that has just started may be asked before it has read where the log ends.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0 if self._is_stopped else _START_SECONDS):
                await self._has_session.wait()
        if self._session is None or self._is_stopped:
            raise StreamsUnavailable
        return self._session

    def _end_session(self, reason: EndReason) -> None:
        self._session = None
        self._has_session.clear()
        self._end_streams(reason)

    def _end_streams(self, reason: EndReason) -> None:
        for subscription in list(self._open):
            subscription.end(reason)

    @contextlib.contextmanager
    def _count_stream(self, key: StreamKey, subscription: Subscription) -> Iterator[None]:
        gauge = self._metrics.open_streams.labels(key.kind)
        gauge.inc()
        self._open.add(subscription)
        try:
            yield
        finally:
            self._open.discard(subscription)
            gauge.dec()
            self._metrics.ended.labels(subscription.end_reason or "closed").inc()


async def _fetch_bounds(session: _Session) -> OffsetBounds:
    try:
        return await session.bounds.fetch()
    except UNAVAILABLE_ERRORS as error:
        raise StreamsUnavailable from error


@contextlib.contextmanager
def _end_after(seconds: float, subscription: Subscription) -> Iterator[None]:
    timer = asyncio.get_running_loop().call_later(seconds, subscription.end, "expired")
    try:
        yield
    finally:
        timer.cancel()


def _later(position: Position, current: Position) -> Position:
    is_ahead = any(map(int.__gt__, position.offsets, current.offsets))
    return position if is_ahead else current


def _ready_event(key: StreamKey, position: Position) -> bytes:
    encoded = positions.encode_offsets(position.hour, position.offsets)
    return b"event: ready\ndata: {}\nid: %s\n\n" % positions.encode_position(key, encoded)
