"""Measurement of commands: latency at steady rates, and the most that one copy of the gateway can take."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bench import cpu, outcomes, worker
from bench.cpu import CpuMeter
from bench.environment import BenchRun
from bench.gateway import processes
from bench.gateway.command_paths import BarePath, CommandPath, DirectPath, GatewayPath, HttpPath
from bench.measurements.latency import LatencyResult, summarize_latency
from bench.printing import PrintLine
from bench.workload import open_loop, traffic, traffic_producer
from bench.workload.simulated_room import BANNED_USER, UNKNOWN_USER, PlannedCommand
from bench.workload.traffic import Traffic

RATES = (100, 500, 1_000)
IN_FLIGHT = 256
KEYED_IN_FLIGHT = 32

_ROOMS = 1_000
_SLICE_SECONDS = 2.5
_WARM_UP_RATE = 500
_WARM_UP_SECONDS = 2
_LATE_SECONDS = 60


@dataclass(frozen=True)
class CapacityResult:
    """Commands answered in a closed loop, and the CPU seconds that it cost beyond those of idle processes."""

    commands: int
    in_flight: int
    seconds: float
    server_cpu: float
    worker_cpu: float

    @property
    def per_second(self) -> float:
        """Commands per second."""
        return self.commands / self.seconds


@dataclass(frozen=True)
class CommandsResult:
    """Latency by rate and path, and capacity by path; `unexpected` has a line per wrong answer or outcome."""

    latency: Mapping[tuple[int, str], LatencyResult]
    capacity: Mapping[str, CapacityResult]
    sent: int
    unexpected: Sequence[str]


async def measure_commands(run: BenchRun, seconds: int, seed: int, print_line: PrintLine) -> CommandsResult:
    """Send commands by each path in turn, so that all of them meet the same machine, and time them."""
    async with _CommandsScenario.prepare(run, seed) as scenario:
        await scenario.warm_up()
        latency: dict[tuple[int, str], LatencyResult] = {}
        for rate in RATES:
            print_line(f"{rate} commands a second …")
            found = await scenario.measure_waits(rate, seconds)
            latency |= {(rate, name): summarize_latency(waits) for name, waits in found.items()}
        print_line("as many as each can take …")
        capacity = {
            lane.path.name: await scenario.measure_capacity(lane, seconds)
            for lane in scenario.lanes
            if lane.server_pid is not None
        }
        return CommandsResult(latency, capacity, scenario.sent, await scenario.find_unexpected())


@dataclass
class _PathTraffic:
    """A path with rooms of its own; `server_pid` is that of its HTTP server.

    With keys every command costs two look-ups: the higher rates would measure a queue.
    """

    path: CommandPath
    made: Traffic
    server_pid: int | None = None
    highest_rate: int = max(RATES)
    in_flight: int = IN_FLIGHT
    sent: list[PlannedCommand] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.commands = self._iterate_commands()

    def _iterate_commands(self) -> Iterator[PlannedCommand]:
        for command in self.made.iterate_commands(over_http=True):
            self.sent.append(command)
            yield command


@dataclass
class _CommandsScenario:
    """One worker, one gateway, a bare handler, and the paths of commands."""

    run: BenchRun
    outcomes: open_loop.OutcomeTimes
    worker_pid: int
    lanes: Sequence[_PathTraffic]

    @classmethod
    @contextlib.asynccontextmanager
    async def prepare(cls, run: BenchRun, seed: int) -> AsyncIterator["_CommandsScenario"]:
        """Start the processes, and write the facts that the commands need."""
        async with contextlib.AsyncExitStack() as stack:
            producer = traffic_producer.TrafficProducer(run.bootstrap_servers, run.prefix)
            await stack.enter_async_context(producer)
            pipeline = await stack.enter_async_context(worker.run_worker(run))
            bare = await stack.enter_async_context(processes.run_bare_handler(run))
            await pipeline.wait_ready()
            gateway = await stack.enter_async_context(
                processes.run_gateway(run, pipeline.service.address, bare.url)
            )
            arrivals = await stack.enter_async_context(open_loop.OutcomeTimes.record(run))
            url, pid, secret = gateway.service.address, gateway.process.pid, run.stack.jwt_secret
            unkeyed = GatewayPath("gateway", url, secret, with_key=False)
            keyed = GatewayPath("gateway, with keys", url, secret, with_key=True)
            rooms = (traffic.generate_traffic(_ROOMS, seed + number, f"room-{number}") for number in range(4))
            lanes = [
                _PathTraffic(DirectPath("pipeline", producer, arrivals), next(rooms)),
                _PathTraffic(unkeyed, next(rooms), pid),
                _PathTraffic(keyed, next(rooms), pid, min(RATES), KEYED_IN_FLIGHT),
                _PathTraffic(BarePath("bare handler", bare.url), next(rooms), bare.process.pid),
            ]
            for lane in lanes:
                await producer.send_facts(lane.made)
                _prepare_path(lane)
                if isinstance(lane.path, HttpPath):
                    stack.callback(lane.path.connections.close)
            yield cls(run, arrivals, pipeline.process.pid, lanes)

    @property
    def sent(self) -> int:
        """The number of commands sent."""
        return sum(len(lane.sent) for lane in self.lanes)

    async def warm_up(self) -> None:
        """Send commands that are not measured."""
        for lane in self.lanes:
            await self._time_slice(lane, min(_WARM_UP_RATE, lane.highest_rate), _WARM_UP_SECONDS)

    async def measure_waits(self, rate: int, seconds: float) -> Mapping[str, list[float]]:
        """Send by each path for `seconds` in all, a slice at a time; return the milliseconds by path."""
        lanes = [lane for lane in self.lanes if rate <= lane.highest_rate]
        waits: dict[str, list[float]] = {lane.path.name: [] for lane in lanes}
        slices = max(1, round(seconds / _SLICE_SECONDS))
        for _ in range(slices):
            for lane in lanes:
                waits[lane.path.name] += await self._time_slice(lane, rate, seconds / slices)
        return waits

    async def measure_capacity(self, lane: _PathTraffic, seconds: float) -> CapacityResult:
        """Send commands by a path with `in_flight` of them in progress at any time."""
        meters = [CpuMeter(None, None, pid) for pid in (lane.server_pid, self.worker_pid)]
        idle = [usage.worker for usage in await asyncio.gather(*map(cpu.measure_idle, meters))]
        before = [meter.read_usage().worker for meter in meters]
        began, done = time.monotonic(), len(lane.sent)

        async def send_in_turn() -> None:
            while time.monotonic() < began + seconds:
                await (await lane.path.send_command(next(lane.commands)))

        async with asyncio.TaskGroup() as group:
            for _ in range(lane.in_flight):
                group.create_task(send_in_turn())
        elapsed = time.monotonic() - began
        after = [meter.read_usage().worker for meter in meters]
        cost = [b - a - elapsed * each for a, b, each in zip(before, after, idle, strict=True)]
        await self._wait_decided(lane)
        return CapacityResult(len(lane.sent) - done, lane.in_flight, elapsed, *cost)

    async def find_unexpected(self) -> list[str]:
        """Return a line for each answer or outcome that is not as planned."""
        found = await outcomes.read_outcomes(self.run)
        lines = []
        for lane in self.lanes:
            if isinstance(lane.path, HttpPath):
                lines += lane.path.unexpected
            if not isinstance(lane.path, GatewayPath):
                lines += outcomes.find_unexpected(lane.sent, found)
        return lines

    async def _time_slice(self, lane: _PathTraffic, rate: int, seconds: float) -> list[float]:
        """Send at a rate, and wait until all is decided, so that the next path finds the pipeline idle."""
        due = await open_loop.send_at_rate(lane.path.send_command, lane.commands, rate, round(seconds * rate))
        await self._wait_decided(lane)
        return [1000 * (lane.path.finished_at[id_] - at) for id_, at in due.items()]

    async def _wait_decided(self, lane: _PathTraffic) -> None:
        async with asyncio.timeout(_LATE_SECONDS):
            while not isinstance(lane.path, GatewayPath) and not self._is_decided(lane):
                await asyncio.sleep(0.05)

    def _is_decided(self, lane: _PathTraffic) -> bool:
        return all(command.id in self.outcomes.arrived_at for command in lane.sent)


def _prepare_path(lane: _PathTraffic) -> None:
    if isinstance(lane.path, GatewayPath):
        users = {name for room in lane.made.rooms for name in (room.host_id, *room.users)}
        lane.path.sign_tokens([*users, BANNED_USER, UNKNOWN_USER])
