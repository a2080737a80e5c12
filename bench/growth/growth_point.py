"""One size of what is stored: its database, and a worker's start, drain, memory and takeover on it."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random

from bench import outcomes, worker
from bench.environment import BenchEnvironment, BenchRun
from bench.growth import stored_rows
from bench.growth.stored_rows import StoredSize
from bench.results import Measurement
from bench.soak import sampling
from bench.worker import WorkerProcess
from bench.workload import command_mix, traffic_producer
from bench.workload.open_loop import OutcomeTimes
from bench.workload.simulated_room import PlannedCommand, SimulatedRoom
from cohost_schemas import ids
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import DEFAULT_PARTITIONS

COMMANDS = 20_000

_SESSION_MS = "1500"
_LONGEST_SECONDS = 300


@dataclass(frozen=True)
class GrowthRound:
    """One round at one size: seconds until a worker is ready, a drain, and the worker's memory in MiB."""

    start_seconds: float
    drain: Measurement
    memory: float


@dataclass
class GrowthPoint:
    """A filled database and its topics; `rooms` are those that commands went to so far."""

    size: StoredSize
    run: BenchRun
    random: Random
    rooms: dict[int, SimulatedRoom] = field(default_factory=dict)
    sent: list[PlannedCommand] = field(default_factory=list)

    @classmethod
    async def prepare(cls, environment: BenchEnvironment, size: StoredSize, seed: int) -> "GrowthPoint":
        """Create the schema with a worker, and fill it."""
        run = await environment.create_run("growth")
        async with worker.run_worker(run) as process:
            await process.wait_ready()
        connection = await run.connect_database()
        try:
            await stored_rows.fill_tables(connection, size)
        finally:
            await connection.close()
        return cls(size, run, Random(seed))  # noqa: S311 - traffic, not secrets

    async def measure_round(self, next_command: Callable[["GrowthPoint"], PlannedCommand]) -> GrowthRound:
        """Measure a new worker with an empty cache that drains what `next_command` returns."""
        began = time.monotonic()
        async with worker.run_worker(self.run) as process:
            await process.wait_ready()
            started = time.monotonic() - began
            process.process.pause()
            commands = [next_command(self) for _ in range(COMMANDS)]
            await self.send(commands)
            measuring = self.run.start_measuring(process.process.pid)
            process.process.resume()
            await self.wait_published(process)
            drained = measuring.finish(len(commands))
            memory = sampling.read_memory(process.process.pid)
        return GrowthRound(started, drained, memory)

    async def find_unexpected(self) -> list[str]:
        """Return a line for each command of all rounds with another outcome than the expected one."""
        return outcomes.find_unexpected(self.sent, await outcomes.read_outcomes(self.run))

    def next_command(self) -> PlannedCommand:
        """Return a command to any stored room, each as likely as the others."""
        return command_mix.next_command(self.room(self.random.randrange(self.size.rooms)))

    def room(self, number: int) -> SimulatedRoom:
        """Return a stored room with the state that the commands so far left."""
        if number not in self.rooms:
            self.rooms[number] = SimulatedRoom(
                stored_rows.room_name(number),
                stored_rows.users_of_room(number, self.size),
                self.random,
                lambda: ids.uuid7(self.random.getrandbits),
            )
        return self.rooms[number]

    async def measure_takeover(self) -> float:
        """Return the seconds from the kill of a worker until another has decided a command of every lane."""
        start_worker = partial(worker.run_worker, self.run, COHOST_SESSION_TIMEOUT_MS=_SESSION_MS)
        async with start_worker() as victim, OutcomeTimes.record(self.run) as arrivals:
            await victim.wait_ready()
            async with start_worker() as other:
                await other.wait_ready()
                killed_at = time.monotonic()
                victim.process.kill()
                probes = self._probe_lanes()
                await self.send(probes)
                waiting = {probe.id for probe in probes}
                await arrivals.wait_for(waiting, _LONGEST_SECONDS)
                return max(arrivals.arrived_at[id_] for id_ in waiting) - killed_at

    async def table_bytes(self) -> dict[str, int]:
        """Return the bytes of each table with its indexes."""
        connection = await self.run.connect_database()
        try:
            return {name: size.bytes for name, size in (await sampling.read_tables(connection)).items()}
        finally:
            await connection.close()

    def _probe_lanes(self) -> list[PlannedCommand]:
        """Return a command for a room of each lane."""
        rooms: dict[int, SimulatedRoom] = {}
        for number in range(self.size.rooms):
            lane = partition_of(stored_rows.room_name(number), DEFAULT_PARTITIONS)
            if lane not in rooms:
                rooms[lane] = self.room(number)
            if len(rooms) == DEFAULT_PARTITIONS:
                break
        return [room.invite_user(room.host_id, expected="invalid_target") for room in rooms.values()]

    async def send(self, commands: Sequence[PlannedCommand]) -> None:
        """Write commands to the topic, and wait until Kafka confirms them."""
        async with traffic_producer.TrafficProducer(
            self.run.bootstrap_servers, self.run.prefix, linger_ms=5
        ) as producer:
            await producer.send_commands(commands)
        self.sent += commands

    async def wait_published(self, process: WorkerProcess) -> None:
        """Wait until every command that was sent is decided, and everything decided is published."""
        ends = Counter(partition_of(command.room_id, DEFAULT_PARTITIONS) for command in self.sent)
        await worker.wait_published(self.run, ends, _LONGEST_SECONDS, process)
