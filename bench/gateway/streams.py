"""Measurement of live streams: memory and CPU of the gateway, and the time from the topic to the clients."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]

from bench import outcomes, worker
from bench.cpu import CpuMeter
from bench.environment import BenchRun
from bench.gateway import client_processes, command_requests, processes
from bench.gateway.client_processes import ClientProcesses, Deliveries
from bench.measurements.latency import LatencyResult, summarize_latency
from bench.worker import WorkerProcess
from bench.workload import open_loop, traffic_producer
from bench.workload.traffic_producer import TrafficProducer
from cohost import tokens
from cohost_schemas import ids, timestamps, topics
from cohost_schemas.events import CoHostMediaChanged
from cohost_schemas.facts import RoomChanged

RATE = 200
CLIENTS_A_ROOM = 20

_WARM_UP_SECONDS = 2
_LATE_SECONDS = 30
_IDLE_SECONDS = 3
_POLL_MS = 20
_TOKEN_SECONDS = 3_600
_UNUSED_URL = "http://127.0.0.1:9"


@dataclass(frozen=True)
class StreamsResult:
    """Result of a streams measurement.

    `bytes_before` is the gateway's memory without clients, `bytes_with` that with them, after the events.
    `cpu` and `idle_cpu` are its CPU seconds per second, with events and without. `reader` has milliseconds
    from an event's due time to a read_committed reader, `delivery` those from there to the clients.
    """

    clients: int
    rooms: int
    connect_seconds: float
    bytes_before: int
    bytes_with: int
    events: int
    deliveries: int
    seconds: float
    cpu: float
    idle_cpu: float
    reader: LatencyResult
    delivery: LatencyResult
    wrong: Sequence[str]


class StreamEvent(NamedTuple):
    """An event to write; its id has its number."""

    id: str
    number: int
    room_id: str


async def measure_streams(run: BenchRun, clients: int, seconds: int) -> StreamsResult:
    """Write `RATE` events per second for `seconds`, over the rooms that the clients follow."""
    rooms = [f"room-{number}" for number in range(max(1, clients // CLIENTS_A_ROOM))]
    async with _StreamsScenario.prepare(run, rooms) as scenario:
        before = scenario.memory().rss
        began = time.monotonic()
        async with scenario.run_clients(clients) as connected:
            connect_seconds = time.monotonic() - began
            idle_cpu = await scenario.measure_idle_cpu()
            counts = scenario.clients_per_room(clients)
            await scenario.send_events(_WARM_UP_SECONDS)
            await scenario.wait_delivered(connected, counts)
            usage, began = scenario.meter.read_usage().worker, time.monotonic()
            due = await scenario.send_events(seconds)
            await scenario.wait_delivered(connected, counts)
            elapsed, usage = time.monotonic() - began, scenario.meter.read_usage().worker - usage
            most = scenario.memory().rss
            found = await connected.finish()
        arrived = scenario.arrivals.times
        measured = [
            1000 * (at - arrived[number])
            for number, at in zip(found.numbers, found.times, strict=True)
            if f"event-{number}" in due
        ]
        return StreamsResult(
            clients=clients,
            rooms=len(rooms),
            connect_seconds=connect_seconds,
            bytes_before=before,
            bytes_with=most,
            events=len(due),
            deliveries=len(measured),
            seconds=elapsed,
            cpu=usage / elapsed,
            idle_cpu=idle_cpu,
            reader=summarize_latency(1000 * (arrived[_number(id_)] - at) for id_, at in due.items()),
            delivery=summarize_latency(measured),
            wrong=scenario.find_wrong(found, counts),
        )


@dataclass
class _StreamsScenario:
    """A gateway that reads the topics, a reader beside it, and the events to write."""

    run: BenchRun
    gateway: WorkerProcess
    producer: TrafficProducer
    arrivals: "EventTimes"
    rooms: Sequence[str]

    def __post_init__(self) -> None:
        self.meter = CpuMeter(None, None, self.gateway.process.pid)
        self._written: list[StreamEvent] = []
        self._events = self._iterate_events()

    @classmethod
    @contextlib.asynccontextmanager
    async def prepare(cls, run: BenchRun, rooms: Sequence[str]) -> AsyncIterator["_StreamsScenario"]:
        """Open the rooms and start the processes; broadcast does not run, its events are written here."""
        async with (
            traffic_producer.TrafficProducer(run.bootstrap_servers, run.prefix) as producer,
            worker.run_worker(run) as pipeline,
        ):
            facts = [RoomChanged(room_id=room_id, host_id="host", status="live") for room_id in rooms]
            await producer.send_events(
                traffic_producer.fact_event(topics.ROOMS, fact.room_id, fact) for fact in facts
            )
            await pipeline.wait_ready()
            async with (
                processes.run_gateway(run, pipeline.service.address, _UNUSED_URL) as gateway,
                _read_events(run) as arrivals,
            ):
                yield cls(run, gateway, producer, arrivals, rooms)

    def memory(self) -> "psutil._pslinux.pmem":
        """Return the gateway's memory."""
        return psutil.Process(self.gateway.process.pid).memory_info()

    def clients_per_room(self, clients: int) -> Counter[str]:
        """Return the number of clients of each room."""
        return Counter(self.rooms[number % len(self.rooms)] for number in range(clients))

    def run_clients(self, clients: int) -> contextlib.AbstractAsyncContextManager[ClientProcesses]:
        """Connect clients for the duration of the block."""
        address = urlsplit(self.gateway.service.address)
        token = tokens.sign(self.run.stack.jwt_secret, "viewer", ttl=_TOKEN_SECONDS)
        headers = {"Authorization": f"Bearer {token}"}
        requests = [
            (
                command_requests.encode_request(
                    "GET", f"/v1/rooms/{room_id}/stream", address.netloc, headers
                ),
                number,
            )
            for room_id, number in self.clients_per_room(clients).items()
        ]
        return client_processes.run_clients(str(address.hostname), address.port or 0, requests)

    async def measure_idle_cpu(self) -> float:
        """Return the gateway's CPU seconds per second while nothing is written."""
        before, began = self.meter.read_usage().worker, time.monotonic()
        await asyncio.sleep(_IDLE_SECONDS)
        return (self.meter.read_usage().worker - before) / (time.monotonic() - began)

    async def send_events(self, seconds: int) -> dict[str, float]:
        """Write events at the rate and return their due times by id."""
        return await open_loop.send_at_rate(self._send_event, self._events, RATE, RATE * seconds)

    async def wait_delivered(self, connected: ClientProcesses, counts: Counter[str]) -> None:
        """Wait until every event has come to every client of its room, or the time is over."""
        expected = sum(counts[event.room_id] for event in self._written)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LATE_SECONDS):
                while await connected.count_deliveries() < expected or not self.arrivals.has_all(
                    self._written
                ):
                    await asyncio.sleep(0.05)

    def find_wrong(self, found: Deliveries, counts: Counter[str]) -> list[str]:
        """Return a line per kind of error, and for each event that some clients of its room lack."""
        came = Counter(found.numbers)
        wrong = [f"{kind}: {number}" for kind, number in found.errors.items()]
        return wrong + [
            f"{event.id} came to {came[event.number]} clients, not {counts[event.room_id]}"
            for event in self._written
            if came[event.number] != counts[event.room_id]
        ]

    def _iterate_events(self) -> Iterator[StreamEvent]:
        while True:
            number = len(self._written)
            event = StreamEvent(f"event-{number}", number, self.rooms[number % len(self.rooms)])
            self._written.append(event)
            yield event

    async def _send_event(self, event: StreamEvent) -> asyncio.Future[object]:
        now = timestamps.current_timestamp()
        data = CoHostMediaChanged(
            room_id=event.room_id,
            user_id=f"user-{event.number}",
            invitation_id=ids.uuid7(),
            published=("camera", "microphone"),
            muted=("microphone",),
            at=now,
        )
        cloud_event = {
            **traffic_producer.build_event(event.id, type(data).__name__, event.room_id, data),
            "time": now,
            "causationid": ids.uuid7(),
            "sequence": f"{event.number:020d}",
        }
        return await self.producer.send_event(topics.BROADCAST_EVENTS, event.room_id, cloud_event)


class EventTimes:
    """The time at which each event reached a read_committed reader, by its number."""

    def __init__(self, run: BenchRun) -> None:
        self.times: dict[int, float] = {}
        self.is_reading = asyncio.Event()
        self._run = run

    def has_all(self, events: Sequence[StreamEvent]) -> bool:
        """Return whether all of these were read."""
        return len(self.times) >= len(events)

    async def record_events(self) -> None:
        """Read until cancelled; `is_reading` is set once no later event can be missed."""
        async with outcomes.open_consumer(self._run) as reader:
            reader.assign(outcomes.topic_partitions(self._run, (topics.BROADCAST_EVENTS,)))
            await reader.seek_to_end()
            self.is_reading.set()
            while True:
                for records in (await reader.getmany(timeout_ms=_POLL_MS)).values():
                    now = time.monotonic()
                    for record in records:
                        self.times[int(dict(record.headers)["sequence"])] = now


@contextlib.asynccontextmanager
async def _read_events(run: BenchRun) -> AsyncIterator[EventTimes]:
    arrivals = EventTimes(run)
    reading = asyncio.create_task(arrivals.record_events())
    try:
        await arrivals.is_reading.wait()
        yield arrivals
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def _number(event_id: str) -> int:
    return int(event_id.rpartition("-")[2])
